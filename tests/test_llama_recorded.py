"""What a real llama-server sent and wrote, replayed.

Recorded from llama-server b11434 on a processor with two cores, SmolLM2-135M-Instruct Q4_1, a context of 2048:
one chat completion of 16 tokens, one completion of 12 tokens after 8 token ids, and the log of the load.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.engines.base import Begun, Prompt, Request, StreamEvent
from bakeoff.engines.connections import Connections
from bakeoff.engines.contract import chunks_of, finished_of, request
from bakeoff.engines.llama_log import read_load
from bakeoff.engines.llama_server import stream_llama
from bakeoff.results.records import EngineTimings, Usage
from tests.servers import chunked, run, saying, serving

DATA = Path(__file__).parent / "data"
MIB = 2**20


def replayed(file: str, asked: Request) -> list[StreamEvent]:
    """The recorded events, each in a chunk of its own."""
    events = (DATA / file).read_bytes().split(b"\n\n")
    answer = saying(chunked(*(event + b"\n\n" for event in events if event)))

    async def main() -> list[StreamEvent]:
        async with serving(answer) as (url, _):
            return [event async for event in stream_llama(Connections(url), asked, "smollm2")]

    return run(main())


def test_a_chat_stream_has_its_text_its_counts_and_its_timings() -> None:
    events = replayed("stream-llama-server-b11434.sse", request(max_tokens=16))
    assert isinstance(events[0], Begun)
    chunks, finished = chunks_of(events), finished_of(events)
    assert "".join(chunk.text for chunk in chunks) == (
        "The number of times you can count to ten is a classic example of a mathematical"
    )
    assert [chunk.tokens for chunk in chunks] == list(range(1, 17))
    assert finished.finish == "length"
    assert finished.usage == Usage(prompt_tokens=26, cached_tokens=0, output_tokens=16)
    assert finished.timings == EngineTimings(prefill_tokens=26, prefill_s=296.602 / 1e3, decode_s=531.051 / 1e3)


def test_the_engines_own_rate_is_that_of_the_intervals_between_its_tokens() -> None:
    timings = finished_of(replayed("stream-llama-server-b11434.sse", request(max_tokens=16))).timings
    assert timings.decode_s is not None
    assert 15 / timings.decode_s == pytest.approx(28.24587469000152)  # its predicted_per_second


def test_a_stream_of_token_ids_has_the_same() -> None:
    asked = Request(prompt=Prompt(token_ids=tuple(range(1000, 1008))), max_tokens=12)
    events = replayed("completion-llama-server-b11434.sse", asked)
    chunks, finished = chunks_of(events), finished_of(events)
    counts = [chunk.tokens for chunk in chunks]
    assert (counts[0], counts[-1]) == (1, 12)
    assert finished.finish == "length"
    assert finished.usage == Usage(prompt_tokens=8, cached_tokens=0, output_tokens=12)
    assert finished.timings == EngineTimings(prefill_tokens=8, prefill_s=145.432 / 1e3, decode_s=146.353 / 1e3)


def test_the_log_of_a_load_tells_where_the_model_went() -> None:
    loaded = read_load((DATA / "log-llama-server-b11434.txt").read_text())
    assert {(part.what, part.device): round(part.bytes / MIB, 2) for part in loaded.memory} == {
        ("weights", "CPU_Mapped"): 92.1,
        ("output", "CPU"): 0.19,
        ("kv_cache", "CPU"): 45.0,
        ("compute", "CPU"): 16.64,
    }
    assert (loaded.layers_on_gpu, loaded.device) == (None, "cpu")
