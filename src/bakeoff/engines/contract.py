"""What every engine promises, as tests: subclass ``EngineContract`` and say how to stage the engine.

Nothing here knows an engine by name, so an engine from outside can be held to it too::

    class TestMyEngine(EngineContract):
        faults = ("unreachable", "cut")

        @asynccontextmanager
        async def staged(self, fault):
            yield Stage(MyEngine("tiny"))

It needs pytest, which Bakeoff itself does not bring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from msgspec import Struct

from bakeoff.engines.base import Begun, Chunk, Description, Engine, Finished, Prompt, Request, StreamEvent
from bakeoff.errors import (
    BrokenReply,
    EngineCrashed,
    EngineError,
    ModelMissing,
    ServerRefused,
    ServerSilent,
    ServerUnreachable,
)
from bakeoff.units import plain_text

FAULTS: dict[str, tuple[type[EngineError], str]] = {
    "unreachable": (ServerUnreachable, "answers|refused"),
    "no such model": (ModelMissing, "other"),
    "refused": (ServerRefused, "500.*out of memory"),
    "error in the stream": (ServerRefused, "out of memory"),
    "broken": (BrokenReply, "not its protocol"),
    "cut": (BrokenReply, "in the middle of the reply|before the server said that it was done"),
    "ended early": (BrokenReply, "before the server said that it was done"),
    "no stream": (BrokenReply, "not its protocol|before the server said that it was done"),
    "silent": (ServerSilent, "Nothing came"),
    "crashed": (EngineCrashed, "ended by itself"),
}
"""Each way to fail: the error that it is, and words that its sentence holds."""

BEFORE_THE_FAULT = 2
"""So many tokens come before a fault that strikes inside a stream."""
IN_THE_STREAM = ("error in the stream", "broken", "cut", "ended early", "silent", "crashed")

ENDLESS = 1_000_000_000
PATIENCE_S = 30.0


T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on asyncio's own loop."""
    with asyncio.Runner() as runner:
        return runner.run(main)


async def _nothing() -> None:
    return None


class Stage(Struct):
    """An engine not yet entered, and the strings behind it.

    ``arm`` makes the next stream fail as staged; ``idle`` returns once nothing is being generated.
    """

    engine: Engine
    arm: Callable[[], None] = lambda: None
    idle: Callable[[], Awaitable[None]] = _nothing


def request(text: str = "Count to ten.", *, max_tokens: int = 8, mark: str = "first") -> Request:
    """A short request with a system message of its own."""
    prompt = Prompt(text=text, system=f"{mark} is the reference of this request.")
    return Request(prompt=prompt, max_tokens=max_tokens, context=1024)


