"""Whether the memory sufficed, and whose it is that is told."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.results.records import Trial, Window
from bakeoff.units import bytes_text

SWAPPED_BYTES = 4 << 20
PRESSURE_SHARE = 0.05
READ_BYTES, READ_SHARE, MUCH_SHARE = 16 << 20, 0.01, 0.1
"""Of mapped weights: what a trial may read from the disk unremarked, and from when on that is its speed."""


def swapped(cell: Cell) -> Finding | None:
    """Over 4 MiB came back from swap during a trial."""
    swaps = [reading.value for reading in cell.readings("swap_in_bytes") if (reading.value or 0) > SWAPPED_BYTES]
    if not swaps:
        return None
    return Finding(
        code="swapped",
        severity="warning",
        evidence=f"in {cell.of(swaps)} the machine read up to {bytes_text(max(v or 0 for v in swaps))} back from swap",
        advice=f"Memory was short, and this is the disk's speed. {_smaller(cell)}",
    )


def memory_pressure(cell: Cell) -> Finding | None:
    """Programs stood still for over 5 % of a trial, waiting for memory."""
    stalls = [reading.value for reading in cell.readings("pressure_share") if (reading.value or 0) > PRESSURE_SHARE]
    if not stalls:
        return None
    return Finding(
        code="memory_pressure",
        severity="warning",
        evidence=f"in {cell.of(stalls)} programs waited for memory for up to {max(v or 0 for v in stalls):.0%} of the "
        "time",
        advice=f"Weights may have been dropped and read again from the disk. {_smaller(cell)}",
    )


def weights_from_disk(cell: Cell) -> Finding | None:
    """The engine read over 16 MiB and 1 % of its mapped weights from the disk in a trial; severe from 10 % on."""
    told = [(_told(each, "disk_read_bytes"), _told(each, "mapped_bytes"), each) for each in cell.watched]
    again = [each for each in told if each[1] > 0 and each[0] > max(READ_BYTES, READ_SHARE * each[1])]
    if not again:
        return None
    read, mapped, worst = max(again, key=lambda each: each[0])
    resident = _told(worst, "mapped_resident_bytes")
    return Finding(
        code="weights_from_disk",
        severity="severe" if read > MUCH_SHARE * mapped else "warning",
        evidence=f"in {cell.of(again)} the engine read up to {bytes_text(read)} from the disk; of {bytes_text(mapped)} "
        f"of weights that it maps, {bytes_text(resident)} were in memory",
        advice=f"Weights that do not stay in memory are read at the disk's speed. {_smaller(cell)}",
    )


def _told(watched: Trial | Window, quantity: str) -> float:
    """The sum of a quantity around one trial or window; 0 where nothing told."""
    return sum(reading.value or 0 for reading in watched.readings if reading.quantity == quantity)


def _smaller(cell: Cell) -> str:
    """What takes less memory, of what this cell could have been given."""
    context = cell.opened.workload.context
    shorter = f"a --context below {context}" if context is not None else "a shorter --context"
    return f"Close what else is open, or take a smaller quantization or {shorter}: 'bakeoff plan' says what fits."


def other_models(cell: Cell) -> Finding | None:
    """An Ollama server held other models beside the one that was measured."""
    count = cell.opened.subject.settings.get("other_models_loaded")
    if not isinstance(count, int) or not count:
        return None
    return Finding(
        code="other_models_loaded",
        severity="warning",
        evidence=f"the server held {count} other model{'s' if count != 1 else ''} in memory",
        advice="They take memory that this one may have needed. Unload them (ollama stop MODEL) and run again.",
    )


def partly_on_gpu(cell: Cell) -> Finding | None:
    """A part of the model was on the GPU, the rest on the processor."""
    share = cell.opened.subject.settings.get("gpu_share")
    if not isinstance(share, float) or not 0 < share < 1:
        return None
    asked = cell.opened.subject.settings.get("gpu_layers")
    chosen = f" --gpu-layers {asked} asked for that." if isinstance(asked, int) and asked >= 0 else ""
    return Finding(
        code="partly_on_gpu",
        severity="info",
        evidence=f"{share:.0%} of the model's memory was on the GPU",
        advice=f"The rest ran on the processor.{chosen} A smaller quantization or --context may fit whole.",
    )


def memory_preallocated(cell: Cell) -> Finding | None:
    """The engine takes a share of the memory when it starts, needed or not."""
    settings = cell.opened.subject.settings
    share, cache = settings.get("memory_utilization"), settings.get("kv_cache_bytes")
    taken = f"{share:.0%} of its device's memory" if isinstance(share, float) else None
    taken = f"{bytes_text(cache)} for its KV cache" if isinstance(cache, int) else taken
    if taken is None or all(each.memory_peak_bytes is None for each in cell.watched):
        return None
    return Finding(
        code="memory_preallocated",
        severity="info",
        evidence=f"the engine took {taken} at once when it started, needed or not",
        advice="Its memory is a reservation: 'bakeoff plan' says what the model itself needs.",
    )
