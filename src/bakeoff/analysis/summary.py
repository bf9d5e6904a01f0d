"""A run's records → what it says: each cell's figures and findings."""

from __future__ import annotations

from msgspec import Struct

from bakeoff.analysis.findings import Cell, Finding, findings_of
from bakeoff.measurement.metrics import cell_metrics
from bakeoff.results.records import CellOpened, Figure, Run, Trial


class Counts(Struct, frozen=True, kw_only=True):
    """How the timed trials of a cell ended."""

    ok: int
    failed: int
    truncated: int


class CellSummary(Struct, frozen=True, kw_only=True):
    """One cell: figures by METHOD's names, peak memory by scope, findings."""

    opened: CellOpened
    metrics: dict[str, Figure | None]
    peak_memory_bytes: dict[str, Figure | None]
    trials: Counts
    findings: tuple[Finding, ...]


class Summary(Struct, frozen=True, kw_only=True):
    """A whole run."""

    run: Run
    cells: tuple[CellSummary, ...]


def summarize(run: Run) -> Summary:
    """Every cell of the run, in order."""
    return Summary(run=run, cells=tuple(_cell(opened, run) for opened in run.cells))


def _cell(opened: CellOpened, run: Run) -> CellSummary:
    timed = run.trials_of(opened.cell)
    ok = [trial for trial in timed if trial.status == "ok"]
    figures = cell_metrics(ok, repeated=opened.workload.cache == "warm")
    cell = Cell(opened=opened, host=run.started.host, timed=timed, ok=ok, metrics=figures)
    return CellSummary(
        opened=opened,
        metrics=figures,
        peak_memory_bytes={"process": _peak([t.memory_peak_bytes for t in ok]), **_told(opened, ok)},
        trials=Counts(
            ok=len(ok),
            failed=sum(t.status == "failed" for t in timed),
            truncated=sum(t.status == "truncated" for t in timed),
        ),
        findings=tuple(findings_of(cell)),
    )


def _told(opened: CellOpened, trials: list[Trial]) -> dict[str, Figure | None]:
    """What the engine itself says that it held at most, else that it holds, all parts together."""
    peak = _peak([trial.engine.peak_memory_bytes for trial in trials])
    if peak is not None:
        return {"engine": peak}
    parts = opened.engine_memory
    return {"engine": Figure(point=sum(part.bytes for part in parts))} if parts else {}


def _peak(told: list[int | None]) -> Figure | None:
    """The highest of the trials' peaks: a peak has no interval."""
    peaks = [peak for peak in told if peak is not None]
    return Figure(point=max(peaks), n=len(peaks)) if peaks else None
