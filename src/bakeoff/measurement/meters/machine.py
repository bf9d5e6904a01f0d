"""The meters of memory and heat that any machine may have: found and opened, or absent with a reason."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from bakeoff.measurement.meters import gpu_memory, heat, pressure, process_memory
from bakeoff.measurement.meters.base import Absent, Running, Stretch, Target
from bakeoff.measurement.meters.darwin import Mac, ThisMac
from bakeoff.measurement.meters.gpus import GpuSource, NvidiaGpu, amd_gpus, nvidia_gpus, used_by
from bakeoff.measurement.meters.kernel import KERNEL, Kernel
from bakeoff.measurement.meters.nvidia import NoLibrary, library
from bakeoff.measurement.meters.processes import reset_peak, tree
from bakeoff.measurement.meters.psi import MACHINE, pressure_state, swapped_in_pages
from bakeoff.results.records import MeterState, Reading, Scope


class Window(Protocol):
    """What a meter of this machine does; ``finish`` is told how long the window was, in seconds."""

    def start(self) -> None: ...

    def sample(self) -> None: ...

    def finish(self, span_s: float) -> tuple[Reading, ...]: ...


class Opened:
    """A meter that can be read, whose readings are of whole windows."""

    remote = False

    def __init__(self, state: MeterState, window: Window) -> None:
        self.state = state
        self._window = window

    def start(self) -> None:
        self._window.start()

    def sample(self) -> None:
        self._window.sample()

    def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:
        """Nothing where the request did not come to its end."""
        if not stretches:
            self._window.finish(0.0)
            return ()
        whole = stretches[0]
        return tuple(replace(reading, phase=whole.phase) for reading in self._window.finish(whole.span_s))

    def close(self) -> None:
        return None


class Surroundings:
    """This machine as its meters see it: its kernel's files or its Mac, its GPUs, NVIDIA's library.

    What is taken on each GPU is read at once: it should be made before an engine is started.
    """

    def __init__(
        self, kernel: Kernel = KERNEL, *, system: str = sys.platform, mac: Mac | None = None, nvml: Any = None
    ) -> None:
        self.kernel = kernel if system == "linux" else None
        self.mac = mac if mac is not None or system != "darwin" else _this_mac()
        self.nvml = nvml if nvml is not None else library(kernel)
        found = () if isinstance(self.nvml, NoLibrary) else nvidia_gpus(self.nvml)
        self.nvidia: tuple[NvidiaGpu, ...] = found
        self.gpus: tuple[GpuSource, ...] = found or (amd_gpus(kernel) if self.kernel is not None else ())
        self.taken = gpu_memory.taken_now(self.gpus)

    def tree(self, pids: Collection[int]) -> list[int]:
        """These processes and all that they have started."""
        if self.kernel is not None:
            return tree(self.kernel, pids)
        from bakeoff.measurement.process_tree import process_tree

        return process_tree(list(pids))

    def used(self, target: Target) -> tuple[GpuSource, ...]:
        """The GPUs of the target: the one that was asked for, those its processes use, else all."""
        wanted = target.gpu
        chosen = tuple(gpu for gpu in self.gpus if wanted is not None and wanted in (gpu.uuid, gpu.name.split()[-1]))
        return chosen or used_by(self.gpus, self.tree(target.pids))


class ProcessMemory:
    """Memory of the engine's processes."""

    name = "memory"

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:
        here = self._here
        if not target.pids:
            return (self._absent("the engine's process is not known: it runs elsewhere, or out of our sight"),)
        if here.mac is not None:
            scope: Scope = "unified" if platform.machine() == "arm64" else "process"
            state = self._state(scope, "the kernel's account of the physical footprint")
            return (Opened(state, process_memory.MacMemory(here.mac, target.pids, scope)),)
        if here.kernel is None:
            return (self._absent("this system keeps no account of it"),)
        if not (living := here.tree(target.pids)):
            return (self._absent("the engine's process is gone"),)
        method, reason, fix = "the kernel's high-water marks", "", ""
        if not all(reset_peak(here.kernel, pid) for pid in living):
            method = "the kernel's high-water marks where they are passed, else samples"
            reason = "the right to reset a peak is missing (/proc/PID/clear_refs), so that a short one may be missed"
            fix = "sudo -E $(which bakeoff) run"
        state = self._state("process", method, reason, fix)
        return (Opened(state, process_memory.LinuxMemory(here.kernel, target.pids)),)

    def _state(self, scope: Scope, method: str, reason: str = "", fix: str = "") -> MeterState:
        return MeterState(
            name=process_memory.NAME, scope=scope, quantity="memory_bytes", state="ready", method=method, rate_hz=1.0,
            reason=reason, fix=fix,
        )  # fmt: skip

    def _absent(self, reason: str) -> Absent:
        return Absent(process_memory.NAME, "process", "memory_bytes", "missing", reason)


class GpuMemory:
    """GPU memory of the engine's processes."""

    name = "gpu-memory"

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:
        here = self._here
        if not here.gpus:
            return (absent_gpu(gpu_memory.NAME, "memory_bytes", here.nvml),)
        window = gpu_memory.GpuMemory(
            here.gpus, lambda: here.tree(target.pids), on_gpu=target.on_gpu, before=here.taken
        )
        state = MeterState(
            name=gpu_memory.NAME, scope="gpu", quantity="memory_bytes", state="ready", rate_hz=2.0,
            method="the driver's account of the engine's processes, else of the device",
        )  # fmt: skip
        return (Opened(state, window),)


