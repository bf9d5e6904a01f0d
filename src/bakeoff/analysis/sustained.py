"""One cell run back to back for minutes: its speed over time, when it changes, and what it holds in the end.

The time is cut into at most 20 bins of equal length, with two trials or more each on average. A change is a step in
the bins' seconds a token, found by ``stats.steps`` at 95 % confidence for the whole search, that alters the rate by
3 % or more. Bins, not trials: neighbouring trials are alike, and tests take their values to be independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from bakeoff.measurement.metrics import as_figure, client_decode_parts
from bakeoff.results.records import Figure, Trial
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.stats.steps import steps

MOST_BINS, FEWEST_BINS, TRIALS_PER_BIN = 20, 6, 2
FIRST_S = 60.0
SMALLEST_CHANGE = 0.03


class Bin(Struct, frozen=True, kw_only=True):
    """A stretch of the time: from when, how long, and the decode rate of the trials that began in it, if any did."""

    at_s: float
    span_s: float
    decode_tps: Figure | None
    temperature_c: float | None = None
    throttled: bool = False


class Change(Struct, frozen=True, kw_only=True):
    """A step: when it comes, and the rate after it over the rate before it."""

    at_s: float
    ratio: Figure


class Sustained(Struct, frozen=True, kw_only=True):
    """The whole course. ``span_s`` is from the first trial's begin to the last one's end.

    ``first_tps`` is the rate of the trials that began in the first minute, ``steady_tps`` of those after it and
    after the bin in which the last change came, ``steady_over_first`` their ratio; None where there are none.
    ``changes`` is None where there are too few trials to tell.
    """

    span_s: float
    bins: tuple[Bin, ...]
    changes: tuple[Change, ...] | None
    first_tps: Figure | None
    steady_tps: Figure | None
    steady_over_first: Figure | None


def elapsed_s(trials: Sequence[Trial]) -> float:
    """From the first trial's begin to the last one's end, to the second; 0 where that cannot be told."""
    begun = [_begun_s(trial) for trial in (trials[0], trials[-1])] if trials else [None]
    if begun[0] is None or begun[-1] is None:
        return 0.0
    return max(0.0, begun[-1] - begun[0] + (trials[-1].end_ns or 0) / 1e9)


class _Point(Struct, frozen=True):
    """A trial: when it began and ended, since the first began; tokens and seconds of its decode."""

    at_s: float
    end_s: float
    tokens: float
    seconds: float
    trial: Trial


def sustained(trials: Sequence[Trial]) -> Sustained | None:
    """The course of these trials, of one cell and in order; None where fewer than two have a rate."""
    points = _points(trials)
    if len(points) < 2:
        return None
    span = max(point.end_s for point in points)
    count = max(1, min(MOST_BINS, len(points) // TRIALS_PER_BIN))
    width = span / count
    binned = [[p for p in points if min(count - 1, int(p.at_s / width)) == number] for number in range(count)]
    bins = tuple(_bin(number * width, width, inside) for number, inside in enumerate(binned))
    changes = _changes(bins, binned) if count >= FEWEST_BINS else None
    settled_s = max(FIRST_S, changes[-1].at_s + width if changes else 0.0)
    first = [point for point in points if point.at_s < FIRST_S]
    steady = [point for point in points if point.at_s >= settled_s]
    return Sustained(
        span_s=span,
        bins=bins,
        changes=changes,
        first_tps=_rate(first),
        steady_tps=_rate(steady),
        steady_over_first=_ratio(first, steady),
    )


def _points(trials: Sequence[Trial]) -> list[_Point]:
    """Trials that have a rate, each at its own time, to the second, since the first began."""
    zero = _begun_s(trials[0]) if trials else None
    found = []
    for trial in trials:
        parts, begun = client_decode_parts(trial), _begun_s(trial)
        if zero is None or begun is None or parts is None or trial.status != "ok" or begun < zero:
            continue
        found.append(_Point(begun - zero, begun - zero + (trial.end_ns or 0) / 1e9, *parts, trial))
    return found


def _begun_s(trial: Trial) -> float | None:
    """As the file has it, which may be anything."""
    try:
        return datetime.fromisoformat(trial.started).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _bin(at_s: float, span_s: float, points: Sequence[_Point]) -> Bin:
    readings = [reading for point in points for reading in point.trial.readings]
    heat = [r.high for r in readings if r.quantity == "temperature_c" and r.high is not None]
    throttled = any(r.quantity == "throttled_share" and (r.value or 0) > 0 for r in readings)
    return Bin(
        at_s=at_s,
        span_s=span_s,
        decode_tps=_rate(points),
        temperature_c=max(heat, default=None),
        throttled=throttled,
    )


def _changes(bins: Sequence[Bin], binned: Sequence[Sequence[_Point]]) -> tuple[Change, ...]:
    """The steps, those too small to matter left out."""
    filled = [number for number, points in enumerate(binned) if points]
    pace = [1 / bins[number].decode_tps.point for number in filled if bins[number].decode_tps is not None]  # type: ignore[union-attr]
    at = [0, *steps(pace), len(pace)]
    found = []
    for before, step, after in zip(at, at[1:], at[2:], strict=False):
        ratio = _quotient(_mean(pace[before:step]), _mean(pace[step:after]))
        if abs(ratio.point - 1) >= SMALLEST_CHANGE:
            found.append(Change(at_s=bins[filled[step]].at_s, ratio=as_figure(ratio)))
    return tuple(found)


def _rate(points: Sequence[_Point]) -> Figure | None:
    return as_figure(_interval(points)) if points else None


def _interval(points: Sequence[_Point]) -> Interval:
    return ratio_of_sums([point.tokens for point in points], [point.seconds for point in points])


def _ratio(first: Sequence[_Point], later: Sequence[_Point]) -> Figure | None:
    """The later rate over the first one."""
    if not first or not later:
        return None
    return as_figure(_quotient(_interval(later), _interval(first)))


def _mean(values: Sequence[float]) -> Interval:
    return ratio_of_sums(values, [1.0] * len(values))


def _quotient(a: Interval, b: Interval) -> Interval:
    """a over b, independent of each other: relative half-widths add up in squares (the delta method)."""
    ratio = a.point / b.point
    if math.inf in (a.relative_half_width, b.relative_half_width):
        return Interval(ratio, None, None, a.n + b.n)
    half = ratio * math.hypot(a.relative_half_width, b.relative_half_width)
    return Interval(ratio, ratio - half, ratio + half, a.n + b.n)
