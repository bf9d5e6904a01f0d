"""A machine as the planner sees it, whether it is this one or one that is only named."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Vendor = Literal["nvidia", "amd", "intel", "apple", "cpu"]


class Device(Struct, frozen=True, kw_only=True):
    """Something that holds weights and computes. Bytes, bytes per second, operations per second.

    ``chip`` is the catalogue's spelling. ``unified`` says that its memory is the host's (Apple, Strix Halo, the
    CPU itself): ``memory_bytes`` is then the machine's. ``flops`` is dense half precision on the matrix units
    where it has them, None where it is not known.
    """

    chip: str
    vendor: Vendor
    memory_bytes: int
    bandwidth_bytes_s: float
    flops: float | None = None
    unified: bool = False
    tdp_w: float | None = None


class HostMemory(Struct, frozen=True, kw_only=True):
    """The processor's memory; ``described`` in words, with *assumed* where nobody named or measured it.

    ``measured``: the bandwidth is what this machine was measured to sustain, not the peak of its memory's type.
    ``flops`` is single precision on the vector units, of ``cores`` together; None where they are not known.
    """

    memory_bytes: int
    bandwidth_bytes_s: float
    described: str
    measured: bool = False
    flops: float | None = None
    cores: int | None = None


class Machine(Struct, frozen=True, kw_only=True):
    """One host with its devices, the fastest first; without any it computes on the processor.

    ``gpu_limit_bytes`` is the limit that a Mac sets to what its GPU may use (``iogpu.wired_limit_mb``), read
    there, else None for the default. ``in_use_bytes`` is what is taken on each device before we come (display,
    others), where it was read. ``notes`` are assumptions that the reader must know.
    """

    name: str
    devices: tuple[Device, ...] = ()
    host: HostMemory
    gpu_limit_bytes: int | None = None
    in_use_bytes: int | None = None
    is_this: bool = False
    notes: tuple[str, ...] = ()
