"""Dates so many days away, between two dates, and after so many working days; the dates are fixed, never today's."""

from __future__ import annotations

import re
from datetime import date, timedelta
from random import Random
from typing import Any

from bakeoff.quality.sets.families.almanac import (
    MONTHS,
    WEEKDAYS,
    Day,
    days_in,
    following,
    iso,
    preceding,
    weekday,
)
from bakeoff.quality.sets.families.base import Draft, Family, number_draft, number_target, numbers
from bakeoff.quality.tasks import Task


def draft(rng: Random, level: int) -> Draft | None:
    """Within three months; then days between two dates of different years; then working days."""
    start = date(rng.randrange(1950, 2050), 1, 1) + timedelta(days=rng.randrange(365))
    if level == 1:
        return _away(rng, start, rng.randrange(10, 90))
    if level == 2:
        return _between(rng, start) if rng.random() < 0.5 else _away(rng, start, rng.randrange(300, 900))
    return _working(rng, start)


def _written(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _date_draft(question: str, answer: date) -> Draft:
    ending = "End your reply with a line that says 'Answer:' and then the date as YYYY-MM-DD."
    return Draft(question=question, ending=ending, checker="date", target={"date": answer.isoformat()})


def _away(rng: Random, start: date, days: int) -> Draft:
    later = rng.random() < 0.7
    way = "after" if later else "before"
    question = f"Which date is {days} days {way} {_written(start)}?"
    return _date_draft(question, start + timedelta(days=days if later else -days))


def _between(rng: Random, start: date) -> Draft:
    days = rng.randrange(400, 1500)
    end = start + timedelta(days=days)
    question = (
        f"A contract began on {_written(start)} and ended on {_written(end)}. How many days did it last, "
        "both the first and the last day counted?"
    )
    return number_draft(question, days + 1, "days")


def _working(rng: Random, start: date) -> Draft | None:
    if start.weekday() > 4:
        return None
    needed, free = rng.randrange(25, 120), rng.sample(range(3, 25), 2)
    off = sorted(start + timedelta(days=days) for days in free)
    day, left = start, needed
    while True:
        left -= day.weekday() < 5 and day not in off
        if not left:
            break
        day += timedelta(days=1)
    question = (
        f"A job needs {needed} working days. Work is done from Monday to Friday, but not on the two holidays "
        f"{_written(off[0])} and {_written(off[1])}. Its first working day is {_named(start)}, {_written(start)}. "
        "What is the date of its last working day?"
    )
    return _date_draft(question, day)


def _named(day: date) -> str:
    return WEEKDAYS[day.weekday()]


def second(task: Task) -> Any:
    """Day by day, in a calendar of our own."""
    story = task.prompt.partition("\n\n")[0]
    days = days_in(story)
    if "contract" in story:
        day, count = days[0], 1
        while day != days[1]:
            day, count = following(day), count + 1
        return number_target(count, "days")
    if "working days" in story:
        return {"date": iso(_last(days, int(numbers(story)[0]), story))}
    count, step = int(numbers(story)[0]), following if " after " in story else preceding
    day = days[0]
    for _ in range(count):
        day = step(day)
    return {"date": iso(day)}


def _last(days: list[Day], needed: int, story: str) -> Day:
    *holidays, day = days
    told = re.search(rf"is ({'|'.join(WEEKDAYS)}), ", story)
    if told is None or weekday(day) != WEEKDAYS.index(told[1]):
        raise ValueError("the weekday that is told is not that of the date")
    while True:
        if weekday(day) < 5 and day not in holidays:
            needed -= 1
        if not needed:
            return day
        day = following(day)


FAMILY = Family(name="dates", kind="calendar", draft=draft, second=second)
