"""Grades a list of numbers or words: ``[1, 2, 3]``, "1, 2 and 3", or bullets beneath "Answer:".

The items must be as many as the target's, each right by itself (numbers as ``number`` takes them, words but for case
and punctuation), in the target's order unless that does not matter. A comma always parts items here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct, convert

from bakeoff.quality.grading.final import Found, settle
from bakeoff.quality.grading.number import meets
from bakeoff.quality.grading.quantities import quantities
from bakeoff.quality.grading.word import same_words
from bakeoff.quality.tasks import Score, Task

MOST_ITEMS = 200


class SeriesTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The right items, as text; a number is exact ("75", "1/3")."""

    items: tuple[str | int, ...]
    ordered: bool = True


_BRACKETED = re.compile(r"\[([^\[\]]{0,500})\]|\(([^()]{1,500},[^()]{0,500})\)|\{([^{}]{1,500})\}")
_TOLD = re.compile(r".*(?:[:=]|\b(?:are|is)\b)\s?(.+)$")
_PARTS = re.compile(r"\s?(?:,\s?and\s|[,;、→<>]|\sand\s|\s&\s|\sthen\s)\s?")


def series(answer: str, task: Task) -> Score:
    """The score of a list. Raises ``msgspec.ValidationError`` for a target that is none."""
    target = convert(task.target, SeriesTarget)
    wanted = [str(item) for item in target.items]

    def read(statement: str, short: bool) -> Sequence[Found]:
        items = _items(statement, short=short)
        return [] if items is None else [Found(_same(items, wanted, ordered=target.ordered))]

    return settle(answer, read, joins_bullets=True)


def _items(statement: str, *, short: bool) -> list[str] | None:
    """The items of the last bracketed list, else of the whole of a short statement; None where there is no list."""
    bracketed = _BRACKETED.findall(statement)
    if bracketed:
        inner = next((part for part in bracketed[-1] if part), "")
    elif short:
        inner = statement.rstrip(". ")
    elif (told := _TOLD.match(statement)) and _PARTS.search(told[1]):
        inner = told[1].rstrip(". ")
    else:
        return None
    items = [item.strip(" '\"`*_.") for item in _PARTS.split(inner)[: MOST_ITEMS + 1]]
    return [item for item in items if item]


def _same(items: list[str], wanted: list[str], *, ordered: bool) -> bool:
    if len(items) != len(wanted):
        return False
    if ordered:
        return all(_is(item, one) for item, one in zip(items, wanted, strict=True))
    left = list(items)
    for one in wanted:
        place = next((place for place, item in enumerate(left) if _is(item, one)), None)
        if place is None:
            return False
        del left[place]
    return True


def _is(item: str, wanted: str) -> bool:
    try:
        value = Fraction(wanted)
    except (ValueError, ZeroDivisionError):
        return same_words(item, wanted)
    found = quantities(item)
    return len(found) == 1 and meets(found[0], value)
