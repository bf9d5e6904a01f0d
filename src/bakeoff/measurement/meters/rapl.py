"""Processor packages of Intel and AMD: the energy counters (RAPL) that Linux shows under ``powercap``.

They count in microjoules and begin again at ``max_energy_range_uj``. Since Linux 5.10 only root may read them.
"""

from __future__ import annotations

import re

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.kernel import KERNEL, Kernel
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter
from bakeoff.results.records import MeterState

NAME = "power of processor packages"
GRANT = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
"""Until the next start of the machine."""
_TOLD_BY = "the processor's energy counter (RAPL)"
_ZONES = "/sys/class/powercap/intel-rapl:*"
_PACKAGE = re.compile(r"intel-rapl:\d+$")
_UPDATE_S = 0.001
_QUANTUM_J = 6.1e-5
"""Intel's manual, volume 3B: counts of 1/2^14 J, about every millisecond."""


class Rapl:
    """Every package, each a meter."""

    name = NAME

    def __init__(self, kernel: Kernel = KERNEL) -> None:
        self._kernel = kernel

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (a package is the machine's)
        zones = [path for path in self._kernel.paths(_ZONES) if _PACKAGE.search(path)]
        packages = [(path, name) for path in zones if (name := self._name(path)).startswith("package")]
        if not packages:
            return (self._none(),)
        return tuple(self._one(path, name) for path, name in packages)

    def _one(self, path: str, name: str) -> Running:
        state = self._kernel.state(f"{path}/energy_uj")
        if state == "denied":
            return Absent(NAME, "package", "power_w", "denied", "only root may read its energy counter", GRANT)
        if state == "missing" or self._kernel.number(f"{path}/energy_uj") is None:
            return Absent(NAME, "package", "power_w", "missing", f"{name} has no energy counter")
        most = self._kernel.number(f"{path}/max_energy_range_uj")
        counter = Counter(wraps_at_j=most / 1e6 if most else None, period_s=_UPDATE_S, quantum_j=_QUANTUM_J)
        ready = MeterState(name=NAME, scope="package", quantity="power_w", state="ready", method=_TOLD_BY, rate_hz=10.0)
        return PowerMeter(ready, RaplSource(self._kernel, path), told_by=_TOLD_BY, counter=counter, detail=name)

    def _name(self, path: str) -> str:
        return (self._kernel.text(f"{path}/name") or "").strip()

    def _none(self) -> Absent:
        cpuinfo = self._kernel.text("/proc/cpuinfo") or ""
        if "hypervisor" in cpuinfo:
            reason, fix = "a virtual machine shows no energy counters", ""
        elif "GenuineIntel" in cpuinfo or "AuthenticAMD" in cpuinfo:
            reason, fix = "the kernel shows no energy counters", "sudo modprobe intel_rapl_msr"
        else:
            reason, fix = "this processor has no energy counters that we know", ""
        return Absent(NAME, "package", "power_w", "missing", reason, fix)


class RaplSource:
    """One package."""

    def __init__(self, kernel: Kernel, path: str) -> None:
        self._kernel, self._file = kernel, f"{path}/energy_uj"

    def look(self, counter: bool) -> Look:  # noqa: ARG002 (it is all there is, and cheap)
        """Raises OSError where the right was taken away."""
        return Look(joules=int(self._kernel.read(self._file)) / 1e6)

    def close(self) -> None:
        """Nothing is held open."""