class Pressure:
    """Whether memory is short."""

    name = "pressure"

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:
        here = self._here
        if here.mac is not None:
            return (Opened(self._state("the kernel's level of memory pressure", 1.0), pressure.MacPressure(here.mac)),)
        if here.kernel is None:
            return (
                Absent(pressure.NAME, "machine", "pressure_share", "missing", "this system keeps no account of it"),
            )
        stalls, swaps = pressure_state(here.kernel), swapped_in_pages(here.kernel) is not None
        reason, fix = "", ""
        if stalls == "missing":
            reason = "this kernel counts no stalls: it was built without PSI, or started without psi=1"
        elif stalls == "denied":
            reason, fix = f"no right to read {MACHINE}", f"sudo chmod a+r {MACHINE}"
        if stalls != "ready" and not swaps:
            state = "denied" if stalls == "denied" else "missing"
            return (Absent(pressure.NAME, "machine", "pressure_share", state, reason, fix),)  # type: ignore[arg-type]
        counters = [*(["stalls"] if stalls == "ready" else []), *(["pages from swap"] if swaps else [])]
        state_here = self._state(f"the kernel's counters of {' and '.join(counters)}", None, reason, fix)
        return (Opened(state_here, pressure.LinuxPressure(here.kernel, next(iter(target.pids), None))),)

    def _state(self, method: str, rate_hz: float | None, reason: str = "", fix: str = "") -> MeterState:
        return MeterState(
            name=pressure.NAME, scope="machine", quantity="pressure_share", state="ready", method=method,
            rate_hz=rate_hz, reason=reason, fix=fix,
        )  # fmt: skip


class ProcessorHeat:
    """Heat of the processor, or of the Mac."""

    name = "heat"

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:  # noqa: ARG002 (it is the machine's)
        here = self._here
        if here.mac is not None:
            state = self._state("machine", "throttled_share", "macOS's thermal pressure")
            return (Opened(state, heat.MacHeat(here.mac)),)
        if here.kernel is None:
            return (Absent(heat.CPU, "package", "temperature_c", "missing", "this system has no open sensors"),)
        window = heat.LinuxHeat(here.kernel)
        if not window.tells:
            reason, fix = _no_sensors(here.kernel)
            return (Absent(heat.CPU, "package", "temperature_c", "missing", reason, fix),)
        state = self._state("package", "temperature_c", f"the kernel's {', '.join(window.tells)}")
        return (Opened(state, window),)

    def _state(self, scope: Scope, quantity: str, method: str) -> MeterState:
        return MeterState(name=heat.CPU, scope=scope, quantity=quantity, state="ready", method=method, rate_hz=1.0)


class GpuHeat:
    """Heat of each NVIDIA GPU that the engine uses."""

    name = "gpu-heat"

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:
        here = self._here
        if isinstance(here.nvml, NoLibrary) or not here.nvidia:
            return (absent_gpu(heat.GPU, "temperature_c", here.nvml),)
        used = [gpu for gpu in here.used(target) if isinstance(gpu, NvidiaGpu)]
        state = MeterState(
            name=heat.GPU, scope="gpu", quantity="temperature_c", state="ready", rate_hz=2.0,
            method="the driver: temperature, fan, clock, reasons for a lower clock",
        )  # fmt: skip
        return tuple(Opened(state, heat.NvidiaHeat(here.nvml, gpu.handle, gpu.name)) for gpu in used)


MEMORY_AND_HEAT = (ProcessMemory, GpuMemory, Pressure, ProcessorHeat, GpuHeat)
"""All of them, each made of the machine's ``Surroundings``."""


def throttles(here: Surroundings, target: Target) -> heat.Throttles:
    """Whether the target's devices hold themselves back just now."""
    used = [] if isinstance(here.nvml, NoLibrary) else here.used(target)
    gpus = [(here.nvml, gpu.handle, gpu.name) for gpu in used if isinstance(gpu, NvidiaGpu)]
    return heat.Throttles(here.kernel, gpus, here.mac)


def absent_gpu(name: str, quantity: str, nvml: Any) -> Absent:
    """No GPU tells, and why."""
    if isinstance(nvml, NoLibrary):
        return Absent(name, "gpu", quantity, nvml.state, nvml.reason, nvml.fix)
    return Absent(name, "gpu", quantity, "missing", "no GPU of those that it asks")


def _no_sensors(kernel: Kernel) -> tuple[str, str]:
    """Why a Linux machine shows none, and what would mend it."""
    cpuinfo = kernel.text("/proc/cpuinfo") or ""
    if "hypervisor" in cpuinfo:
        return "a virtual machine shows no sensors", ""
    driver = "coretemp" if "GenuineIntel" in cpuinfo else "k10temp" if "AuthenticAMD" in cpuinfo else ""
    return "no sensor of the processor is shown", f"sudo modprobe {driver}" if driver else ""


def _this_mac() -> Mac | None:
    try:
        return ThisMac()
    except OSError:
        return None
