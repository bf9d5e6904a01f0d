"""Who finished where in a race, from clues that leave one order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, word_draft, word_target
from bakeoff.quality.tasks import Task

_NAMES = ("Amir", "Bella", "Chen", "Dora", "Eli", "Fay", "Gus", "Hana", "Ivan", "Jade", "Kofi", "Lara")
_RUNNERS = {1: 4, 2: 5, 3: 7}
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")

Clue = tuple[str, Callable[[Sequence[str]], bool]]


def draft(rng: Random, level: int) -> Draft | None:
    """Four runners, five, or seven; no clue is needless or gives the answer away; at level 3 none names a place."""
    runners = rng.sample(_NAMES, _RUNNERS[level])
    clues = [clue for clue in _true_clues(runners, level) if clue[1](runners)]
    rng.shuffle(clues)
    orders = list(permutations(sorted(runners)))
    kept: list[Clue] = []
    for clue in clues:
        left = [order for order in orders if clue[1](order)]
        if len(left) < len(orders):
            kept, orders = [*kept, clue], left
        if len(orders) == 1:
            break
    kept = _needed(kept, sorted(runners))
    place = rng.randrange(len(runners))
    if any(text.endswith(f"finished {_PLACES[place]}") for text, _ in kept):
        return None
    names = sorted(runners)
    question = (
        f"{', '.join(names[:-1])} and {names[-1]} ran a race. No two of them finished at the same time. "
        f"{' '.join(f'{text}.' for text, _ in kept)} Who finished {_PLACES[place]}?"
    )
    return word_draft(question, runners[place], tuple(names), "the name")


def _needed(clues: list[Clue], runners: list[str]) -> list[Clue]:
    """The clues without those that the rest make needless."""
    orders = list(permutations(runners))
    for clue in list(clues):
        rest = [other for other in clues if other is not clue]
        if sum(all(holds(order) for _, holds in rest) for order in orders) == 1:
            clues = rest
    return clues


def _true_clues(order: list[str], level: int) -> list[Clue]:
    clues: list[Clue] = []
    for a, b in combinations(order, 2):
        gap = order.index(b) - order.index(a)
        clues.append((f"{a} finished before {b}", _apart(a, b, range(1, len(order)))))
        if gap == 1:
            clues.append((f"{b} came in directly after {a}", _apart(a, b, (1,))))
        elif level > 1:
            text = f"Exactly {gap - 1} {'runner' if gap == 2 else 'runners'} finished between {a} and {b}"
            clues.append((text, _apart(a, b, (gap, -gap))))
    for a in order:
        if level < 3:
            clues.append((f"{a} finished {_PLACES[order.index(a)]}", _at(a, (order.index(a),))))
        clues.append((f"{a} was neither first nor last", _at(a, range(1, len(order) - 1))))
    return clues


def _apart(a: str, b: str, gaps: Sequence[int]) -> Callable[[Sequence[str]], bool]:
    return lambda order: order.index(b) - order.index(a) in gaps


def _at(a: str, places: Sequence[int]) -> Callable[[Sequence[str]], bool]:
    return lambda order: order.index(a) in places


def second(task: Task) -> Any:
    """By setting the runners one at a time on free places, from the clues' words, until all of them hold."""
    story = task.prompt.partition("\n\n")[0]
    names = sorted(set(_named(story.partition(" ran a race")[0])))
    sentences = [part.strip() for part in story.split(".")[2:-1]]
    (found,) = _settled(names, sentences, {})
    asked = re.search(r"Who finished (\w+)\?", story)
    assert asked is not None
    place = _PLACES.index(asked[1])
    return word_target(next(name for name, at in found.items() if at == place), tuple(names))


def _named(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text) if word in _NAMES]


def _settled(names: list[str], sentences: list[str], at: dict[str, int]) -> list[dict[str, int]]:
    if not all(_holds(sentence, at, len(names)) for sentence in sentences):
        return []
    if len(at) == len(names):
        return [at]
    name = names[len(at)]
    free = [place for place in range(len(names)) if place not in at.values()]
    return [found for place in free for found in _settled(names, sentences, at | {name: place})]


def _holds(sentence: str, at: dict[str, int], count: int) -> bool:
    """Whether a sentence can still be true with those who are placed."""
    places = [at.get(name) for name in _named(sentence)]
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        return True
    if "neither" in sentence:
        return known[0] not in (0, count - 1)
    if "before" in sentence:
        return known[0] < known[1]
    if "directly after" in sentence:
        return known[0] - known[1] == 1
    if between := re.match(r"Exactly (\d+)", sentence):
        return max(known) - min(known) - 1 == int(between[1])
    return known[0] == _PLACES.index(sentence.split()[-1])


FAMILY = Family(name="order", kind="logic", draft=draft, second=second)
