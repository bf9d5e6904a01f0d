"""The GPUs of a machine as meters ask them: NVIDIA's through its library, AMD's through the kernel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from bakeoff.measurement.meters.gpu_readings import memory_of, memory_used
from bakeoff.measurement.meters.kernel import Kernel, whole

_KFD = "/sys/class/kfd/kfd"
_MINOR = "drm_render_minor "


class GpuSource(Protocol):
    """One GPU. What it does not tell is None."""

    @property
    def name(self) -> str:
        """Such as ``GPU 0``, as its vendor's tools number it."""
        ...

    @property
    def uuid(self) -> str | None:
        """What it is called wherever it is plugged in."""
        ...

    def memory_of(self, pids: Collection[int]) -> int | None:
        """Bytes that these processes hold on it; 0 where none of them uses it, None where that is hidden."""
        ...

    def memory_used(self) -> int | None:
        """Bytes taken on it, by whomever."""
        ...


class NvidiaGpu:
    """One of NVIDIA's, by its index in PCI order and its handle."""

    def __init__(self, nvml: Any, index: int, handle: Any) -> None:
        self.name = f"GPU {index}"
        self._nvml, self.handle = nvml, handle
        self.uuid = _uuid(nvml, handle)

    def memory_of(self, pids: Collection[int]) -> int | None:
        return memory_of(self._nvml, self.handle, pids)

    def memory_used(self) -> int | None:
        return memory_used(self._nvml, self.handle)


class AmdGpu:
    """One of AMD's, as the kernel's compute driver (KFD) numbers it."""

    def __init__(self, kernel: Kernel, name: str, number: int, device: str) -> None:
        self.name, self.uuid = name, None
        self._kernel, self._number, self._device = kernel, number, device

    def memory_of(self, pids: Collection[int]) -> int | None:
        held = [self._kernel.number(f"{_KFD}/proc/{pid}/vram_{self._number}") for pid in pids]
        return sum(count for count in held if count is not None and count >= 0)

    def memory_used(self) -> int | None:
        used = self._kernel.number(f"{self._device}/mem_info_vram_used")
        return used if used is None or used >= 0 else None


def _uuid(nvml: Any, handle: Any) -> str | None:
    try:
        told = nvml.nvmlDeviceGetUUID(handle)
    except nvml.NVMLError:
        return None
    return told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)  # bytes in older packages


def nvidia_gpus(nvml: Any) -> tuple[NvidiaGpu, ...]:
    """All that NVIDIA's library shows, which has to be initialised; none where it fails. One that is lost stays out."""
    found = []
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                found.append(NvidiaGpu(nvml, index, nvml.nvmlDeviceGetHandleByIndex(index)))
            except nvml.NVMLError:
                continue
    except nvml.NVMLError:
        return ()
    return tuple(found)


def amd_gpus(kernel: Kernel) -> tuple[AmdGpu, ...]:
    """All that the kernel's compute driver lists."""
    found: list[AmdGpu] = []
    for path in kernel.paths(f"{_KFD}/topology/nodes/*/gpu_id"):
        number = kernel.number(path)
        properties = kernel.text(f"{path.removesuffix('gpu_id')}properties") or ""
        minor = next((whole(line.split()[-1]) for line in properties.splitlines() if line.startswith(_MINOR)), None)
        if number and minor:
            device = f"/sys/class/drm/renderD{minor}/device"
            found.append(AmdGpu(kernel, f"GPU {len(found)}", number, device))
    return tuple(found)


def used_by(gpus: Sequence[GpuSource], pids: Collection[int]) -> tuple[GpuSource, ...]:
    """Those on which these processes hold memory; all, where none tells."""
    used = tuple(gpu for gpu in gpus if gpu.memory_of(pids))
    return used or tuple(gpus)
