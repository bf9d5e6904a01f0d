"""Second solution for reasoning-gym's calendar: day by day, in a calendar of our own."""

from __future__ import annotations

import re
from typing import Any

from bakeoff.quality.sets.families.almanac import (
    MONTHS,
    WEEKDAYS,
    Day,
    following,
    length,
    preceding,
    weekday,
)
from bakeoff.quality.sets.families.base import number_target, word_target
from bakeoff.quality.tasks import Task

_DATE = re.compile(
    rf"(?:(?P<named>{'|'.join(WEEKDAYS)}), )?(?P<month>{'|'.join(MONTHS)}) (?P<day>\d{{1,2}})(?:, (?P<year>\d{{4}}))?"
)
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}


def second(task: Task) -> Any:
    """The target by the question's words; ValueError where a weekday that it tells is not that of its date."""
    story = task.prompt.partition("\n\n")[0]
    if recurring := re.search(rf"\b({'|'.join(_ORDINALS)}) ({'|'.join(WEEKDAYS)})\b", story):
        return number_target(_recurring(story, recurring[1], recurring[2]))
    days = _dates(story)
    if re.search(r"weekdays? \(excluding|business days", story):
        return number_target(sum(weekday(day) < 5 for day in _span(*days)))
    if len(days) == 2:
        counted = re.search(rf"(?:many|of|does) ({'|'.join(WEEKDAYS)})", story)
        assert counted is not None
        return number_target(sum(WEEKDAYS[weekday(day)] == counted[1] for day in _span(*days)))
    (day,) = days
    away = re.search(r"(\d+)[ -]days?\b", story)
    step = preceding if re.search(r"ago|before|backward", story) else following
    for _ in range(int(away[1]) if away else 0):
        day = step(day)
    return word_target(WEEKDAYS[weekday(day)], WEEKDAYS)


def _dates(story: str) -> list[Day]:
    """The dates of a question; of two, the first may lack its year, which is then the second's."""
    found = list(_DATE.finditer(story))
    year = next(one["year"] for one in reversed(found) if one["year"])
    days = [(int(one["year"] or year), MONTHS.index(one["month"]) + 1, int(one["day"])) for one in found]
    for one, date in zip(found, days, strict=True):
        if one["named"] and WEEKDAYS[weekday(date)] != one["named"]:
            raise ValueError(f"{one[0]} was no {one['named']}")
    return days


def _span(first: Day, last: Day) -> list[Day]:
    """Every day from the first to the last, both included."""
    if last < first:
        raise ValueError("it ends before it begins")
    days = [first]
    while days[-1] != last:
        days.append(following(days[-1]))
    return days


def _recurring(story: str, ordinal: str, name: str) -> int:
    place = re.search(rf"({'|'.join(MONTHS)}) (\d{{4}})", story)
    assert place is not None
    year, month = int(place[2]), MONTHS.index(place[1]) + 1
    fitting = [day for day in range(1, length(year, month) + 1) if WEEKDAYS[weekday((year, month, day))] == name]
    return fitting[_ORDINALS[ordinal]]
