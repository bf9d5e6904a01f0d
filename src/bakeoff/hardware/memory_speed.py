"""The bandwidth of a processor's memory: by type and channels, or measured on this machine.

By type: transfers per second × width of all channels. That is the peak, which no program reaches. Measured: the
rate at which all usable cores together read memory that does not fit in the caches, which a program can reach.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from bakeoff.clock import now_ns, utc_now
from bakeoff.errors import BakeoffError, FileError, UsageError
from bakeoff.folders import data_folder
from bakeoff.units import GIB

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


CHANNEL_BITS = 64
"""Width of a DDR channel; a DDR5 module's two halves of 32 bits count as one."""

_COUNTS = {"single": 1, "dual": 2, "triple": 3, "quad": 4, "hexa": 6, "octa": 8}

_NAMES = {1: "single", 2: "dual", 4: "quad"}

_WRITTEN = re.compile(
    r"""(?P<type>(?:lp)?ddr[3-6]x?|mrdimm)\ ?(?P<rate>\d{3,5})(?:\ ?(?:mt/s|mhz))?
    (?:\ ?[x×]?\ ?(?P<bits>\d{2,4})\ ?bit
      |\ ?[x×]?\ ?(?P<count>\d{1,2})(?:\ ?(?:ch|channels?))?
      |\ (?P<name>single|dual|triple|quad|hexa|octa)(?:\ channel)?)?""",
    re.VERBOSE,
)


class MemoryKind(Struct, frozen=True, kw_only=True):
    """Memory by its type (``DDR5``), megatransfers per second, and the width of all its channels in bits."""

    type: str
    mt_s: int
    bits: int

    @property
    def bandwidth_bytes_s(self) -> float:
        """The peak: transfers per second × bytes per transfer."""
        return self.mt_s * 1e6 * self.bits / 8

    @property
    def described(self) -> str:
        """In words: ``dual-channel DDR5-5600, 89.6 GB/s``."""
        channels, rest = divmod(self.bits, CHANNEL_BITS)
        if rest or self.type.startswith("LPDDR"):
            width = f"{self.bits}-bit"
        else:
            width = f"{_NAMES.get(channels, channels)}-channel"
        return f"{width} {self.type}-{self.mt_s}, {self.bandwidth_bytes_s / 1e9:.1f} GB/s"


def parse_memory(text: str) -> MemoryKind:
    """Memory as people write it: ``ddr5-5600-dual``, ``ddr4-3200x2``, ``lpddr5x 8000 256bit``; dual if not said.

    Raises UsageError where it is no memory that there is.
    """
    words = re.sub(r"[\s_\-:,]+", " ", text.casefold()).strip()
    match = _WRITTEN.fullmatch(words)
    if match is None or not 400 <= int(match["rate"]) <= 20_000:
        raise UsageError(
            f"{text!r} is no memory that Bakeoff knows: write it like ddr5-5600-dual, ddr4-3200x8 (eight channels) "
            f"or lpddr5x-8000-256bit."
        )
    channels = int(match["count"]) if match["count"] else _COUNTS[match["name"]] if match["name"] else 2
    bits = int(match["bits"]) if match["bits"] else channels * CHANNEL_BITS
    if not 16 <= bits <= 24 * CHANNEL_BITS:
        raise UsageError(f"{text!r}: a machine has 1 to 24 memory channels of {CHANNEL_BITS} bits.")
    return MemoryKind(type=match["type"].upper(), mt_s=int(match["rate"]), bits=bits)


class Calibration(Struct, frozen=True, kw_only=True):
    """Read bandwidth of one machine's memory as measured, in bytes per second.

    ``median_bytes_s`` over the repeats is what plans use; ``best_bytes_s`` stands beside it. ``array_bytes`` is
    what every repeat reads once, in ``threads`` parts.
    """

    cpu: str
    date: str
    best_bytes_s: float
    median_bytes_s: float
    threads: int
    repeats: int
    array_bytes: int
    schema: int = 1

    @property
    def described(self) -> str:
        """In words: ``measured 2026-11-25: 38.1 GB/s (median of 15 reads by 8 threads; best 39.0)``.

        A best more than 15 % above the median says that others used the memory too.
        """
        busy = (
            "" if self.best_bytes_s < 1.15 * self.median_bytes_s else "; the machine was busy, measure again when idle"
        )
        return (
            f"measured {self.date[:10]}: {self.median_bytes_s / 1e9:.1f} GB/s (median of {self.repeats} reads by "
            f"{self.threads} threads; best {self.best_bytes_s / 1e9:.1f}{busy})"
        )


def calibrate(cpu: str, threads: int, cache_bytes: int, free_bytes: int, repeats: int = 15) -> Calibration:
    """Measure how fast all ``threads`` together read memory.

    Each thread sums its own part of an array of at least one GiB and eight times the last-level cache, so that
    caches serve next to nothing of it; NumPy lets go of the interpreter's lock meanwhile. The first read, which
    finds the pages, is not counted. Raises BakeoffError where a quarter of the free memory is less than four
    times the cache.
    """
    size = min(max(GIB, 8 * cache_bytes), free_bytes // 4)
    if size < 4 * cache_bytes or size < 64 * 2**20:
        raise BakeoffError(
            f"Too little free memory to measure its speed: {free_bytes / 1e9:.1f} GB free, "
            f"{max(16 * cache_bytes, 2**28) / 1e9:.1f} GB wanted. Close other programs and try again."
        )
    rates = sorted(_read_rates(threads, size, repeats))
    middle = len(rates) // 2
    median = rates[middle] if len(rates) % 2 else (rates[middle - 1] + rates[middle]) / 2
    return Calibration(
        cpu=cpu,
        date=utc_now(),
        best_bytes_s=rates[-1],
        median_bytes_s=median,
        threads=threads,
        repeats=repeats,
        array_bytes=size,
    )


def _read_rates(threads: int, size: int, repeats: int) -> list[float]:
    """Bytes per second of each pass over the whole array."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    share = size // threads // 8
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda _: np.ones(share, np.int64), range(threads)))
        rates = []
        for _ in range(repeats + 1):
            start = now_ns()
            totals = list(pool.map(_read, parts))
            elapsed_s = (now_ns() - start) / 1e9
            if totals != [share] * threads:
                raise BakeoffError("Memory was not read back as it was written: this machine's memory is faulty.")
            rates.append(threads * share * 8 / elapsed_s)
    return rates[1:]


def _read(part: np.ndarray) -> int:
    return int(part.sum())


def calibration_file() -> Path:
    """Where the measurement is kept."""
    return data_folder() / "memory-speed.json"


def save(calibration: Calibration) -> Path:
    """Keep a measurement for later plans. Raises FileError."""
    file = calibration_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(calibration)))
    except OSError as error:
        raise FileError(f"Cannot keep the measured memory speed in {file}: {error.strerror}.") from error
    return file


def saved(cpu: str) -> Calibration | None:
    """The measurement kept for this processor; None where there is none, or the file cannot be read as one."""
    try:
        with calibration_file().open("rb") as file:
            found = msgspec.json.decode(file.read(65_536), type=Calibration)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    sensible = 0 < found.median_bytes_s <= found.best_bytes_s < 1e14
    return found if found.cpu == cpu and sensible else None
