"""What a comparison in pairs could have seen; pure. Differences are of accuracies, 0 to 1."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

POWER = 0.8
ALPHA = 0.05
EXACT_UP_TO = 1000
_NEGLIGIBLE = 1e-10


def power(difference: float, deviation: float, tasks: int, alpha: float = ALPHA) -> float:
    """How often a difference in the mean over tasks is seen, by a two-sided test at ``alpha``.

    Normal approximation; ``deviation`` is the standard deviation of the tasks' differences.
    """
    if deviation <= 0 or tasks < 1:
        return float(difference != 0)
    shift = abs(difference) * math.sqrt(tasks) / deviation
    return 1 - _normal(_z(1 - alpha / 2) - shift) + _normal(-_z(1 - alpha / 2) - shift)


def smallest_visible(deviation: float, tasks: int, alpha: float = ALPHA, wanted: float = POWER) -> float:
    """The smallest difference that such a comparison sees as often as ``wanted``: (z₁₋α/₂ + z_wanted) · s / √n."""
    return min(1.0, (_z(1 - alpha / 2) + _z(wanted)) * deviation / math.sqrt(tasks))


def mcnemar_power(difference: float, flipped: float, tasks: int, alpha: float = ALPHA) -> float:
    """How often McNemar's exact test sees a difference where a share ``flipped`` of the tasks differs in either way.

    Exact: over every number of tasks that differ. ``flipped`` is at least as large as the difference.
    """
    flipped = min(1.0, max(flipped, abs(difference)))
    if flipped == 0:
        return 0.0
    towards = (flipped + abs(difference)) / flipped / 2
    total = 0.0
    for number in range(tasks + 1):
        chance = _binomial(number, tasks, flipped)
        if chance > _NEGLIGIBLE and (limit := _limit(number, alpha)) >= 0:
            seen = sum(_binomial(k, number, towards) + _binomial(k, number, 1 - towards) for k in range(limit + 1))
            total += chance * seen
    return min(1.0, total)


def smallest_visible_flips(flipped: float, tasks: int, alpha: float = ALPHA, wanted: float = POWER) -> float | None:
    """The smallest difference that McNemar's exact test sees as often as ``wanted``; None where none is large enough.

    Beyond ``EXACT_UP_TO`` tasks by the normal approximation, with the variance that the difference itself leaves.
    """
    if tasks > EXACT_UP_TO:
        base = smallest_visible(math.sqrt(max(flipped, 1 / tasks)), tasks, alpha, wanted)
        return max(base, smallest_visible(math.sqrt(max(flipped, base)), tasks, alpha, wanted))
    if mcnemar_power(1.0, 1.0, tasks, alpha) < wanted:
        return None
    low, high = 0.0, 1.0
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (middle, high) if mcnemar_power(middle, flipped, tasks, alpha) < wanted else (low, middle)
    return high


@lru_cache(maxsize=4096)
def _limit(number: int, alpha: float) -> int:
    """The largest smaller count of ``number`` flips that McNemar's exact test still calls a difference; −1: none."""
    tail, limit = 0, -1
    for k in range(number // 2 + 1):
        tail += math.comb(number, k)
        if 2 * tail > alpha * 2**number:
            break
        limit = k
    return limit


def _binomial(k: int, n: int, p: float) -> float:
    if p in (0.0, 1.0):
        return float(k == n * p)
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))


def _normal(z: float) -> float:
    return NormalDist().cdf(z)


def _z(p: float) -> float:
    return NormalDist().inv_cdf(p)
