"""What a claim reckons with, checked before it is reckoned: other claims and numbers, their units and their bounds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping

from msgspec import Struct

from bakeoff.analysis.claims.claim import Claim, Stated
from bakeoff.analysis.claims.expression import mixed_units, names, parse_expression
from bakeoff.analysis.claims.quantity import UNITS
from bakeoff.economics.case import FIGURES
from bakeoff.economics.case import NAMES as WORDS
from bakeoff.economics.inputs import INPUTS, check
from bakeoff.economics.ranges import exactly
from bakeoff.errors import UsageError
from bakeoff.workload.toml_places import Path as Place

LARGEST_NUMBER = 1e30
_DIMENSIONS = {"money": "money", "W": "power", "tokens/s": "rate", "tokens": "tokens"}
"""Of a claim that stands for an input of break-even, by the input's unit."""


class Fault(Struct, frozen=True):
    """What is wrong, and where within the claim; ``key``: with the key itself, not with its value."""

    place: Place
    sentence: str
    key: bool = False


def faults(claim: Claim, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    """All that is wrong with what a claim reckons with, the first first."""
    for key in ("of", "commands"):
        for place, other in enumerate(getattr(claim, key)):
            yield from _absent((key, place), other, stated)
    if claim.metric == "ratio":
        yield from _ratio(claim, stated)
    for place, other in enumerate(claim.commands):
        if stated[other].claim.metric != "command":
            yield Fault(("commands", place), f"{other!r} is no command.")
    for key in ("where", "also"):
        for name, value in getattr(claim, key).items():
            yield from _input(claim, (key, name), name, value, stated)
    if claim.metric == "break_even":
        yield from _break_even(claim)
    if claim.expression is not None:
        yield from _sum(claim, stated)


def _absent(place: Place, other: str, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    if other not in stated:
        near = difflib.get_close_matches(other, stated, 1, 0.5)
        hint = f"Did you mean {near[0]!r}?" if near else "Give it a claim of its own, or a number under 'where'."
        yield Fault(place, f"there is no claim {other!r}. {hint}")


def _no_figure(claim: Claim, place: Place, other: str, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    """Why a claim cannot be reckoned with: it is not there, it is the claim itself, it claims no number."""
    yield from _absent(place, other, stated)
    if other == claim.id:
        yield Fault(place, f"{other!r} cannot be reckoned from itself.")
    figure = stated[other].figure
    if figure is None or figure.relation in (">=", ">", "<=", "<", "!="):
        yield Fault(place, f"{other!r} claims no number to reckon with.")


def _ratio(claim: Claim, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    if len(claim.of) != 2:
        yield Fault(("of",), "a ratio is of two claims: the upper and the lower.")
    for other in claim.of:
        yield from _no_figure(claim, ("of",), other, stated)
    upper, lower = (figure for other in claim.of if (figure := stated[other].figure) is not None)
    if upper.dimension != lower.dimension:
        yield Fault(("of",), f"units are mixed: {upper.dimension} over {lower.dimension} is no ratio.")


def _input(claim: Claim, place: Place, name: str, value: float | str, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    """One number or claim under ``where`` or ``also``; of break-even also its name, its unit and its bounds."""
    named = claim.metric == "break_even"
    if named and name not in INPUTS:
        near = difflib.get_close_matches(name, INPUTS, 1, 0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(INPUTS)}."
        yield Fault(place, f"break_even takes no {name!r}. {hint}", key=True)
    if isinstance(value, str):
        yield from _no_figure(claim, place, value, stated)
        figure = stated[value].figure
        if not named or figure is None:
            return
        wanted = _dimension(name)
        if wanted is None:
            yield Fault(place, f"{name} takes a number, not a claim.")
        if figure.dimension != wanted:
            yield Fault(place, f"units are mixed: {name} is {wanted}, and {value!r} is {figure.dimension}.")
        low, high = figure.low, figure.high
    else:
        low = high = value
    if not (math.isfinite(low) and abs(low) <= LARGEST_NUMBER):
        yield Fault(place, f"{name} is {value}: give a finite number.")
    if named:
        yield from _bounds(place, name, low, high)


def _dimension(name: str) -> str | None:
    if name == "electricity_price":
        return "money a joule"
    return "money a million tokens" if name.startswith("api_") else _DIMENSIONS.get(INPUTS[name].unit)


def _bounds(place: Place, name: str, low: float, high: float) -> Iterator[Fault]:
    known = INPUTS[name]
    if low < 0:
        yield Fault(place, f"{name} is {low:g}: it cannot be negative.")
    if low < known.least or (known.above and low == known.least):
        yield Fault(place, f"{name} is {low:g}: it must be {'above' if known.above else 'at least'} {known.least:g}.")
    if high > known.most:
        yield Fault(place, f"{name} is {high:g}: it must be at most {known.most:,.12g}.")


def _break_even(claim: Claim) -> Iterator[Fault]:
    """Inputs that are missing, or that contradict each other as far as they are numbers."""
    for name in FIGURES["break_even_months"].needed:
        if name not in claim.where:
            yield Fault(("where",), f"break_even needs {name!r}: {WORDS[name]}.")
    given = {**claim.where, **claim.also}
    try:
        check({name: exactly(float(value)) for name, value in given.items() if not isinstance(value, str)})
    except UsageError as error:
        yield Fault(("where",), str(error).replace("--", ""))


def _sum(claim: Claim, stated: Mapping[str, Stated]) -> Iterator[Fault]:
    place = ("expression",)
    try:
        node = parse_expression(claim.expression or "")
    except UsageError as error:
        yield Fault(place, str(error))
        return
    for name in sorted(names(node) - claim.where.keys()):
        yield from _no_figure(claim, place, name, stated)
    over = {name: value for name in names(node) if isinstance(value := claim.where.get(name, name), str)}
    units = {name: figure.unit for name, other in over.items() if (figure := stated[other].figure) is not None}
    if mixed := mixed_units(node, units, {unit: dimension for unit, (dimension, _) in UNITS.items()}):
        yield Fault(place, f"units are mixed: {' and '.join(mixed)}. Write them in one unit, or bring them to one.")
