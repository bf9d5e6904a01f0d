"""Electricity bills, downloads and batteries: rates in mixed units."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers, short
from bakeoff.quality.tasks import Task


def draft(rng: Random, level: int) -> Draft | None:
    """One appliance; then a download with a share lost; then a battery, or two appliances and a solar panel."""
    if level == 1:
        return _appliance(rng)
    if level == 2:
        return _download(rng)
    return fitting(rng, _battery, _panel)


def _appliance(rng: Random) -> Draft | None:
    watts, hours, days, cents = (
        rng.randrange(40, 2400, 20),
        rng.randrange(2, 13),
        rng.randrange(5, 31),
        rng.randrange(20, 46),
    )
    euros = Fraction(watts * hours * days * cents, 1000 * 100)
    question = (
        f"A heater draws {watts} watts and runs {hours} hours a day for {days} days. A kilowatt-hour costs {cents} "
        "cents. How many euros does that come to?"
    )
    return number_draft(question, euros, "euros") if short(euros, 2) else None


def _download(rng: Random) -> Draft | None:
    gigabytes, megabits, lost = (
        Fraction(rng.randrange(10, 600), 10),
        rng.randrange(20, 500, 10),
        rng.randrange(5, 45, 5),
    )
    minutes = gigabytes * 8000 / (Fraction(megabits) * (100 - lost) / 100) / 60
    if not short(minutes, 1) or not 1 <= minutes <= 500:
        return None
    question = (
        f"A file of {float(gigabytes):g} GB is loaded over a line of {megabits} megabits per second, of which {lost} % "
        "is lost to other traffic. One GB is 1000 megabytes, one byte is 8 bits. How many minutes does it take?"
    )
    return number_draft(question, minutes, "minutes")


def _battery(rng: Random) -> Draft | None:
    milliamperes, volts, cells = rng.randrange(2000, 5200, 100), Fraction(37, 10), rng.randrange(2, 9)
    usable, milliwatts = rng.randrange(70, 96, 5), rng.randrange(400, 9000, 50)
    minutes = Fraction(milliamperes, 1000) * volts * cells * usable / 100 / Fraction(milliwatts, 1000) * 60
    if not short(minutes, 1) or not 60 <= minutes <= 9000:
        return None
    question = (
        f"A pack has {cells} cells of {milliamperes} mAh at 3.7 V each. Only {usable} % of its energy may be used. "
        f"A device draws {milliwatts} mW from it. For how many minutes does it run? (Energy in Wh is charge in Ah "
        "times voltage in V.)"
    )
    return number_draft(question, minutes, "minutes")


def _panel(rng: Random) -> Draft | None:
    panel, sun, days = rng.randrange(200, 900, 20), rng.randrange(3, 9), rng.randrange(20, 91)
    first, first_hours = rng.randrange(40, 400, 10), rng.randrange(6, 25)
    other, minutes = rng.randrange(600, 2400, 50), rng.randrange(15, 180, 15)
    cents, paid = rng.randrange(24, 42), rng.randrange(6, 12)
    used = Fraction(first * first_hours) + Fraction(other * minutes, 60)
    made = Fraction(panel * sun)
    balance = (used - made) * days / 1000
    euros = balance * (cents if balance > 0 else paid) / 100
    if not short(euros, 2) or balance <= 0:
        return None
    question = (
        f"A household runs a pump of {first} W for {first_hours} hours a day and an oven of {other} W for {minutes} "
        f"minutes a day. Its solar panel gives {panel} W for {sun} hours a day, and all of that is used or stored for "
        f"later use without loss. What is still missing is bought at {cents} cents per kilowatt-hour. How many euros "
        f"does the household pay for {days} days?"
    )
    return number_draft(question, euros, "euros")


def second(task: Task) -> Any:
    """Day by day, minute by minute or second by second, in joules, bits and cents."""
    story = task.prompt.partition("\n\n")[0]
    figures = numbers(story)
    if "heater" in story:
        watts, hours, days, cents = figures
        joules = sum((watts * 3600 for _ in range(int(days)) for _ in range(int(hours))), Fraction(0))
        return number_target(joules / 3_600_000 * cents / 100, "euros")
    if "loaded" in story:
        return number_target(_loaded(figures), "minutes")
    if "cells" in story:
        cells, milliamperes, volts, usable, milliwatts = figures
        joules = sum((milliamperes * 36 / 10 * volts for _ in range(int(cells))), Fraction(0))
        return number_target(joules * usable / 100 / (milliwatts * 60 / 1000), "minutes")
    pump, hours, oven, minutes, panel, sun, cents, days = figures
    joules = Fraction(0)
    for minute in range(24 * 60):
        draws = (pump if minute < hours * 60 else 0) + (oven if minute < minutes else 0)
        joules += 60 * (draws - (panel if minute < sun * 60 else 0))
    return number_target(joules * days / 3_600_000 * cents / 100, "euros")


def _loaded(figures: list[Fraction]) -> Fraction:
    """Minutes, by loading for six seconds at a time."""
    gigabytes, megabits, lost = figures[:3]
    left, steps = gigabytes * 8 * 10**9, 0
    a_step = megabits * 10**6 * 6 * (1 - lost / 100)
    while left > 0:
        left -= a_step
        steps += 1
    if left:
        raise ValueError("not a whole number of steps")
    return Fraction(steps, 10)


FAMILY = Family(name="rates", kind="units", draft=draft, second=second)
