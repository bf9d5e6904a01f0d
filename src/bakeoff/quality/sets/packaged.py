"""The set ``standard`` as it is frozen in the package."""

from __future__ import annotations

from functools import cache
from importlib import resources

from bakeoff.quality.sets.lines import tasks_of
from bakeoff.quality.tasks import Task

FILE = "standard.jsonl"


@cache
def standard() -> tuple[Task, ...]:
    """Its items, by level, kind and family."""
    text = resources.files("bakeoff.quality.sets").joinpath(FILE).read_text(encoding="utf-8")
    return tasks_of(text, FILE, "standard").tasks
