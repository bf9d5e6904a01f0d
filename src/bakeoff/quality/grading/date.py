"""Grades a date, however it is written: 2024-03-15, March 15, 2024, 15th of March 2024, 15.03.2024, 3/15/2024.

Day and month in figures alone may be meant either way: 3/4/2024 is ungraded where the two ways differ and one of them
is right, unless the target says which is meant. A date without its year is right where the target allows that.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, convert

from bakeoff.quality.grading.final import Found, settle
from bakeoff.quality.tasks import Score, Task


class DateTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The right day; which of day and month stands first in figures, where the task says so."""

    date: datetime.date
    order: Literal["mdy", "dmy", ""] = ""
    year_optional: bool = False


_MONTHS = ("january", "february", "march", "april", "may", "june",
           "july", "august", "september", "october", "november", "december")  # fmt: skip
_NAMES = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, len(name))} | {"sept": 9}
_MONTH = "|".join(sorted(_NAMES, key=len, reverse=True))
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)|(\d{4})年(\d{1,2})月(\d{1,2})日")
_FIGURES = re.compile(r"(?<![\d/.-])(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\.?\s(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(\d{{4}})\b)?", re.IGNORECASE)
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s(?:day\s)?(?:of\s)?({_MONTH})\b\.?(?:,?\s(\d{{4}})\b)?", re.IGNORECASE
)

Day = tuple[int | None, int, int]


def date(answer: str, task: Task) -> Score:
    """The score of a date. Raises ``msgspec.ValidationError`` for a target that is none."""
    target = convert(task.target, DateTarget)

    def read(statement: str, short: bool) -> Sequence[Found]:
        days = list(_days(statement, target.order))
        return [_found(meanings, target) for meanings in (days if short else days[-1:])]

    return settle(answer, read)


def _found(meanings: frozenset[Day], target: DateTarget) -> Found:
    judged = {_is(day, target) for day in meanings}
    return Found(judged.pop()) if len(judged) == 1 else Found(None, "Day and month may be meant either way.")


def _is(day: Day, target: DateTarget) -> bool:
    year, month, number = day
    same_year = target.year_optional if year is None else year == target.date.year
    return same_year and (month, number) == (target.date.month, target.date.day)


def _days(statement: str, order: str) -> Iterable[frozenset[Day]]:
    """Every date in the statement, in its order, as the days that it may mean."""
    found: list[tuple[int, frozenset[Day]]] = []
    for match in _ISO.finditer(statement):
        year, month, day = (int(part) for part in match.groups() if part)
        found.append((match.start(), frozenset({(year, month, day)})))
    for match in _FIGURES.finditer(statement):
        first, second, year = (int(part) for part in match.groups())
        ways: dict[str, Day] = {"mdy": (year, first, second), "dmy": (year, second, first)}
        possible = {way for name, way in ways.items() if way[1] <= 12 and order in ("", name)}
        found.append((match.start(), frozenset(possible or {ways["mdy"]})))
    named = [(match.start(), _day(match[3], match[1], match[2])) for match in _MONTH_FIRST.finditer(statement)]
    named += [(match.start(), _day(match[3], match[2], match[1])) for match in _DAY_FIRST.finditer(statement)]
    found += [(start, frozenset({day})) for start, day in named]
    return [meanings for _, meanings in sorted(found, key=lambda one: one[0])]


def _day(year: str | None, month: str, day: str) -> Day:
    return (int(year) if year else None, _NAMES[month.lower()], int(day))
