"""Average speeds with and without a stop, pursuits, and two that move towards each other."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers, short
from bakeoff.quality.tasks import Task

_WHO = {
    "A cyclist": range(12, 31, 2),
    "A bus": range(30, 91, 5),
    "A delivery van": range(40, 101, 5),
    "A train": range(60, 181, 10),
    "A ferry": range(16, 41, 4),
}


def draft(rng: Random, level: int) -> Draft | None:
    """Two legs; then a stop between or a pursuit; then a meeting with a stop, or the speed that the rest needs."""
    if level == 1:
        return _legs(rng, 2, stop=False)
    if level == 2:
        return fitting(rng, lambda rng: _legs(rng, 2, stop=True), _pursuit)
    return fitting(rng, _meeting, lambda rng: _legs(rng, 4, stop=True))


def _legs(rng: Random, count: int, *, stop: bool) -> Draft | None:
    who = rng.choice(list(_WHO))
    speeds = rng.sample(_WHO[who], count)
    minutes = [rng.randrange(15, 181, 5) for _ in speeds]
    distances = [Fraction(speed * minute, 60) for speed, minute in zip(speeds, minutes, strict=True)]
    pause = rng.randrange(10, 61, 5) if stop else 0
    average = sum(distances) / Fraction(sum(minutes) + pause, 60)
    if any(distance.denominator != 1 for distance in distances) or not short(average, 1):
        return None
    parts = [f"covers {distance} km at {speed} km/h" for distance, speed in zip(distances, speeds, strict=True)]
    if stop:
        parts.insert(1, f"stops for {pause} minutes")
    question = (
        f"{who} {', then '.join(parts)}. What is its average speed from start to end, "
        f"{'the stop included, ' if stop else ''}in km/h?"
    )
    return number_draft(question, average, "km/h")


def _pursuit(rng: Random) -> Draft | None:
    slow, fast = sorted(rng.sample(range(40, 121, 5), 2))
    start = rng.randrange(10, 91, 5)
    minutes = Fraction(slow * start, fast - slow)
    if minutes.denominator != 1 or not 10 <= minutes <= 600:
        return None
    question = (
        f"A lorry leaves a depot at a steady {slow} km/h. A car leaves the same depot {start} minutes later and "
        f"follows it on the same road at a steady {fast} km/h. How many minutes after the car has left does it "
        "catch up with the lorry?"
    )
    return number_draft(question, minutes, "minutes")


def _meeting(rng: Random) -> Draft | None:
    first, second = rng.sample(range(60, 161, 10), 2)
    driven, pause = rng.randrange(20, 61, 10), rng.randrange(10, 41, 5)
    minutes = rng.randrange(driven + pause + 20, 301, 5)
    distance = Fraction(first * (minutes - pause) + second * minutes, 60)
    if distance.denominator != 1:
        return None
    question = (
        f"Two stations are {distance} km apart. At the same moment a train leaves each of them towards the other, one "
        f"at {first} km/h, the other at {second} km/h. After {driven} minutes of driving, the one at {first} km/h "
        f"has to wait for {pause} minutes, and then goes on as before; the other never stops. How many minutes after "
        "they have left do the two trains meet?"
    )
    return number_draft(question, minutes, "minutes")


def second(task: Task) -> Any:
    """By driving the story minute by minute."""
    figures = numbers(task.prompt.partition("\n\n")[0])
    if "average speed" in task.prompt:
        return number_target(_driven(task.prompt), "km/h")
    return number_target(_chased(figures) if "lorry" in task.prompt else _met(figures), "minutes")


def _driven(prompt: str) -> Fraction:
    travelled = passed = Fraction(0)
    for part in prompt.partition("What is")[0].split(", then "):
        figures = numbers(part)
        if part.startswith("stops"):
            passed += figures[0]
            continue
        to_go, per_minute = figures[0], figures[1] / 60
        while to_go > 0:
            step = min(Fraction(1), to_go / per_minute)
            to_go, travelled, passed = to_go - step * per_minute, travelled + step * per_minute, passed + step
    return travelled / passed * 60


def _chased(figures: list[Fraction]) -> int:
    slow, start, fast = figures
    minute, lorry, car = 0, slow * start, Fraction(0)
    while car < lorry:
        minute, lorry, car = minute + 1, lorry + slow, car + fast
    return _whole(minute, car - lorry)


def _met(figures: list[Fraction]) -> int:
    distance, first, other, driven, _, pause = figures
    minute, gap = 0, distance * 60
    while gap > 0:
        waits = driven <= minute < driven + pause
        gap -= other + (0 if waits else first)
        minute += 1
    return _whole(minute, gap)


def _whole(minute: int, beyond: Fraction) -> int:
    if beyond:
        raise ValueError("not a whole number of minutes")
    return minute


FAMILY = Family(name="journey", kind="word problems", draft=draft, second=second)
