"""Durations over midnight, arrivals in another time zone, and services that leave together."""

from __future__ import annotations

import re
from math import lcm
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers
from bakeoff.quality.tasks import Task

DAY = 24 * 60


def draft(rng: Random, level: int) -> Draft | None:
    """A duration; then a flight across time zones; then lines that leave together, or a clock that is fast."""
    if level == 1:
        return _shift(rng)
    if level == 2:
        return _flight(rng)
    return fitting(rng, _lines, _fast)


def _time(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def _shift(rng: Random) -> Draft:
    start, lasts, pause = rng.randrange(0, DAY), rng.randrange(130, 720), rng.randrange(15, 61, 5)
    overnight = " the next day" if start + lasts >= DAY else " the same day"
    question = (
        f"A shift begins at {_time(start)} and ends at {_time(start + lasts)}{overnight}, on a 24-hour clock. "
        f"A break of {pause} minutes in it is not paid. For how many minutes is one paid?"
    )
    return number_draft(question, lasts - pause, "minutes")


def _flight(rng: Random) -> Draft:
    leaves, lasts, ahead = (
        rng.randrange(0, DAY, 5),
        rng.randrange(185, 840, 5),
        rng.choice([*range(-9, 0), *range(1, 10)]),
    )
    wait, second_leg = rng.randrange(45, 240, 5), rng.randrange(60, 400, 5)
    lands = leaves + lasts + wait + second_leg + 60 * ahead
    days = {-1: "the day before", 0: "the same day", 1: "the next day", 2: "two days later"}[lands // DAY]
    way = "ahead of" if ahead > 0 else "behind"
    hours = f"{abs(ahead)} {'hour' if abs(ahead) == 1 else 'hours'}"
    question = (
        f"A traveller leaves city A at {_time(leaves)} local time and, after one stop of {wait} minutes on the way, "
        f"lands in city B at {_time(lands)} local time {days}. Clocks in B are {hours} {way} those in A. "
        "For how many minutes in all was the traveller in the air?"
    )
    return number_draft(question, lasts + second_leg, "minutes")


def _lines(rng: Random) -> Draft | None:
    periods = sorted(rng.sample(range(6, 46), 3))
    start, last = rng.randrange(5 * 60, 7 * 60, 5), rng.randrange(20 * 60, 23 * 60, 5)
    together = lcm(*periods)
    if not 60 <= together <= 300:
        return None
    question = (
        f"Three tram lines leave a square every {periods[0]}, {periods[1]} and {periods[2]} minutes. All three leave "
        f"together at {_time(start)}, the first departure of the day; no tram leaves after {_time(last)} that day. "
        "How many times in that day do all three leave together, the first time included?"
    )
    return number_draft(question, (last - start) // together + 1)


def _fast(rng: Random) -> Draft | None:
    gain, start, true = rng.randrange(2, 13), rng.randrange(6 * 60, 9 * 60, 5), rng.randrange(5, 30) * 60
    shows = start + true + gain * true // 60
    question = (
        f"A clock gains {gain} minutes in every true hour. It was set right at {_time(start)} on a Monday. "
        f"It now shows {_time(shows)} {'on that Monday' if shows < DAY else 'on the Tuesday after it'}. "
        "How many true minutes have passed since it was set?"
    )
    return number_draft(question, true, "minutes") if shows < 2 * DAY else None


def second(task: Task) -> Any:
    """By letting the clock run, minute by minute."""
    story = task.prompt.partition("\n\n")[0]
    times = [int(hour) * 60 + int(minute) for hour, minute in re.findall(r"(\d\d):(\d\d)", story)]
    figures = [int(figure) for figure in numbers(re.sub(r"\d\d:\d\d|24-hour", "", story))]
    if "shift" in story:
        minute, paid = times[0], -figures[0]
        while minute % DAY != times[1] or (minute >= DAY) != ("next day" in story):
            minute, paid = minute + 1, paid + 1
        return number_target(paid, "minutes")
    if "traveller" in story:
        return number_target(_aloft(story, times, figures), "minutes")
    if "tram" in story:
        minutes = range(times[0], times[1] + 1)
        return number_target(sum(all((one - times[0]) % period == 0 for period in figures) for one in minutes))
    shown, passed, aim = times[0] * 60, 0, (times[1] + (DAY if "Tuesday" in story else 0)) * 60
    while shown < aim:
        shown, passed = shown + 60 + figures[0], passed + 1
    return number_target(passed, "minutes")


def _aloft(story: str, times: list[int], figures: list[int]) -> int:
    wait, hours = figures
    day = {"the day before": -1, "the same day": 0, "the next day": 1, "two days later": 2}
    lands = times[1] + DAY * next(days for words, days in day.items() if f"local time {words}" in story)
    minute, clock_in_b = 0, times[0] + (60 * hours if "ahead of" in story else -60 * hours)
    while clock_in_b < lands:
        minute, clock_in_b = minute + 1, clock_in_b + 1
    return minute - wait


FAMILY = Family(name="clock", kind="calendar", draft=draft, second=second)
