"""One window of load: many requests at once, each due at its time, to their records.

With streams (a closed loop), each sends its next request when its last one is answered. It begins with an answer of a
length of its own, so that the streams do not march in step; then the counted requests are dealt out as streams come
free; and until the last of them has ended, further ones keep the load up, and are cut off then.

At a rate (an open loop), requests are due by their own schedule, whatever becomes of the others. Those before the
first answer ended find an empty engine, and do not count; then so many count as were asked for; and until the last of
them has ended, more keep coming.

Counted requests are numbered on from window to window, the others within theirs, so that a window that is done again
is the same. Records are made and written when the window is over: nothing is written while streams are read.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from msgspec import Struct, structs

from bakeoff.clock import Clock, WallClock, cpu_s, utc_now
from bakeoff.engines.base import Connecting, Engine, KeepsTime
from bakeoff.engines.reply import HELD_S
from bakeoff.errors import EngineCrashed, EngineError
from bakeoff.measurement.load_metrics import CUT, steady
from bakeoff.results.records import Purpose, Trial, Window
from bakeoff.run.asking import Session
from bakeoff.run.cells import Cell
from bakeoff.run.instruments import Span
from bakeoff.run.rules import Parts
from bakeoff.run.trial import Recorder, perform
from bakeoff.workload.arrivals import due_times, lead_in_tokens
from bakeoff.workload.prompts import trial_seed
from bakeoff.workload.saturation import next_look, overload

FEWEST_FAILURES = 16
"""So many in a row, or twice as many as there are streams, end a window."""
STOPPED = "cut off: its window was ended early"
HELD_NS = 2 * round(HELD_S * 1e9)
"""How long after the end of a window its streams are still read: what came before it may not be handed over yet."""
AHEAD_NS = 250_000_000
"""How long before it is due a request's connection is opened."""


class Loaded(Struct, frozen=True):
    """A window, the records of its requests in the order in which they were sent, and an error that ends it all."""

    window: Window
    trials: tuple[Trial, ...]
    error: EngineError | None


class Load:
    """Measures windows of load."""

    async def window(self, session: Session, cell: Cell) -> Loaded:
        """The cell's next one, under everything that watches. Nothing is kept of one that is interrupted."""
        engine, started = session.engine, utc_now()
        running = _Window(session, cell)
        await session.instruments.start()
        async with _connected(engine, cell.opened.workload.concurrency):
            with _undisturbed():
                before_s = cpu_s()
                await running.run()
                client_s = cpu_s() - before_s
        invented, span_ns = isinstance(engine, KeepsTime), running.over_ns - running.zero_ns
        span = None if invented else Span(begun_ns=running.zero_ns, end_ns=running.over_ns)
        seen = await session.instruments.finish(span)
        window = Window(
            cell=cell.opened.cell,
            index=len(cell.windows),
            purpose="timed",
            started=started,
            span_ns=span_ns,
            client_cpu=None if invented or not span_ns else client_s * 1e9 / span_ns,
            stopped=running.stopped,
            **seen.fields(),
        )
        return Loaded(window, running.records(), running.error)

    def parts(self, window: Window, trials: Sequence[Trial]) -> Parts | None:
        """Tokens and seconds of its total rate; None: not one token came."""
        found = steady(window, trials, None)
        return (found.tokens, found.span_s) if found is not None and found.tokens else None


