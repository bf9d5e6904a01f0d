"""A cell as one side of a comparison: its figures, and the trials that each is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from bakeoff.analysis.energy import SCOPES as ENERGY_SCOPES
from bakeoff.analysis.energy import spent
from bakeoff.analysis.summary import CellSummary, summarize
from bakeoff.measurement import load_metrics
from bakeoff.measurement.metrics import MEANS, RATIOS, output_tokens
from bakeoff.results.records import Figure, Host, Run, Trial, Window

SPEEDS = ("decode_tps", "ttft_s", "prefill_tps", "tpot_s", "output_tps")
"""What is compared of a cell whose requests ran one by one, unless something else is asked for."""
LOAD_RATES = ("output_tps", "goodput_rps")
LOAD_TIMES = {"ttft_s": (0.5, 0.95), "tpot_s": (0.5, 0.95)}
"""The same of a cell under load: rates of all streams together, and quantiles over requests."""
MEMORY, ENERGY = "peak_memory_bytes", "energy_j_per_token"
ASKABLE = (*dict.fromkeys((*SPEEDS, *RATIOS, *MEANS, "goodput_rps")), MEMORY, ENERGY)


class Measure(Struct, frozen=True, kw_only=True):
    """One metric of one side. ``parts``: numerator and denominator of each trial or window, and ``rounds`` when it ran.

    Of a quantile there are ``values`` instead, one a request, and ``p``; of a peak neither.
    """

    figure: Figure
    parts: tuple[tuple[float, float], ...] = ()
    rounds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    p: float | None = None


class Side(Struct, frozen=True, kw_only=True):
    """One cell with the run that it is from. ``ok`` are its trials that count, ``requests`` those of its windows."""

    run: Run
    cell: CellSummary
    ok: Sequence[Trial]
    windows: Sequence[Window]
    requests: Sequence[Trial]
    rounds: dict[int, int]

    @property
    def name(self) -> str:
        """As it is named on the command line: ``RUN#CELL``."""
        return f"{self.run.started.id}#{self.cell.opened.cell}"

    @property
    def host(self) -> Host:
        return self.run.started.host


def sides(run: Run) -> list[Side]:
    """Every cell of a run, in order."""
    trials, requests, windows = defaultdict(list), defaultdict(list), defaultdict(list)
    for trial in run.trials:
        if trial.purpose == "timed" and trial.status == "ok":
            trials[trial.cell].append(trial)
        if trial.window is not None:
            requests[trial.cell].append(trial)
    for window in run.windows:
        if window.purpose == "timed":
            windows[window.cell].append(window)
    rounds = _rounds(run)
    return [
        Side(
            run=run,
            cell=cell,
            ok=trials[cell.opened.cell],
            windows=windows[cell.opened.cell],
            requests=requests[cell.opened.cell],
            rounds=rounds[cell.opened.cell],
        )
        for cell in summarize(run).cells
    ]


def _rounds(run: Run) -> dict[int, dict[int, int]]:
    """Of each cell, in which round each of its trials or windows ran: a round has each cell once at most."""
    entrants = {opened.cell: opened.entrant for opened in run.cells}
    under_load = {window.cell for window in run.windows}
    turns = [(each.cell, each.index) for each in run.trials if each.purpose == "timed" and each.cell not in under_load]
    turns += [(each.cell, each.index) for each in run.windows if each.purpose == "timed"]
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    number: defaultdict[tuple[int, bool], int] = defaultdict(int)
    met: defaultdict[tuple[int, bool], set[int]] = defaultdict(set)
    for cell, index in turns:
        lane = (entrants.get(cell, 0), cell in under_load)
        if cell in met[lane]:
            number[lane] += 1
            met[lane].clear()
        met[lane].add(cell)
        found[cell][index] = number[lane]
    return found


def measures(side: Side, wanted: Sequence[str] = ()) -> dict[str, Measure]:
    """What is compared of this side, by the metric's name, and by scope or quantile behind a dot.

    ``wanted`` names others of ``ASKABLE``; empty: the usual ones. What is not known is left out.
    """
    found = _under_load(side, wanted) if side.cell.load is not None else _one_by_one(side, wanted or SPEEDS)
    if not wanted or MEMORY in wanted:
        peaks = side.cell.peak_memory_bytes.items()
        found |= {f"{MEMORY}.{scope}": Measure(figure=figure) for scope, figure in peaks if figure is not None}
    if not wanted or ENERGY in wanted:
        found |= _energies(side)
    return found


def _one_by_one(side: Side, wanted: Sequence[str]) -> dict[str, Measure]:
    found = {}
    for name in wanted:
        figure = side.cell.metrics.get(name)
        if figure is None:
            continue
        parts = [_parts(name, trial) for trial in side.ok]
        known = tuple(part for part in parts if part is not None)
        rounds = tuple(side.rounds[trial.index] for trial in side.ok)
        found[name] = Measure(figure=figure, parts=known, rounds=rounds)
    return found


def _parts(name: str, trial: Trial) -> tuple[float, float] | None:
    if name in RATIOS:
        return RATIOS[name](trial)
    value = MEANS[name](trial)
    return None if value is None else (value, 1.0)


def _under_load(side: Side, wanted: Sequence[str]) -> dict[str, Measure]:
    load, found = side.cell.load, {}
    assert load is not None
    parts = _steady_parts(side)
    for name in LOAD_RATES:
        figure: Figure | None = getattr(load, name)
        if figure is not None and (not wanted or name in wanted):
            known = tuple(part[name] for part in parts.values())
            rounds = tuple(side.rounds[index] for index in parts)
            found[name] = Measure(figure=figure, parts=known, rounds=rounds)
    counted = [trial for trial in side.requests if trial.purpose == "timed" and trial.status == "ok"]
    for name, shares in LOAD_TIMES.items():
        values = tuple(value for trial in counted if (value := load_metrics.TIMES[name](trial)) is not None)
        for p in shares:
            figure = getattr(load, name).get(f"p{100 * p:.0f}")
            if figure is not None and (not wanted or name in wanted):
                found[f"{name}.p{100 * p:.0f}"] = Measure(figure=figure, values=values, p=p)
    return found


def _steady_parts(side: Side) -> dict[int, dict[str, tuple[float, float]]]:
    """What came of the steady part of each window, by its index."""
    by_window: defaultdict[int | None, list[Trial]] = defaultdict(list)
    for trial in side.requests:
        by_window[trial.window].append(trial)
    found = {}
    for window in side.windows:
        part = load_metrics.steady(window, by_window[window.index], side.cell.opened.workload.slo)
        if part is not None:
            found[window.index] = {
                "output_tps": (part.tokens, part.span_s),
                "goodput_rps": (float(part.served), part.span_s),
            }
    return found


def _energies(side: Side) -> dict[str, Measure]:
    """Of requests that ran one by one each trial's joules and tokens; under load the figure alone."""
    found = {}
    for scope in ENERGY_SCOPES:
        figure = side.cell.energy.figures.get(ENERGY, {}).get(scope)
        if figure is None:
            continue
        told = [(spent(trial, side.run.metered, scope), output_tokens(trial)) for trial in side.ok]
        parts = tuple((each.joules, float(tokens)) for each, tokens in told if each is not None and tokens)
        whole = len(parts) == len(side.ok) and side.cell.load is None
        rounds = tuple(side.rounds[trial.index] for trial in side.ok) if whole else ()
        found[f"{ENERGY}.{scope}"] = Measure(figure=figure, parts=parts if whole else (), rounds=rounds)
    return found
