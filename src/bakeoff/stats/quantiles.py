"""Quantiles with intervals that assume no distribution; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bakeoff.stats.intervals import Interval


def quantile(values: Sequence[float], p: float, confidence: float = 0.95) -> Interval:
    """The value below which a share ``p`` of all lies, linear between ranks, with its interval.

    The bounds are two of the values. How many of n lie below the true quantile is binomial, whatever the values'
    distribution, so that the chance of the quantile to lie beyond either bound is at most (1 − confidence) / 2.
    Both are None where n values are too few for one of them: below 6 for the median at 95 %, below 368 for the
    99 % quantile. Raises ValueError on no values, one that is not finite, or a ``p`` that is no share.
    """
    if not values or not all(map(math.isfinite, values)) or not 0 < p < 1:
        raise ValueError("a quantile needs finite numbers and a share between 0 and 1")
    ranked = sorted(values)
    n = len(ranked)
    at = p * (n - 1)
    below = math.floor(at)
    point = ranked[below] + (at - below) * (ranked[min(n - 1, below + 1)] - ranked[below])
    ranks = _ranks(n, p, (1 - confidence) / 2)
    if ranks is None:
        return Interval(point, None, None, n)
    return Interval(point, ranked[ranks[0]], ranked[ranks[1]], n)


def quotient_of_quantiles(a: Sequence[float], b: Sequence[float], p: float, confidence: float = 0.95) -> Interval:
    """The quantile of ``b`` over that of ``a``, from independent values above zero.

    The bounds are those of two intervals that each hold with half the doubt, set against each other: they hold
    together with ``confidence`` at least. Raises ValueError as ``quantile`` does, and on values that are not positive.
    """
    each = 1 - (1 - confidence) / 2
    below, above = quantile(a, p, each), quantile(b, p, each)
    if min(*a, *b) <= 0:
        raise ValueError("a ratio of quantiles needs values above zero")
    point, n = above.point / below.point, min(below.n, above.n)
    if below.low is None or below.high is None or above.low is None or above.high is None:
        return Interval(point, None, None, n)
    return Interval(point, above.low / below.high, above.high / below.low, n)


def _ranks(n: int, p: float, tail: float) -> tuple[int, int] | None:
    """The indices of the bounds among the sorted values; None where there is not one on either side."""
    low = high = None
    for k, at_most in enumerate(_cumulated(n, p)):
        if at_most <= tail:
            low = k
        if high is None and k < n and at_most >= 1 - tail:
            high = k
    return None if low is None or high is None else (low, high)


def _cumulated(n: int, p: float) -> Iterator[float]:
    """The chance of at most k of n, for each k."""
    total = 0.0
    for k in range(n + 1):
        log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        total += math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
        yield total
