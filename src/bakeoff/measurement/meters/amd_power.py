"""AMD GPUs, through AMD's library: the energy counter times its resolution, and the socket's power.

Not seen on real hardware. Fields as in AMD SMI's Python reference; the counter's is ``energy_accumulator`` from 6.2.1
on, ``power`` before.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.kernel import KERNEL, Kernel
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter, Watts
from bakeoff.results.records import MeterState
from bakeoff.units import one_line

NAME = "power of AMD GPUs"
_TOLD_BY = "AMD's library: energy counter and socket power"
_KFD = "/sys/class/kfd/kfd/topology/nodes"
_POWERS = ("current_socket_power", "average_socket_power", "socket_power")
_COUNTERS = ("energy_accumulator", "power")
_UPDATE_S = 0.1


def load() -> Any:
    """The module. Without the driver importing it raises KeyError, or OSError, rather than ImportError."""
    return importlib.import_module("amdsmi")


class AmdPower:
    """Every AMD GPU, each a meter."""

    name = NAME

    def __init__(self, kernel: Kernel = KERNEL, load: Callable[[], Any] = load) -> None:
        self._kernel, self._load = kernel, load

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (the library does not say who uses one)
        here = bool(self._kernel.paths(_KFD))
        try:
            library = self._load()
        except (ImportError, KeyError, OSError) as error:
            if not here:
                return (_absent("no AMD driver is loaded"),)
            lacks = isinstance(error, ImportError)
            words = "it is not installed" if lacks else f"it does not load ({type(error).__name__})"
            return (_absent(f"an AMD driver is here, but its Python library is not usable: {words}",
                            "pip install amdsmi"),)  # fmt: skip
        try:
            library.amdsmi_init()
            handles = list(library.amdsmi_get_processor_handles())
        except (library.AmdSmiException, OSError, KeyError) as error:
            reason = f"AMD's library refuses: {one_line(str(error))[:100]}"
            return (Absent(NAME, "gpu", "power_w", "denied" if here else "missing", reason,
                           "sudo usermod -a -G render,video $LOGNAME" if here else ""),)  # fmt: skip
        found = tuple(_one(library, number, handle) for number, handle in enumerate(handles))
        return found or (_absent("AMD's library shows no GPU"),)


def _one(library: Any, number: int, handle: Any) -> Running:
    source = AmdSource(library, handle)
    look = source.look(True)
    if look.joules is None and look.watts is None:
        return _absent(f"GPU {number} tells neither its power nor its energy")
    state = MeterState(name=NAME, scope="gpu", quantity="power_w", state="ready", method=_TOLD_BY, rate_hz=10.0)
    counter, watts = Counter(period_s=_UPDATE_S, quantum_j=2e-5), Watts(period_s=_UPDATE_S)
    return PowerMeter(state, source, told_by=_TOLD_BY, counter=counter, watts=watts, detail=f"GPU {number}")


class AmdSource:
    """One GPU by its handle."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library, self._handle = library, handle

    def look(self, counter: bool) -> Look:
        return Look(self._joules() if counter else None, self._watts())

    def _joules(self) -> float | None:
        told = self._ask("amdsmi_get_energy_count")
        count = next((value for name in _COUNTERS if (value := number(told.get(name))) is not None), None)
        micro = number(told.get("counter_resolution"))
        return None if count is None or micro is None else count * micro / 1e6

    def _watts(self) -> float | None:
        told = self._ask("amdsmi_get_power_info")
        return next((value for name in _POWERS if (value := number(told.get(name)))), None)

    def _ask(self, question: str) -> dict[str, Any]:
        try:
            return dict(getattr(self._library, question)(self._handle))
        except self._library.AmdSmiException:
            return {}

    def close(self) -> None:
        """The library stays loaded."""


def number(value: Any) -> float | None:
    """What is told as a number; what does not apply is told as ``N/A``."""
    try:
        told = float(value)
    except (TypeError, ValueError):
        return None
    return told if math.isfinite(told) and told >= 0 else None


def _absent(reason: str, fix: str = "") -> Absent:
    return Absent(NAME, "gpu", "power_w", "missing", reason, fix)
