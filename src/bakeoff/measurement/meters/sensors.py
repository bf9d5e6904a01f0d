"""Linux's sensors: temperatures of the processor, fans, clocks, and how often it was too hot for its full speed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from bakeoff.measurement.meters.kernel import Kernel

PROCESSOR_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "scpi_sensors", "macsmc_hwmon")
"""Drivers of hwmon that measure the processor."""
_PROCESSOR_ZONES = re.compile(r"x86_pkg_temp|cpu[-_ ]?thermal|cpu.*|soc[-_ ]?thermal|TCPU", re.IGNORECASE)
_LAST_RESORT = ("acpitz",)
_COLDEST_C, _HOTTEST_C = -30.0, 130.0
"""What a processor that runs can have; sensors that are not connected read −274, 0 or 255."""
_MOST_SENSORS = 8
_MOST_CPUS = 16


class Sensor(Struct, frozen=True):
    """A file to read, what its number is multiplied by, and what it measures."""

    path: str
    scale: float
    name: str


class Throttled(Struct, frozen=True):
    """Since boot: how often the processor was slowed because it was too hot, and for how long where it says so."""

    times: int
    ms: int | None

    def reason_until(self, later: Throttled, span_s: float) -> tuple[float, str] | None:
        """Of a span, the share in which it was slowed and why; None where it was not, or a counter ran backwards.

        Kernels before 5.5 count the times alone: the share is then 0.
        """
        times = later.times - self.times
        if times <= 0 and (later.ms is None or self.ms is None or later.ms <= self.ms):
            return None
        ms = None if later.ms is None or self.ms is None else later.ms - self.ms
        share = min(1.0, max(0, ms) / 1000 / span_s) if ms is not None and span_s > 0 else 0.0
        return share, "the processor was too hot"


def temperature_sensors(kernel: Kernel) -> tuple[Sensor, ...]:
    """Those of the processor that read sensibly now: hwmon's, else the thermal zones', else the firmware's."""
    zones = _zones(kernel)
    for group in (
        _hwmon(kernel, "temp", PROCESSOR_CHIPS),
        [zone for zone in zones if _PROCESSOR_ZONES.fullmatch(zone.name)],
        [zone for zone in zones if zone.name in _LAST_RESORT],
    ):
        sound = [sensor for sensor in group if celsius(kernel, sensor) is not None]
        if sound:
            return tuple(_hottest_first(kernel, sound)[:_MOST_SENSORS])
    return ()


def celsius(kernel: Kernel, sensor: Sensor) -> float | None:
    """What it reads; None where it is gone or reads what no processor that runs can have."""
    raw = kernel.number(sensor.path)
    value = None if raw is None else raw * sensor.scale
    return value if value is not None and value != 0 and _COLDEST_C < value < _HOTTEST_C else None


def fan_sensors(kernel: Kernel) -> tuple[Sensor, ...]:
    """All fans that report a speed, in turns a minute."""
    return tuple(_hwmon(kernel, "fan", None, 1.0)[:_MOST_SENSORS])


def turns(kernel: Kernel, sensor: Sensor) -> float | None:
    """Turns a minute; None where it is gone or reads more than fans do."""
    raw = kernel.number(sensor.path)
    return float(raw) if raw is not None and 0 <= raw < 60_000 else None


def clock_files(kernel: Kernel) -> tuple[str, ...]:
    """The current frequency of each processor, of at most 16 spread over all; none in most virtual machines."""
    paths = kernel.paths("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    step = -(-len(paths) // _MOST_CPUS) or 1
    return tuple(paths[::step])


def clock_hz(kernel: Kernel, paths: Sequence[str]) -> float | None:
    """Their mean frequency; sysfs has kilohertz. None where none is told, or none can be one (0, or over 20 GHz)."""
    told = [kernel.number(path) for path in paths]
    sound = [khz * 1000.0 for khz in told if khz is not None and 0 < khz < 20_000_000]
    return sum(sound) / len(sound) if sound else None


def throttled(kernel: Kernel) -> Throttled | None:
    """The worst of all packages; None where the processor does not count (AMD, Arm, most virtual machines)."""
    folders = kernel.paths("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
    times = [kernel.number(f"{folder}/package_throttle_count") for folder in folders]
    spans = [kernel.number(f"{folder}/package_throttle_total_time_ms") for folder in folders]
    counted = [count for count in times if count is not None]
    timed = [ms for ms in spans if ms is not None]
    return Throttled(max(counted), max(timed, default=None)) if counted else None


def _zones(kernel: Kernel) -> list[Sensor]:
    """Thermal zones by their type, in thousandths of a degree."""
    found = []
    for path in kernel.paths("/sys/class/thermal/thermal_zone*/temp"):
        kind = (kernel.text(f"{path.removesuffix('temp')}type") or "").strip()
        found.append(Sensor(path, 0.001, kind))
    return found


def _hwmon(kernel: Kernel, quantity: str, chips: Sequence[str] | None, scale: float = 0.001) -> list[Sensor]:
    """Inputs of one quantity, of some chips or all, named by chip and label."""
    found = []
    for folder in kernel.paths("/sys/class/hwmon/hwmon*"):
        chip = (kernel.text(f"{folder}/name") or "").strip()
        if chips is not None and chip not in chips:
            continue
        for path in kernel.paths(f"{folder}/{quantity}[0-9]*_input"):
            label = (kernel.text(f"{path.removesuffix('_input')}_label") or "").strip()
            found.append(Sensor(path, scale, f"{chip} {label}".strip()))
    return found


def _hottest_first(kernel: Kernel, sensors: Sequence[Sensor]) -> list[Sensor]:
    """Of a processor's many sensors those of the whole package and the hottest, since each costs a reading."""
    return sorted(sensors, key=lambda sensor: -(celsius(kernel, sensor) or 0.0))
