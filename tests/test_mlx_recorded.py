"""What a real mlx_lm.server sent, replayed.

Recorded from mlx-lm 0.32.2 with mlx 0.32.4 on a processor with two cores, SmolLM2-135M-Instruct in float32: one
chat completion of 16 tokens, and the same once more.
"""

from __future__ import annotations

from pathlib import Path

from bakeoff.engines.base import Begun, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.contract import chunks_of, finished_of
from bakeoff.engines.transport import Connection
from bakeoff.results.records import EngineTimings, Usage
from tests.fakes import FakeMlx
from tests.servers import run, saying, serving

DATA = Path(__file__).parent / "data"


def replayed(file: str) -> list[StreamEvent]:
    """The recorded events under the server's own head: their end is that of the connection."""
    events = (DATA / file).read_bytes().split(b"\n\n")
    answer = saying(FakeMlx.head, *(event + b"\n\n" for event in events if event), close=True)

    async def main() -> list[StreamEvent]:
        async with serving(answer) as (url, _):
            connection = await Connection.open(url)
            try:
                return [event async for event in stream_chat(connection, {}, {})]
            finally:
                await connection.close()

    return run(main())


def test_a_stream_has_its_text_and_its_counts_and_no_times_of_its_own() -> None:
    events = replayed("stream-mlx-lm-0.32.2.sse")
    assert isinstance(events[0], Begun)
    assert [chunk.text for chunk in chunks_of(events)] == [
        "The", " number", " of", " times", " you", " can", " count", " to", " ten", " is", " a", " classic",
        " example", " of", " a", " mathematical",
    ]  # fmt: skip
    finished = finished_of(events)
    assert finished.finish == "length"
    assert finished.usage == Usage(prompt_tokens=26, cached_tokens=0, output_tokens=16)
    assert finished.timings == EngineTimings()


def test_the_same_prompt_again_comes_from_its_cache_but_for_one_token_and_it_says_so() -> None:
    finished = finished_of(replayed("stream-mlx-lm-0.32.2-again.sse"))
    assert finished.usage == Usage(prompt_tokens=26, cached_tokens=25, output_tokens=16)


def test_comment_lines_carry_no_time_and_no_text() -> None:
    recorded = (DATA / "stream-mlx-lm-0.32.2.sse").read_text()
    assert recorded.startswith(": keepalive 0/26\n\n")
    assert "keepalive" not in "".join(chunk.text for chunk in chunks_of(replayed("stream-mlx-lm-0.32.2.sse")))
