"""The processor and its memory on Linux: cores, vector units, cache, and what the firmware says of the modules."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from bakeoff.hardware.memory_speed import CHANNEL_BITS, MemoryKind
from bakeoff.hardware.reader import Reader

_MODULE = re.compile(r"^(?:E:\s?)?MEMORY_DEVICE_(\d+)_([A-Z_]+)=(.*)$", re.MULTILINE)
_LOCATED = re.compile(r"channel[ _-]?([a-z\d])|dimm[ _-]?([a-z])\d?\b", re.IGNORECASE)


class Estimate(Struct, frozen=True, kw_only=True):
    """Single-precision operations per second of a processor's vector units, and how that was reckoned."""

    flops: float
    described: str


class Module(Struct, frozen=True, kw_only=True):
    """One memory module as the firmware lists it."""

    type: str
    mt_s: int
    bits: int | None
    channel: str | None


def physical_cores(reader: Reader) -> int:
    """Physical cores, at most those that this process may use."""
    cores = {
        (fields.get("physical id", "0"), fields["core id"])
        for fields in _processors(reader)
        if "core id" in fields
    }  # fmt: skip
    usable = reader.usable_cores()
    return min(len(cores), usable) if cores else usable


def vector_flops(reader: Reader) -> Estimate | None:
    """Cores × clock × operations per clock, an estimate; None where the processor's flags are not to be read.

    Operations per clock and core are those of two fused multiply-add units of the widest kind that the flags name:
    64 with AVX-512 (32 on AMD's families before 26, which take two clocks), 32 with AVX2 and FMA, 16 with AVX or
    NEON, 8 with SSE2. The clock is the base clock where the kernel or the name tells it, else the highest.
    """
    first = next(iter(_processors(reader)), {})
    flags = set(first.get("flags", first.get("features", "")).split())
    unit, per_clock = _widest(flags, first)
    ghz = _clock_ghz(reader, first)
    if not per_clock or ghz is None:
        return None
    cores = physical_cores(reader)
    return Estimate(
        flops=cores * ghz * 1e9 * per_clock,
        described=f"{cores} cores × {ghz:.2f} GHz × {per_clock} operations a clock ({unit}), an estimate",
    )


def last_level_cache_bytes(reader: Reader) -> int:
    """All last-level caches together; 0 where the kernel does not list them."""
    caches = {}
    for path in reader.paths("/sys/devices/system/cpu/cpu[0-9]*/cache/index3/size"):
        folder = path.rpartition("/")[0]
        caches[reader.text(f"{folder}/shared_cpu_list").strip() or folder] = _kibibytes(reader.text(path))
    return sum(caches.values())


def memory_kind(reader: Reader) -> MemoryKind | None:
    """The memory that the firmware lists: by udev's database, which anyone may read, else by ``dmidecode`` as root.

    Channels are told by the modules' places; where those do not tell, two modules or more are taken as two
    channels. Soldered LPDDR counts the width of its chips, 128 bit where that is missing or absurd. None where type
    or speed are missing, as in most virtual machines.
    """
    modules = list(_udev_modules(reader.text("/run/udev/data/+dmi:id")))
    if not modules:
        modules = list(_dmidecode_modules(reader.output("dmidecode", "-t", "17")))
    if not modules:
        return None
    mt_s = min(module.mt_s for module in modules)
    if modules[0].type.startswith("LPDDR"):
        widths = [module.bits for module in modules]
        bits = sum(filter(None, widths)) if all(widths) else 0
        bits = bits if bits and bits <= 512 else 2 * CHANNEL_BITS
    else:
        named = {module.channel for module in modules}
        channels = min(len(modules), 2) if None in named else len(named)
        bits = channels * CHANNEL_BITS
    return MemoryKind(type=modules[0].type, mt_s=mt_s, bits=bits)


def _processors(reader: Reader) -> Iterable[dict[str, str]]:
    """One dictionary per logical processor of ``/proc/cpuinfo``, keys in lower case."""
    for block in reader.text("/proc/cpuinfo").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip().lower(): value.strip() for key, _, value in pairs if key.strip()}
        if "processor" in fields:
            yield fields


def _widest(flags: set[str], fields: dict[str, str]) -> tuple[str, int]:
    if "avx512f" in flags:
        family = fields.get("cpu family", "")
        halved = fields.get("vendor_id") == "AuthenticAMD" and family.isdecimal() and int(family) < 26
        return "AVX-512", 32 if halved else 64
    if {"avx2", "fma"} <= flags:
        return "AVX2", 32
    for flag, unit, per_clock in (("avx", "AVX", 16), ("asimd", "NEON", 16), ("sse2", "SSE2", 8)):
        if flag in flags:
            return unit, per_clock
    return "", 0


def _clock_ghz(reader: Reader, fields: dict[str, str]) -> float | None:
    for name in ("base_frequency", "cpuinfo_max_freq"):
        kilohertz = reader.text(f"/sys/devices/system/cpu/cpu0/cpufreq/{name}").strip()
        if kilohertz.isdecimal():
            return int(kilohertz) / 1e6
        named = re.search(r"@ ?(\d+(?:\.\d+)?) ?GHz", fields.get("model name", ""))
        if named:
            return float(named[1])
    megahertz = re.fullmatch(r"\d+(?:\.\d+)?", fields.get("cpu mhz", ""))
    return float(megahertz[0]) / 1000 if megahertz else None


def _udev_modules(database: str) -> Iterable[Module]:
    modules: dict[str, dict[str, str]] = {}
    for number, key, value in _MODULE.findall(database):
        modules.setdefault(number, {})[key] = value.strip()
    for fields in modules.values():
        if fields.get("PRESENT") != "0":
            speed = fields.get("CONFIGURED_SPEED_MTS") or fields.get("SPEED_MTS", "")
            places = f"{fields.get('LOCATOR', '')} {fields.get('BANK_LOCATOR', '')}"
            yield from _module(fields.get("TYPE", ""), speed, fields.get("DATA_WIDTH", ""), places)


def _dmidecode_modules(listing: str) -> Iterable[Module]:
    for block in listing.split("Memory Device")[1:]:
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if not fields.get("Size", "").startswith("No "):
            speed = fields.get("Configured Memory Speed") or fields.get("Configured Clock Speed", "")
            places = f"{fields.get('Locator', '')} {fields.get('Bank Locator', '')}"
            yield from _module(fields.get("Type", ""), speed, fields.get("Data Width", ""), places)


def _module(kind: str, speed: str, width: str, places: str) -> Iterable[Module]:
    """A module whose type and speed make sense, else nothing."""
    mt_s, bits = (re.match(r"\d+", text) for text in (speed, width))
    if not re.fullmatch(r"(?:LP)?DDR[3-6]X?", kind) or mt_s is None or not 400 <= int(mt_s[0]) <= 20_000:
        return
    sides = [side for match in _LOCATED.finditer(places) if (side := match[1] or match[2])]
    socket = re.search(r"(?:P|CPU|Controller|Node)[ _-]?(\d)", places, re.IGNORECASE)
    channel = f"{socket[1] if socket else 0}/{sides[0].upper()}" if sides else None
    yield Module(type=kind, mt_s=int(mt_s[0]), bits=int(bits[0]) if bits else None, channel=channel)


def _kibibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KM])", text.strip())
    return int(match[1]) * (1024 if match[2] == "K" else 2**20) if match else 0
