"""Items made by a seed: for the package once, and unseen ones for whoever asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.quality.sets.families.base import Draft, Family
from bakeoff.quality.sets.families.code import EXERCISES
from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from bakeoff.quality.tasks import Task

MOST_ITEMS = 5000
_TRIES = 3000
"""Drafts that are made for one item at most, before a family is taken to have no more."""


class Drawn(Struct, frozen=True):
    """Items of one family and level, and how many drafts came to nothing: unfit, solved otherwise, or seen before."""

    tasks: tuple[Task, ...]
    unfit: int
    disagreed: int
    repeated: int


def fresh_items(name: str, seed: int, count: int | None = None, *, own_only: bool = False) -> tuple[Task, ...]:
    """So many unseen items of a set's families, as many as the set has if None, in its proportions.

    The same for the same seed and version of reasoning-gym. None has a prompt of the set itself. ``own_only`` leaves
    out the families that need reasoning-gym. Raises UsageError for a set that has no families, for a count below 1 or
    above 5,000, and where reasoning-gym is not installed.
    """
    from bakeoff.quality.sets.packaged import standard

    if name != "standard":
        raise UsageError(f"Fresh items can be made of the set standard, not of {name!r}.")
    if count is None:
        count = len(standard())
    if not 1 <= count <= MOST_ITEMS:
        raise UsageError(f"Cannot make {count} fresh items. Ask for 1 to {MOST_ITEMS}.")
    taken = {normalised(task.prompt) for task in standard()}
    tasks: list[Task] = []
    for family, level, share in _shares(count, own_only):
        drawn = draw(FAMILIES[family], level, share, str(seed), taken)
        tasks += drawn.tasks
    return tuple(tasks)


def _shares(count: int, own_only: bool) -> Sequence[tuple[str, int, int]]:
    """How many of each family and level, by the largest remainders."""
    cells = [
        (name, level, planned)
        for name, levels in PLAN.items()
        for level, planned in enumerate(levels, 1)
        if planned and not (own_only and FAMILIES[name].source)
    ]
    whole = sum(planned for *_, planned in cells)
    shares = [count * planned // whole for *_, planned in cells]
    by_remainder = sorted(range(len(cells)), key=lambda place: -(count * cells[place][2] % whole))
    for place in by_remainder[: count - sum(shares)]:
        shares[place] += 1
    return [(name, level, share) for (name, level, _), share in zip(cells, shares, strict=True) if share]


def draw(family: Family, level: int, count: int, seed: str, taken: set[str]) -> Drawn:
    """So many items of a family and level, each solved alike by both of its solutions.

    ``taken`` are the normalised prompts that may not come again; those of the new items are added.
    """
    rng = Random(f"{seed}/{family.name}/{level}")  # noqa: S311 (a choice of items, not a secret)
    tasks: list[Task] = []
    lost: Counter[str] = Counter()
    alike: set[str] = set()
    while len(tasks) < count:
        draft = family.draft(rng, level)
        why = _against(draft, taken, alike if len(tasks) < len(EXERCISES[level]) else set())
        if draft is not None and why is None:
            task = _task(family, level, f"{family.name}-{level}-{seed}-{len(tasks) + 1}", draft)
            why = None if agrees(family, task) else "disagreed"
            if why is None:
                tasks.append(task)
                taken.add(normalised(task.prompt))
                alike.add(_likeness(draft))
        if why is not None:
            lost[why] += 1
            if sum(lost.values()) > _TRIES * count:
                raise UsageError(f"There are not {count} different items of the family {family.name} at level {level}.")
    return Drawn(tuple(tasks), lost["unfit"], lost["disagreed"], lost["repeated"])


def _against(draft: Draft | None, taken: set[str], alike: set[str]) -> str | None:
    if draft is None:
        return "unfit"
    return "repeated" if normalised(draft.prompt) in taken or _likeness(draft) in alike else None


def _likeness(draft: Draft) -> str:
    """What two items must not share while there are others: the function to be written, else the whole prompt."""
    return str(draft.target["function"]) if draft.checker == "python" else normalised(draft.prompt)


def _task(family: Family, level: int, name: str, draft: Draft) -> Task:
    return Task(
        id=name,
        set="standard",
        level=level,
        kind=family.kind,
        prompt=draft.prompt,
        checker=draft.checker,
        target=draft.target,
    )


def agrees(family: Family, task: Task) -> bool:
    """Whether the family's second solution comes to the task's key; a story that it cannot follow is a no."""
    try:
        return bool(family.second(task) == task.target)
    except (ValueError, ArithmeticError, LookupError, AssertionError, StopIteration):
        return False


def normalised(prompt: str) -> str:
    """A prompt without what makes no difference: case and white space."""
    return " ".join(prompt.casefold().split())