@asynccontextmanager
async def _connected(engine: Engine, streams: int) -> AsyncIterator[None]:
    """With a connection for each stream, where the engine can open them before."""
    if not isinstance(engine, Connecting):
        yield
        return
    try:
        with suppress(EngineError):  # a request will meet the same, and its record tell it
            await engine.ready(streams)
        yield
    finally:
        await engine.ready(0)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without pauses of our own to collect garbage, of which streams make none."""
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Asked(Struct, eq=False):
    """One request, while it runs and after. ``error`` is what ended it before its time."""

    recorder: Recorder
    stream: int | None
    due_ns: int
    ended_ns: int | None = None
    error: str | None = None


class _Over(Exception):
    """Ends all that still runs."""


class _Window:
    """A window while it runs. Its times are of ``clock``; it goes from ``zero_ns`` to ``over_ns``."""

    def __init__(self, session: Session, cell: Cell) -> None:
        self._session = session
        self._opened = cell.opened
        self._workload = cell.opened.workload
        self._index = len(cell.windows)
        self._counted_before = cell.counted
        self._wanted = self._workload.requests or self._workload.concurrency
        self.clock: Clock = session.engine.clock if isinstance(session.engine, KeepsTime) else WallClock()
        self.zero_ns = self.over_ns = self.clock.now_ns()
        self.stopped: str | None = None
        self.error: EngineError | None = None
        self._all: list[_Asked] = []
        self._dealt: dict[Purpose, int] = {"timed": 0, "warm-up": 0}
        self._counted_ended = self._failures = self._waiting = 0
        self._any_ended = False
        self._lead_in = 0
        self._look_at = next_look(0)
        self._over = asyncio.Event()

    async def run(self) -> None:
        """From the first request until the last counted one has ended, or it makes no sense to go on."""
        self.zero_ns = self.clock.now_ns()
        rate = self._workload.rate_rps
        try:
            async with asyncio.TaskGroup() as group:
                if rate is not None:
                    group.create_task(self._arrivals(rate, group))
                else:
                    for stream in range(self._workload.concurrency):
                        group.create_task(self._stream(stream))
                await self._over.wait()
                await self.clock.until(self.over_ns + HELD_NS)
                raise _Over
        except* _Over:
            pass

    def records(self) -> tuple[Trial, ...]:
        """Of every request, but for those that the end came before."""
        return tuple(
            self._record(asked) for asked in self._all if asked.recorder.begun_ns is not None or asked.error != CUT
        )

    async def _stream(self, stream: int) -> None:
        """One request after the other: its lead-in, counted ones, and what keeps the load up."""
        workload = self._workload
        tokens = lead_in_tokens(stream, workload.concurrency, workload.max_tokens)
        due_ns = await self._ask("warm-up", self.zero_ns, stream, tokens)
        while not self._over.is_set():
            due_ns = await self._ask(self._next_purpose(), due_ns, stream)

    async def _arrivals(self, rate_rps: float, group: asyncio.TaskGroup) -> None:
        """Each request comes when it is due, whatever became of those before it."""
        seed = trial_seed(self._session.seed, self._opened.cell, "arrivals", self._index)
        for since_ns in due_times(self._workload.arrival, rate_rps, seed):
            due_ns = self.zero_ns + since_ns
            await self.clock.until(due_ns - AHEAD_NS)
            group.create_task(self._arrive(due_ns))

    async def _arrive(self, due_ns: int) -> None:
        self._waiting += 1
        if isinstance(self._session.engine, Connecting):
            with suppress(EngineError):
                await self._session.engine.ready(self._waiting)
        await self.clock.until(due_ns)
        self._waiting -= 1
        await self._ask(self._next_purpose() if self._any_ended else "warm-up", due_ns, None)

    def _next_purpose(self) -> Purpose:
        return "timed" if self._dealt["timed"] < self._wanted else "warm-up"

    async def _ask(self, purpose: Purpose, due_ns: int, stream: int | None, max_tokens: int | None = None) -> int:
        """Send one request and take its stream; give the time at which it ended."""
        counts = purpose == "timed"
        index = self._dealt[purpose] + (self._counted_before if counts else 0)
        self._dealt[purpose] += 1
        request = self._session.request(self._opened, purpose if counts else f"window {self._index}", index)
        if max_tokens is not None:
            request = structs.replace(request, max_tokens=max_tokens)
        asked = _Asked(Recorder(self._opened.cell, index, purpose, request.seed), stream, due_ns)
        self._lead_in += not self._any_ended
        self._all.append(asked)
        self._look(due_ns)
        try:
            error = await perform(asked.recorder, self._session.engine, request)
        except asyncio.CancelledError:
            asked.error = STOPPED if purpose == "timed" else CUT
            raise
        ended_ns = asked.recorder.ended_ns
        asked.ended_ns = self.clock.now_ns() if ended_ns is None else ended_ns
        asked.error = str(error) if error is not None else None
        self._ended(purpose, error)
        return asked.ended_ns

    def _ended(self, purpose: Purpose, error: EngineError | None) -> None:
        """Whether that was enough."""
        self._any_ended = True
        self._counted_ended += purpose == "timed"
        self._failures = self._failures + 1 if error is not None else 0
        if isinstance(error, EngineCrashed):
            self.error = error
        hopeless = self._failures >= max(FEWEST_FAILURES, 2 * self._workload.concurrency)
        if self.error is not None or hopeless or self._counted_ended == self._wanted:
            self._end()

    def _look(self, newest_due_ns: int) -> None:
        """Every so often, whether requests at a rate come faster than they are answered."""
        if self._workload.rate_rps is None or len(self._all) < self._look_at or self._over.is_set():
            return
        self._look_at = next_look(len(self._all))
        due, ended = [each.due_ns for each in self._all], [each.ended_ns for each in self._all]
        words = overload(due, ended, self._lead_in, newest_due_ns)
        if words is not None:
            self.stopped = words
            self._end()

    def _end(self) -> None:
        if not self._over.is_set():
            self.over_ns = self.clock.now_ns()
            self._over.set()

    def _record(self, asked: _Asked) -> Trial:
        opens_thinking = self._session.about.opens_thinking
        trial = asked.recorder.trial(opens_thinking=opens_thinking, keep_text=False, error=asked.error)
        begun_ns = asked.recorder.begun_ns
        return structs.replace(
            trial,
            window=self._index,
            stream=asked.stream,
            due_ns=asked.due_ns - self.zero_ns,
            begun_ns=None if begun_ns is None else begun_ns - self.zero_ns,
        )
