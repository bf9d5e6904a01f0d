"""All families by their names, and how many items of each the set ``standard`` holds."""

from __future__ import annotations

from bakeoff.quality.sets.families import (
    clock,
    code,
    conversion,
    dates,
    flow,
    gym,
    journeys,
    knights,
    order,
    rates,
    riddles,
    shopping,
    work,
)
from bakeoff.quality.sets.families.base import Family

_OWN = (journeys, work, shopping, riddles, knights, order, dates, clock, conversion, flow, rates, code)
FAMILIES: dict[str, Family] = {family.name: family for family in (*gym.FAMILIES, *(module.FAMILY for module in _OWN))}

PLAN: dict[str, tuple[int, int, int]] = {
    "expression": (9, 6, 9),
    "equation": (9, 6, 0),
    "dice": (0, 6, 9),
    "journey": (6, 6, 6),
    "work": (6, 6, 6),
    "shopping": (6, 6, 6),
    "riddle": (6, 6, 6),
    "kinship": (6, 6, 0),
    "liars": (0, 0, 6),
    "knights": (6, 6, 6),
    "order": (6, 6, 6),
    "calendar": (6, 6, 6),
    "dates": (6, 6, 6),
    "clock": (6, 6, 6),
    "conversion": (6, 6, 6),
    "flow": (6, 6, 6),
    "rates": (6, 6, 6),
    "program": (12, 12, 12),
}
"""Items of each family at levels 1, 2 and 3: 108 a level, 324 in all.

Equations stay below level 3, since large figures make them longer and not harder; kinship too, since a larger family
adds only people who do not matter; dice begin at 2, and the liars are hard at any setting.
"""
