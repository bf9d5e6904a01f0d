"""What a run asks of its subjects beside their speed: which tasks, how they are sampled, how the answers are judged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.quality.sampling import Sampling, prompt_room
from bakeoff.quality.sets import left_out, load
from bakeoff.quality.tasks import Task
from bakeoff.results.answers import Item, TaskSet

DEFAULT_SETS = ("standard",)


class Quality(Struct, frozen=True, kw_only=True):
    """``items`` of each set, all where None; ``fresh``: unseen ones in their place, drawn by this seed. ``checker`` is
    for lines of files that name none.

    ``reference`` is the subject that the others are held against, the first where None. ``margin``: accuracies that
    differ by less are equivalent; None: that is not judged. ``price_per_hour`` is what an hour of the machine costs, in
    dollars, where that is known. ``agreement``: of the reference's greedy answers to so many of the tasks, the others
    are asked for their next tokens; None: of none.
    """

    sets: tuple[str, ...] = DEFAULT_SETS
    items: int | None = None
    fresh: int | None = None
    checker: str = ""
    sampling: Sampling = Sampling()
    reference: str | None = None
    margin: float | None = None
    price_per_hour: float | None = None
    agreement: int | None = None


def tasks_of(quality: Quality) -> tuple[Task, ...]:
    """The tasks of all its sets; one that is in two of them once. Raises UsageError and FileError."""
    found: dict[str, Task] = {}
    for name in quality.sets:
        for task in _set(name, quality):
            if found.setdefault(task.id, task) != task:
                raise UsageError(f"Two tasks are named {task.id}: {found[task.id].set} and {task.set} cannot be asked "
                                 "together.")  # fmt: skip
    return tuple(found.values())


def _set(name: str, quality: Quality) -> tuple[Task, ...]:
    if quality.fresh is None:
        return load(name, items=quality.items, seed=quality.sampling.seed, checker=quality.checker)
    from bakeoff.quality.sets.fresh import fresh_items

    return fresh_items(name, quality.fresh, quality.items)


def lines_left_out(quality: Quality) -> dict[str, str]:
    """Of each set that is a file with lines that are no tasks, how many and why. Raises as ``tasks_of``."""
    if quality.fresh is not None:
        return {}
    told = {name: left_out(name, checker=quality.checker) for name in quality.sets}
    return {name: words for name, words in told.items() if words}


def task_set(
    quality: Quality, tasks: tuple[Task, ...], sandbox: str, left_out_of: Mapping[str, str] = MappingProxyType({})
) -> TaskSet:
    """What the run file says of the tasks, and how they are asked; ``left_out_of``: as ``lines_left_out`` tells."""
    items = tuple(msgspec.convert(task, Item, from_attributes=True) for task in tasks)
    sampling, drawn = quality.sampling, None if quality.fresh is None else f"fresh, seed {quality.fresh}"
    told = {name: drawn or left_out_of.get(name) for name in quality.sets}
    return TaskSet(
        sets=tuple(f"{name} ({words})" if words else name for name, words in told.items()),
        digest=hashlib.sha256(msgspec.json.encode(items)).hexdigest(),
        items=items,
        samples=sampling.samples,
        max_tokens=sampling.max_tokens,
        context=sampling.max_tokens + prompt_room([task.prompt for task in tasks]),
        temperature=sampling.temperature,
        top_p=None if sampling.greedy else sampling.top_p,
        seed=sampling.seed,
        sandbox=sandbox,
    )


def as_task(item: Item) -> Task:
    """A task as graders want it."""
    return msgspec.convert(item, Task, from_attributes=True)
