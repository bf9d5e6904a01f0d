"""What a real vLLM sent, replayed.

Recorded from vLLM 0.32.0 for processors (two cores) with SmolLM2-135M-Instruct in bfloat16 and a context of 1024:
one chat completion of 16 tokens, one completion of 12 tokens after 8 token ids, and lines of ``/metrics`` after both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.engines.base import Begun, Counters, Prompt, Request, StreamEvent
from bakeoff.engines.contract import chunks_of, finished_of, request
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_serve import Served
from bakeoff.engines.vllm_server import VllmServer
from bakeoff.results.records import EngineTimings, Model, Usage
from tests.servers import chunked, run, saying, serving, sized

DATA = Path(__file__).parent / "data"


def replayed(file: str, asked: Request) -> list[StreamEvent]:
    """The recorded events, each in a chunk of its own."""
    events = (DATA / file).read_bytes().split(b"\n\n")
    answer = saying(chunked(*(event + b"\n\n" for event in events if event)))

    async def main() -> list[StreamEvent]:
        async with serving(answer) as (url, _):
            engine = Vllm(Served(name="smollm2", source=""), Model(name="smollm2"), EngineOptions(url=url))
            return [event async for event in engine.stream(asked)]

    return run(main())


def test_a_chat_stream_has_its_text_its_counts_and_its_times() -> None:
    events = replayed("stream-vllm-0.32.0-cpu.sse", request(max_tokens=16))
    assert isinstance(events[0], Begun)
    chunks, finished = chunks_of(events), finished_of(events)
    assert "".join(chunk.text for chunk in chunks) == (
        "The number of times you can count to ten is a classic example of a mathematical"
    )
    assert [chunk.tokens for chunk in chunks] == list(range(1, 17))
    assert finished.finish == "length"
    assert finished.usage == Usage(prompt_tokens=26, cached_tokens=0, output_tokens=16)
    assert finished.timings == EngineTimings(
        prefill_s=72.01178300056199 / 1e3,
        decode_s=738.4982189996663 / 1e3,
        queue_s=0.019719000192708336 / 1e3,
    )


def test_the_engines_own_rate_is_that_of_the_intervals_between_its_tokens() -> None:
    timings = finished_of(replayed("stream-vllm-0.32.0-cpu.sse", request(max_tokens=16))).timings
    assert timings.decode_s is not None
    assert timings.decode_s / 15 == pytest.approx(49.23321459997775e-3)  # its mean_itl_ms


def test_a_stream_of_token_ids_has_the_same() -> None:
    asked = Request(prompt=Prompt(token_ids=tuple(range(1000, 1008))), max_tokens=12)
    events = replayed("completion-vllm-0.32.0-cpu.sse", asked)
    chunks, finished = chunks_of(events), finished_of(events)
    assert "".join(chunk.text for chunk in chunks) == " = None\n    for dist in dist_list:\n        if"
    assert [chunk.tokens for chunk in chunks] == list(range(1, 13))
    assert finished.finish == "length"
    assert finished.usage == Usage(prompt_tokens=8, cached_tokens=0, output_tokens=12)
    assert finished.timings.decode_s == pytest.approx(0.4670905910006695)


def test_its_metrics_have_its_counters() -> None:
    async def main() -> Counters:
        async with serving(saying(sized((DATA / "metrics-vllm-0.32.0-cpu.txt").read_bytes()))) as (url, _):
            return await VllmServer(url, {}).counters()

    assert run(main()) == Counters(
        requests=5, preemptions=0, queue_s=0.00013416899673757143, running=0, waiting=0, kv_cache_used=0.0
    )
