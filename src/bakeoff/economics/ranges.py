"""Numbers that are known as a range, and what follows from them: the extremes over all their corners."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import NUMBER, plain_text

if TYPE_CHECKING:
    from bakeoff.results.records import Figure

MOST_RANGED = 12
"""Inputs that may be ranges at once: 4,096 corners."""
SMALLEST = 1e-6
"""No amount, rate or number is smaller, unless it is 0."""
_RANGE = re.compile(rf"([+-]?{NUMBER})\s*(?:(?:-|–|—|\.\.|to)\s*([+-]?{NUMBER}))?")


class Range(Struct, frozen=True):
    """A number between two bounds; where both are the same it is just that number.

    ``confidence`` is that of the bounds: 1 where somebody gave them, 0.95 measured, 0.80 predicted.
    """

    low: float
    high: float
    point: float
    confidence: float = 1.0

    @property
    def certain(self) -> bool:
        return self.low == self.high

    def __add__(self, other: Range) -> Range:
        sure = min(self.confidence, other.confidence)
        return Range(self.low + other.low, self.high + other.high, self.point + other.point, sure)

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.high * factor, self.point * factor, self.confidence)


def exactly(value: float) -> Range:
    """A number that is known."""
    return Range(value, value, value)


def between(low: float, high: float, point: float | None = None, confidence: float = 1.0) -> Range:
    """A range, its point in the middle unless it is given."""
    return Range(low, high, (low + high) / 2 if point is None else point, confidence)


def as_range(figure: Figure) -> Range:
    """A figure with its interval. Few trials allow bounds of nothing or less: a hundredth stands for these."""
    low, high = figure.low, figure.high
    if low is None or high is None:
        return exactly(figure.point)
    return between(max(low, figure.point / 100), high, figure.point, figure.confidence)


def parse_range(
    text: str, what: str, *, least: float = 0.0, above: bool = False, most: float = math.inf, whole: str | None = None
) -> Range:
    """``325``, ``1,600`` or ``300-350``. ``above``: the least itself is not allowed; ``whole``: what was written.

    Raises UsageError on anything else, on a range that is upside down, and on numbers out of bounds.
    """
    match = _RANGE.fullmatch(text.strip())
    low = float(match[1].replace(",", "")) if match else math.nan
    high = float(match[2].replace(",", "")) if match and match[2] else low
    if not (math.isfinite(low) and math.isfinite(high)):
        shown = plain_text(whole or text)[:60]
        raise UsageError(f"{what} {shown!r} is not a number. Write it like 325, or as a range like 300-350.")
    if low > high:
        raise UsageError(
            f"{what} {text.strip()!r} is upside down: write the lower number first, {high:.12g}-{low:.12g}."
        )
    if low < least or (above and low == least):
        raise UsageError(f"{what} is {low:.12g}: it must be {'above' if above else 'at least'} {least:g}.")
    if 0 < low < SMALLEST:
        raise UsageError(f"{what} is {low:.12g}: it is too small to mean anything, give at least {SMALLEST:g}.")
    if high > most:
        raise UsageError(f"{what} is {high:.12g}: it must be at most {most:,.12g}.")
    return between(low, high)


def extremes(inputs: Mapping[str, Range], function: Callable[[Mapping[str, float]], float]) -> Range:
    """The function at the inputs' points, and its least and greatest value over every corner of their ranges.

    These are its bounds wherever it rises or falls steadily with each input, as all costs here do. They are as sure as
    the least sure of the ranges. An infinite value is kept as one. Raises UsageError where more than ``MOST_RANGED``
    inputs are ranges.
    """
    ranged = [name for name, value in inputs.items() if not value.certain]
    if len(ranged) > MOST_RANGED:
        raise UsageError(f"{len(ranged)} ranges at once are too many: give at most {MOST_RANGED}.")
    points = {name: value.point for name, value in inputs.items()}
    values = [
        function(points | dict(zip(ranged, corner, strict=True)))
        for corner in product(*((inputs[name].low, inputs[name].high) for name in ranged))
    ]
    sure = min((inputs[name].confidence for name in ranged), default=1.0)
    return Range(min(values), max(values), function(points), sure)
