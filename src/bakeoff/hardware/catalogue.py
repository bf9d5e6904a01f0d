"""Machines by name: a chip of the table with its memory, in a host; several GPUs; a bare processor."""

from __future__ import annotations

import re

from msgspec.structs import replace

from bakeoff.errors import UsageError
from bakeoff.hardware.chips import OWN, Chip, has, named, spellings
from bakeoff.hardware.machine import Device, HostMemory, Machine
from bakeoff.hardware.memory_speed import MemoryKind, parse_memory
from bakeoff.hardware.naming import Name, parse_name
from bakeoff.units import GIB, plain_text

STATED_HOST = HostMemory(
    memory_bytes=64 * GIB,
    bandwidth_bytes_s=89.6e9,
    described="64 GB of dual-channel DDR5-5600, 89.6 GB/s, assumed",
    flops=8 * 4.5e9 * 32,
    cores=8,
)
"""What a GPU stands in that is only named: eight cores at 4.5 GHz, each 32 single-precision operations a clock."""

MOST_GPUS = 16


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
    found = named(name) or named(parse_name(f"{text}gb"))
    if not found:
        raise UsageError(_unknown(text, name))
    if not named(name):
        name = parse_name(f"{text}gb")
    fitting = [chip for chip in found if has(chip, name)]
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


def _not_sold(text: str, found: tuple[Chip, ...]) -> str:
    sold = "; ".join(f"{chip.name} with {' or '.join(map(str, chip.memory_gb))} GB" for chip in found)
    return f"There is no {text!r} in the catalogue, but {sold}. Name one of these."


def _unknown(text: str, name: Name) -> str:
    from difflib import get_close_matches

    spelled = spellings()
    near = dict.fromkeys(spelled[key] for key in get_close_matches(name.key, spelled, n=5, cutoff=0.6))
    guess = (
        f"Did you mean {' or '.join(list(near)[:3])}?"
        if near
        else "For example: rtx-4090, m3-max-48gb, cpu:ddr5-5600-dual."
    )
    return f"No hardware {text!r} in the catalogue. {guess}"
