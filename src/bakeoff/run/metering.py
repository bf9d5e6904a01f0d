"""The meters of a run: which are wanted, what idling takes before anything runs, and one set of them per engine."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from bakeoff.clock import now_ns
from bakeoff.engines.base import Description, Engine, KeepsTime
from bakeoff.errors import UsageError
from bakeoff.measurement.meters import manual
from bakeoff.measurement.meters.amd_power import AmdPower
from bakeoff.measurement.meters.apple_power import ApplePower
from bakeoff.measurement.meters.base import Meter, Target
from bakeoff.measurement.meters.battery import Battery
from bakeoff.measurement.meters.heat import Throttles
from bakeoff.measurement.meters.machine import MEMORY_AND_HEAT, Surroundings, throttles
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.measurement.meters.nvidia_power import NvidiaPower
from bakeoff.measurement.meters.plug import PlugAddress, PlugError
from bakeoff.measurement.meters.rapl import Rapl
from bakeoff.measurement.meters.wall import WallPlug
from bakeoff.results.records import Metered, Reading
from bakeoff.run.plan import Meters

MANUAL = "manual"

_MEMORY_AND_HEAT: dict[str, Callable[[Surroundings], Meter]] = {kind.name: kind for kind in MEMORY_AND_HEAT}
_POWER: dict[str, Callable[[Surroundings], Meter]] = {
    "nvidia": NvidiaPower,
    "amd": lambda here: AmdPower(here.kernel) if here.kernel is not None else AmdPower(),
    "rapl": lambda here: Rapl(here.kernel) if here.kernel is not None else Rapl(),
    "apple": lambda _: ApplePower(),
    "battery": lambda here: Battery(here.kernel) if here.kernel is not None else Battery(),
}
NAMES = (*_MEMORY_AND_HEAT, *_POWER)
"""What ``--meters`` takes, besides ``auto`` and ``none``."""

Ask = Callable[[str], str]
"""Puts a question to the user and gives the answer; None, in its place, where there is nobody to ask."""


def check(wanted: Meters) -> None:
    """Raises UsageError on a name or an address that is none."""
    strange = [name for name in wanted.names or () if name not in NAMES]
    if strange:
        raise UsageError(f"--meters: there is no meter {strange[0]!r}. Take auto, none, or of {', '.join(NAMES)}.")
    _plug(wanted)


def power_meters(here: Surroundings, wanted: Meters) -> tuple[Meter, ...]:
    """Those that tell power or energy."""
    plug = _plug(wanted)
    return (*_chosen(_POWER, here, wanted), *((plug,) if plug is not None else ()))


def all_meters(here: Surroundings, wanted: Meters) -> tuple[Meter, ...]:
    """Those, and those of memory and heat."""
    return (*_chosen(_MEMORY_AND_HEAT, here, wanted), *power_meters(here, wanted))


class Metering:
    """Made before the first engine is started; ``begin`` is called then, ``end`` after the last one."""

    def __init__(
        self,
        wanted: Meters,
        *,
        ask: Ask | None = None,
        here: Surroundings | None = None,
        wait: Callable[[float], None] = sleep,
        now: Callable[[], int] = now_ns,
    ) -> None:
        self._wanted, self._ask, self._wait, self._now = wanted, ask, wait, now
        self._here = (here or Surroundings()) if wanted.names != () or _plug(wanted) else None
        self._idle: tuple[Reading, ...] = ()
        self._before: tuple[manual.Shown, int] | None = None

    def begin(self, stage: Callable[[str], None]) -> None:
        """Measure the idle level, and ask for the wall meter. Raises UsageError where either cannot be done."""
        plug = _plug(self._wanted)
        if plug is not None:
            try:
                plug.check()
            except PlugError as error:
                raise UsageError(f"--wall: {error}") from None
        if self._here is not None:
            with MeterSet.open(power_meters(self._here, self._wanted), Target()) as meters:
                if meters.has_power:
                    stage("Measuring what the idle machine draws, for 2 to 5 s")
                    self._idle = meters.idle(self._wait)
        if self._wanted.wall == MANUAL:
            if self._ask is None:
                raise UsageError(
                    "--wall manual asks for the wall meter's reading, and here is nobody to ask: run it in a terminal, "
                    "or name a plug."
                )
            shown = manual.asked(self._ask, "What does the wall meter show now, in kWh?")
            self._before = (shown, self._now())

    def end(self) -> Metered | None:
        """What went through the wall meter that is read by hand, where one is."""
        if self._before is None or self._ask is None:
            return None
        before, began_ns = self._before
        after = manual.asked(self._ask, "And now, in kWh?", at_least=before)
        reading = manual.used(before, after, (self._now() - began_ns) / 1e9)
        return Metered(meters=(manual.STATE,), idle=(reading,))

    def set_for(self, engine: Engine, about: Description) -> MeterSet | None:
        """All meters, opened on an engine that is up; none where its time is invented."""
        if self._here is None or isinstance(engine, KeepsTime):
            return None
        return MeterSet.open(all_meters(self._here, self._wanted), _target(about))

    def throttles_for(self, engine: Engine, about: Description) -> Throttles | None:
        """What tells whether the engine's devices hold themselves back; None where no meter is, or time is invented."""
        if self._here is None or isinstance(engine, KeepsTime):
            return None
        return throttles(self._here, _target(about))

    def metered(self, meters: MeterSet) -> Metered:
        """What the run file says of them."""
        return Metered(meters=meters.states, idle=self._idle)


def _plug(wanted: Meters) -> WallPlug | None:
    """The plug, where one was named."""
    return None if wanted.wall in (None, MANUAL) else WallPlug(PlugAddress.parse(wanted.wall))


def _chosen(kinds: dict[str, Callable[[Surroundings], Meter]], here: Surroundings, wanted: Meters) -> tuple[Meter, ...]:
    return tuple(make(here) for name, make in kinds.items() if wanted.names is None or name in wanted.names)


def _target(about: Description) -> Target:
    gpu = about.settings.get("gpu")
    return Target(pids=about.pids, gpu=None if gpu is None else str(gpu), on_gpu=about.device == "gpu")
