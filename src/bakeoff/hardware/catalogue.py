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
import re
from functools import cache
from importlib import resources
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from bakeoff.config import read_settings
from bakeoff.errors import UsageError
from bakeoff.hardware.machine import Device, HostMemory, Machine, Vendor
from bakeoff.hardware.memory_speed import MemoryKind, parse_memory
from bakeoff.hardware.naming import Name, parse_name, short_forms
from bakeoff.units import plain_text

GIB = 2**30

STATED_HOST = HostMemory(
    memory_bytes=64 * GIB,
    bandwidth_bytes_s=89.6e9,
    described="64 GB of dual-channel DDR5-5600, 89.6 GB/s, assumed",
    flops=8 * 4.5e9 * 32,
    cores=8,
)
"""What a GPU stands in that is only named: eight cores at 4.5 GHz, each 32 single-precision operations a clock."""

MOST_GPUS = 16
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
    return _named(parse_name(name))


def find_machine(text: str, host_memory: int | None = None, host_bandwidth: float | None = None) -> Machine:
    """The machine that a name means, with what was assumed in its notes.

    A chip as the catalogue spells it, as its driver reports it, or an alias, with a memory size where it is sold
    with several (``m3-max-48gb``); several GPUs (``2x-rtx-3090``); a processor by name, or ``cpu`` with its memory
    (``cpu:ddr4-3200x2``). ``host_memory`` in bytes and ``host_bandwidth`` in bytes per second replace those of the
    stated host, 64 GB of dual-channel DDR5-5600. Raises UsageError, with a guess.
    """
    text = plain_text(text).strip()
    if match := re.fullmatch(r"(?i)(?:cpu|processor)(?:[\s:_\-,]+(?P<memory>.*))?", text):
        return _bare_processor(match["memory"] or "", host_memory, host_bandwidth)
    match = re.match(r"(?i)(\d{1,2}) ?[x×*](?: |-|_)?(?=\S)", text)
    count = int(match[1]) if match else 1
    if not 1 <= count <= MOST_GPUS:
        raise UsageError(f"{text!r}: a machine has 1 to {MOST_GPUS} GPUs.")
    chip, size_gb, notes = _choose(text[match.end() :] if match else text)
    if chip.vendor == "cpu":
        host, host_notes = _processor_host(chip, size_gb, host_memory, host_bandwidth)
        return Machine(name=chip.name, host=host, notes=(*notes, *host_notes))
    return _with_gpus(chip, size_gb, count, notes, host_memory, host_bandwidth)


def _with_gpus(
    chip: Chip,
    size_gb: int,
    count: int,
    notes: tuple[str, ...],
    host_memory: int | None,
    host_bandwidth: float | None,
) -> Machine:
    device = chip.device(chip.memory_bytes(size_gb))
    name = f"{chip.name} {size_gb} GB" if len(chip.memory_gb) > 1 else chip.name
    if chip.unified:
        if count > 1:
            raise UsageError(f"{chip.name} is a whole computer: plan for one of it.")
        if host_memory or host_bandwidth:
            notes += (f"{chip.name} is its own host: the host memory given is not used.",)
        return Machine(name=name, devices=(device,), host=unified_host(device), notes=notes)
    host, host_note = _stated_host(host_memory, host_bandwidth)
    return Machine(
        name=name if count == 1 else f"{count} × {name}",
        devices=(device,) * count,
        host=host,
        notes=(*notes, host_note),
    )


def unified_host(device: Device) -> HostMemory:
    """The host's memory of a chip that shares it."""
    return HostMemory(
        memory_bytes=device.memory_bytes,
        bandwidth_bytes_s=device.bandwidth_bytes_s,
        described=f"unified memory of the {device.chip}, {device.bandwidth_bytes_s / 1e9:.0f} GB/s",
    )


def _stated_host(memory: int | None, bandwidth: float | None) -> tuple[HostMemory, str]:
    """The host that a named GPU stands in, and the note that says so."""
    size, speed = memory or STATED_HOST.memory_bytes, bandwidth or STATED_HOST.bandwidth_bytes_s
    if memory is None and bandwidth is None:
        host = STATED_HOST
    else:
        words = [
            f"{size / GIB:.0f} GB{'' if memory else ' (assumed)'}",
            f"{speed / 1e9:.1f} GB/s{'' if bandwidth else ' (assumed: dual-channel DDR5-5600)'}",
        ]
        host = replace(STATED_HOST, memory_bytes=size, bandwidth_bytes_s=speed, described=", ".join(words))
    return (
        host,
        f"Host: {host.described}; 8 cores at 4.5 GHz assumed. --host-memory and --host-bandwidth say otherwise.",
    )


