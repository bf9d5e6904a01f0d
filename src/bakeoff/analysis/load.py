"""A cell under load, and a sweep of such cells: what more streams gain, and where that ends.

Intervals of rates are over windows, each one a figure of many requests that wait for each other. Those of quantiles
are over requests.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct, structs

from bakeoff.measurement import load_metrics
from bakeoff.measurement.load_metrics import Steady, steady
from bakeoff.measurement.metrics import as_figure
from bakeoff.results.records import CellOpened, Figure, Run, Trial, Window, Workload
from bakeoff.stats.intervals import Interval, ratio_of_sums

QUANTILES = (0.50, 0.90, 0.95, 0.99)
PAYING = 0.10
"""A doubling of the streams pays where it raises the total rate by this share or more."""

Quantiles = dict[str, Figure]
"""``p50``, ``p90``, ``p95``, ``p99``; one that so few requests cannot show is left out."""


class LoadSummary(Struct, frozen=True, kw_only=True):
    """What came of a cell under load; None where it is not known.

    ``output_tps`` is of all streams together, ``output_tps_per_stream`` the share of one. ``offered_rps`` came due,
    ``achieved_rps`` were answered, ``goodput_rps`` of them kept every limit. ``requests`` ended in the steady parts,
    and ``lost`` failed there. ``at_once`` is the most answers that were under way at one time. ``client_cpu`` is the
    most that our own client took of one core. ``stopped`` says why a window was ended early.
    """

    windows: int
    requests: int
    lost: int
    span_s: float
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
    windows, trials = defaultdict(list), defaultdict(list)
    for window in run.windows:
        if window.purpose == "timed":
            windows[window.cell].append(window)
    for trial in run.trials:
        if trial.window is not None:
            trials[trial.cell].append(trial)
    return {
        opened.cell: load_summary(opened.workload, windows[opened.cell], trials[opened.cell])
        for opened in run.cells
        if windows[opened.cell]
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
        output_tps=total,
        output_tps_per_stream=_scaled(total, 1 / workload.concurrency) if workload.rate_rps is None else None,
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
    ranked = sorted(values)
    return {f"p{100 * p:.0f}": _quantile(ranked, p) for p in QUANTILES}


def _quantile(ranked: Sequence[float], p: float, confidence: float = 0.95) -> Figure:
    """The value below which a share ``p`` lies, linear between ranks.

    Its bounds are two of the values, between which the quantile lies with that probability, whatever the values'
    distribution: how many of n lie below it is binomial. None where the values are too few for both.
    """
    n = len(ranked)
    at = p * (n - 1)
    below = math.floor(at)
    point = ranked[below] + (at - below) * (ranked[min(n - 1, below + 1)] - ranked[below])
    tail = (1 - confidence) / 2
    low = high = None
    cumulated = 0.0
    for k in range(n):
        cumulated += _binomial(n, k, p)
        if cumulated <= tail:
            low = k
        if high is None and cumulated >= 1 - tail:
            high = k
    bounds = (None, None) if low is None or high is None else (ranked[low], ranked[high])
    return Figure(point=point, low=bounds[0], high=bounds[1], confidence=confidence, n=n)


def _binomial(n: int, k: int, p: float) -> float:
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    return math.exp(log)


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
                found[f"p{100 * p:.0f}"] = Figure(point=seconds, n=whole)
                break
    return found


Verdict = Literal["pays", "does_not_pay", "cannot_tell"]


class Step(Struct, frozen=True, kw_only=True):
    """From one number of streams to the next: the gain of the total rate, as a ratio, brought to one doubling.

    It pays where the whole interval is at or above 1.10, and does not where the whole interval is below.
    """

    streams: int
    to: int
    gain: Figure
    verdict: Verdict


class Sweep(Struct, frozen=True, kw_only=True):
    """Cells that differ in the load alone, from the lightest to the heaviest, with what each step gains.

    ``knee`` is the number of streams beyond which the next doubling does not pay, where every step before it does.
    ``knee_from`` and ``knee_to`` are between which numbers it lies, as far as that can be told; ``knee_to`` None: it
    may lie beyond the last.
    """

    cells: tuple[CellOpened, ...]
    loads: tuple[LoadSummary, ...]
    steps: tuple[Step, ...] = ()
    knee: int | None = None
    knee_from: int | None = None
    knee_to: int | None = None


def sweeps(run: Run) -> list[Sweep]:
    """The cells under load in groups: one for each start of a subject, workload, and way of arriving."""
    found = loads(run)
    groups: defaultdict[tuple[object, ...], list[CellOpened]] = defaultdict(list)
    for opened in run.cells:
        if opened.cell in found:
            groups[_likeness(opened)].append(opened)
    return [_sweep(cells, found) for cells in groups.values()]


def _likeness(opened: CellOpened) -> tuple[object, ...]:
    """What cells of one sweep have in common: all but the load, and the name, which may tell it."""
    work = opened.workload
    asked = (work.prompt, work.prompt_tokens, work.shape, work.max_tokens, work.context, work.temperature, work.cache)
    return (opened.entrant, opened.subject.text, work.arrival, *asked)


def _sweep(cells: Sequence[CellOpened], found: dict[int, LoadSummary]) -> Sweep:
    ordered = sorted(cells, key=lambda cell: (cell.workload.concurrency, cell.workload.rate_rps or 0.0))
    summaries = tuple(found[cell.cell] for cell in ordered)
    if ordered[0].workload.arrival != "closed":
        return Sweep(cells=tuple(ordered), loads=summaries)
    points = [
        (cell.workload.concurrency, summary.output_tps)
        for cell, summary in zip(ordered, summaries, strict=True)
        if summary.output_tps is not None and summary.output_tps.point > 0
    ]
    steps = tuple(_step(a, b) for a, b in pairwise(points) if a[0] < b[0])
    return Sweep(cells=tuple(ordered), loads=summaries, steps=steps, **_knee(steps))


def _step(a: tuple[int, Figure], b: tuple[int, Figure]) -> Step:
    ratio = _quotient(b[1], a[1])
    doublings = math.log2(b[0] / a[0])
    gain = Figure(
        point=ratio.point ** (1 / doublings),
        low=None if ratio.low is None else max(0.0, ratio.low) ** (1 / doublings),
        high=None if ratio.high is None else ratio.high ** (1 / doublings),
        n=ratio.n,
    )
    return Step(streams=a[0], to=b[0], gain=gain, verdict=_verdict(gain))


def _verdict(gain: Figure) -> Verdict:
    if gain.low is None or gain.high is None:
        return "cannot_tell"
    if gain.low >= 1 + PAYING:
        return "pays"
    return "does_not_pay" if gain.high < 1 + PAYING else "cannot_tell"


def _knee(steps: Sequence[Step]) -> dict[str, int | None]:
    """By the first step that does not pay, and the first that may not."""
    stop = next((step.streams for step in steps if step.verdict == "does_not_pay"), None)
    doubt = next((step.streams for step in steps if step.verdict != "pays"), None)
    if not steps:
        return {}
    earliest = doubt if doubt is not None else steps[-1].to
    return {"knee": stop if stop == doubt else None, "knee_from": earliest, "knee_to": stop}


def _quotient(a: Figure, b: Figure) -> Interval:
    """a over b, independent of each other: relative half-widths add up in squares (the delta method)."""
    ratio, n = a.point / b.point, a.n + b.n
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Interval(ratio, None, None, n)
    half = ratio * math.hypot((a.high - a.low) / 2 / a.point, (b.high - b.low) / 2 / b.point)
    return Interval(ratio, ratio - half, ratio + half, n)
