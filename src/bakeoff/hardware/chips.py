"""Chips by name: what they can hold and how fast, each row with its source and date.

``chips.csv`` has one row per chip:

- ``memory_gb``: the sizes it is sold with, 1 GB = 2^30 bytes as drivers count them; ``ecc`` 1 where error
  correction, on by default, takes a sixteenth of it;
- ``bandwidth_gb_s``: peak, 10^9 bytes per second; where ``bus_bits`` and ``rate_gbit_s`` per pin are known it is
  their product / 8 within 1 %, also where a vendor rounds it (Apple's 400 GB/s is 512 bit × 6.4 Gbit/s = 409.6);
- ``matrix_tflops``: dense half precision on the matrix units: units × operations per clock × boost clock, or the
  vendor's figure (GeForce: accumulating in half precision); empty where there are none;
- ``shader_tflops``: the faster of half and single precision outside them; of a processor, single precision;
- ``unified`` 1: its memory is the host's; ``sure`` 0: memory or bandwidth was not retrieved from a source;
- ``aliases``: other names, separated by ``;``. Of several chips of one name the first in the file that has the
  size and the cores asked for is taken.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from bakeoff.config import read_settings
from bakeoff.hardware.machine import Device, Vendor
from bakeoff.hardware.naming import Name, parse_name, short_forms
from bakeoff.units import GIB

OWN = "your configuration"
"""The source of a chip whose bandwidth the user set."""


class Chip(Struct, frozen=True, kw_only=True):
    """One row of the catalogue; ``memory_gb`` smallest first, empty for a processor."""

    name: str
    vendor: Vendor
    memory_gb: tuple[int, ...]
    bandwidth_bytes_s: float
    flops: float | None
    tdp_w: float | None
    unified: bool
    ecc: bool
    sure: bool
    source: str
    date: str
    remark: str
    cores: int | None
    """GPU cores, where the name tells variants apart by them."""

    def memory_bytes(self, size_gb: int) -> int:
        """Bytes that programs get of that size."""
        return size_gb * GIB * 15 // 16 if self.ecc else size_gb * GIB

    def device(self, memory_bytes: int) -> Device:
        """The chip with so much memory."""
        return Device(
            chip=self.name,
            vendor=self.vendor,
            memory_bytes=memory_bytes,
            bandwidth_bytes_s=self.bandwidth_bytes_s,
            flops=self.flops,
            unified=self.unified,
            tdp_w=self.tdp_w,
        )


def chips() -> tuple[Chip, ...]:
    """All rows, in the file's order."""
    return _table()[0]


def known_as(name: str) -> tuple[Chip, ...]:
    """Chips of that name, the preferred first; none where the catalogue has no such name."""
    return named(parse_name(name))


def named(name: Name) -> tuple[Chip, ...]:
    """Chips of a name whose memory and cores are not looked at, with the bandwidth that the user set."""
    found = _table()[1].get(name.key, ())
    own = _own_bandwidths() if found else {}
    return tuple(
        replace(chip, bandwidth_bytes_s=own[chip], source=OWN, date="") if chip in own else chip for chip in found
    )


def _own_bandwidths() -> dict[Chip, float]:
    """What the user's configuration says of chips, by the row that each of its names means."""
    settings, own = read_settings(), {}
    for text in settings.named("hardware"):
        bandwidth, name = settings.number("hardware", text, "bandwidth_gb_s"), parse_name(text)
        chip = next((chip for chip in _table()[1].get(name.key, ()) if has(chip, name)), None)
        if bandwidth is not None and chip is not None:
            own[chip] = bandwidth * 1e9
    return own


def has(chip: Chip, name: Name) -> bool:
    """Whether the chip is sold with the memory and the cores that the name tells, if it tells any."""
    cores = name.cores is None or chip.cores is None or name.cores == chip.cores
    memory = name.memory_gb is None or not chip.memory_gb or name.memory_gb in chip.memory_gb
    return cores and memory


def spellings() -> dict[str, str]:
    """The preferred chip's name by every key that means it."""
    return {key: owners[0].name for key, owners in _table()[1].items()}


@cache
def _table() -> tuple[tuple[Chip, ...], dict[str, tuple[Chip, ...]]]:
    """The rows, and the chips by every key that names them."""
    lines = resources.files("bakeoff.hardware").joinpath("chips.csv").read_text("utf-8").splitlines()
    rows, keys = [], dict[str, tuple[Chip, ...]]()
    for row in csv.DictReader(lines):
        chip = _chip(row)
        rows.append(chip)
        for alias in (chip.name, *filter(None, row["aliases"].split(";"))):
            for key in short_forms(parse_name(alias).key):
                if chip not in keys.get(key, ()):
                    keys[key] = (*keys.get(key, ()), chip)
    return tuple(rows), keys


def _chip(row: dict[str, str]) -> Chip:
    tflops = row["matrix_tflops"] or row["shader_tflops"]
    return Chip(
        name=row["chip"],
        vendor=cast("Vendor", row["vendor"]),
        memory_gb=tuple(map(int, row["memory_gb"].split())),
        bandwidth_bytes_s=float(row["bandwidth_gb_s"]) * 1e9,
        flops=float(tflops) * 1e12 if tflops else None,
        tdp_w=float(row["tdp_w"]) if row["tdp_w"] else None,
        unified=row["unified"] == "1",
        ecc=row["ecc"] == "1",
        sure=row["sure"] == "1",
        source=row["source"],
        date=row["date"],
        remark=row["notes"],
        cores=parse_name(row["chip"]).cores,
    )
