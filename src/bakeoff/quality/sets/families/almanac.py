"""A calendar of our own, without the standard library's: lengths of months, and the weekday by Zeller's congruence."""

from __future__ import annotations

import re

MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

Day = tuple[int, int, int]
"""Year, month, day."""


def length(year: int, month: int) -> int:
    """How many days a month has."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _LENGTHS[month - 1] + (month == 2 and leap)


def weekday(day: Day) -> int:
    """0 for a Monday, by Zeller's congruence."""
    year, month, number = day
    if month < 3:
        year, month = year - 1, month + 12
    century, of_century = divmod(year, 100)
    from_saturday = number + 13 * (month + 1) // 5 + of_century + of_century // 4 + century // 4 + 5 * century
    return (from_saturday + 5) % 7


def following(day: Day) -> Day:
    """The next day."""
    year, month, number = day
    if number < length(year, month):
        return year, month, number + 1
    return (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)


def preceding(day: Day) -> Day:
    """The day before."""
    year, month, number = day
    if number > 1:
        return year, month, number - 1
    year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return year, month, length(year, month)


def days_in(text: str) -> list[Day]:
    """Every date of a text that is written as ``15 March 2024`` or ``March 15, 2024``, in its order."""
    month = "|".join(MONTHS)
    found = re.finditer(rf"(\d{{1,2}}) ({month}) (\d{{4}})|({month}) (\d{{1,2}}), (\d{{4}})", text)
    return [
        (int(one[3] or one[6]), MONTHS.index(one[2] or one[4]) + 1, int(one[1] or one[5]))
        for one in found
    ]  # fmt: skip


def iso(day: Day) -> str:
    """``2024-03-15``."""
    return f"{day[0]:04d}-{day[1]:02d}-{day[2]:02d}"
