"""The items of every family and level, and the text of the frozen file."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from bakeoff.quality.sets.fresh import Drawn, draw

SEED = "standard"


class Cell(Struct, frozen=True):
    """What was drawn of one family at one level."""

    family: str
    level: int
    drawn: Drawn


def cells(families: Sequence[str] = tuple(PLAN)) -> list[Cell]:
    """The items of these families as planned, in the plan's order; no prompt comes twice."""
    taken: set[str] = set()
    return [
        Cell(family, level, _named(draw(FAMILIES[family], level, count, SEED, taken)))
        for family in families
        for level, count in enumerate(PLAN[family], 1)
        if count
    ]


def _named(drawn: Drawn) -> Drawn:
    """The items with names that need no seed: FAMILY-LEVEL-NUMBER."""
    tasks = (msgspec.structs.replace(task, id=task.id.replace(f"-{SEED}-", "-")) for task in drawn.tasks)
    return msgspec.structs.replace(drawn, tasks=tuple(tasks))


def frozen(drawn: Sequence[Cell]) -> str:
    """One item a line, in the format of users' own task files."""
    return "".join(
        json.dumps(
            {
                "id": task.id,
                "kind": task.kind,
                "level": task.level,
                "prompt": task.prompt,
                "checker": task.checker,
                "target": task.target,
            },
            ensure_ascii=False,
        )
        + "\n"
        for cell in drawn
        for task in cell.drawn.tasks
    )
