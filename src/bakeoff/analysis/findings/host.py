"""Whether the machine was quiet, cool and on mains; and whether two machines are alike."""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.results.records import Host, Reading
from bakeoff.units import bytes_text, seconds_text

BUSY_SHARE = 0.1
THROTTLED_SHARE = 0.01
ALIKE_MEMORY = 0.02
"""Two readings of one machine's memory differ by what a new kernel keeps for itself."""
_USUAL = "power limit"
"""Many cards are always at their power limit when they work: that is what they are."""


def busy_host(cell: Cell) -> Finding | None:
    """Other programs had over 10 % of the processor."""
    busy = [share for each in cell.watched if (share := each.others_cpu) is not None and share > BUSY_SHARE]
    if not busy:
        return None
    return Finding(
        code="busy_host",
        severity="warning",
        evidence=f"in {cell.of(busy)} other programs had up to {max(busy):.0%} of the processor",
        advice="The machine can do better than this: close them and run again.",
    )


def on_battery(cell: Cell) -> Finding | None:
    """The machine ran on battery."""
    if cell.host.power_source != "battery":
        return None
    return Finding(
        code="on_battery",
        severity="warning",
        evidence="the machine ran on battery, which many slow down to spare",
        advice="Plug it in and run again.",
    )


def throttled(cell: Cell) -> Finding | None:
    """The device held itself back for over 1 % of a trial; info where it was at its power limit, as many always are."""
    held = [reading for reading in cell.readings("throttled_share") if _held_back(reading)]
    if not held:
        return None
    reasons = list(dict.fromkeys(reading.detail for reading in held if reading.detail))
    why = f": {', '.join(reasons)}" if reasons else ""
    usual = bool(reasons) and all(_USUAL in reason for reason in reasons)
    most = max(reading.value or 0 for reading in held)
    return Finding(
        code="throttled",
        severity="info" if usual else "warning",
        evidence=f"in {cell.of(held)} the device held itself back{f' for up to {most:.0%} of the time' if most else ''}"
        f"{why}",
        advice="This is its speed at that limit; with a higher one it may do better."
        if usual
        else "Let it cool, give it air, and run again; this may also be all that it can keep up.",
    )


def _held_back(reading: Reading) -> bool:
    """By its share; older kernels tell that it was, but not for how long: a reason, and a share of 0."""
    return (reading.value or 0) > THROTTLED_SHARE or (reading.value == 0 and bool(reading.detail))


def cooled_down(cell: Cell) -> Finding | None:
    """Trials waited for the device to cool; a warning where it did not."""
    if not cell.cooled:
        return None
    hot = [pause for pause in cell.cooled if not pause.recovered]
    waited = seconds_text(sum(pause.waited_s for pause in cell.cooled))
    evidence = f"{len(cell.cooled)} trials waited for the device to cool, {waited} in all: {cell.cooled[0].reason}"
    return Finding(
        code="cooled_down",
        severity="warning" if hot else "info",
        evidence=evidence + (f"; {len(hot)} began while it still held itself back" if hot else ""),
        advice="It cannot keep up this work: better cooling or a higher power limit would show what it can do."
        if hot
        else "The trials ran cool. Used for minutes on end, it will be slower than this.",
    )


_COMPUTES: dict[str, Callable[[Host], str]] = {
    "processor": lambda host: host.cpu,
    "cores": lambda host: f"{host.cores_physical or '?'} ({host.cores_logical} logical)",
    "GPUs": lambda host: ", ".join(gpu.name for gpu in host.gpus) or "none",
    "architecture": lambda host: host.arch,
}
_AROUND: dict[str, Callable[[Host], str]] = {
    "system": lambda host: host.os,
    "GPU driver": lambda host: ", ".join(sorted({gpu.driver or "?" for gpu in host.gpus})) or "none",
    "power": lambda host: host.power_source,
    "Bakeoff": lambda host: host.bakeoff,
}


def unlike_hosts(a: Host, b: Host) -> Finding | None:
    """Two runs were made on machines that differ: severe in what computes, a warning in what is around it."""
    severe = _differences(_COMPUTES, a, b)
    if abs(a.memory_bytes - b.memory_bytes) > ALIKE_MEMORY * max(a.memory_bytes, b.memory_bytes):
        severe.append(f"memory {bytes_text(a.memory_bytes)} against {bytes_text(b.memory_bytes)}")
    around = _differences(_AROUND, a, b)
    if not severe and not around:
        return None
    return Finding(
        code="unlike_hosts",
        severity="severe" if severe else "warning",
        evidence=f"the machines differ: {'; '.join([*severe, *around])}",
        advice="The ratio is of two machines, not of what ran on them: to compare engines or models, run both on one."
        if severe
        else "The difference may be theirs: run both again under the same conditions.",
    )


def _differences(facts: dict[str, Callable[[Host], str]], a: Host, b: Host) -> list[str]:
    return [f"{name} {of(a)} against {of(b)}" for name, of in facts.items() if of(a) != of(b)]
