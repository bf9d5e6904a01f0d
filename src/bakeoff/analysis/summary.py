"""A run's records → what it says: each cell's figures and findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from bakeoff.analysis.energy import EnergySummary, energy_summary
from bakeoff.analysis.findings import Asked, Cell, Finding, asked, findings_of
from bakeoff.analysis.load import LoadSummary, loads
from bakeoff.analysis.memory_peaks import memory_peaks
from bakeoff.analysis.sustained import Sustained, sustained
from bakeoff.measurement.metrics import cell_metrics
from bakeoff.results.records import CellEnded, CellOpened, CooledDown, Figure, Run, Trial, Warmed, Window

_OfCell = TypeVar("_OfCell", Trial, Window, Warmed, CooledDown, CellEnded)


class Counts(Struct, frozen=True, kw_only=True):
    """How the timed trials of a cell ended."""

    ok: int
    failed: int
    truncated: int


class CellSummary(Struct, frozen=True, kw_only=True):
    """One cell: figures by METHOD's names, peak memory by scope, findings; its course where it was sustained."""

    opened: CellOpened
    metrics: dict[str, Figure | None]
    peak_memory_bytes: dict[str, Figure | None]
    trials: Counts
    findings: tuple[Finding, ...]
    sustained: Sustained | None = None
    load: LoadSummary | None = None
    energy: EnergySummary = EnergySummary(figures={}, methods={})


class Summary(Struct, frozen=True, kw_only=True):
    """A whole run."""

    run: Run
    cells: tuple[CellSummary, ...]


def summarize(run: Run) -> Summary:
    """Every cell of the run, in order."""
    return Summary(run=run, cells=tuple(_summed_up(run, cell) for cell in _cells(run)))


class _Parts(Struct, frozen=True, kw_only=True):
    """A run's records by the cells they belong to, so that none is looked at once for every cell."""

    asked: Asked
    timed: Mapping[int, list[Trial]]
    windows: Mapping[int, list[Window]]
    warmed: Mapping[int, list[Warmed]]
    ended: Mapping[int, list[CellEnded]]
    cooled: Mapping[int, list[CooledDown]]
    anchors: Mapping[int, list[list[Trial]]]


def _cells(run: Run) -> Iterable[Cell]:
    parts = _Parts(
        asked=asked(run),
        timed=_by_cell(trial for trial in run.trials if trial.purpose == "timed"),
        windows=_by_cell(window for window in run.windows if window.purpose == "timed"),
        warmed=_by_cell(run.warmed),
        ended=_by_cell(run.cell_ends),
        cooled=_by_cell(run.cooled),
        anchors=_anchors(run),
    )
    under_load = loads(run)
    for opened in run.cells:
        timed = parts.timed.get(opened.cell, [])
        ok = [trial for trial in timed if trial.status == "ok"]
        yield Cell(
            opened=opened,
            host=run.started.host,
            timed=timed,
            ok=ok,
            metrics=cell_metrics(ok, repeated=opened.workload.cache == "warm"),
            asked=parts.asked,
            anchors=parts.anchors.get(opened.entrant, parts.anchors.get(0, [])),
            windows=parts.windows.get(opened.cell, []),
            warmed=next(iter(parts.warmed.get(opened.cell, [])), None),
            ended=next(reversed(parts.ended.get(opened.cell, [])), None),
            cooled=parts.cooled.get(opened.cell, []),
            metered=run.metered,
            alone=len(run.cells) == 1,
            load=under_load.get(opened.cell),
        )


def _by_cell(records: Iterable[_OfCell]) -> dict[int, list[_OfCell]]:
    found: defaultdict[int, list[_OfCell]] = defaultdict(list)
    for record in records:
        found[record.cell].append(record)
    return dict(found)


def _anchors(run: Run) -> dict[int, list[list[Trial]]]:
    """Each entrant's anchor trials in groups, parted by the timed trials that ran between them."""
    entrants = {opened.cell: opened.entrant for opened in run.cells}
    groups: defaultdict[int, list[list[Trial]]] = defaultdict(list)
    between = True
    for trial in run.trials:
        if trial.purpose == "anchor":
            series = groups[entrants[trial.cell]]
            if between or not series:
                series.append([])
            if trial.status == "ok":
                series[-1].append(trial)
        between = trial.purpose == "timed" or (between and trial.purpose == "warm-up")
    return dict(groups)


def _summed_up(run: Run, cell: Cell) -> CellSummary:
    ok, timed, load = cell.ok, cell.timed, cell.load
    return CellSummary(
        opened=cell.opened,
        metrics=cell.metrics,
        peak_memory_bytes=memory_peaks(cell),
        trials=Counts(
            ok=len(ok),
            failed=sum(t.status == "failed" for t in timed),
            truncated=sum(t.status == "truncated" for t in timed),
        ),
        findings=tuple(findings_of(cell)),
        sustained=sustained(cell.timed) if cell.asked.sustained_s is not None else None,
        load=load,
        energy=energy_summary(
            ok,
            cell.metered,
            windows=cell.windows if cell.under_load else (),
            totals=load.totals if load is not None else (),
            of_the_run=run.trials if cell.alone else (),
        ),
    )
