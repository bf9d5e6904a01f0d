"""Intervals of a share of tasks, clustered by task; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from bakeoff.stats.intervals import Interval
from bakeoff.stats.student import t_quantile


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's bounds (1927) of a share among ``n`` independent draws; ``z`` the normal quantile. Within 0 and 1."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def accuracy(means: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean over tasks of each task's mean over its samples, 0 to 1, with its interval over tasks.

    Wilson's interval for as many independent answers as vary like these tasks do: p(1 − p) / s², where s is the
    standard error over tasks (Korn and Graubard 1998), but for no more than there were answers, as far as the means
    tell. Where no task has both right and wrong answers, as with one sample a task, it is Wilson's own interval for as
    many answers as tasks. No bounds below two tasks. Raises ValueError on none, or a mean beyond 0 and 1.
    """
    n = len(means)
    if not means or not all(0 <= mean <= 1 for mean in means):
        raise ValueError("an accuracy needs shares between 0 and 1")
    point = math.fsum(means) / n
    if n < 2:
        return Interval(point, None, None, n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    if set(means) <= {0.0, 1.0}:
        return Interval(point, *wilson(point, n, z), n)
    error = math.sqrt(math.fsum((mean - point) ** 2 for mean in means) / (n - 1) / n)
    alike = point * (1 - point) / error**2 if error > 0 else math.inf
    z = max(z, t_quantile(0.5 + confidence / 2, n - 1))
    return Interval(point, *wilson(point, min(alike, _most(means, n)), z), n)


def _most(means: Sequence[float], n: int) -> float:
    """Never as if more than this had been asked: the answers themselves, where a mean tells their number."""
    finest = min((min(mean, 1 - mean) for mean in means if 0 < mean < 1), default=1.0)
    return n / finest
