"""The meter of anything that tells power or energy: what it read becomes joules and watts of windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from bakeoff.clock import now_ns
from bakeoff.measurement.meters.base import Stretch
from bakeoff.measurement.meters.trace import Counter, Energy, Watts
from bakeoff.results.records import MeterState, Reading
from bakeoff.units import seconds_text

COUNTER = "hardware counter"
INTEGRAL = "integral of samples"
"""How the methods of energies begin; a window may have one reading of each, the better first."""
_COUNTER_SHARE = 0.002
"""Of one core, for reading a counter beside the power: NVIDIA's takes 2 ms and more."""


class Look(Struct, frozen=True):
    """What an instrument told at once. ``note`` is why there is nothing, or what makes it useless."""

    joules: float | None = None
    watts: float | None = None
    note: str = ""


class Source(Protocol):
    """One instrument. What it raises is caught."""

    def look(self, counter: bool) -> Look:
        """Read it; ``counter``: the energy too, where that costs extra."""
        ...

    def close(self) -> None: ...


class PowerMeter:
    """One instrument, read now and then, and its readings of windows.

    ``averaged_s`` is over how long a reading of power is averaged, ``period_s`` from one update of the counter to the
    next. ``told_by`` says in words who tells, ``detail`` which device it is.
    """

    def __init__(
        self,
        state: MeterState,
        source: Source,
        *,
        told_by: str,
        counter: Counter | None = None,
        watts: Watts | None = None,
        detail: str = "",
        remote: bool = False,
        now: Callable[[], int] = now_ns,
    ) -> None:
        self.state, self.remote = state, remote
        self._source, self._told_by, self._detail, self._now = source, told_by, detail, now
        self._counter, self._watts = counter or Counter(), watts or Watts()
        self._notes: deque[tuple[int, str]] = deque(maxlen=1000)
        self._looks: deque[int] = deque(maxlen=1 << 16)
        self._counter_due_ns = 0

    def start(self) -> None:
        """Begin a window: read once, so that its edge is known."""
        if not self.remote:
            self._look(counter=True)

    def sample(self) -> None:
        """Read once; the counter only where that is cheap, or its turn has come."""
        self._look(counter=self._now() >= self._counter_due_ns)

    def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:
        """End the window: energy and power of each stretch, None where it is too short for this instrument."""
        if not self.remote:
            self._look(counter=True)
        return tuple(reading for stretch in stretches for reading in self._readings(stretch))

    def close(self) -> None:
        """Let the instrument go."""
        self._source.close()

    def _look(self, *, counter: bool) -> None:
        began = self._now()
        look = self._source.look(counter)
        ended = self._now()
        at_ns = (began + ended) // 2
        if look.note:
            self._notes.append((at_ns, look.note))
        else:
            self._looks.append(at_ns)
        if look.watts is not None:
            self._watts.add(at_ns, look.watts)
        if look.joules is not None:
            self._counter.add(at_ns, look.joules)
            self._counter_due_ns = ended + round((ended - began) / _COUNTER_SHARE)

    def _readings(self, stretch: Stretch) -> Iterator[Reading]:
        start, end = stretch.start_ns, stretch.end_ns
        note = next((note for at, note in reversed(self._notes) if start <= at <= end), "")
        if note:
            if any(start <= at <= end for at in self._looks):
                yield self._energy(stretch, None, note=note)
            return
        steady = stretch.phase == "idle"
        counted, summed = self._counter.energy(start, end), self._watts.energy(start, end)
        known = [(way, energy) for way, energy in ((COUNTER, counted), (INTEGRAL, summed)) if energy is not None]
        fine = [(way, energy) for way, energy in known if energy.fine or (steady and energy.samples > 1)]
        for way, energy in fine:
            yield self._energy(stretch, energy, way)
        if known and not fine:
            yield self._energy(stretch, None, note=_too_short(stretch, [energy for _, energy in known]))
        elif not fine and any(start <= at <= end for at in self._looks):
            reset = self._counter.was_reset(start, end)
            yield self._energy(stretch, None, note="the counter was reset" if reset else "it told nothing that changed")
        yield from self._power(stretch, fine)

    def _energy(self, stretch: Stretch, energy: Energy | None, way: str = "", note: str = "") -> Reading:
        joules = energy.joules if energy else None
        half = energy.half_width_j if energy else 0.0
        words = f"{way}: {self._told_by}" if way else self._told_by
        return Reading(
            meter=self.state.name,
            scope=self.state.scope,
            quantity="energy_j",
            phase=stretch.phase,
            value=joules,
            low=None if joules is None else max(0.0, joules - half),
            high=None if joules is None else joules + half,
            span_s=stretch.span_s,
            samples=energy.samples if energy else None,
            method=words,
            detail="; ".join(part for part in (self._detail, note) if part),
        )

    def _power(self, stretch: Stretch, energies: Sequence[tuple[str, Energy]]) -> Iterator[Reading]:
        """Mean power, by the better of the energies, and the least and most that was read."""
        if not energies:
            return
        seen = self._watts.within(stretch.start_ns, stretch.end_ns)
        way, energy = energies[0]
        yield Reading(
            meter=self.state.name,
            scope=self.state.scope,
            quantity="power_w",
            phase=stretch.phase,
            value=energy.joules / stretch.span_s,
            low=min(seen, default=None),
            high=max(seen, default=None),
            span_s=stretch.span_s,
            samples=len(seen) or None,
            method=f"{way}: {self._told_by}",
            detail=self._detail,
        )


def _too_short(stretch: Stretch, energies: Sequence[Energy]) -> str:
    finest = min(energy.resolution_s for energy in energies)
    return f"{seconds_text(stretch.span_s)} are too short for readings of ±{seconds_text(finest)}"
