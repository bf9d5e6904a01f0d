"""Grades a number: as a number, and with its unit by what the unit means.

* A number without a unit is right where it is the target's in the target's unit, unless the target requires one. A
  known unit of another kind is wrong; a word that is no known unit (75 in total) is passed over.
* A target in ``%`` is asked for in percent: 12.5 % and 12.5 are right, 0.125 is not. A target without a unit is a
  plain number: 0.125 and 12.5 % are right, 12.5 is not; any other unit of an answer to it is passed over.
* A target with at most four decimals must be met exactly. Any other may be rounded to the digits shown, to two
  decimals or three significant digits at least (and two significant ones), or cut off there by an ellipsis. In an
  answer's own unit the same holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from msgspec import Struct, convert

from bakeoff.quality.grading.final import Found, settle
from bakeoff.quality.grading.measures import CURRENCIES, DOLLAR, PERCENT, Unit, unit_at
from bakeoff.quality.grading.plain import plain
from bakeoff.quality.grading.quantities import Quantity, quantities
from bakeoff.quality.tasks import Score, Task


class NumberTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """``value`` is exact: an integer, a decimal or a fraction as text ("75", "0.125", "200/3")."""

    value: str | int
    unit: str = ""
    unit_required: bool = False


def number(answer: str, task: Task) -> Score:
    """The score of a number. Raises ``msgspec.ValidationError`` or ValueError for a target that is none."""
    target = convert(task.target, NumberTarget)
    value = Fraction(target.value)
    unit = unit_of(target.unit)

    def read(statement: str, short: bool) -> Sequence[Found]:
        chosen = chosen_quantities(statement, unit, short=short)
        return [Found(*judge(quantity, value, unit, target.unit_required)) for quantity in chosen]

    return settle(answer, read)


def unit_of(name: str) -> Unit | None:
    """The unit of a target; ValueError for one that is not known."""
    if not name:
        return None
    text = plain(name)
    found = unit_at(text, 0)
    if found is None or found[1] != len(text):
        raise ValueError(f"unknown unit {name!r}")
    return found[0]


def judge(
    quantity: Quantity, value: Fraction, unit: Unit | None, unit_required: bool = False
) -> tuple[bool | None, str]:
    """Whether it is the value in the unit, and why it is not; None where a required unit is missing."""
    own = _own_unit(quantity, unit)
    if unit is None:
        scale = PERCENT.factor if own == PERCENT else 1
        return meets(quantity, value / scale), ""
    if own is None:
        if unit_required:
            return None, "The unit is missing."
        return meets(quantity, value), ""
    if own.dimension != unit.dimension:
        return False, "The unit is of another kind."
    return meets(quantity, unit.convert(value, own)), ""


def _own_unit(quantity: Quantity, unit: Unit | None) -> Unit | None:
    """The unit of a quantity; a dollar sign is one only where money is asked for."""
    asked = {name for name, _ in unit.dimension} if unit is not None else set()
    return DOLLAR if quantity.dollar and asked & CURRENCIES else quantity.unit


def meets(quantity: Quantity, value: Fraction) -> bool:
    """Whether the number is the value, or its rounding where that is allowed."""
    if quantity.value == value:
        return True
    if (value * 10**4).denominator == 1 or not quantity.step:
        return False
    decimals_enough = quantity.step <= Fraction(1, 100) and quantity.digits >= 2
    if not (decimals_enough or quantity.digits >= 3):
        return False
    off = abs(value) - abs(quantity.value)
    if quantity.cut and 0 <= off < quantity.step:
        return (value < 0) == (quantity.value < 0)
    return abs(value - quantity.value) <= quantity.step / 2


_OPERATORS = frozenset("+-–×*÷/^!x()[] ")
_WORDED_OPERATORS = frozenset({"plus", "minus", "times", "divided by", "multiplied by", "over"})
_NEGATED = re.compile(
    r"(?:\b(?:not|than|instead of|unlike|except|of the speeds?|between|from|to (?:have|get|reach|make))|n't|"
    r"\bbetween\s\S{1,15}(?:\s\S{1,15})?\sand)\s(?:be\s|just\s|simply\s)?[$€£(]?$"
)
_LEAD = re.compile(
    r"^[\s*_$€£¥(\[:=≈~]*(?:(?:that|it|there|is|are|was|be|would|will|the|a|an|about|around|approximately|approx\.?|roughly|"
    r"exactly|just|simply|equals?|equal to|[A-Za-z](?:_\w{1,9})?\s?[=≈])[\s:=≈~*_$(]*){0,6}$",
    re.IGNORECASE,
)
_EQUALS_FOLLOWS = re.compile(r"[^\d=≈]{0,20}(?:[=≈]|\b(?:is|are|equals?|makes?|gives?)\s(?:\w{1,15}\s){0,2}[$€£]?\d)")
_ASSERTED = re.compile(
    r"(?:\b(?:is|are|was|were|has|have|had|be|equals?|equal to|totals?|total of|makes?|gives?|gets?|takes?|costs?|"
    r"needs?|leaves|left with)(?:\s(?:a|about|around|approximately|roughly|exactly|only|just|now|also|then|still|"
    r"therefore|total of)){0,3}|[=≈:→])\s?[$€£¥(]?$",
    re.IGNORECASE,
)
_OR = re.compile(r"^\W{0,3}\bor\b(?:\s(?:about|approximately|just|simply))?\W{0,3}$", re.IGNORECASE)


def chosen_quantities(statement: str, unit: Unit | None, *, short: bool) -> list[Quantity]:
    """The quantities of a statement that are its answer: one, or several where it says "or".

    A statement that begins with a quantity means that one. Else it is the last of those that are not part of a sum
    or product, not denied ("not 72", "than 72"), not in brackets where others are outside; of those with a unit of
    the target's kind where there are any, and of those that a verb or an equals sign asserts ("has 12 left after giving
    away 8"). In a long statement, a quantity of another kind is no answer.
    """
    every = quantities(statement)
    results = [one for one in every if not _denied(statement, one) and not _in_expression(statement, every, one)]
    results = [one for one in results if not _is_a_share_of(statement, every, one)]
    bracketed = _brackets(statement)
    results = [one for one in results if not any(start < one.start < end for start, end in bracketed)] or results
    if results and results[0] is every[0] and _leads(statement, every[0]):
        return _alternatives(statement, results, 0)
    if unit is not None:
        own = [(one, _own_unit(one, unit)) for one in results]
        fitting = [one for one, its in own if its is not None and its.dimension == unit.dimension]
        results = fitting or [one for one, its in own if short or its is None]
    results = [one for one in results if _ASSERTED.search(statement[max(0, one.start - 40) : one.start])] or results
    return _alternatives(statement, results, len(results) - 1) if results else []


def _leads(statement: str, one: Quantity) -> bool:
    return bool(_LEAD.match(statement[: one.start]) and not _EQUALS_FOLLOWS.match(statement, one.end))


def _alternatives(statement: str, ordered: list[Quantity], chosen: int) -> list[Quantity]:
    """The chosen one, with those that an "or" joins to it on either side."""
    joined = [bool(_OR.match(statement[left.end : right.start])) for left, right in pairwise(ordered)]
    first = last = chosen
    while first and joined[first - 1]:
        first -= 1
    while last < len(joined) and joined[last]:
        last += 1
    return ordered[first : last + 1]


def _denied(statement: str, one: Quantity) -> bool:
    return bool(_NEGATED.search(statement[max(0, one.start - 40) : one.start]))


def _is_a_share_of(statement: str, every: list[Quantity], one: Quantity) -> bool:
    """Whether it is the 64 of "12.5% of 64" or "1/8 of 64"."""
    place = every.index(one)
    share = every[place - 1] if place else None
    if share is None or statement[share.end : one.start].strip(" $") != "of":
        return False
    return share.unit == PERCENT or share.step == 0


def _in_expression(statement: str, every: list[Quantity], one: Quantity) -> bool:
    """Whether only operators and brackets stand between it and the quantity before or after."""
    place = every.index(one)
    pairs = [(every[place - 1], one)] if place else []
    pairs += [(one, every[place + 1])] if place + 1 < len(every) else []
    gaps = [statement[left.end : right.start] for left, right in pairs]
    return any(
        (set(gap) <= _OPERATORS and set(gap) - set("()[] !")) or gap.strip() in _WORDED_OPERATORS for gap in gaps
    )


def _brackets(statement: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\([^()]{0,200}\)", statement)]
