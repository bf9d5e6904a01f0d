"""Numbers that are known as a range, and what follows from them: the extremes over all their corners."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product

from msgspec import Struct

from bakeoff.errors import UsageError

MOST_RANGED = 12
"""Inputs that may be ranges at once: 4,096 corners."""


class Range(Struct, frozen=True):
    """A number between two bounds; where both are the same it is just that number."""

    low: float
    high: float
    point: float

    @property
    def certain(self) -> bool:
        return self.low == self.high


def exactly(value: float) -> Range:
    """A number that is known."""
    return Range(value, value, value)


def between(low: float, high: float, point: float | None = None) -> Range:
    """A range, its point in the middle unless it is given."""
    return Range(low, high, (low + high) / 2 if point is None else point)


def parse_range(text: str, what: str, *, least: float = 0.0, above: bool = False) -> Range:
    """``325``, ``1,600`` or ``300-350``. ``above``: the least itself is not allowed.

    Raises UsageError on anything else, on a range that is upside down, and on numbers below ``least``.
    """
    plain = text.strip().replace(",", "").replace("_", "").replace("–", "-").removeprefix("$")
    first, dash, second = plain.partition("-") if not plain.startswith("-") else (plain, "", "")
    try:
        low = float(first)
        high = float(second.removeprefix("$")) if dash else low
    except ValueError:
        raise UsageError(f"{what} {text!r} is not a number. Write it like 325, or as a range like 300-350.") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"{what} {text!r} is not a number. Write it like 325, or as a range like 300-350.")
    if low > high:
        raise UsageError(f"{what} {text!r} is upside down: write the lower number first, {high:g}-{low:g}.")
    if low < least or (above and low == least):
        raise UsageError(f"{what} is {low:g}: it must be {'above' if above else 'at least'} {least:g}.")
    return between(low, high)


def extremes(inputs: Mapping[str, Range], function: Callable[[Mapping[str, float]], float]) -> Range:
    """The function at the inputs' points, and its least and greatest value over every corner of their ranges.

    These are its bounds wherever it rises or falls steadily with each input, as all costs here do. An infinite value
    is kept as one. Raises UsageError where more than ``MOST_RANGED`` inputs are ranges.
    """
    ranged = [name for name, value in inputs.items() if not value.certain]
    if len(ranged) > MOST_RANGED:
        raise UsageError(f"{len(ranged)} ranges at once are too many: give at most {MOST_RANGED}.")
    points = {name: value.point for name, value in inputs.items()}
    at_points = function(points)
    values = [
        function(points | dict(zip(ranged, corner, strict=True)))
        for corner in product(*((inputs[name].low, inputs[name].high) for name in ranged))
    ]
    return Range(min(values), max(values), at_points)
