"""Two subjects on the same tasks, task by task; pure. A difference is the second's accuracy less the first's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from statistics import NormalDist

from bakeoff.stats.accuracy import wilson
from bakeoff.stats.intervals import Interval

EXACT_FLIPS = 14
"""Up to so many tasks that differ, every combination of signs is counted; beyond, as many are drawn."""
DRAWS = 10_000
_DRAWN_AT_ONCE = 1 << 20
_ROUNDING = 1e-5
"""Of sums of differences: far below what one sample of any task makes of them."""


def mcnemar(first_only: int, second_only: int) -> float:
    """McNemar's exact two-sided p: of the tasks that only one had right, as many falling to one side by chance."""
    n, fewer = first_only + second_only, min(first_only, second_only)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**n))


def newcombe(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Interval:
    """The difference of two shares in pairs with Newcombe's interval (1998, method 10). No bounds below two tasks.

    It squares and adds Wilson's intervals of either share, corrected for their correlation φ, whose numerator is
    lowered by n/2 where it is positive (continuity).
    """
    n = both + first_only + second_only + neither
    if n < 1:
        raise ValueError("a paired difference needs pairs")
    first, second = (both + first_only) / n, (both + second_only) / n
    point = (second_only - first_only) / n
    if n < 2:
        return Interval(point, None, None, n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    (l1, u1), (l2, u2) = wilson(first, n, z), wilson(second, n, z)
    phi = _phi(both, first_only, second_only, neither)

    def off(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    return Interval(point, max(-1.0, point - off(second - l2, u1 - first)),
                    min(1.0, point + off(u2 - second, first - l1)), n)  # fmt: skip


def _phi(both: int, first_only: int, second_only: int, neither: int) -> float:
    n = both + first_only + second_only + neither
    sums = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if not sums:
        return 0.0
    over = both * neither - first_only * second_only
    return (max(over - n / 2, 0) if over > 0 else over) / math.sqrt(sums)


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of a mean difference over tasks: how often random signs of the tasks' differences give as much.

    Exact up to ``EXACT_FLIPS`` tasks that differ at all; else of ``DRAWS`` random signs, the observed ones counted
    among them, so that it is never 0. All that it assumes is that without a difference either subject is as likely to
    be the better one in each task (Fisher 1935).
    """
    moved = [difference for difference in differences if difference]
    if not moved:
        return 1.0
    observed = abs(math.fsum(moved)) - _ROUNDING
    if len(moved) <= EXACT_FLIPS:
        sums = (abs(math.fsum(s * d for s, d in zip(signs, moved, strict=True)))
                for signs in product((-1, 1), repeat=len(moved)))  # fmt: skip
        return float(sum(each >= observed for each in sums) / 2 ** len(moved))
    import numpy as np

    rng, values = np.random.default_rng(seed), np.asarray(moved, np.float32)
    whole, at_once, extreme = float(values.sum()), max(1, _DRAWN_AT_ONCE // len(moved)), 0
    for first in range(0, DRAWS, at_once):
        kept = rng.integers(2, size=(min(at_once, DRAWS - first), len(moved)), dtype=np.int8).astype(np.float32)
        extreme += int((np.abs(2 * (kept @ values) - whole) >= observed).sum())
    return (extreme + 1) / (DRAWS + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Each p so much larger that with all of them together a false alarm comes no more often than with one (1979)."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted
