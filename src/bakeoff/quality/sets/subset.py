"""A part of a set that keeps its mixture of kinds and levels."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bakeoff.errors import UsageError
from bakeoff.quality.tasks import Task


def subset(tasks: Sequence[Task], items: int | None, seed: int) -> tuple[Task, ...]:
    """So many of the tasks, in their own order; all where ``items`` is None or more than there are.

    Each kind and level gives its share, to within one item. Same seed, same part; and of one seed, a smaller part lies
    within a larger one. Raises UsageError for fewer than one.
    """
    if items is None or items >= len(tasks):
        return tuple(tasks)
    if items < 1:
        raise UsageError(f"Cannot take {items} items. Ask for 1 or more.")
    chosen = set(_ranked(tasks, seed)[:items])
    return tuple(task for place, task in enumerate(tasks) if place in chosen)


def _ranked(tasks: Sequence[Task], seed: int) -> list[int]:
    """Every place, in the order in which items are taken: the strata in turn, each evenly spread over the whole."""
    rng = Random(seed)  # noqa: S311 (a choice of items)
    strata: dict[tuple[str, int], list[int]] = {}
    for place, task in enumerate(tasks):
        strata.setdefault((task.kind, task.level), []).append(place)
    ranked: list[tuple[float, float, int]] = []
    for places in strata.values():
        rng.shuffle(places)
        ranked += [((turn + 0.5) / len(places), rng.random(), place) for turn, place in enumerate(places)]
    return [place for *_, place in sorted(ranked)]
