"""Whether a series rises or falls from its beginning to its end; pure."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist

from msgspec import Struct

FEWEST = 5
"""Even the straightest order of four values comes about by chance in 8 % of all cases."""
EXACT_UP_TO = 40


class Drift(Struct, frozen=True):
    """``change`` is from the first value to the last, as a share of the median; ``p`` how often chance does that."""

    change: float
    p: float


def drift(values: Sequence[float]) -> Drift | None:
    """The trend of values in the order in which they came; None below ``FEWEST``, or where the median is 0.

    ``p`` is Mann and Kendall's two-sided test, exact with ties too up to ``EXACT_UP_TO`` values and by the normal
    approximation beyond; ``change`` is Theil and Sen's slope (the median of all pairs') times n − 1. An outlier or
    two move neither much. Values that depend on their predecessors raise the rate of false alarms.
    """
    middle = statistics.median(values) if values else 0.0
    n = len(values)
    if n < FEWEST or not middle:
        return None
    pairs = list(combinations(range(n), 2))
    score = sum((values[j] > values[i]) - (values[j] < values[i]) for i, j in pairs)
    slope = statistics.median((values[j] - values[i]) / (j - i) for i, j in pairs)
    return Drift(slope * (n - 1) / abs(middle), _p(score, tuple(sorted(Counter(values).values()))))


def _p(score: int, ties: tuple[int, ...]) -> float:
    if sum(ties) > EXACT_UP_TO:
        return _approximate_p(score, ties)
    counts = _inversions(ties)
    untied = len(counts) - 1
    extreme = sum(count for k, count in enumerate(counts) if abs(untied - 2 * k) >= abs(score))
    return extreme / sum(counts)


@lru_cache(maxsize=128)
def _inversions(ties: tuple[int, ...]) -> list[int]:
    """How many orders of values with so many ties have 0, 1, 2 … pairs the wrong way round.

    The coefficients of the Gaussian multinomial Π(1 − qᵏ) over Π Π(1 − qʲ), k to n and j to each number of ties.
    """
    n = sum(ties)
    degree = math.comb(n, 2) - sum(math.comb(m, 2) for m in ties)
    counts = [1] + [0] * degree
    for k in range(1, n + 1):
        for i in range(degree, k - 1, -1):
            counts[i] -= counts[i - k]
    for j in (j for m in ties for j in range(1, m + 1)):
        for i in range(j, degree + 1):
            counts[i] += counts[i - j]
    return counts


def _approximate_p(score: int, ties: tuple[int, ...]) -> float:
    n = sum(ties)
    variance = (n * (n - 1) * (2 * n + 5) - sum(m * (m - 1) * (2 * m + 5) for m in ties)) / 18
    if variance == 0:
        return 1.0
    z = max(0, abs(score) - 1) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))
