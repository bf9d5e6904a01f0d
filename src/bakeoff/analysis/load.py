"""What came of a cell under load.

Intervals of rates are over windows, each one a figure of many requests that wait for each other. Those of quantiles
are over requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from bakeoff.measurement import load_metrics
from bakeoff.measurement.load_metrics import Steady, steady
from bakeoff.measurement.metrics import as_figure
from bakeoff.results.records import Figure, Run, Trial, Window, Workload
from bakeoff.stats.intervals import ratio_of_sums
from bakeoff.stats.quantiles import quantile

QUANTILES = (0.50, 0.90, 0.95, 0.99)

Quantiles = dict[str, Figure]
"""``p50``, ``p90``, ``p95``, ``p99``; empty where the times are not known."""


class LoadSummary(Struct, frozen=True, kw_only=True):
    """What came of a cell under load; None where it is not known.

    ``requests`` ended in the steady parts, and ``lost`` failed there; ``totals`` are the tokens and seconds of each
    part. ``output_tps`` is of all streams together, ``output_tps_per_stream`` the share of one. ``offered_rps`` came
    due, ``achieved_rps`` were answered, ``goodput_rps`` of them kept every limit. ``at_once`` is the most requests
    that the engine was at, at one time, ``client_cpu`` the most that our own client took of one core. ``stopped`` says
    why a window was ended early.
    """

    windows: int
    requests: int
    lost: int
    span_s: float
    totals: tuple[tuple[float, float], ...]
    output_tps: Figure | None
    output_tps_per_stream: Figure | None
    offered_rps: Figure | None
    achieved_rps: Figure | None
    goodput_rps: Figure | None
    ttft_s: Quantiles
    tpot_s: Quantiles
    itl_s: Quantiles
    latency_s: Quantiles
    at_once: int
    client_cpu: float | None
    stopped: str | None


def loads(run: Run) -> dict[int, LoadSummary]:
    """What came of each cell that ran under load, by its number."""
    windows: defaultdict[int, list[Window]] = defaultdict(list)
    requests: defaultdict[int, list[Trial]] = defaultdict(list)
    for window in run.windows:
        if window.purpose == "timed":
            windows[window.cell].append(window)
    for trial in run.trials:
        if trial.window is not None:
            requests[trial.cell].append(trial)
    return {
        opened.cell: load_summary(opened.workload, windows[opened.cell], requests[opened.cell])
        for opened in run.cells
        if opened.cell in windows
    }


def load_summary(workload: Workload, windows: Sequence[Window], trials: Sequence[Trial]) -> LoadSummary:
    """Of one cell's windows and all of their requests, counted or not."""
    by_window: defaultdict[int | None, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_window[trial.window].append(trial)
    found = [part for window in windows if (part := steady(window, by_window[window.index], workload.slo)) is not None]
    counted = [trial for trial in trials if trial.purpose == "timed" and trial.status == "ok"]
    total = _rate(found, lambda part: part.tokens)
    return LoadSummary(
        windows=len(windows),
        requests=sum(part.ended for part in found),
        lost=sum(part.lost for part in found),
        span_s=sum(part.span_s for part in found),
        totals=tuple((part.tokens, part.span_s) for part in found),
        output_tps=total,
        output_tps_per_stream=_scaled(total, 1 / max(1, workload.concurrency)) if workload.rate_rps is None else None,
        offered_rps=_rate(found, lambda part: part.due) if workload.rate_rps is not None else None,
        achieved_rps=_rate(found, lambda part: part.ended),
        goodput_rps=_rate(found, lambda part: part.served) if workload.slo is not None else None,
        **{name: _quantiles(_known(counted, of)) for name, of in load_metrics.TIMES.items()},
        itl_s=_weighted_quantiles(load_metrics.itl_s(counted) or []),
        at_once=max((part.at_once for part in found), default=0),
        client_cpu=max((window.client_cpu for window in windows if window.client_cpu is not None), default=None),
        stopped=next((window.stopped for window in windows if window.stopped is not None), None),
    )


def _rate(parts: Sequence[Steady], of: Callable[[Steady], float]) -> Figure | None:
    if not parts:
        return None
    return as_figure(ratio_of_sums([of(part) for part in parts], [part.span_s for part in parts]))


def _scaled(figure: Figure | None, by: float) -> Figure | None:
    if figure is None:
        return None
    low, high = (None if bound is None else bound * by for bound in (figure.low, figure.high))
    return structs.replace(figure, point=figure.point * by, low=low, high=high)


def _known(trials: Sequence[Trial], of: Callable[[Trial], float | None]) -> list[float]:
    """A time of each request; empty where some request has none."""
    values = [value for trial in trials if (value := of(trial)) is not None]
    return values if len(values) == len(trials) else []


def _quantiles(values: Sequence[float]) -> Quantiles:
    if not values:
        return {}
    return {_name(p): as_figure(quantile(values, p)) for p in QUANTILES}


def _name(p: float) -> str:
    return f"p{100 * p:.0f}"


def _weighted_quantiles(gaps: Sequence[tuple[float, int]]) -> Quantiles:
    """Of tokens, without bounds: those of one request are too much alike to be counted as so many."""
    if not gaps:
        return {}
    ranked = sorted(gaps)
    whole = sum(tokens for _, tokens in ranked)
    found: Quantiles = {}
    for p in QUANTILES:
        passed = 0
        for seconds, tokens in ranked:
            passed += tokens
            if passed >= p * whole:
                found[_name(p)] = Figure(point=seconds, n=whole)
                break
    return found
