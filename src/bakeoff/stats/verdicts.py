"""What the ratio of two speeds shows, and the words for it; pure. Above 1: the second is the faster one."""

from __future__ import annotations

import math
from typing import Literal

from bakeoff.stats.intervals import Interval
from bakeoff.stats.ratios import inverted
from bakeoff.units import significant

Code = Literal["faster", "slower", "no_difference_seen", "equivalent", "too_few_trials", "unlike"]

MARGIN = 0.03
"""Speeds that differ by less are as good as the same to whoever waits for an answer."""
TOO_WIDE = 0.10
"""An interval that holds 1 and reaches farther than this says too little to be called *no difference*."""
_MOST_PLACES = 4


def verdict(ratio: Interval, margin: float = MARGIN) -> Code:
    """What the interval shows, whatever its confidence is.

    *equivalent*: it lies within 1/(1 + margin) and 1 + margin, which is two one-sided tests at half its doubt each;
    *faster*, *slower*: all of it lies on one side of 1; *no difference seen*: it holds 1, but nothing that is more
    than 10 % off; *too few trials*: it reaches farther, or there is no interval.
    """
    if ratio.low is None or ratio.high is None:
        return "too_few_trials"
    if margin > 0 and 1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin:
        return "equivalent"
    if ratio.low > 1 or ratio.high < 1:
        return "faster" if ratio.low > 1 else "slower"
    return "no_difference_seen" if unseen(ratio) <= TOO_WIDE else "too_few_trials"


def unseen(ratio: Interval) -> float:
    """The largest difference, either way, that an interval around 1 still allows: 0.03 is 3 %."""
    if ratio.low is None or ratio.high is None or ratio.low <= 0:
        return math.inf
    return max(ratio.high, 1 / ratio.low) - 1


def in_words(code: Code, ratio: Interval, margin: float = MARGIN, better: str = "faster", worse: str = "slower") -> str:
    """*faster by 2.4× (2.3–2.5)*, *no difference seen (±3 %)*, *too few trials to tell*, *equivalent within ±3 %*."""
    if code == "faster":
        return f"{better} by {times(ratio)}"
    if code == "slower":
        return f"{worse} by {times(inverted(ratio))}"
    if code == "no_difference_seen":
        return f"no difference seen (±{percent(unseen(ratio))})"
    if code == "equivalent":
        return f"equivalent within ±{percent(margin)}"
    return "too few trials to tell" if code == "too_few_trials" else "unlike"


def times(ratio: Interval) -> str:
    """``2.4× (2.3–2.5)``: with as many decimals as the interval earns, and more where a bound would read as 1."""
    if ratio.low is None or ratio.high is None:
        return f"{significant(ratio.point)}×"
    half = (ratio.high - ratio.low) / 2
    places = min(_MOST_PLACES, max(0, -math.floor(math.log10(half)))) if half > 0 else 2
    while places < _MOST_PLACES and (_reads_as_one(ratio.low, places) or _reads_as_one(ratio.high, places)):
        places += 1
    point, low, high = (f"{value:.{places}f}" for value in (ratio.point, ratio.low, ratio.high))
    return f"{point}× ({low}–{high})"


def _reads_as_one(bound: float, places: int) -> bool:
    return bound != 1 and round(bound, places) == 1


def percent(share: float) -> str:
    """``3 %``, ``0.4 %``: two digits."""
    return f"{float(significant(100 * share, 2)):g} %"


def trials_wanted(ratio: Interval, margin: float = MARGIN) -> int | None:
    """About how many trials each would bring the interval's half-width down to the margin; None where unknown.

    The width falls with the root of n.
    """
    if ratio.low is None or ratio.high is None or ratio.low <= 0 or margin <= 0:
        return None
    half = math.log(ratio.high / ratio.low) / 2
    return math.ceil(ratio.n * (half / math.log1p(margin)) ** 2)
