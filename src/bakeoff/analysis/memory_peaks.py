"""The most that a cell held, by scope; scopes are never added up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bakeoff.analysis.findings import Cell
from bakeoff.results.records import Figure

SCOPES = ("gpu", "unified")
"""What meters tell besides the processes' own memory; in the order in which a screen with room for one has them."""


def memory_peaks(cell: Cell) -> dict[str, Figure | None]:
    """``process`` always, None where it is not known; ``gpu`` and ``unified`` where a meter told; ``engine``.

    The highest of the peaks of all trials, or windows of load: a peak has no interval.
    """
    peaks: dict[str, Figure | None] = {"process": _highest(each.memory_peak_bytes for each in cell.watched)}
    for scope in SCOPES:
        told = [
            reading.high
            for each in cell.watched
            for reading in each.readings
            if reading.scope == scope and reading.quantity == "memory_bytes"
        ]
        figure = _highest(told)
        if figure is not None:
            peaks[scope] = figure
    return {**peaks, **_by_the_engine(cell)}


def _by_the_engine(cell: Cell) -> dict[str, Figure | None]:
    """What the engine itself says that it held at most, else that it holds, all parts together."""
    peak = _highest(trial.engine.peak_memory_bytes for trial in cell.ok)
    if peak is not None:
        return {"engine": peak}
    parts = cell.opened.engine_memory
    return {"engine": Figure(point=sum(part.bytes for part in parts))} if parts else {}


def _highest(told: Iterable[float | None]) -> Figure | None:
    peaks = [peak for peak in told if peak is not None and math.isfinite(peak)]
    return Figure(point=max(peaks), n=len(peaks)) if peaks else None
