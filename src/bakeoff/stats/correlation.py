"""Whether each value resembles the one before it, and what that does to an interval; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

from msgspec import Struct

FEWEST = 8
"""Fewer values say next to nothing about it."""
_LARGEST = 0.95


class Correlation(Struct, frozen=True):
    """``r`` between a value and the next; ``p`` the chance of as much without any.

    ``widening``: by what factor the interval of a mean would have to be wider to hold the truth as often as it says.
    """

    r: float
    p: float
    widening: float


def lag_one(values: Sequence[float]) -> Correlation | None:
    """The correlation of neighbours, in the order in which the values came; None below 8 or where none varies.

    The sample's coefficient r₁ is too low by about (1 + 4r) / n (Kendall 1954), for which it is corrected. ``p`` is
    one-sided, against the normal distribution that r₁ has without correlation: mean −1/n, variance
    (n − 2)² / (n²(n − 1)). The mean of values that each follow their predecessor, as in an AR(1) process, varies
    (1 + r) / (1 − r) times as much as that of independent ones; ``widening`` is the root of it, and at least 1.
    """
    n = len(values)
    if n < FEWEST:
        return None
    mean = math.fsum(values) / n
    off = [value - mean for value in values]
    squares = math.fsum(d * d for d in off)
    if squares <= 1e-24 * n * mean * mean:
        return None
    raw = math.fsum(a * b for a, b in pairwise(off)) / squares
    z = (raw + 1 / n) * n * math.sqrt(n - 1) / (n - 2)
    r = max(-_LARGEST, min(_LARGEST, (n * raw + 1) / (n - 4)))
    return Correlation(r, 1 - NormalDist().cdf(z), max(1.0, math.sqrt((1 + r) / (1 - r))))