class EngineContract:
    """The promises. ``faults`` names those of ``FAULTS`` that can be staged; ``secrets`` are never shown."""

    faults: ClassVar[tuple[str, ...]] = ()
    secrets: ClassVar[tuple[str, ...]] = ()
    endless: ClassVar[int] = ENDLESS

    def staged(self, fault: str | None) -> AbstractAsyncContextManager[Stage]:
        """Set the scene; ``fault`` is what is to go wrong."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "fault" in metafunc.fixturenames:
            metafunc.parametrize("fault", type(self).faults)

    def streams(self, *requests: Request) -> tuple[Description, list[list[StreamEvent]]]:
        """Enter the engine, take these streams whole one after the other, leave it."""

        async def main() -> tuple[Description, list[list[StreamEvent]]]:
            async with self.staged(None) as stage, stage.engine as engine:
                return engine.describe(), [[event async for event in engine.stream(asked)] for asked in requests]

        return run(main())

    def test_it_describes_itself_once_entered(self) -> None:
        about, _ = self.streams()
        assert about.engine
        assert about.model.name
        assert msgspec.json.decode(msgspec.json.encode(about), type=Description) == about

    def test_a_stream_is_begun_then_chunks_then_finished(self) -> None:
        _, (events,) = self.streams(request())
        assert isinstance(events[0], Begun)
        assert len(events) > 2
        assert all(isinstance(event, Chunk) for event in events[1:-1])
        assert isinstance(events[-1], Finished)
        assert events[-1].finish

    def test_every_chunk_carries_text_or_reasoning(self) -> None:
        _, (events,) = self.streams(request())
        assert all(chunk.text or chunk.reasoning for chunk in chunks_of(events))

    def test_time_never_runs_backwards(self) -> None:
        _, (events,) = self.streams(request())
        assert all(a.at_ns <= b.at_ns for a, b in pairwise(events))

    def test_it_generates_no_more_than_asked_and_exactly_that_where_it_claims_to(self) -> None:
        about, (events,) = self.streams(request(max_tokens=40))
        finished = finished_of(events)
        if finished.usage.output_tokens is not None:
            assert 0 < finished.usage.output_tokens <= 40
        if about.capabilities.exact_length:
            assert (finished.usage.output_tokens, finished.finish) == (40, "length")

    def test_the_running_count_never_falls_and_ends_at_most_at_the_whole(self) -> None:
        _, (events,) = self.streams(request(max_tokens=40))
        counts = [chunk.tokens for chunk in chunks_of(events) if chunk.tokens is not None]
        assert counts == sorted(counts)
        whole = finished_of(events).usage.output_tokens
        assert not counts or whole is None or 1 <= counts[0] <= counts[-1] <= whole

    def test_its_own_accounts_agree_with_each_other(self) -> None:
        _, streams = self.streams(request(mark="first"), request(mark="second"), request(mark="second"))
        for events in streams:
            usage, timings = finished_of(events).usage, finished_of(events).timings
            if usage.prompt_tokens is not None and usage.cached_tokens is not None:
                assert 0 <= usage.cached_tokens < usage.prompt_tokens
                if timings.prefill_tokens is not None:
                    assert timings.prefill_tokens == usage.prompt_tokens - usage.cached_tokens
            if usage.reasoning_tokens is not None and usage.output_tokens is not None:
                assert 0 <= usage.reasoning_tokens <= usage.output_tokens
            spans = (timings.prefill_s, timings.decode_s, timings.load_s)
            assert all(span >= 0 for span in spans if span is not None)

    def test_a_cache_that_can_be_switched_off_is_off_unless_asked_for(self) -> None:
        about, (_, again) = self.streams(request(), request())
        if about.capabilities.cache_off and about.capabilities.reports_cache:
            assert finished_of(again).usage.cached_tokens == 0

    def test_a_stream_left_early_leaves_nothing_running_and_the_next_one_is_whole(self) -> None:
        async def main() -> list[StreamEvent]:
            async with self.staged(None) as stage, stage.engine as engine:
                before = asyncio.all_tasks()
                async with aclosing(engine.stream(request(max_tokens=self.endless))) as events:  # type: ignore[type-var]
                    async for event in events:
                        if isinstance(event, Chunk):
                            break
                await settled(stage, before)
                return [event async for event in engine.stream(request(mark="second"))]

        assert isinstance(run(main())[-1], Finished)

    def test_an_engine_that_was_left_leaves_nothing_open(self) -> None:
        async def main() -> None:
            async with self.staged(None) as stage:
                before = asyncio.all_tasks()
                async with stage.engine as engine:
                    async for _ in engine.stream(request()):
                        pass
                await settled(stage, before)

        run(main())

    def test_a_cancelled_stream_leaves_nothing_running(self) -> None:
        async def main() -> None:
            async with self.staged(None) as stage, stage.engine as engine:
                before, first = asyncio.all_tasks(), asyncio.Event()

                async def endless() -> None:
                    async for event in engine.stream(request(max_tokens=self.endless)):
                        if isinstance(event, Chunk):
                            first.set()
                            await asyncio.sleep(0)

                task = asyncio.create_task(endless())
                await first.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await settled(stage, before)

        run(main())

    def test_every_fault_is_an_engine_error_with_a_sentence(self, fault: str) -> None:
        kind, words = FAULTS[fault]
        got: list[StreamEvent] = []

        async def main() -> str:
            with pytest.raises(kind, match=words) as caught:
                async with self.staged(fault) as stage:
                    await self._fail(stage, got)
            return str(caught.value)

        sentence = run(main())
        assert plain_text(sentence) == sentence
        assert "\n" not in sentence
        assert 5 <= len(sentence.split()) <= 80
        assert not any(secret in sentence for secret in self.secrets)
        if fault in IN_THE_STREAM:
            assert len(chunks_of(got)) == BEFORE_THE_FAULT

    async def _fail(self, stage: Stage, got: list[StreamEvent]) -> None:
        try:
            async with stage.engine as engine:
                stage.arm()
                async for event in engine.stream(request()):
                    got.append(event)  # noqa: PERF401 (what came before the fault must stay)
        finally:
            async with asyncio.timeout(PATIENCE_S):
                await stage.idle()


async def settled(stage: Stage, before: set[asyncio.Task[Any]]) -> None:
    """Return when nothing is generated and every task is gone that was not there before."""
    async with asyncio.timeout(PATIENCE_S):
        await stage.idle()
        if left := asyncio.all_tasks() - before:
            await asyncio.wait(left)


def chunks_of(events: list[StreamEvent]) -> list[Chunk]:
    """The chunks among the events."""
    return [event for event in events if isinstance(event, Chunk)]


def finished_of(events: list[StreamEvent]) -> Finished:
    """The closing event."""
    assert isinstance(events[-1], Finished)
    return events[-1]
