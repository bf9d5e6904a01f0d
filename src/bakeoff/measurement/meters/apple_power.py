"""Apple's chips, through zeus-apple-silicon: what its parts used, by the system's own account; needs no rights.

Not seen on real hardware. ``AppleEnergyMonitor().get_cumulative_energy()`` gives millijoules by part, None where a chip
does not tell one (the library's bindings).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter
from bakeoff.results.records import MeterState
from bakeoff.units import one_line

NAME = "power of the Apple chip"
_PARTS = ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "dram_mj", "ane_mj")
_WORDS = {"cpu_total_mj": "CPU", "gpu_mj": "GPU", "gpu_sram_mj": "GPU memory", "dram_mj": "DRAM", "ane_mj": "ANE"}
_UPDATE_S = 0.1


def load() -> Any:
    """The module; raises ImportError."""
    return importlib.import_module("zeus_apple_silicon")


class ApplePower:
    """The chip: its processors, its GPU, its neural engine and the memory, as far as they are told."""

    name = NAME

    def __init__(self, system: str = sys.platform, load: Callable[[], Any] = load) -> None:
        self._system, self._load = system, load

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (it is the machine's)
        if self._system != "darwin":
            return (_absent("this is no Mac"),)
        try:
            source = AppleSource(self._load().AppleEnergyMonitor())
        except ImportError:
            return (_absent("the package zeus-apple-silicon is missing", "pip install 'bakeoff[apple]'"),)
        except (RuntimeError, OSError) as error:
            return (_absent(f"this Mac does not tell its energy: {one_line(str(error))[:100]}"),)
        if not source.parts:
            return (_absent("this Mac tells the energy of none of its parts"),)
        told_by = f"macOS's energy account of {', '.join(_WORDS[part] for part in source.parts)}"
        state = MeterState(name=NAME, scope="soc", quantity="power_w", state="ready", method=told_by, rate_hz=10.0)
        return (PowerMeter(state, source, told_by=told_by, counter=Counter(period_s=_UPDATE_S, quantum_j=0.001)),)


class AppleSource:
    """The chip's counters; always the same parts are added up."""

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        first = monitor.get_cumulative_energy()
        self.parts = tuple(part for part in _PARTS if getattr(first, part, None) is not None)

    def look(self, counter: bool) -> Look:
        """Only where the counter's turn has come: nothing else is told."""
        if not counter:
            return Look()
        now = self._monitor.get_cumulative_energy()
        return Look(joules=sum(float(getattr(now, part) or 0) for part in self.parts) / 1000)

    def close(self) -> None:
        """Nothing is held open."""


def _absent(reason: str, fix: str = "") -> Absent:
    return Absent(NAME, "soc", "power_w", "missing", reason, fix)
