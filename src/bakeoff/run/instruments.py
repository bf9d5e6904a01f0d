"""What watches the engine while it answers: others' use of the processor, peaks of memory, the engine's own counters.

Opened once per session on what answers, then one window around each trial, or around each window of load: one at a
time, started before the request and finished after it, so that nothing is read within the time that is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bakeoff.engines.base import Counters, Counting, Description, Engine
from bakeoff.errors import EngineError
from bakeoff.measurement.load import CpuTimes, cpu_times, others_share
from bakeoff.measurement.meters.base import Stretch, stretches
from bakeoff.results.records import EngineCounts, Metered, Reading
from bakeoff.run.metering import Metering


class Span(Struct, frozen=True, kw_only=True):
    """A request's own times, in ns of the monotonic clock; None: not reached.

    ``begun_ns`` fully sent, ``first_ns`` and ``last_ns`` the first and the last chunk with text, ``end_ns`` the last
    byte. Until the first chunk the engine reads the prompt, from then on it decodes.
    """

    begun_ns: int
    first_ns: int | None = None
    last_ns: int | None = None
    end_ns: int | None = None


class Seen(Struct, frozen=True, kw_only=True):
    """What was seen around one window of time, by the names that Trial and Window have for it."""

    others_cpu: float | None = None
    memory_peak_bytes: int | None = None
    engine_counts: EngineCounts | None = None
    readings: tuple[Reading, ...] = ()

    def fields(self) -> dict[str, Any]:
        """As arguments of a Trial or a Window."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Instruments:
    """All that is read beside the stream, on one engine that is up. ``metered`` is what the run file says of it."""

    def __init__(self, engine: Engine, about: Description, metering: Metering | None = None) -> None:
        self._engine = engine
        self._pids = about.pids
        self._counted: Counters | None = None
        self._cpu: CpuTimes | None = None
        self._meters = metering.set_for(engine, about) if metering is not None else None
        self._throttles = metering.throttles_for(engine, about) if metering is not None else None
        self.metered: Metered | None = metering.metered(self._meters) if metering and self._meters else None

    async def __aenter__(self) -> Self:
        if self._meters is not None:
            self._meters.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._meters is not None:
            self._meters.close()

    async def start(self) -> None:
        """Begin a window. Whatever takes time is read first."""
        self._counted = await _counters(self._engine)
        if self._meters is not None:
            self._meters.start()
        self._cpu = cpu_times(self._pids)

    async def finish(self, span: Span | None = None, since_ns: int | None = None) -> Seen:
        """End the window. ``span`` is the request in it, or all of many; None where its time was invented.

        ``since_ns``: meters of power also tell of the time from then to its end, as of a ``block``.
        """
        cpu = cpu_times(self._pids)
        readings = self._meters.finish(_stretches(span, since_ns)) if self._meters is not None else ()
        return Seen(
            others_cpu=others_share(self._cpu, cpu),
            memory_peak_bytes=_peak(readings),
            readings=readings,
            engine_counts=_counts(self._counted, await _counters(self._engine)),
        )

    def throttled(self) -> str | None:
        """Why the device holds itself back just now, in words; None where it does not, or nothing tells."""
        return self._throttles.reason() if self._throttles is not None else None


def _peak(readings: Sequence[Reading]) -> int | None:
    """The most that the engine's processes held, where the system tells it of processes."""
    peaks = [reading.high for reading in readings if reading.scope == "process" and reading.quantity == "memory_bytes"]
    return next((round(peak) for peak in peaks if peak is not None), None)


def _stretches(span: Span | None, since_ns: int | None) -> tuple[Stretch, ...]:
    if span is None:
        return ()
    found = stretches(span.begun_ns, span.first_ns, span.last_ns, span.end_ns)
    if not found or since_ns is None or span.end_ns is None:
        return found
    return (*found, Stretch("block", since_ns, span.end_ns))


async def _counters(engine: Engine) -> Counters | None:
    """The engine's own counters, where it has any and can be asked now."""
    if not isinstance(engine, Counting):
        return None
    try:
        return await engine.counters()
    except EngineError:
        return None


def _counts(before: Counters | None, after: Counters | None) -> EngineCounts | None:
    return before.until(after) if before and after else None
