"""How a cell's trials differ from each other, and what changed while they ran.

Two times are looked at: seconds a token, and the time to the first token. A difference that matters is one of 5 % or
more, of the time to the first token 5 ms too. Of very many trials every so manyth is looked at.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.measurement.metrics import client_decode_parts, ttft_s
from bakeoff.results.records import Trial
from bakeoff.stats import drift as trends
from bakeoff.stats.modes import Modes, two_modes
from bakeoff.stats.outliers import outliers as odd_ones
from bakeoff.stats.student import t_quantile
from bakeoff.units import seconds_text, significant

ALPHA = 0.02
"""Chance of a false alarm, for each of the two times."""
MATTERS = 0.05
FIRST_TOKEN_SLACK_S = 0.005
FEWEST_AFTER_THE_FIRST = 2
MOST_LOOKED_AT = 300


def _seconds_a_token(trial: Trial) -> float | None:
    parts = client_decode_parts(trial)
    return parts[1] / parts[0] if parts else None


def _rate_text(seconds: float) -> str:
    return f"{significant(1 / seconds)} tokens/s" if seconds > 0 else "–"


class Series(Struct, frozen=True):
    """One time of each trial, in order; ``numbers`` count the trials from 1."""

    name: str
    values: Sequence[float]
    numbers: Sequence[int]
    slack_s: float
    text: Callable[[float], str]

    def matters(self, difference: float, of: float) -> bool:
        """Whether two times differ enough to speak of it."""
        return abs(difference) >= max(self.slack_s, MATTERS * abs(of))


_TIMES: tuple[tuple[str, Callable[[Trial], float | None], float, Callable[[float], str]], ...] = (
    ("decode", _seconds_a_token, 0.0, _rate_text),
    ("first token", ttft_s, FIRST_TOKEN_SLACK_S, seconds_text),
)


def _series(trials: Sequence[Trial]) -> Iterator[Series]:
    step = -(-len(trials) // MOST_LOOKED_AT) or 1
    for name, time_of, slack_s, text in _TIMES:
        told = [(value, number) for number, trial in enumerate(trials, 1) if (value := time_of(trial)) is not None]
        values, numbers = [value for value, _ in told[::step]], [number for _, number in told[::step]]
        yield Series(name, values, numbers, slack_s, text)


def first_trial_slow(cell: Cell) -> Finding | None:
    """The first trial took 5 % longer than the others, and longer than such others foretell."""
    slow = [text for series in _series(cell.ok) if (text := _slow_first(series))]
    if not slow:
        return None
    return Finding(
        code="first_trial_slow",
        severity="warning",
        evidence=f"the first trial was slower than the others: {'; '.join(slow)}",
        advice="Something was still warming up, and the trial counts. With more trials (--runs auto) it weighs less; "
        "longer answers (--max-tokens) warm up longer.",
    )


def _slow_first(series: Series) -> str | None:
    """Where it lies above the one-sided prediction interval of one more value like the others."""
    first, *others = series.values or [0.0]
    if len(others) < FEWEST_AFTER_THE_FIRST or series.numbers[0] != 1:
        return None
    middle, m = statistics.median(others), len(others)
    reach = t_quantile(1 - ALPHA, m - 1) * statistics.stdev(others) * math.sqrt(1 + 1 / m)
    if first - statistics.fmean(others) <= reach or not series.matters(first - middle, middle):
        return None
    return f"{series.name} {series.text(first)} against {series.text(middle)}"


def outliers(cell: Cell) -> Finding | None:
    """Trials that do not belong with the rest, and differ by 5 %; they stay in every figure."""
    odd = [text for series in _series(cell.ok) if (text := _odd(series))]
    if not odd:
        return None
    return Finding(
        code="outliers",
        severity="warning",
        evidence=f"a few trials stand apart: {'; '.join(odd)}",
        advice="They count: nothing is dropped, and the interval holds them. See what else ran then; with more trials "
        "(--runs auto) they weigh less.",
    )


def _odd(series: Series) -> str | None:
    if _parted(series) is not None:
        return None
    middle = statistics.median(series.values) if series.values else 0.0
    odd = [at for at in odd_ones(series.values, ALPHA) if series.matters(series.values[at] - middle, middle)]
    if _slow_first(series) is not None:
        odd = [at for at in odd if at != 0]
    if not odd:
        return None
    named = ", ".join(f"trial {series.numbers[at]} {series.text(series.values[at])}" for at in odd)
    return f"{series.name} of {named}, with a median of {series.text(middle)}"


def bimodal(cell: Cell) -> Finding | None:
    """The trials gather around two speeds, 5 % or more apart, with a gap between that chance would not leave."""
    two = [text for series in _series(cell.ok) if (text := _two(series))]
    if not two:
        return None
    return Finding(
        code="bimodal",
        severity="warning",
        evidence=f"the trials have two speeds: {'; '.join(two)}",
        advice="One figure for both is that of neither. Threads that move between unlike cores, a clock that changes, "
        "or another program do this: try --threads with the number of fast cores, and close what else runs.",
    )


def _two(series: Series) -> str | None:
    modes = _parted(series)
    if modes is None:
        return None
    groups = [[series.values[at] for at in mode] for mode in (modes.lower, modes.upper)]
    return f"{series.name} about " + " and ".join(
        f"{series.text(statistics.median(group))} in {len(group)} trials" for group in groups
    )


def _parted(series: Series) -> Modes | None:
    """Two modes that matter."""
    modes = two_modes(series.values, ALPHA)
    if modes is None:
        return None
    low, high = (statistics.median(series.values[at] for at in mode) for mode in (modes.lower, modes.upper))
    return modes if series.matters(high - low, low) else None


def drift(cell: Cell) -> Finding | None:
    """A trend in the trials that chance would not make, or the anchors at the end unlike those at the beginning."""
    moved = [_moved(cell.anchors[0], group) for group in cell.anchors[1:]]
    anchored = [text for text in moved if text]
    trending = [] if cell.under_load else [text for series in _series(cell.ok) if (text := _trend(series))]
    if not anchored and not trending:
        return None
    only_reloaded = not trending and len(moved) > 1 and not any(moved[:-1])
    return Finding(
        code="drift",
        severity="warning",
        evidence="; ".join([*trending, *anchored[-1:]]),
        advice=_OTHER_START
        if only_reloaded
        else "Heat, another program or a memory that filled changed the machine while it was measured: compare only "
        "cells of the same rounds, and run again when it is quiet and cool.",
    )


_OTHER_START = (
    "Before it was unloaded it was as at first: what differs is this start, or the machine since. One start may be "
    "slower than another by where in memory its weights come to lie, of which ± knows nothing. Run it several times, "
    "and compare the runs."
)


def _trend(series: Series) -> str | None:
    trend = trends.drift(series.values)
    if trend is None or trend.p >= ALPHA:
        return None
    middle = statistics.median(series.values)
    if not series.matters(trend.change * middle, middle):
        return None
    change = _longer(1 + trend.change)
    return f"{series.name} time became {change} from the first to the last of {len(series.values)} trials"


def _moved(before: Sequence[Trial], after: Sequence[Trial]) -> str | None:
    """How the anchors changed: all of the later ones on one side of all of the earlier ones, and by enough."""
    for first, last in zip(_series(before), _series(after), strict=True):
        if not first.values or not last.values:
            continue
        apart = max(first.values) < min(last.values) or max(last.values) < min(first.values)
        a, b = statistics.median(first.values), statistics.median(last.values)
        if apart and a > 0 and first.matters(b - a, a):
            return (
                f"the first cell's {first.name} time was {_longer(b / a)} when it was measured again at the end "
                f"({first.text(a)}, then {first.text(b)})"
            )
    return None


def _longer(ratio: float) -> str:
    """A ratio of two times in words; of rates the share would be another."""
    if ratio >= 2:
        return f"{ratio:.1f} times as long"
    return f"{ratio - 1:.0%} longer" if ratio > 1 else f"{1 - ratio:.0%} shorter"
