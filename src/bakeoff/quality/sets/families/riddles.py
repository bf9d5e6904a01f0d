"""Ages, coins and heads: riddles that are a few linear equations."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers
from bakeoff.quality.tasks import Task

_NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Lena", "Max")


def draft(rng: Random, level: int) -> Draft | None:
    """Two unknowns; then two with a shift in time or a count; then three."""
    if level == 1:
        return _sum(rng)
    if level == 2:
        return fitting(rng, _ages, _farm)
    return fitting(rng, _coins, _three)


def _sum(rng: Random) -> Draft:
    one, other = rng.sample(_NAMES, 2)
    less, more = rng.randrange(5, 80), rng.randrange(3, 60)
    return number_draft(
        f"{one} and {other} have {2 * less + more} stamps together. {one} has {more} more than {other}. "
        f"How many stamps does {one} have?",
        less + more,
    )


def _ages(rng: Random) -> Draft | None:
    one, other = rng.sample(_NAMES, 2)
    ago, ahead, then, later = rng.randrange(2, 10), rng.randrange(2, 15), rng.choice((3, 4, 5)), rng.choice((2, 3))
    young = rng.randrange(ago + 2, 25)
    old = then * (young - ago) + ago
    if old + ahead != later * (young + ahead) or old > 90:
        return None
    return number_draft(
        f"{ago} years ago, {one} was {then} times as old as {other} was then. In {ahead} years, {one} will be "
        f"{later} times as old as {other} will be then. How old is {one} now, in years?",
        old,
        "years",
    )


def _farm(rng: Random) -> Draft:
    hens, goats, stools = rng.randrange(5, 40), rng.randrange(5, 40), rng.randrange(2, 9)
    return number_draft(
        f"In a barn there are hens with two legs, goats with four legs, and {stools} stools with three legs each. "
        f"There are {hens + goats} animals, and {2 * hens + 4 * goats + 3 * stools} legs in all, those of the stools "
        "included. How many goats are there?",
        goats,
    )


def _coins(rng: Random) -> Draft | None:
    small, middle, large = rng.randrange(4, 30), rng.randrange(4, 30), rng.randrange(4, 30)
    if small <= large:
        return None
    total = 10 * small + 20 * middle + 50 * large
    return number_draft(
        f"A box holds {small + middle + large} coins of 10, 20 and 50 cents, worth {total} cents in all. There are "
        f"{small - large} more coins of 10 cents than coins of 50 cents. How many coins of 20 cents are there?",
        middle,
    )


def _three(rng: Random) -> Draft | None:
    one, two, three = rng.sample(_NAMES, 3)
    a, b, c = rng.sample(range(12, 90), 3)
    times = rng.choice((2, 3))
    if a <= b or times * c <= a:
        return None
    return number_draft(
        f"{one}, {two} and {three} have read {a + b + c} pages in all. {one} has read {a - b} pages more than {two}. "
        f"If {three} had read {times} times as many pages, that would have been {times * c - a} pages more than {one} "
        f"has read. How many pages has {two} read?",
        b,
    )


def second(task: Task) -> Any:
    """By trying every whole number: the story comes out for one of them alone."""
    story = task.prompt.partition("\n\n")[0]
    figures = [int(figure) for figure in numbers(story)]
    found = list(_fitting(story, figures))
    if len(found) != 1:
        raise ValueError(f"{len(found)} answers")
    return number_target(found[0], "years" if "years ago" in story else "")


def _fitting(story: str, figures: list[int]) -> set[int]:
    if "stamps" in story:
        total, more = figures
        return {one for one in range(total + 1) if one + (one - more) == total}
    if "years ago" in story:
        ago, then, ahead, later = figures
        pairs = product(range(1, 121), repeat=2)
        return {o for o, y in pairs if o - ago == then * (y - ago) and o + ahead == later * (y + ahead) and y > ago}
    if "goats" in story:
        stools, animals, legs = figures
        return {goats for goats in range(animals + 1) if 4 * goats + 2 * (animals - goats) + 3 * stools == legs}
    if "coins" in story:
        count, _, _, _, total, more, *_ = figures
        tried = ((count - 2 * large - more, large) for large in range(count + 1))
        return {m for m, large in tried if m >= 0 and 10 * (large + more) + 20 * m + 50 * large == total}
    total, more, times, further = figures
    return {two for two in range(total) if (total - two - (two + more)) * times == two + more + further}


FAMILY = Family(name="riddle", kind="word problems", draft=draft, second=second)
