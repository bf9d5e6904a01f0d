"""Where a series of values changes its level; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from bakeoff.stats.student import t_cdf

FEWEST = 3
"""Values that a level has at least: a shorter one is an outlier."""
_ROUNDING = 1e-9
_LARGEST_T = 1e9


def steps(values: Sequence[float], alpha: float = 0.05) -> list[int]:
    """The indices at which a new level begins, in order.

    Circular binary segmentation (Olshen et al. 2004): of all stretches of ``FEWEST`` values or more, the one whose
    mean differs most from that of the rest, by a pooled t-test at ``alpha`` over the number of stretches
    (Bonferroni), begins and ends with a step; then the parts are searched in the same way. Values of one level,
    independent of each other, give a step in at most ``alpha`` of all series.
    """
    stretches = list(_stretches(len(values)))
    if not stretches:
        return []
    begin, end = max(stretches, key=lambda stretch: _t(values, *stretch))
    p = 2 * (1 - t_cdf(_t(values, begin, end), len(values) - 2))
    if p * len(stretches) >= alpha:
        return []
    edges = sorted({0, begin, end, len(values)})
    inner = [a + step for a, b in pairwise(edges) for step in steps(values[a:b], alpha)]
    return sorted([*edges[1:-1], *inner])


def _stretches(count: int) -> Iterator[tuple[int, int]]:
    """All (begin, end) that leave levels of ``FEWEST`` values or none on either side; of two that part alike, one."""
    for begin in (0, *range(FEWEST, count - 2 * FEWEST + 1)):
        for end in range(begin + FEWEST, count - FEWEST + 1):
            yield begin, end


def _t(values: Sequence[float], begin: int, end: int) -> float:
    """The statistic of a two-sided t-test with pooled variance; as good as infinite for two levels without noise."""
    inside, outside = values[begin:end], [*values[:begin], *values[end:]]
    mean, rest = math.fsum(inside) / len(inside), math.fsum(outside) / len(outside)
    squares = math.fsum((x - mean) ** 2 for x in inside) + math.fsum((x - rest) ** 2 for x in outside)
    error = math.sqrt(squares / (len(values) - 2) * (1 / len(inside) + 1 / len(outside)))
    gap, rounding = abs(mean - rest), _ROUNDING * max(abs(mean), abs(rest))
    if gap <= rounding:
        return 0.0
    return gap / error if error > rounding else _LARGEST_T
