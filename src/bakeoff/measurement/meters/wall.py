"""Wall plugs as meters: the scope ``wall`` is all that the machine draws, its power supply's loss included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.home_assistant import HomeAssistant
from bakeoff.measurement.meters.plug import BRANDS, NeedsSecret, PlugAddress, PlugError
from bakeoff.measurement.meters.power import PowerMeter, Source
from bakeoff.measurement.meters.shelly import Shelly
from bakeoff.measurement.meters.tasmota import Tasmota
from bakeoff.measurement.meters.trace import Counter, Watts
from bakeoff.results.records import MeterState

NAME = "wall plug"


class Plug(Source, Protocol):
    """A plug that has answered. ``period_s``: from one new reading to the next; ``quantum_j``: its counter's step."""

    rate_hz: float
    period_s: float

    @property
    def quantum_j(self) -> float: ...

    @property
    def described(self) -> str: ...


_MAKE: dict[str, Callable[[PlugAddress], Plug]] = {
    "shelly": Shelly,
    "tasmota": Tasmota,
    "homeassistant": HomeAssistant,
}
assert _MAKE.keys() == BRANDS.keys()


class WallPlug:
    """The outlet that the machine hangs on."""

    name = NAME

    def __init__(self, address: PlugAddress) -> None:
        self._address = address

    def check(self) -> None:
        """Raises PlugError where it cannot be read: better before a run than in it."""
        _MAKE[self._address.brand](self._address).close()

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (it is the machine's)
        try:
            plug = _MAKE[self._address.brand](self._address)
        except PlugError as error:
            denied = isinstance(error, NeedsSecret)
            fix = f"export {BRANDS[self._address.brand]}=…" if denied else ""
            return (Absent(NAME, "wall", "power_w", "denied" if denied else "failed", str(error), fix),)
        told_by = f"{plug.described} over HTTP"
        state = MeterState(
            name=NAME, scope="wall", quantity="power_w", state="ready", method=told_by, rate_hz=plug.rate_hz
        )
        counter = Counter(period_s=plug.period_s, quantum_j=plug.quantum_j)
        watts = Watts(period_s=plug.period_s)
        return (PowerMeter(state, plug, told_by=told_by, counter=counter, watts=watts, remote=True),)
