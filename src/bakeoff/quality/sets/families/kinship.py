"""What one is to another in a family, from the story's words alone."""

from __future__ import annotations

import re
from typing import Any

from bakeoff.quality.sets.families.base import word_target
from bakeoff.quality.tasks import Task

MEN = ("James", "John", "Robert", "Michael", "William", "David", "Richard", "Joseph", "Thomas", "Charles", "Peter",
       "Daniel", "Matthew", "Christopher", "Andrew", "George", "Edward", "Benjamin", "Henry", "Samuel")  # fmt: skip
WOMEN = ("Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Sarah", "Karen", "Emma",
         "Lisa", "Anna", "Margaret", "Victoria", "Charlotte", "Sophia", "Isabella", "Olivia", "Alice")  # fmt: skip
"""Names that tell whether one is a man or a woman, since the story does not."""

_PAIRS = {
    "parent": ("father", "mother"), "child": ("son", "daughter"), "spouse": ("husband", "wife"),
    "sibling": ("brother", "sister"), "grandparent": ("grandfather", "grandmother"),
    "grandchild": ("grandson", "granddaughter"), "aunt": ("uncle", "aunt"), "niece": ("nephew", "niece"),
    "parent in law": ("father-in-law", "mother-in-law"), "child in law": ("son-in-law", "daughter-in-law"),
    "sibling in law": ("brother-in-law", "sister-in-law"),
}  # fmt: skip
WORDS = (*(word for pair in _PAIRS.values() for word in pair), "cousin")


def second(task: Task) -> Any:
    """By relations between sets of people: parents of, spouse of, and what they make together."""
    story, _, rest = task.prompt.partition("\n\n")
    asked = re.search(r"What is (\w+) to (\w+)\?", rest)
    assert asked is not None
    return word_target(relation(story, asked[1], asked[2]), WORDS)


def relation(story: str, one: str, other: str) -> str:
    """What ``one`` is to ``other``, in one word; ValueError where the story does not say."""
    spouse: dict[str, set[str]] = {}
    parents: dict[str, set[str]] = {}
    for husband, wife, children in re.findall(
        r"(\w+) is married to (\w+)\.(?: They have (?:a child|children) called ([^.]+)\.)?", story
    ):
        spouse.setdefault(husband, set()).add(wife)
        spouse.setdefault(wife, set()).add(husband)
        for child in re.findall(r"[A-Z]\w+", children):
            parents.setdefault(child, set()).update((husband, wife))

    def parents_of(people: set[str]) -> set[str]:
        return {parent for person in people for parent in parents.get(person, set())}

    def children_of(people: set[str]) -> set[str]:
        return {child for child, both in parents.items() if both & people}

    def spouses_of(people: set[str]) -> set[str]:
        return {each for person in people for each in spouse.get(person, set())}

    it = {other}
    siblings = children_of(parents_of(it)) - it
    married = spouses_of(it)
    aunts = children_of(parents_of(parents_of(it))) - parents_of(it)
    sets = {
        "parent": parents_of(it),
        "child": children_of(it),
        "spouse": married,
        "sibling": siblings,
        "grandparent": parents_of(parents_of(it)),
        "grandchild": children_of(children_of(it)),
        "aunt": aunts | spouses_of(aunts),
        "niece": children_of(siblings) | children_of(children_of(parents_of(married)) - married),
        "parent in law": parents_of(married),
        "child in law": spouses_of(children_of(it)),
        "sibling in law": spouses_of(siblings) | (children_of(parents_of(married)) - married),
        "cousin": children_of(aunts),
    }
    found = [name for name, people in sets.items() if one in people]
    if len(found) != 1:
        raise ValueError(f"{one} is {found} to {other}")
    return found[0] if found[0] == "cousin" else _PAIRS[found[0]][one in WOMEN]
