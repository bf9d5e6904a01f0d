"""What of a machine's memory a model may have: less what drivers, screens and the system take of it.

Every constant says where it comes from, or that it is assumed. A reading of this machine goes before them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.units import GIB, MIB

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Device, Machine
    from bakeoff.planning.speed import Engine

_DRIVER_SHARE, _DRIVER_MOST = 0.02, 512 * MIB
"""NVIDIA's driver keeps: RTX 3090 452 of 24,576 MiB (ollama issue 17482), RTX 4090 484 of 24,564 (llama.cpp issue
23679), RTX 5090 419 of 32,607 (nibor1896/Crow issue 105), H100 438 of 81,559 (vLLM pull request 10511). AMD's and
Intel's are taken alike, unsure."""
_CONTEXT_BYTES = 450 * MIB
"""CUDA context of one process: 264 MiB on an RTX 3090, 472 on an RTX 4090 without a screen (the same logs)."""
_DISPLAY_BYTES = 512 * MIB
"""Screens of a desktop on the first GPU, assumed where nothing was read: none without one, up to 1.6 GB under Windows
(nibor1896/Crow issue 105)."""

_APPLE_STEP = 36 * GIB
_APPLE_SMALL, _APPLE_LARGE = (2, 3), (3, 4)
"""Metal's recommendedMaxWorkingSetSize: two thirds of 8, 16 and 32 GB, three quarters of 64 and 192 GB (llama.cpp load
logs). Newer macOS gives 11.84 of 16, 17.76 of 24 (sglang pull request 29949), 37.4 of 48, 107.5 of 128 GB (ds4 issue
890): the smaller is taken."""
_SYSTEM_KEEPS = 5 * GIB
"""How far the GPU's share of shared memory can be raised: what exo leaves to macOS (configure_mlx.sh), or more."""
_GTT_SHARE = (1, 2)
"""Linux lets an AMD GPU without memory of its own have half of the host's ("about 62 GB" of 128: ds4,
docs/STRIX_HALO.md), unless ttm.pages_limit says more (126,976 of 131,072 MiB: llama.cpp issue 21801)."""
_SYSTEM_SHARE, _SYSTEM_LEAST = 0.10, 2 * GIB
"""The system's own use of the host's memory; assumed."""

VLLM_SHARE = 0.90
"""vLLM takes so much of each GPU at once (gpu_memory_utilization; 0.92 in builds of 2026)."""


class Pool(Struct, frozen=True, kw_only=True):
    """Memory of one device, or of the host. A limit can be raised from ``usable_bytes`` to ``raisable_bytes``.

    ``runtime_bytes`` is what the driver takes for our process; it is no longer in ``usable_bytes``.
    """

    memory_bytes: int
    usable_bytes: int
    raisable_bytes: int
    runtime_bytes: int = 0


def device_pools(machine: Machine, engine: Engine) -> tuple[Pool, ...]:
    """One pool for each device that is not the processor."""
    devices = [device for device in machine.devices if device.vendor != "cpu"]
    assumed = [_DISPLAY_BYTES] + [0] * len(devices)
    taken = assumed if machine.in_use_bytes is None else [machine.in_use_bytes] * len(devices)
    return tuple(_pool(machine, device, engine, used) for device, used in zip(devices, taken, strict=False))


def host_pool(machine: Machine) -> Pool:
    """The processor's memory less the system."""
    memory = machine.host.memory_bytes
    usable = max(0, memory - max(_SYSTEM_LEAST, round(memory * _SYSTEM_SHARE)))
    return Pool(memory_bytes=memory, usable_bytes=usable, raisable_bytes=usable)


def how_to_raise(device: Device, pool: Pool, need: int, spare: int) -> str:
    """What to do so that ``need`` bytes fit, and ``spare`` more where there is room for them."""
    if device.vendor == "apple":
        megabytes = _limit_mib(need, spare, pool.raisable_bytes)
        left = (pool.memory_bytes - megabytes * MIB) / GIB
        return (
            f"after 'sudo sysctl iogpu.wired_limit_mb={megabytes}' (until the next restart), "
            f"which leaves macOS {left:.1f} of {pool.memory_bytes / GIB:.0f} GB"
        )
    if device.unified and device.vendor == "amd":
        megabytes = _limit_mib(need, spare, pool.raisable_bytes)
        return (
            f"after giving the GPU {megabytes:,} MiB of the memory "
            f"(Linux: kernel parameter ttm.pages_limit={megabytes * MIB // 4096})"
        )
    share = -(-1000 * need // _visible(pool.memory_bytes)) / 1000
    return f"with --gpu-memory-utilization {share:g} instead of {VLLM_SHARE:g}"


def _limit_mib(need: int, spare: int, most: int) -> int:
    """Whole GiB where they fit, in MiB."""
    wanted = -(-(need + spare) // GIB) * 1024
    return min(wanted, most // MIB)


def _pool(machine: Machine, device: Device, engine: Engine, taken: int) -> Pool:
    memory = device.memory_bytes
    if device.vendor == "apple":
        return _limited(memory, machine.gpu_limit_bytes, _APPLE_SMALL if memory <= _APPLE_STEP else _APPLE_LARGE)
    if device.unified and device.vendor == "amd":
        return _limited(memory, machine.gpu_limit_bytes, _GTT_SHARE)
    left = host_pool(machine).usable_bytes if device.unified else _visible(memory) - taken
    free = max(0, left - _CONTEXT_BYTES)
    usable = min(free, int(_visible(memory) * VLLM_SHARE)) if engine == "vllm" else free
    return Pool(memory_bytes=memory, usable_bytes=usable, raisable_bytes=free, runtime_bytes=_CONTEXT_BYTES)


def _visible(memory: int) -> int:
    """What CUDA says a GPU has."""
    return memory - min(_DRIVER_MOST, round(memory * _DRIVER_SHARE))


def _limited(memory: int, read: int | None, share: tuple[int, int]) -> Pool:
    """Memory shared with the host, of which the system lets the GPU have a part."""
    usable = memory * share[0] // share[1] if read is None else min(read, memory)
    return Pool(
        memory_bytes=memory, usable_bytes=usable, raisable_bytes=max(usable, (memory - _SYSTEM_KEEPS) // MIB * MIB)
    )
