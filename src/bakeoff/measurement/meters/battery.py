"""A laptop's battery while it discharges: then it feeds the whole machine, the screen included.

Linux: ``power_now``, else ``current_now`` × ``voltage_now``, of every battery (kernel documentation,
``sysfs-class-power``). macOS: ``InstantAmperage`` × ``Voltage`` of ``AppleSmartBattery``. Not seen on real hardware.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Literal

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.kernel import KERNEL, Kernel
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Watts
from bakeoff.results.records import MeterState

NAME = "discharge of the battery"
ON_MAINS = "on mains: the battery feeds nothing"
_TOLD_BY = "the battery's own gauge"
_UPDATE_S = 2.0
"""Gauges tell a new value every second or two."""
_SUPPLIES = "/sys/class/power_supply/*"

Read = Callable[[], "tuple[Literal['discharging', 'mains'], float | None]"]


class Battery:
    """All batteries together, one meter; on mains it is there, but has no readings."""

    name = NAME

    def __init__(
        self, kernel: Kernel = KERNEL, *, system: str = sys.platform, ioreg: Callable[[], str] | None = None
    ) -> None:
        self._kernel, self._system, self._ioreg = kernel, system, ioreg or read_ioreg

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (it is the machine's)
        read = self._read_mac if self._system == "darwin" else self._read_linux
        there = "AppleSmartBattery" in self._ioreg() if self._system == "darwin" else bool(self._batteries())
        if not there:
            return (Absent(NAME, "system", "power_w", "missing", "this machine has no battery"),)
        source = BatterySource(read)
        feeds, watts = read()
        reason, fix = ("", "") if feeds == "discharging" else (ON_MAINS, "unplug the power adapter")
        if feeds == "discharging" and watts is None:
            reason = "its gauge tells no power"
        state = MeterState(
            name=NAME, scope="system", quantity="power_w", state="missing" if reason else "ready", method=_TOLD_BY,
            rate_hz=0.5 if self._system == "darwin" else 1.0, reason=reason, fix=fix,
        )  # fmt: skip
        watts_read = Watts(period_s=_UPDATE_S)
        return (PowerMeter(state, source, told_by=_TOLD_BY, watts=watts_read, remote=self._system == "darwin"),)

    def _batteries(self) -> list[str]:
        """Those of the machine, not of its mouse."""
        kernel = self._kernel
        kinds = [(path, (kernel.text(f"{path}/type") or "").strip()) for path in kernel.paths(_SUPPLIES)]
        mine = [path for path, kind in kinds if kind == "Battery"]
        return [path for path in mine if (kernel.text(f"{path}/scope") or "").strip() != "Device"]

    def _read_linux(self) -> tuple[Literal["discharging", "mains"], float | None]:
        watts = [self._watts(path) for path in self._batteries() if self._status(path) == "Discharging"]
        known = [each for each in watts if each is not None]
        return "discharging" if watts else "mains", sum(known) if known and len(known) == len(watts) else None

    def _status(self, path: str) -> str:
        return (self._kernel.text(f"{path}/status") or "").strip()

    def _watts(self, path: str) -> float | None:
        """Some drivers give what flows out a minus."""
        power = self._kernel.number(f"{path}/power_now")
        if power:
            return abs(power) / 1e6
        current, voltage = (self._kernel.number(f"{path}/{name}_now") for name in ("current", "voltage"))
        return abs(current * voltage) / 1e12 if current and voltage else None

    def _read_mac(self) -> tuple[Literal["discharging", "mains"], float | None]:
        text = self._ioreg()
        current, voltage = (_number(text, name) for name in ("InstantAmperage", "Voltage"))
        if '"ExternalConnected" = No' not in text:
            return "mains", None
        if current is None or voltage is None:
            return "discharging", None
        signed = current - 2**64 if current >= 2**63 else current
        return "discharging", abs(signed * voltage) / 1e6


class BatterySource:
    """A note wherever the machine is on mains: a window that holds one, beside readings, has no energy."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def look(self, counter: bool) -> Look:  # noqa: ARG002 (a battery counts no energy)
        feeds, watts = self._read()
        if feeds == "mains":
            return Look(note="it went from battery to mains, or back, in the middle")
        return Look(watts=watts)

    def close(self) -> None:
        """Nothing is held open."""


def read_ioreg() -> str:
    """What the system's registry says of the battery; empty where there is none."""
    try:
        done = subprocess.run(
            ["ioreg", "-r", "-n", "AppleSmartBattery"], capture_output=True, timeout=2, check=False, text=True,
            errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout[: 1 << 20]


def _number(text: str, name: str) -> int | None:
    match = re.search(rf'"{name}" = (-?\d{{1,20}})\b', text)
    return int(match[1]) if match else None
