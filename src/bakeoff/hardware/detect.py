"""What this machine is, as the planner wants it: its GPUs by the catalogue, its memory as it is known or assumed."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from msgspec.structs import replace

from bakeoff.hardware.catalogue import unified_host
from bakeoff.hardware.chips import Chip, chips, known_as
from bakeoff.hardware.gpus import FoundGpu, found_gpus
from bakeoff.hardware.host import cpu_name
from bakeoff.hardware.machine import Device, HostMemory, Machine
from bakeoff.hardware.memory_speed import Calibration, MemoryKind, calibrate, saved
from bakeoff.hardware.naming import parse_name
from bakeoff.hardware.processor import last_level_cache_bytes, memory_kind, physical_cores, vector_flops
from bakeoff.hardware.reader import SYSTEM, Reader
from bakeoff.units import GIB, plain_text

ASSUMED_MEMORY = MemoryKind(type="DDR4", mt_s=3200, bits=128)
"""What a machine is taken to have that does not say: a slow one of those in use, so that plans promise little."""

SMALLEST_GPU_BYTES = 2 * GIB
"""Below this a GPU that the catalogue does not know is taken for the one inside the processor."""


def this_machine(reader: Reader = SYSTEM) -> Machine:
    """This machine: NVIDIA and AMD GPUs, Apple chips, else the processor; ``notes`` say what was assumed.

    A GPU that the catalogue does not know keeps the memory that its driver reports and gets the bandwidth of a
    card of like memory, which a note says.
    """
    if reader.platform == "darwin":
        mac = _mac(reader)
        if mac is not None:
            return mac
    host, notes = host_memory(reader)
    found = found_gpus(reader)
    matched = [_device(gpu, host) for gpu in found]
    devices = sorted((device for device, _ in matched if device), key=lambda device: -device.bandwidth_bytes_s)
    remarks = tuple(note for _, note in matched if note)
    unified = next((device for device in devices if device.unified), None)
    if unified is not None:
        host, notes = replace(unified_host(unified), flops=host.flops, cores=host.cores), ()
    used = [gpu.used_bytes for gpu in found if gpu.used_bytes is not None]
    shared = [
        (gpu.memory_bytes or 0) + gpu.shared_bytes
        for gpu in found
        if gpu.shared_bytes is not None and any(chip.unified for chip in known_as(gpu.name))
    ]
    return Machine(
        name=_machine_name(devices) or plain_text(cpu_name(reader)),
        devices=tuple(devices),
        host=host,
        gpu_limit_bytes=max(shared, default=None),
        in_use_bytes=max(used, default=None) if devices else None,
        is_this=True,
        notes=(*remarks, *notes),
    )


def host_memory(reader: Reader = SYSTEM) -> tuple[HostMemory, tuple[str, ...]]:
    """The processor's memory and speed: measured, by its modules, by the processor's rating, or assumed."""
    cpu = cpu_name(reader)
    size = _memory_bytes(reader)
    estimate = vector_flops(reader)
    rated = next(iter(known_as(cpu)), None)
    measured, modules = saved(cpu), memory_kind(reader)
    notes: list[str] = []
    if measured is not None:
        bandwidth, words = measured.median_bytes_s, measured.described
    elif modules is not None:
        bandwidth, words = modules.bandwidth_bytes_s, f"{modules.described}, by the firmware"
    elif rated is not None:
        bandwidth = rated.bandwidth_bytes_s
        words = f"{bandwidth / 1e9:.1f} GB/s, assumed: all channels of the {rated.name} at their rated speed"
    else:
        bandwidth, words = ASSUMED_MEMORY.bandwidth_bytes_s, f"{ASSUMED_MEMORY.described}, assumed"
    if measured is None and modules is None:
        notes.append(f"Memory: {words}. bakeoff plan --calibrate measures it.")
    if estimate is not None:
        notes.append(f"Processor: {estimate.flops / 1e12:.2f} TFLOPS from {estimate.described}.")
    host = HostMemory(
        memory_bytes=size,
        bandwidth_bytes_s=bandwidth,
        described=f"{size / GIB:.0f} GB, {words}",
        measured=measured is not None,
        flops=estimate.flops if estimate else None,
        cores=physical_cores(reader),
    )
    return host, tuple(notes)


def calibrate_this_machine(reader: Reader = SYSTEM, repeats: int = 15) -> Calibration:
    """Measure this machine's memory with all usable cores; see ``memory_speed.calibrate``. It is not yet kept."""
    import psutil

    free = min(int(psutil.virtual_memory().available), _memory_bytes(reader))
    cache = last_level_cache_bytes(reader) or 64 * 2**20
    return calibrate(cpu_name(reader), reader.usable_cores(), cache, free, repeats)