def _bare_processor(text: str, host_memory: int | None, host_bandwidth: float | None) -> Machine:
    """``cpu``, with its memory's type and size where they are said."""
    name = parse_name(text)
    words = re.sub(r"(?i)(?<![\d.])\d{1,4}\s?g(?:i?b)?\b", " ", text).strip(" -_:,") if name.memory_gb else text.strip()
    kind = parse_memory(words) if words else MemoryKind(type="DDR5", mt_s=5600, bits=128)
    size = host_memory or (name.memory_gb or 64) * GIB
    bandwidth = host_bandwidth or kind.bandwidth_bytes_s
    speed = f"{bandwidth / 1e9:.1f} GB/s" if host_bandwidth else kind.described
    host = replace(
        STATED_HOST,
        memory_bytes=size,
        bandwidth_bytes_s=bandwidth,
        described=f"{size / GIB:.0f} GB, {speed}" + ("" if words or host_bandwidth else ", assumed"),
    )
    return Machine(
        name=f"CPU, {speed}",
        host=host,
        notes=(f"Host: {host.described}; 8 cores at 4.5 GHz assumed.",),
    )


def _processor_host(
    chip: Chip, size_gb: int, memory: int | None, bandwidth: float | None
) -> tuple[HostMemory, tuple[str, ...]]:
    """A named processor: all its channels filled at its rated speed, unless said otherwise."""
    size, speed = memory or size_gb * GIB, bandwidth or chip.bandwidth_bytes_s
    words = f"{size / GIB:.0f} GB, {speed / 1e9:.1f} GB/s" + (
        "" if bandwidth else " with all channels at their rated speed"
    )
    host = HostMemory(memory_bytes=size, bandwidth_bytes_s=speed, described=words, flops=chip.flops)
    return host, (f"Host: {words}, assumed.",) if not (memory and bandwidth) else ()


def _choose(text: str) -> tuple[Chip, int, tuple[str, ...]]:
    """The chip and memory size that a name means, and what has to be said of the choice."""
    name = parse_name(text)
    found = _named(name) or _named(parse_name(f"{text}gb"))
    if not found:
        raise UsageError(_unknown(text, name))
    if not _named(name):
        name = parse_name(f"{text}gb")
    fitting = [chip for chip in found if _has(chip, name)]
    if not fitting:
        raise UsageError(_not_sold(text, found))
    chip, *others = fitting
    size = name.memory_gb or (chip.memory_gb[-1] if chip.memory_gb else STATED_HOST.memory_bytes // GIB)
    return chip, size, _remarks(text, chip, others, size, name)


def _remarks(text: str, chip: Chip, others: list[Chip], size: int, name: Name) -> tuple[str, ...]:
    notes = []
    if others:
        notes.append(f"{text!r} is taken as {chip.name}; also: {', '.join(other.name for other in others)}.")
    if name.memory_gb is None and len(chip.memory_gb) > 1:
        sizes = ", ".join(map(str, chip.memory_gb))
        notes.append(f"{chip.name} is sold with {sizes} GB: planned with {size}.")
    if chip.source == OWN:
        notes.append(f"{chip.name}: {chip.bandwidth_bytes_s / 1e9:g} GB/s are from your configuration.")
    elif not chip.sure:
        notes.append(f"{chip.name}: its figures are not from a retrieved source ({chip.source}).")
    return tuple(notes)


def _named(name: Name) -> tuple[Chip, ...]:
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
        chip = next((chip for chip in _table()[1].get(name.key, ()) if _has(chip, name)), None)
        if bandwidth is not None and chip is not None:
            own[chip] = bandwidth * 1e9
    return own


def _has(chip: Chip, name: Name) -> bool:
    cores = name.cores is None or chip.cores is None or name.cores == chip.cores
    memory = name.memory_gb is None or not chip.memory_gb or name.memory_gb in chip.memory_gb
    return cores and memory


def _not_sold(text: str, found: tuple[Chip, ...]) -> str:
    sold = "; ".join(f"{chip.name} with {' or '.join(map(str, chip.memory_gb))} GB" for chip in found)
    return f"There is no {text!r} in the catalogue, but {sold}. Name one of these."


def _unknown(text: str, name: Name) -> str:
    from difflib import get_close_matches

    spelled = {key: owners[0].name for key, owners in _table()[1].items()}
    near = dict.fromkeys(spelled[key] for key in get_close_matches(name.key, spelled, n=5, cutoff=0.6))
    guess = (
        f"Did you mean {' or '.join(list(near)[:3])}?"
        if near
        else "For example: rtx-4090, m3-max-48gb, cpu:ddr5-5600-dual."
    )
    return f"No hardware {text!r} in the catalogue. {guess}"


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
