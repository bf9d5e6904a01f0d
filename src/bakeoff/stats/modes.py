"""Whether values gather around two levels rather than one; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

SMALLEST_SHARE = 3
"""A mode holds one in so many of the values: a tail, however long, is no mode."""
FEWEST = 6
_ROUNDING = 1e-9


class Modes(Struct, frozen=True):
    """Indices of the values below and above the gap, and how often chance opens one as wide."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    p: float


def two_modes(values: Sequence[float], alpha: float = 0.05) -> Modes | None:
    """The values in two groups, where a gap parts them that chance would not leave; None where none does.

    The widest gap that leaves a third of the values on either side is set against the distance between the outermost
    values, of which a tenth is left out at each end so that an outlier hides nothing. For values spread evenly, ``p``
    is exact (Fisher's series for the longest of several intervals); for values around one peak, with a tail as long as
    the exponential's too, alarms are more seldom. Needs 6 values. Of two equal modes six standard deviations apart it
    sees 60 % at n = 10 and 80 % at n = 20; eight apart, over 90 %.
    """
    n = len(values)
    fewest, trimmed = math.ceil(n / SMALLEST_SHARE), n // 10
    if n < FEWEST:
        return None
    order = sorted(range(n), key=lambda i: values[i])
    gaps = [values[b] - values[a] for a, b in pairwise(order)]
    span = values[order[n - 1 - trimmed]] - values[order[trimmed]]
    inner = range(fewest - 1, n - fewest)
    widest = max(inner, key=lambda i: gaps[i])
    if gaps[widest] <= _ROUNDING * max(abs(values[order[0]]), abs(values[order[-1]])):
        return None
    p = _longest_p(gaps[widest] / span, len(inner), n - 1 - 2 * trimmed)
    if p >= alpha:
        return None
    return Modes(tuple(sorted(order[: widest + 1])), tuple(sorted(order[widest + 1 :])), p)


def _longest_p(share: float, looked_at: int, intervals: int) -> float:
    """Chance that one of the ``looked_at`` of so many random intervals of a line takes up more than this share."""
    terms = (
        (-1) ** (j + 1) * math.comb(looked_at, j) * max(0.0, 1 - j * share) ** (intervals - 1)
        for j in range(1, looked_at + 1)
        if j * share < 1
    )
    return min(1.0, max(0.0, math.fsum(terms)))
