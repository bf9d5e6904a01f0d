"""A ``pynvml`` module with GPUs that a test sets, and the errors that NVIDIA documents."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

GIB = 1024**3


class NVMLError(Exception):
    """As pynvml's: a number, and its text."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        texts = {3: "Not Supported", 4: "Insufficient Permissions", 9: "Driver Not Loaded", 15: "GPU is lost"}
        return texts.get(self.value, "Unknown Error")


NOT_SUPPORTED, NO_PERMISSION, NOT_LOADED, LOST = (NVMLError(value) for value in (3, 4, 9, 15))


class Gpu:
    """One GPU. A value that is an error is raised when it is asked for; ``processes`` are pid → bytes or None."""

    def __init__(
        self,
        *,
        processes: Any = None,
        graphics: Any = None,
        used: Any = 0,
        total: int = 80 * GIB,
        temperature: Any = 40,
        fan: Any = NOT_SUPPORTED,
        clock: Any = 1980,
        reasons: Any = 0,
        energy_mj: Any = NOT_SUPPORTED,
        instant_mw: Any = NOT_SUPPORTED,
        average_mw: Any = NOT_SUPPORTED,
        uuid: Any = None,
    ) -> None:
        self.uuid = uuid
        self.processes, self.graphics = ({} if p is None else p for p in (processes, graphics))
        self.used, self.total = used, total
        self.temperature, self.fan, self.clock, self.reasons = temperature, fan, clock, reasons
        self.energy_mj, self.instant_mw, self.average_mw = energy_mj, instant_mw, average_mw


class FakeNvml:
    """The library. ``init`` is an error that it raises at once, or None."""

    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    NVML_FI_DEV_POWER_INSTANT = 186
    NVML_SUCCESS = 0

    def __init__(self, *gpus: Gpu, init: NVMLError | None = None) -> None:
        self.gpus, self.init = gpus, init
        self.asked: list[str] = []

    NVMLError = NVMLError

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init is not None:
            raise self.init

    def nvmlShutdown(self) -> None:  # noqa: N802
        return None

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:  # noqa: N802
        return self.gpus[index]

    def nvmlDeviceGetName(self, handle: Gpu) -> str:  # noqa: N802
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetUUID(self, handle: Gpu) -> str:  # noqa: N802
        return str(_or_raise(handle.uuid or f"GPU-00000000-0000-0000-0000-{self.gpus.index(handle):012d}"))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Gpu) -> list[Any]:  # noqa: N802
        return _listed(handle.processes)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Gpu) -> list[Any]:  # noqa: N802
        return _listed(handle.graphics)

    def nvmlDeviceGetMemoryInfo(self, handle: Gpu) -> Any:  # noqa: N802
        return SimpleNamespace(total=handle.total, used=_or_raise(handle.used), free=0)

    def nvmlDeviceGetTemperature(self, handle: Gpu, sensor: int) -> int:  # noqa: N802
        return int(_or_raise(handle.temperature))

    def nvmlDeviceGetFanSpeed(self, handle: Gpu) -> int:  # noqa: N802
        return int(_or_raise(handle.fan))

    def nvmlDeviceGetClockInfo(self, handle: Gpu, kind: int) -> int:  # noqa: N802
        return int(_or_raise(handle.clock))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: Gpu) -> int:  # noqa: N802
        return int(_or_raise(handle.reasons))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Gpu) -> int:  # noqa: N802
        self.asked.append("energy")
        return int(_or_raise(handle.energy_mj))

    def nvmlDeviceGetPowerUsage(self, handle: Gpu) -> int:  # noqa: N802
        self.asked.append("average power")
        return int(_or_raise(handle.average_mw))

    def nvmlDeviceGetFieldValues(self, handle: Gpu, fields: list[int]) -> list[Any]:  # noqa: N802
        """A field that a card lacks has a status of its own; the question succeeds."""
        assert fields == [self.NVML_FI_DEV_POWER_INSTANT]
        told = handle.instant_mw
        if isinstance(told, NVMLError):
            return [SimpleNamespace(nvmlReturn=told.value, value=SimpleNamespace(uiVal=0))]
        return [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=int(_or_raise(told))))]


class OlderNvml(FakeNvml):
    """A driver that knows the reasons by their former name only."""

    nvmlDeviceGetCurrentClocksEventReasons = None  # type: ignore[assignment]  # noqa: N815

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: Gpu) -> int:  # noqa: N802
        return int(_or_raise(handle.reasons))


def _listed(processes: Any) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in _or_raise(processes).items()]


def _or_raise(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value
