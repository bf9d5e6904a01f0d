"""All meters that are opened on one target: started, sampled and finished together; the idle level of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from msgspec import structs

from bakeoff.clock import now_ns
from bakeoff.measurement.meters.base import Meter, Running, Stretch, Target
from bakeoff.measurement.meters.sampler import PATIENCE_S, Sampler
from bakeoff.results.records import MeterState, Reading
from bakeoff.units import one_line, significant

IDLE_MOST_S = 5
"""So many seconds the idle level is measured at most."""
_AGREE_SHARE, _AGREE_W = 0.05, 0.5
"""Two successive seconds agree where no meter's power differs by more than one of these."""


class MeterSet:
    """Opened meters. One window at a time, from ``start`` to ``finish``; whatever fails in one leaves the others be."""

    def __init__(self, running: Sequence[Running], now: Callable[[], int] = now_ns) -> None:
        self._running, self._now = list(running), now
        self._sampler = Sampler(self._running, now)
        self._broken: dict[int, str] = {}
        self._opened_ns = self._start_ns = now()
        self._closed_ns: int | None = None

    @classmethod
    def open(cls, meters: Sequence[Meter], target: Target) -> Self:
        """All of them on one target."""
        return cls([running for meter in meters for running in meter.open(target)])

    def __enter__(self) -> Self:
        self._opened_ns, self._closed_ns = self._now(), None
        self._sampler.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the sampling, and let the instruments go."""
        self._closed_ns = self._now()
        self._sampler.close()
        for running in self._running:
            if not self._sampler.is_in(running):
                self._safely(running, running.close)

    @property
    def states(self) -> tuple[MeterState, ...]:
        """Each meter as it stands now."""
        return tuple(self._state(running) for running in self._running)

    @property
    def has_power(self) -> bool:
        """Whether any of them tells power, as far as is known now."""
        return any(state.state == "ready" and state.quantity == "power_w" for state in self.states)

    @property
    def cost(self) -> float:
        """Share of one core that sampling takes, or took, while they are open."""
        until_ns = self._now() if self._closed_ns is None else self._closed_ns
        return self._sampler.cost_s / max(1e-9, (until_ns - self._opened_ns) / 1e9)

    def start(self) -> None:
        """Begin a window."""
        self._sampler.mend()
        for running in self._running:
            self._safely(running, running.start)
        self._start_ns = self._now()

    def finish(self, stretches: Sequence[Stretch] = ()) -> tuple[Reading, ...]:
        """End the window; without stretches it is the whole time since it was begun."""
        whole = tuple(stretches) or (Stretch("trial", self._start_ns, self._now()),)
        found: list[Reading] = []
        for running in self._running:
            self._safely(running, lambda running=running: found.extend(running.finish(whole)))  # type: ignore[misc]
        self._sampler.mend()
        return tuple(found)

    def idle(self, wait: Callable[[float], None], most_s: int = IDLE_MOST_S) -> tuple[Reading, ...]:
        """The level of each meter while nothing runs: of two successive seconds that agree, else of ``most_s``."""
        self.start()
        began = before = self._now()
        last: dict[tuple[str, str], float] = {}
        for _ in range(most_s):
            wait(1.0)
            now = self._now()
            power = _powers(self.finish([Stretch("idle", before, now)]))
            if last and last.keys() == power.keys() and all(_agree(last[key], power[key]) for key in last):
                return self._idle_readings(now - 2 * (now - before), now)
            last, before = power, now
        return tuple(_unsteady(reading) for reading in self._idle_readings(began, self._now()))

    def _idle_readings(self, start_ns: int, end_ns: int) -> tuple[Reading, ...]:
        return tuple(reading for reading in self.finish([Stretch("idle", start_ns, end_ns)]) if reading.phase == "idle")

    def _safely(self, running: Running, action: Callable[[], None]) -> None:
        if id(running) in self._broken:
            return
        with self._sampler.holding(running) as free:
            if not free:
                self._broken[id(running)] = self._sampler.failed(running) or f"no answer for {PATIENCE_S:.0f} s"
                return
            try:
                action()
            except Exception as error:
                self._broken[id(running)] = one_line(str(error))[:200] or type(error).__name__

    def _state(self, running: Running) -> MeterState:
        reason = self._broken.get(id(running)) or self._sampler.failed(running)
        return structs.replace(running.state, state="failed", reason=reason) if reason else running.state


def _powers(readings: Sequence[Reading]) -> dict[tuple[str, str], float]:
    return {
        (reading.meter, reading.detail): reading.value
        for reading in readings
        if reading.quantity == "power_w" and reading.value is not None
    }


def _agree(a: float, b: float) -> bool:
    return abs(a - b) <= max(_AGREE_W, _AGREE_SHARE * max(abs(a), abs(b)))


def _unsteady(reading: Reading) -> Reading:
    if reading.low is None or reading.high is None or _agree(reading.low, reading.high):
        return reading
    spread = f"not steady: {significant(reading.low)} to {significant(reading.high)}"
    return structs.replace(reading, detail="; ".join(part for part in (reading.detail, spread) if part))
