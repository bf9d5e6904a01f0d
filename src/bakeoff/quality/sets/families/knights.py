"""Knights, who always tell the truth, and knaves, who always lie: who of those who speak are knights?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import product
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family
from bakeoff.quality.tasks import Task

_NAMES = ("Ada", "Bruno", "Carla", "Dario", "Elsa", "Fritz", "Gina", "Hanno", "Iris", "Jakob", "Kira", "Leon")
_PEOPLE = {1: 2, 2: 3, 3: 5}
_FORMS: dict[str, Callable[[bool, bool], bool]] = {
    "{a} is a knight": lambda a, _: a,
    "{a} is a knave": lambda a, _: not a,
    "{a} and {b} are of the same kind": lambda a, b: a == b,
    "{a} and {b} are of different kinds": lambda a, b: a != b,
    "at least one of {a} and {b} is a knave": lambda a, b: not (a and b),
    "{a} is a knight or {b} is a knight, or both are": lambda a, b: a or b,
    "if {a} is a knight, then {b} is a knave": lambda a, b: not (a and b),
    "{a} is a knave and {b} is a knight": lambda a, b: not a and b,
}
_EASY = 4
_COUNTED = "exactly {n} of us are knights"
_WORDS = ("none", "one", "two", "three", "four")

Kinds = Sequence[bool]


def draft(rng: Random, level: int) -> Draft | None:
    """Two people, three, or five; their statements leave one possibility, with at least one knight."""
    people = rng.sample(_NAMES, _PEOPLE[level])
    said = [_statement(rng, people, place, level) for place in range(len(people))]
    possible = [
        kinds for kinds in product((True, False), repeat=len(people))
        if all(holds(kinds) == kind for kind, (_, holds) in zip(kinds, said, strict=True))
    ]  # fmt: skip
    if len(possible) != 1 or not any(possible[0]):
        return None
    statements = " ".join(f'{name} says: "{text}."' for name, (text, _) in zip(people, said, strict=True))
    return Draft(
        question=(
            "On an island, everyone is either a knight or a knave. Knights say only what is true, knaves say only what "
            f"is false. You meet {', '.join(people[:-1])} and {people[-1]}. {statements} Who are the knights?"
        ),
        ending="End your reply with a line that says 'Answer:' and then the names of all the knights, "
        "separated by commas.",
        checker="series",
        target=_target(name for name, kind in zip(people, possible[0], strict=True) if kind),
    )


def _statement(rng: Random, people: list[str], speaker: int, level: int) -> tuple[str, Callable[[Kinds], bool]]:
    """What one says, and whether it holds where everyone is of these kinds."""
    if level > 1 and rng.random() < 0.2:
        count = rng.randrange(1, len(people))
        text = _COUNTED.format(n=_WORDS[count]).replace("one of us are knights", "one of us is a knight")
        return _capital(text), lambda kinds: sum(kinds) == count
    form, holds = rng.choice(list(_FORMS.items())[: _EASY if level == 1 else len(_FORMS)])
    others = [place for place in range(len(people)) if place != speaker]
    a = rng.choice(others)
    b = rng.choice([place for place in range(len(people)) if place != a])
    text = form.format(a=people[a], b=people[b])
    return _capital(text), lambda kinds: holds(kinds[a], kinds[b])


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _target(knights: Any) -> dict[str, Any]:
    return {"items": sorted(knights), "ordered": False}


def second(task: Task) -> Any:
    """By supposing one after another to be a knight or a knave, and giving up a branch at its first contradiction."""
    said = re.findall(r'(\w+) says: "([^"]+)\."', task.prompt)
    (found,) = _branches([name for name, _ in said], dict(said), {})
    return _target(name for name, knight in found.items() if knight)


def _branches(names: list[str], said: dict[str, str], known: dict[str, bool]) -> list[dict[str, bool]]:
    verdicts = {name: _true(said[name], names, known) for name in known}
    if any(verdict is not None and verdict != known[name] for name, verdict in verdicts.items()):
        return []
    if len(known) == len(names):
        return [known]
    name = names[len(known)]
    return [found for kind in (True, False) for found in _branches(names, said, known | {name: kind})]


def _true(text: str, names: list[str], known: dict[str, bool]) -> bool | None:
    """Whether a sentence is true by what is known so far; None while that is open."""
    if counted := re.match(r"Exactly (\w+) of us", text):
        number, knights = _WORDS.index(counted[1]), sum(known.values())
        if knights > number or knights + len(names) - len(known) < number:
            return False
        return True if len(known) == len(names) else None
    named = [name for name in re.findall(r"\w+", text) if name in names]
    if any(name not in known for name in named):
        return None
    kinds = [known[name] for name in named]
    if "same kind" in text or "different kinds" in text:
        return (kinds[0] is kinds[1]) == ("same" in text)
    if text.startswith("At least one"):
        return kinds.count(False) >= 1
    claims = [claim == "knight" for claim in re.findall(r"is a (knight|knave)", text)]
    met = [kind is claim for kind, claim in zip(kinds, claims, strict=True)]
    if text.startswith("If"):
        return met[1] if met[0] else True
    return any(met) if " or " in text else all(met)


FAMILY = Family(name="knights", kind="logic", draft=draft, second=second)
