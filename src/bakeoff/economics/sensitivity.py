"""Which inputs the answer hangs on: each moved alone, the others kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from bakeoff.economics.case import Numbers
from bakeoff.economics.ranges import Range

SWING = 0.2
"""How far an input that is given as one number is moved, either way."""


class Swing(Struct, frozen=True, kw_only=True):
    """The figure when one input is at its low and at its high end; ``ranged``: between bounds that it was given."""

    name: str
    ranged: bool
    low_input: float
    high_input: float
    at_low: float
    at_high: float

    @property
    def width(self) -> float:
        """How far apart the two are; infinite where one of them is never."""
        return abs(self.at_high - self.at_low) if self.at_high != self.at_low else 0.0


def tornado(given: Mapping[str, Range], function: Callable[[Numbers], float], most: int = 3) -> list[Swing]:
    """The inputs that move the figure most, the greatest first: over their own range, else by a fifth either way."""
    points = {name: value.point for name, value in given.items()}
    swings = []
    for name, value in given.items():
        low, high = (value.low, value.high) if not value.certain else (
            value.point * (1 - SWING), value.point * (1 + SWING)
        )  # fmt: skip
        swing = Swing(
            name=name,
            ranged=not value.certain,
            low_input=low,
            high_input=high,
            at_low=function(points | {name: low}),
            at_high=function(points | {name: high}),
        )
        if swing.width:
            swings.append(swing)
    return sorted(swings, key=lambda swing: swing.width, reverse=True)[:most]
