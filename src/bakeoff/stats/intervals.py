"""Intervals for a ratio of sums and for a mean; pure."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeVar

from msgspec import Struct

from bakeoff.stats.student import t_quantile

BOOTSTRAP_FROM = 30
"""From this many trials on BCa covers as it should; below it covers 72 % at n = 3 and 91 % at n = 10."""
_RESAMPLES = 2000
_ROUNDING = 1e-12
_T = TypeVar("_T")


class Interval(Struct, frozen=True):
    """A point with bounds. ``low`` is None where n < 2; low = high where the data are constant."""

    point: float
    low: float | None
    high: float | None
    n: int

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width over the point; infinity where there is no interval."""
        if self.low is None or self.high is None or not self.point:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.point)


def ratio_of_sums(
    numerators: Sequence[float], denominators: Sequence[float], confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Σ numerators / Σ denominators, one pair a trial, with its interval.

    Below 30 pairs: Student's t on the linearised residuals, (y − r·x) / mean(x). From 30: the bias-corrected
    and accelerated bootstrap over trials (Efron 1987), seeded. Data of one rate, but for rounding, give it as
    both bounds. Raises ValueError on no data, a number that is not finite, or denominators of no sum.
    """
    n = len(numerators)
    if n == 0 or n != len(denominators) or not all(map(math.isfinite, (*numerators, *denominators))):
        raise ValueError("a ratio of sums needs pairs of finite numbers")
    if math.fsum(denominators) == 0:
        raise ValueError("a ratio of sums needs denominators that do not add up to zero")
    ratio = math.fsum(numerators) / math.fsum(denominators)
    if n == 1:
        return Interval(ratio, None, None, 1)
    mean = math.fsum(denominators) / n
    residuals = [(y - ratio * x) / mean for y, x in zip(numerators, denominators, strict=True)]
    if max(map(abs, residuals)) <= _ROUNDING * abs(ratio):
        return Interval(ratio, ratio, ratio, n)
    if n >= BOOTSTRAP_FROM:
        pairs = list(zip(numerators, denominators, strict=True))
        low, high = _bca(pairs, _ratio, ratio, confidence, seed)
        return Interval(ratio, low, high, n)
    error = math.sqrt(math.fsum(r * r for r in residuals) / (n - 1) / n)
    half = t_quantile(0.5 + confidence / 2, n - 1) * error
    return Interval(ratio, ratio - half, ratio + half, n)


def mean_interval(values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """The mean with its interval, by the same rule."""
    return ratio_of_sums(values, [1.0] * len(values), confidence, seed)


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(y for y, _ in pairs) / sum(x for _, x in pairs)


def _bca(
    data: Sequence[_T], statistic: Callable[[Sequence[_T]], float], point: float, confidence: float, seed: int
) -> tuple[float, float]:
    rng = random.Random(seed)  # noqa: S311 (statistics, not secrets)
    resampled = sorted(statistic(rng.choices(data, k=len(data))) for _ in range(_RESAMPLES))
    below = sum(value < point for value in resampled) + sum(value == point for value in resampled) / 2
    if not 0 < below < _RESAMPLES:
        return resampled[0], resampled[-1]
    normal = NormalDist()
    bias = normal.inv_cdf(below / _RESAMPLES)
    left_out = [statistic([*data[:i], *data[i + 1 :]]) for i in range(len(data))]
    centre = statistics.fmean(left_out)
    squares = math.fsum((centre - value) ** 2 for value in left_out)
    if squares == 0:
        return point, point
    acceleration = math.fsum((centre - value) ** 3 for value in left_out) / (6 * squares**1.5)

    def bound(p: float) -> float:
        z = bias + normal.inv_cdf(p)
        adjusted = normal.cdf(bias + z / (1 - acceleration * z))
        return resampled[min(_RESAMPLES - 1, max(0, round(adjusted * (_RESAMPLES - 1))))]

    tail = (1 - confidence) / 2
    return bound(tail), bound(1 - tail)
