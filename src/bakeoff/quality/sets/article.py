"""The article's prompts as tasks of their own, every key worked out from the prompt's own figures.

The article expects 72 km/h for its train problem. The two legs take two hours each, so that 300 km in 4 hours are
75 km/h; 72 would be right for equal distances, which is what the trap asks.
"""

from __future__ import annotations

import re
from fractions import Fraction

from bakeoff.quality.tasks import Task

KIND = "article"
TRAIN = (
    "Solve step by step: A train travels 120 km at 60 km/h, then 180 km at 90 km/h. "
    "What is the average speed for the entire journey?"
)
TRAP = (
    "Solve step by step: A train travels 120 km at 60 km/h, then 120 km at 90 km/h. "
    "What is the average speed for the entire journey?"
)
SETUP = "Solve step by step: What is 247 × 83?"
BINARY_SEARCH = (
    "Write a Python function that implements binary search on a sorted list, "
    "including edge case handling and type hints."
)


def legs(prompt: str) -> list[tuple[Fraction, Fraction]]:
    """The distances in km and the speeds in km/h that a prompt names."""
    return [(Fraction(km), Fraction(speed)) for km, speed in re.findall(r"(\d+) km at (\d+) km/h", prompt)]


def average_speed(journey: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Km/h over all legs: the whole distance by the whole time."""
    return sum((km for km, _ in journey), Fraction(0)) / sum((km / speed for km, speed in journey), Fraction(0))


def mean_of_speeds(journey: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Km/h, each leg's speed counted once: the wrong way, right only for legs of equal time."""
    return sum((speed for _, speed in journey), Fraction(0)) / len(journey)


def _average(name: str, level: int, prompt: str) -> Task:
    key = average_speed(legs(prompt))
    other = average_speed([(Fraction(1), speed) for _, speed in legs(prompt)])
    if name == "article-train":
        note = (
            f"The article's key says {other} km/h, which holds for equal distances. The right answer is {key} km/h: "
            f"{sum(km for km, _ in legs(prompt))} km in {sum(km / speed for km, speed in legs(prompt))} hours."
        )
    else:
        note = f"Equal distances: the mean of the speeds, {mean_of_speeds(legs(prompt))} km/h, is wrong here."
    return Task(
        id=name,
        set=name,
        level=level,
        kind=KIND,
        prompt=prompt,
        checker="number",
        target={"value": str(key), "unit": "km/h"},
        note=note,
    )


def _product() -> Task:
    first, other = (int(factor) for factor in re.findall(r"\d+", SETUP))
    return Task(
        id="article-setup",
        set="article-setup",
        level=1,
        kind=KIND,
        prompt=SETUP,
        checker="number",
        target={"value": str(first * other)},
    )


def _search() -> Task:
    return Task(
        id="article-code",
        set="article-code",
        level=1,
        kind=KIND,
        prompt=BINARY_SEARCH,
        checker="binary_search",
        target=None,
    )


def article() -> tuple[Task, ...]:
    """The four tasks; each is a set of its own, by its name."""
    return (_average("article-train", 1, TRAIN), _average("article-trap", 2, TRAP), _product(), _search())