def _device(gpu: FoundGpu, host: HostMemory) -> tuple[Device | None, str]:
    """The device that a found GPU is, and what has to be said of it."""
    name = plain_text(gpu.name)
    chip = _variant(known_as(gpu.name), gpu.memory_bytes)
    if chip is not None:
        if chip.unified:
            carved_out = gpu.memory_bytes or 0 if gpu.vendor == "amd" else 0
            memory = host.memory_bytes + carved_out
        else:
            memory = gpu.memory_bytes or chip.memory_bytes(chip.memory_gb[-1])
        sure = "" if chip.sure else f"{chip.name}: its figures are not from a retrieved source ({chip.source})."
        return chip.device(memory), sure
    own = gpu.memory_bytes or 0
    if own < SMALLEST_GPU_BYTES:
        return None, f"{name} is left out: it has no memory of its own to speak of."
    like = min(
        (chip for chip in chips() if chip.vendor == gpu.vendor and not chip.unified),
        key=lambda chip: (abs(chip.memory_gb[-1] * GIB - own), chip.bandwidth_bytes_s),
    )
    device = replace(like.device(own), chip=name, flops=None, tdp_w=None)
    return device, (
        f"{name} is not in the catalogue: its bandwidth is assumed to be that of the {like.name}, "
        f"{like.bandwidth_bytes_s / 1e9:.0f} GB/s, which has like memory; speeds may be far off."
    )


def _variant(named: tuple[Chip, ...], memory_bytes: int | None) -> Chip | None:
    """Of the chips of one name, the one whose memory is nearest to what the driver reports."""
    if not named or memory_bytes is None:
        return named[0] if named else None
    return min(named, key=lambda chip: min(abs(chip.memory_bytes(size) - memory_bytes) for size in chip.memory_gb))


def _machine_name(devices: list[Device]) -> str:
    counts: dict[str, int] = {}
    for device in devices:
        counts[device.chip] = counts.get(device.chip, 0) + 1
    return " + ".join(chip if count == 1 else f"{count} × {chip}" for chip, count in counts.items())


def _memory_bytes(reader: Reader) -> int:
    """The machine's memory, or what a container is limited to."""
    limit = reader.text("/sys/fs/cgroup/memory.max").strip()
    total = reader.memory_bytes()
    return min(total, int(limit)) if limit.isdecimal() else total


def _mac(reader: Reader) -> Machine | None:
    """A Mac with an Apple chip; None for one with Intel's."""
    brand = plain_text(reader.output("sysctl", "-n", "machdep.cpu.brand_string"))
    if not brand.startswith("Apple"):
        return None
    reported = reader.output("sysctl", "-n", "hw.memsize")
    memory = int(reported) if reported.isdecimal() else reader.memory_bytes()
    size_gb = round(memory / GIB)
    named = known_as(brand)
    fitting = [chip for chip in named if size_gb in chip.memory_gb] or list(named)
    if len(fitting) > 1:
        cores = _mac_gpu_cores(reader)
        fitting = [chip for chip in fitting if chip.cores == cores] or fitting
    notes: tuple[str, ...] = ()
    if fitting:
        chip, *others = fitting
        device = chip.device(memory)
        if others:
            notes += (f"{brand} is taken as {chip.name}: its GPU cores could not be read.",)
        if not chip.sure:
            notes += (f"{chip.name}: its figures are not from a retrieved source ({chip.source}).",)
    else:
        device, note = _unknown_apple(brand, memory)
        notes += (note,)
    limit = reader.output("sysctl", "-n", "iogpu.wired_limit_mb")
    return Machine(
        name=f"{device.chip} {size_gb} GB",
        devices=(device,),
        host=unified_host(device),
        gpu_limit_bytes=int(limit) * 2**20 if limit.isdecimal() and int(limit) > 0 else None,
        is_this=True,
        notes=notes,
    )


def _mac_gpu_cores(reader: Reader) -> int | None:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        listed = json.loads(reader.output("system_profiler", "SPDisplaysDataType", "-json"))
        for display in listed["SPDisplaysDataType"]:
            if str(display.get("sppci_cores", "")).isdecimal():
                return int(display["sppci_cores"])
    return None


def _unknown_apple(brand: str, memory: int) -> tuple[Device, str]:
    """An Apple chip newer than the catalogue: the figures of the fastest of its tier (none, Pro, Max, Ultra)."""
    apples = [chip for chip in chips() if chip.vendor == "apple"]
    kin = [chip for chip in apples if _tier(chip.name) == _tier(brand)]
    like = max(kin, key=lambda chip: chip.bandwidth_bytes_s) if kin else apples[0]
    note = f"{brand} is not in the catalogue: planned with the figures of the {like.name}; speeds may be far off."
    return replace(like.device(memory), chip=brand), note


def _tier(name: str) -> str:
    return re.sub(r"^m\d+", "", parse_name(name).key)
