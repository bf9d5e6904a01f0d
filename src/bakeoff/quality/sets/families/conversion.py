"""Conversions of one unit, of two, and of what has to be worked out on the way; unusual factors are told."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import (
    Draft,
    Family,
    exact,
    fitting,
    number_draft,
    number_target,
    numbers,
    short,
)
from bakeoff.quality.tasks import Task

Words = tuple[str, str, str]

_SIMPLE: tuple[Words, ...] = (
    ("km/h", "m/s", "5/18"),
    ("m/s", "km/h", "18/5"),
    ("m²", "cm²", "10000"),
    ("km²", "ha", "100"),
    ("litres", "cm³", "1000"),
    ("m³", "litres", "1000"),
    ("g/cm³", "kg/m³", "1000"),
    ("hours", "seconds", "3600"),
    ("kWh", "kJ", "3600"),
    ("days", "minutes", "1440"),
)
_TOLD: tuple[Words, ...] = (
    ("mile", "miles", "1.6 km"),
    ("league", "leagues", "4.8 km"),
    ("furlong", "furlongs", "0.2 km"),
    ("nautical mile", "nautical miles", "1.85 km"),
)


def draft(rng: Random, level: int) -> Draft | None:
    """A usual unit; then a speed in a told unit of length; then what a journey or a slab of metal needs."""
    if level == 1:
        return fitting(rng, *(partial(_simple, units) for units in _SIMPLE))
    if level == 2:
        return fitting(rng, *(partial(_speed, told) for told in _TOLD))
    return fitting(rng, _fuel, _slab)


def _simple(units: Words, rng: Random) -> Draft | None:
    unit, into, factor = units
    value = Fraction(rng.randrange(2, 900), rng.choice((1, 2, 4, 10)))
    result = value * Fraction(factor)
    if not short(result, 2) or result > 10**7:
        return None
    return number_draft(f"How much is {exact(value)} {unit} in {into}?", result, into)


def _speed(told: Words, rng: Random) -> Draft | None:
    one, many, length = told
    metres = Fraction(length.split()[0]) * 1000
    count, minutes = rng.randrange(2, 60), rng.randrange(4, 90)
    result = count * metres / (minutes * 60)
    if not short(result, 2) or not 1 <= result <= 60:
        return None
    question = (
        f"Take one {one} as {length}. Something covers {count} {many} in {minutes} minutes at a steady speed. "
        "What is that speed in m/s?"
    )
    return number_draft(question, result, "m/s")


def _fuel(rng: Random) -> Draft | None:
    miles, gallon, per_gallon = rng.randrange(60, 900, 5), rng.choice(("3.8", "4.5")), rng.randrange(20, 61)
    price = Fraction(rng.randrange(140, 220, 2), 100)
    cost = Fraction(miles, per_gallon) * Fraction(gallon) * price
    if not short(cost, 2):
        return None
    question = (
        f"A car goes {per_gallon} miles on a gallon of fuel. Take one gallon as {gallon} litres. A litre of fuel costs "
        f"{exact(price)} euros. How many euros does the fuel for {miles} miles cost?"
    )
    return number_draft(question, cost, "euros")


def _slab(rng: Random) -> Draft | None:
    metal, density = rng.choice((("steel", "7.85"), ("aluminium", "2.7"), ("copper", "8.9"), ("lead", "11.3")))
    length, width = Fraction(rng.randrange(12, 400, 4), 100), rng.randrange(10, 150, 5)
    millimetres, count = rng.randrange(2, 50), rng.randrange(3, 25)
    kilograms = length * Fraction(width, 100) * Fraction(millimetres, 1000) * Fraction(density) * 1000 * count
    if not short(kilograms, 2):
        return None
    question = (
        f"{metal.capitalize()} has a density of {density} g/cm³. A plate of it is {exact(length)} m long, {width} cm "
        f"wide and {millimetres} mm thick. What is the mass of {count} such plates in kg?"
    )
    return number_draft(question, kilograms, "kg")


_SMALLEST = {
    "km/h": Fraction(1_000_000, 3600), "m/s": Fraction(1000), "m²": Fraction(10**6), "cm²": Fraction(100),
    "km²": Fraction(10**12), "ha": Fraction(10**10), "litres": Fraction(10**6), "cm³": Fraction(1000),
    "m³": Fraction(10**9), "g/cm³": Fraction(1, 1), "kg/m³": Fraction(10**6, 10**9), "hours": Fraction(3600),
    "days": Fraction(86400), "minutes": Fraction(60), "seconds": Fraction(1), "kWh": Fraction(1000 * 3600),
    "kJ": Fraction(1000),
}  # fmt: skip
"""In millimetres, milligrams per cubic millimetre, seconds and joules."""


def second(task: Task) -> Any:
    """By way of the smallest units: millimetres, seconds, cents, milligrams."""
    story = task.prompt.partition("\n\n")[0]
    if simple := re.fullmatch(r"How much is ([\d.]+) (\S+) in (\S+)\?", story):
        value, unit, into = simple.groups()
        return number_target(Fraction(value) * _SMALLEST[unit] / _SMALLEST[into], into)
    figures = numbers(story)
    if "steady speed" in story:
        kilometres, count, minutes = figures
        millimetres, seconds = kilometres * 1_000_000 * count, minutes * 60
        return number_target(millimetres / seconds / 1000, "m/s")
    if "gallon" in story:
        per_gallon, litres, euros, miles = figures
        millilitres_a_mile = litres * 1000 / per_gallon
        cents_a_millilitre = euros * 100 / 1000
        return number_target(millilitres_a_mile * miles * cents_a_millilitre / 100, "euros")
    density, metres, centimetres, millimetres, count = figures
    cubic = metres * 1000 * centimetres * 10 * millimetres
    return number_target(cubic * density * count / 10**6, "kg")  # g/cm³ is mg/mm³


FAMILY = Family(name="conversion", kind="units", draft=draft, second=second)
