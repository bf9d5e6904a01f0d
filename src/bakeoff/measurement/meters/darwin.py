"""What macOS tells of processes and of itself, by its own library: nothing here needs more than the user's rights."""

from __future__ import annotations

import ctypes
import struct
from typing import Any, Protocol

from msgspec import Struct

from bakeoff.measurement.meters.processes import Mapped

_LIBRARY = "/usr/lib/libSystem.B.dylib"
_RUSAGE_INFO_V4 = 4
_RUSAGE_BYTES = 1024
"""More than any version's: later kernels write more fields behind those of version 4."""
_FOOTPRINT, _LIFETIME_MOST = 16 + 7 * 8, 16 + 28 * 8
"""``sys/resource.h``: 16 bytes of UUID, then 64-bit fields; ``ri_phys_footprint`` and
``ri_lifetime_max_phys_footprint`` are the 8th and the 29th."""

_REGION_PATH_INFO = 8
"""``sys/proc_info.h``, PROC_PIDREGIONPATHINFO: a mapping, and the file behind it."""
_PATH_BYTES = 1024
_REGION = 96 + 152 + _PATH_BYTES
"""``proc_regioninfo``, then ``vnode_info`` and its path."""
_PAGES_RESIDENT = 4 * 4 + 8 + 3 * 4
_ADDRESS_SIZE = 80
_LEAST_WEIGHTS = 32 << 20
_MOST_REGIONS = 50_000

PRESSURE = {1: "nominal", 2: "warn", 4: "critical"}
"""``kern.memorystatus_vm_pressure_level``."""
THERMAL = ("nominal", "moderate", "heavy", "trapping", "sleeping")
"""The levels of ``com.apple.system.thermalpressurelevel``, ``OSThermalNotification.h``."""


class Footprint(Struct, frozen=True):
    """A process's physical footprint in bytes: now, and the most since it began.

    What it has dirtied, compressed pages and its graphics memory; mapped files that are only read are not in it.
    """

    now: int
    most: int


class Mac(Protocol):
    """One Mac. What it does not tell is None or empty."""

    def footprint(self, pid: int) -> Footprint | None: ...

    def mapped_weights(self, pid: int) -> tuple[Mapped, ...]:
        """Large files that the process maps to read, and how much of them is in memory."""
        ...

    def pressure(self) -> str | None:
        """Memory pressure as ``PRESSURE`` names it."""
        ...

    def thermal(self) -> str | None:
        """Thermal pressure as ``THERMAL`` names it."""
        ...

    def swapped_in_bytes(self) -> int | None:
        """Bytes that came back from swap since boot."""
        ...


class ThisMac:
    """This Mac. Raises OSError where its library does not load."""

    def __init__(self, library: Any = None) -> None:
        self._library = library if library is not None else ctypes.CDLL(_LIBRARY, use_errno=True)
        self._token: int | None = None

    def footprint(self, pid: int) -> Footprint | None:
        buffer = ctypes.create_string_buffer(_RUSAGE_BYTES)
        if self._library.proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(_RUSAGE_INFO_V4), buffer) != 0:
            return None
        return footprint_in(buffer.raw)

    def mapped_weights(self, pid: int) -> tuple[Mapped, ...]:
        page = self._int("hw.pagesize") or 16384
        found: dict[str, Mapped] = {}
        address = 0
        for _ in range(_MOST_REGIONS):
            buffer = ctypes.create_string_buffer(_REGION)
            wanted = (ctypes.c_int(pid), ctypes.c_int(_REGION_PATH_INFO), ctypes.c_uint64(address), buffer)
            if self._library.proc_pidinfo(*wanted, ctypes.c_int(_REGION)) < _REGION:
                break
            start, mapped = region_in(buffer.raw, page)
            address = start
            if mapped is not None:
                known = found.get(mapped.file, Mapped(mapped.file, 0, 0))
                found[mapped.file] = Mapped(mapped.file, known.bytes + mapped.bytes, known.resident + mapped.resident)
        return tuple(found.values())

    def pressure(self) -> str | None:
        return PRESSURE.get(self._int("kern.memorystatus_vm_pressure_level") or 0)

    def thermal(self) -> str | None:
        token, level = ctypes.c_int(), ctypes.c_uint64()
        if self._token is None:
            name = b"com.apple.system.thermalpressurelevel"
            if self._library.notify_register_check(name, ctypes.byref(token)) != 0:
                return None
            self._token = token.value
        if self._library.notify_get_state(ctypes.c_int(self._token), ctypes.byref(level)) != 0:
            return None
        return THERMAL[level.value] if level.value < len(THERMAL) else None

    def swapped_in_bytes(self) -> int | None:
        import psutil

        return int(psutil.swap_memory().sin)

    def _int(self, name: str) -> int | None:
        value, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
        if self._library.sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0) != 0:
            return None
        return value.value if size.value == 8 else value.value & 0xFFFFFFFF


def footprint_in(raw: bytes) -> Footprint:
    """The two fields of ``rusage_info_v4``."""
    (now,), (most,) = struct.unpack_from("=Q", raw, _FOOTPRINT), struct.unpack_from("=Q", raw, _LIFETIME_MOST)
    return Footprint(now, max(now, most))


def region_in(raw: bytes, page_bytes: int) -> tuple[int, Mapped | None]:
    """Where the mapping after ``proc_regionwithpathinfo`` begins, and the mapping where it is one of weights."""
    (resident,) = struct.unpack_from("=I", raw, _PAGES_RESIDENT)
    address, size = struct.unpack_from("=QQ", raw, _ADDRESS_SIZE)
    path = raw[_REGION - _PATH_BYTES :].split(b"\0", 1)[0].decode("utf-8", "replace")
    protection = struct.unpack_from("=I", raw, 0)[0]
    weights = path.startswith("/") and size >= _LEAST_WEIGHTS and not protection & 4
    mapped = Mapped(path.rpartition("/")[2], size, min(size, resident * page_bytes)) if weights else None
    return address + size, mapped
