"""Items drawn from reasoning-gym: what is taken, what is left out, and how its questions are put.

Taken are families whose answer is short and certain and can be found a second time from the words alone. Its own
scorers are not used: several give part of the mark to a wrong answer. Left out are families whose items hang on today's
date (time_intervals), that have many right answers or none (propositional_logic, countdown, number_sequence), that can
be read in two ways (syllogism: may a class be empty? aiw: brothers of a person who was not mentioned), that a guess
answers half of the time (circuit_logic), that ask for common knowledge (leg_counting), and those adapted from a source
whose README states no licence (knights_knaves, from mem-kk-logic) or that is not named (gsm_symbolic). Of the families
taken, what each function here leaves out is not asked either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

from bakeoff.errors import UsageError
from bakeoff.quality.sets.families import gym_calendar, gym_numbers, kinship, liars
from bakeoff.quality.sets.families.almanac import WEEKDAYS
from bakeoff.quality.sets.families.base import Draft, Family, number_draft, word_draft

INSTALL = "pip install 'bakeoff[fresh]'"
LARGEST = 10**9

_FORBIDDEN_NAMES = frozenset("eilo")
"""Variables that are read as a number or a constant."""


def _drawn(name: str, rng: Random, **config: Any) -> dict[str, Any]:
    try:
        import reasoning_gym
    except ImportError as error:
        raise UsageError(f"Fresh items of '{name}' need reasoning-gym. Install it with: {INSTALL}") from error
    drawn: dict[str, Any] = reasoning_gym.create_dataset(name, size=1, seed=rng.getrandbits(31), **config)[0]
    return drawn


def _expression(rng: Random, level: int) -> Draft | None:
    terms, digits = {1: (3, 1), 2: (5, 2), 3: (6, 3)}[level]
    item = _drawn("basic_arithmetic", rng, min_terms=terms, max_terms=terms, min_digits=digits, max_digits=digits)
    if abs(int(item["answer"])) > LARGEST:
        return None
    return number_draft(item["question"], int(item["answer"]))


def _equation(rng: Random, level: int) -> Draft | None:
    terms, most = {1: (2, 20), 2: (4, 90), 3: (6, 900)}[level]
    item = _drawn("simple_equations", rng, min_terms=terms, max_terms=terms, max_value=most)
    if item["metadata"]["variable"] in _FORBIDDEN_NAMES or len(item["question"]) > 120:
        return None
    return number_draft(item["question"], int(item["answer"]))


def _dice(rng: Random, level: int) -> Draft | None:
    count, sides = {1: (2, 6), 2: (2, 12), 3: (4, 10)}[level]
    item = _drawn("dice", rng, num_dice=count, max_dice_size=sides)
    puzzle = item["metadata"]["puzzle"]
    question = (
        f"These dice are rolled at once: {puzzle['dice_str']}. (1d6 stands for one die with the numbers 1 to 6, each "
        f"equally likely.) What is the probability that they show {puzzle['target']} or more in total?"
    )
    numerator, denominator = (int(part) for part in item["answer"].split("/"))
    return number_draft(question, gym_numbers.ratio(numerator, denominator), rounded="as a reduced fraction")


def _kinship(rng: Random, level: int) -> Draft | None:
    least, most = {1: (4, 5), 2: (7, 9), 3: (10, 12)}[level]
    names = {"male_names": list(kinship.MEN), "female_names": list(kinship.WOMEN)}
    item = _drawn("family_relationships", rng, min_family_size=least, max_family_size=most, **names)
    story = item["question"].partition("\n\n")[0]
    asked = item["metadata"]
    question = f"{story}\n\nWhat is {asked['person1']} to {asked['person2']}?"
    return word_draft(question, item["answer"], kinship.WORDS, "the one word for it, such as uncle or wife")


def _liars(rng: Random, _level: int) -> Draft | None:
    item = _drawn("self_reference", rng)
    statements = "\n".join(line.strip() for line in item["question"].splitlines() if "Statement" in line[:15])
    question = (
        f"Each of these seven statements is either true or false:\n\n{statements}\n\nIn how many ways can the seven be "
        "called true or false so that exactly those called true are true?"
    )
    return number_draft(question, int(item["answer"]))


def _calendar(rng: Random, level: int) -> Draft | None:
    tasks, most = {
        1: (["weekday_offset", "recurring_event_day"], 40),
        2: (["count_days", "weekday_of_date"], 200),
        3: (["count_business_days"], 360),
    }[level]
    config = {"year": rng.randrange(1900, 2100), "tasks": tasks, "offset_upper_bound": most}
    item = _drawn("calendar_arithmetic", rng, **config)
    question = re.split(_MANNERS, item["question"])[0].strip()
    if re.search(r"\d/\d", question):  # day and month may be meant either way
        return None
    if item["answer"] in WEEKDAYS:
        return word_draft(question, item["answer"], WEEKDAYS, "the weekday")
    return number_draft(question, int(item["answer"]))


_MANNERS = re.compile(
    r"(?<=[.?]) +(?=(?:Answer|Provide|State|Give|Reply|Write|Respond|Express|Name the day of the week in full)\b)"
)
"""Where its own words on how to answer begin; ours take their place."""


def _family(name: str, kind: str, draft: Callable[[Random, int], Draft | None], second: Callable[[Any], Any]) -> Family:
    return Family(name=name, kind=kind, draft=draft, second=second, source="reasoning-gym")


FAMILIES = (
    _family("expression", "arithmetic", _expression, gym_numbers.expression),
    _family("equation", "arithmetic", _equation, gym_numbers.equation),
    _family("dice", "arithmetic", _dice, gym_numbers.dice),
    _family("kinship", "logic", _kinship, kinship.second),
    _family("liars", "logic", _liars, liars.second),
    _family("calendar", "calendar", _calendar, gym_calendar.second),
)
