"""What NVIDIA's library tells of one GPU: the memory of some processes, its heat, its clock, what holds it back.

Each function takes the library (``pynvml``) and a GPU's handle, and gives None where that is not told: without the
right, in a container or a GPU instance (MIG) that hides it, on a card that lacks it, or when the GPU is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from msgspec import Struct

_T = TypeVar("_T")
_HOTTEST_C = 130
_SLOWED = (
    ("HwThermalSlowdown", 0x40, "the hardware slows it because it is too hot"),
    ("SwThermalSlowdown", 0x20, "the driver slows it because it is too hot"),
    ("HwPowerBrakeSlowdown", 0x80, "its power supply asks it to brake"),
    ("HwSlowdown", 0x08, "the hardware slows it: heat or power"),
    ("SwPowerCap", 0x04, "it is at its power limit"),
)
"""NVML's reasons for a lower clock that mean it is held back, the gravest first (``nvmlClocksEventReason…``)."""
_POWER_LIMIT = 0x04


class GpuHeat(Struct, frozen=True):
    """One reading; ``reasons`` are NVML's bits."""

    temperature_c: float | None
    fan_share: float | None
    clock_hz: float | None
    reasons: int | None


def memory_of(nvml: Any, handle: Any, pids: Collection[int]) -> int | None:
    """Bytes that these processes hold on the GPU, 0 where none of them uses it; None where the driver hides it.

    Compute and graphics (Vulkan) processes; one that is listed as both counts once.
    """
    total = _asked(nvml, lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total))
    held: dict[int, int] = {}
    lists = 0
    for name in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
        listed = _asked(nvml, lambda name=name: list(getattr(nvml, name)(handle)))  # type: ignore[misc]
        if listed is None:
            continue
        lists += 1
        for process in listed:
            if process.pid not in pids:
                continue
            used = process.usedGpuMemory
            if used is None or (total is not None and not 0 <= used <= total):
                return None
            held[process.pid] = max(held.get(process.pid, 0), int(used))
    return sum(held.values()) if lists else None


def memory_used(nvml: Any, handle: Any) -> int | None:
    """Bytes taken on the whole GPU, by whomever."""
    used = _asked(nvml, lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used))
    return used if used is None or used >= 0 else None


def heat_of(nvml: Any, handle: Any) -> GpuHeat:
    """Everything about its heat at once."""
    temperature = _asked(nvml, lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)))
    fan = _asked(nvml, lambda: int(nvml.nvmlDeviceGetFanSpeed(handle)))
    clock = _asked(nvml, lambda: int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)))
    return GpuHeat(
        temperature_c=float(temperature) if temperature is not None and 0 < temperature < _HOTTEST_C else None,
        fan_share=fan / 100 if fan is not None and 0 <= fan <= 200 else None,
        clock_hz=clock * 1e6 if clock is not None and 0 < clock < 10_000 else None,
        reasons=reasons_of(nvml, handle),
    )


def reasons_of(nvml: Any, handle: Any) -> int | None:
    """NVML's bits; older drivers know the question by another name."""
    for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        ask = getattr(nvml, name, None)
        bits = None if ask is None else _asked(nvml, lambda ask=ask: int(ask(handle)))  # type: ignore[misc]
        if bits is not None:
            return bits
    return None


def slowed_by(reasons: int | None) -> tuple[str, ...]:
    """In words what holds the GPU back, the gravest first; a clock that someone chose, or idleness, does not."""
    return tuple(words for _, bit, words in _SLOWED if (reasons or 0) & bit)


def too_hot(reasons: int | None) -> bool:
    """Whether it is held back by more than its power limit, at which many cards always run."""
    return any((reasons or 0) & bit for _, bit, _ in _SLOWED if bit != _POWER_LIMIT)


def _asked(nvml: Any, question: Callable[[], _T]) -> _T | None:
    """The answer; None for any of the library's errors, and where it lacks the function."""
    try:
        return question()
    except (nvml.NVMLError, AttributeError):
        return None
