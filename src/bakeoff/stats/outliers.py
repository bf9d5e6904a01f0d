"""Values that do not belong with the rest; pure. They are labelled, and stay in every figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bakeoff.stats.student import t_quantile

FEWEST = 4
"""Of fewer values, none can be told to be the odd one."""
_ROUNDING = 1e-9


def outliers(values: Sequence[float], alpha: float = 0.05) -> list[int]:
    """The indices of the outliers, in order; at most a fifth of the values, or one.

    Generalised extreme studentised deviate test (Rosner 1983): the value farthest from the mean is set aside, then
    the next; as many are outliers as there were set aside when the farthest last passed Rosner's limit. Several
    cannot hide each other, as they do where one alone is tested. Of normal values any are outliers with a chance near
    ``alpha`` (4 to 8 % for 0.05). Below ``FEWEST`` values there are none.
    """
    n = len(values)
    if n < FEWEST:
        return []
    rest = list(range(n))
    aside: list[int] = []
    found = 0
    for step in range(max(1, n // 5)):
        farthest, deviate = _farthest(values, rest)
        aside.append(farthest)
        rest.remove(farthest)
        if deviate > _limit(n, step, alpha):
            found = step + 1
    return sorted(aside[:found])


def _farthest(values: Sequence[float], rest: Sequence[int]) -> tuple[int, float]:
    """The index farthest from the mean of the rest, and how many standard deviations that is."""
    mean = math.fsum(values[i] for i in rest) / len(rest)
    deviation = math.sqrt(math.fsum((values[i] - mean) ** 2 for i in rest) / (len(rest) - 1))
    farthest = max(rest, key=lambda i: abs(values[i] - mean))
    distance = abs(values[farthest] - mean)
    return farthest, distance / deviation if distance > _ROUNDING * abs(mean) else 0.0


def _limit(n: int, step: int, alpha: float) -> float:
    left = n - step
    t = t_quantile(1 - alpha / (2 * left), left - 2)
    return (left - 1) * t / math.sqrt((left - 2 + t * t) * left)
