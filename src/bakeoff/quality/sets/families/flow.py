"""Tanks that fill and leak: volumes from lengths, times from flows, in mixed units."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, exact, number_draft, number_target, numbers, short
from bakeoff.quality.tasks import Task


def draft(rng: Random, level: int) -> Draft | None:
    """A box to fill; then with a leak; then up to a height, around a block that lies in it, with a leak."""
    if level == 1:
        return _box(rng)
    return _leaking(rng) if level == 2 else _block(rng)


def _box(rng: Random) -> Draft | None:
    sides = [rng.randrange(20, 160, 10) for _ in range(3)]
    per_minute = rng.randrange(4, 40)
    minutes = Fraction(sides[0] * sides[1] * sides[2], 1000 * per_minute)
    if not short(minutes, 1) or minutes > 300:
        return None
    question = (
        f"A tank in the shape of a box is {sides[0]} cm long, {sides[1]} cm wide and {sides[2]} cm high. It is empty. "
        f"Water flows in at {per_minute} litres per minute. How many minutes does it take to fill it?"
    )
    return number_draft(question, minutes, "minutes")


def _leaking(rng: Random) -> Draft | None:
    cubic_metres = Fraction(rng.randrange(5, 200), 10)
    per_minute, leak = rng.randrange(20, 150, 5), rng.randrange(20, 800, 10)
    minutes = cubic_metres * 1000 / (per_minute - Fraction(leak * 60, 1000))
    if not 10 <= minutes <= 900 or not short(minutes, 1):
        return None
    question = (
        f"An empty pool holds {exact(cubic_metres)} m³. A hose brings {per_minute} litres per minute, and "
        f"{leak} millilitres per second leak out all the while. After how many minutes is the pool full?"
    )
    return number_draft(question, minutes, "minutes")


def _block(rng: Random) -> Draft | None:
    length, width = Fraction(rng.randrange(12, 40, 2), 10), Fraction(rng.randrange(6, 20, 2), 10)
    height, edge = rng.randrange(50, 120, 5), rng.randrange(20, 60, 5)
    first, per_minute, leak = rng.randrange(5, 25, 5), rng.randrange(10, 60, 2), rng.randrange(5, 60, 5)
    area = length * 10 * width * 10
    litres = area * Fraction(height - first, 10) - Fraction(edge**3, 1000) + _covered(edge, first)
    minutes = litres / (per_minute - Fraction(leak * 60, 1000))
    if edge >= 10 * width * 10 or edge > height or first > edge or not 5 <= minutes <= 900 or not short(minutes, 1):
        return None
    question = (
        f"A tank with a flat floor is {exact(length)} m long and {exact(width)} m wide, with upright walls. A cube of "
        f"stone with edges of {edge} cm stands on the floor, and the water stands {first} cm deep around it. A pump "
        f"brings {per_minute} litres per minute, while {leak} millilitres per second leak out. After how many minutes "
        f"does the water stand {height} cm deep?"
    )
    return number_draft(question, minutes, "minutes")


def _covered(edge: int, depth: int) -> Fraction:
    """Litres of the cube that are under water already."""
    return Fraction(edge * edge * depth, 1000)


def second(task: Task) -> Any:
    """By letting it flow, six seconds at a time, in cubic millimetres; around the block, layer by layer."""
    story = task.prompt.partition("\n\n")[0]
    figures = numbers(story)
    if "box" in story:
        a, b, c, per_minute = figures
        return number_target(_time(a * b * c * 1000, per_minute, Fraction(0)), "minutes")
    if "pool" in story:
        cubic_metres, per_minute, leak = figures
        return number_target(_time(cubic_metres * 10**9, per_minute, leak), "minutes")
    length, width, edge, first, per_minute, leak, height = figures
    floor, stone = length * width * 10**6, (edge * 10) ** 2
    layers = range(int(first * 10), int(height * 10))  # of a millimetre each
    volume = sum((floor - (stone if layer < edge * 10 else 0) for layer in layers), Fraction(0))
    return number_target(_time(volume, per_minute, leak), "minutes")


def _time(volume: Fraction, litres_a_minute: Fraction, leak: Fraction) -> Fraction:
    """Minutes until a volume of cubic millimetres has come in."""
    a_step = litres_a_minute * 100_000 - leak * 1000 * 6
    steps = 0
    while volume > 0:
        volume -= a_step
        steps += 1
    if volume:
        raise ValueError("not a whole number of steps")
    return Fraction(steps, 10)


FAMILY = Family(name="flow", kind="units", draft=draft, second=second)
