"""One ratio of sums over another, as of two cells' rates; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bakeoff.stats.intervals import Interval
from bakeoff.stats.student import t_quantile

Parts = Sequence[tuple[float, float]]
"""(numerator, denominator), one pair a trial."""
_ROUNDING = 1e-12


def quotient(a: Parts, b: Parts, confidence: float = 0.95) -> Interval:
    """The ratio of sums of ``b`` over that of ``a``, of trials that are independent of each other.

    Student's t on the difference of the logarithms, whose variances are those of the linearised residuals
    (y − r·x) / (r·mean(x)), with Welch and Satterthwaite's degrees of freedom. No bounds where one has a single trial;
    both are the point where neither varies. Raises ValueError where either is no ratio above zero.
    """
    (first, ours), (second, theirs) = _residuals(a), _residuals(b)
    point, n = second / first, min(len(a), len(b))
    if n < 2:
        return Interval(point, None, None, n)
    variances = [(math.fsum(r * r for r in each) / (len(each) - 1) / len(each), len(each)) for each in (ours, theirs)]
    total = math.fsum(variance for variance, _ in variances)
    if total <= _ROUNDING**2:
        return Interval(point, point, point, n)
    freedom = total**2 / math.fsum(variance**2 / (count - 1) for variance, count in variances)
    return _around(point, math.sqrt(total), freedom, confidence, n)


def paired_quotient(a: Parts, b: Parts, confidence: float = 0.95) -> Interval:
    """The same of trials in pairs, one of each in every round: noise that both had in a round cancels out.

    Student's t on the differences of the residuals, n − 1 degrees of freedom. Raises ValueError too where the pairs
    are not complete.
    """
    if len(a) != len(b):
        raise ValueError("trials in pairs are as many on either side")
    (first, ours), (second, theirs) = _residuals(a), _residuals(b)
    point, n = second / first, len(a)
    if n < 2:
        return Interval(point, None, None, n)
    differences = [there - here for here, there in zip(ours, theirs, strict=True)]
    error = math.sqrt(math.fsum(d * d for d in differences) / (n - 1) / n)
    if error <= _ROUNDING:
        return Interval(point, point, point, n)
    return _around(point, error, n - 1, confidence, n)


def inverted(interval: Interval) -> Interval:
    """One over it: of times, the ratio of speeds."""
    low, high = (None if bound is None else 1 / bound for bound in (interval.high, interval.low))
    return Interval(1 / interval.point, low, high, interval.n)


def _residuals(parts: Parts) -> tuple[float, list[float]]:
    """The ratio of sums, and how far each trial lies off it, as a share."""
    whole = math.fsum(x for _, x in parts)
    ratio = math.fsum(y for y, _ in parts) / whole if whole > 0 else math.nan
    if not 0 < ratio < math.inf:
        raise ValueError("a ratio of ratios needs two ratios above zero")
    mean = whole / len(parts)
    return ratio, [(y / ratio - x) / mean for y, x in parts]


def _around(point: float, error: float, freedom: float, confidence: float, n: int) -> Interval:
    half = t_quantile(0.5 + confidence / 2, freedom) * error
    if half > _WIDEST:
        return Interval(point, None, None, n)
    return Interval(point, point * math.exp(-half), point * math.exp(half), n)


_WIDEST = math.log(1e6)
"""An interval that spans a factor of a million on either side says nothing, and its bounds would overflow."""
