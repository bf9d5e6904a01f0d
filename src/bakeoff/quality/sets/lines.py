"""Tasks as JSON Lines, one object a line: ours, the user's own, and published sets as they are.

Our own lines hold ``prompt``, ``checker`` and ``target``, and may hold ``id``, ``kind`` and ``level`` (1 to 3). For the
checkers ``number`` and ``word`` the target may be the bare answer. What a target holds is said in each grader's module.
Published sets are known by their keys. The text is foreign: it is bounded, and what is told of it is in plain
characters.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.quality.sets import published
from bakeoff.quality.sets.humaneval import NotGradable
from bakeoff.quality.sets.targets import check_target, whole_target
from bakeoff.quality.tasks import Task
from bakeoff.units import one_line

MOST_TASKS = 20_000
LONGEST_PROMPT = 100_000


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One task as it is written in a file."""

    prompt: str
    checker: str = ""
    target: Any = None
    id: str = ""
    kind: str = ""
    level: int = 1


class Read(Struct, frozen=True, kw_only=True):
    """The tasks of a file, in whose format they were, and how many lines were left out and why."""

    tasks: tuple[Task, ...]
    format: str
    left_out: int = 0
    why: str = ""


def tasks_of(text: str, file: str, set_name: str, checker: str = "") -> Read:
    """The tasks of a file's text; ``checker`` is that of lines that name none.

    Raises UsageError for the first bad line, by its number; for none at all; and where two lines of our own format
    have the same id or prompt. In published sets a line that repeats another is left out and counted, as is one
    whose answer no grader can judge.
    """
    tasks: list[Task] = []
    ids: dict[str, int] = {}
    prompts: dict[str, int] = {}
    left_out: list[str] = []
    shape = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        row = _object(line, place)
        shape = shape or published.shape_of(row) or "tasks"
        try:
            task = _task(row, shape, place, set_name, checker, number)
            tasks.append(_only_once(task, number, place, ids, prompts, strict=shape == "tasks"))
        except NotGradable as lost:
            left_out.append(str(lost))
        if len(tasks) > MOST_TASKS:
            raise UsageError(f"{file} has more than {MOST_TASKS} tasks. Split it.")
    if not tasks:
        raise UsageError(f"{file} has no task. Write one JSON object a line, with prompt, checker and target.")
    why = "; ".join(f"{left_out.count(each)} {each}" for each in dict.fromkeys(left_out))
    return Read(tasks=tuple(tasks), format=shape, left_out=len(left_out), why=why)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UsageError(f"{place}: this is not JSON ({one_line(str(error))[:100]}).") from error
    if not isinstance(row, dict):
        raise UsageError(f"{place}: this is not a JSON object. Write one object a line.")
    return row


def _task(row: dict[str, Any], shape: str, place: str, set_name: str, checker: str, number: int) -> Task:
    try:
        if shape != "tasks":
            return _bounded(published.READERS[shape](row, set_name, number), place)
        return _bounded(_own(row, place, set_name, checker, number), place)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else one_line(str(error))[:200]
        raise UsageError(f"{place}: {what}.") from error


def _own(row: dict[str, Any], place: str, set_name: str, checker: str, number: int) -> Task:
    try:
        line = msgspec.convert(row, Line)
    except msgspec.ValidationError as error:
        raise UsageError(f"{place}: {one_line(str(error))[:200]}. {KEYS}") from error
    named = line.checker or checker
    if not 1 <= line.level <= 3:
        raise UsageError(f"{place}: the level is {line.level}. It has to be 1, 2 or 3.")
    target = whole_target(named, line.target)
    check_target(named, target, place)
    return Task(
        id=one_line(line.id)[:100] or f"{set_name}-{number}",
        set=set_name,
        level=line.level,
        kind=one_line(line.kind)[:100],
        prompt=line.prompt,
        checker=named,
        target=target,
    )


KEYS = f"Keys: {', '.join(Line.__struct_fields__)}."


def _bounded(task: Task, place: str) -> Task:
    if not task.prompt.strip():
        raise UsageError(f"{place}: the prompt is empty.")
    if len(task.prompt) > LONGEST_PROMPT:
        raise UsageError(f"{place}: the prompt is longer than {LONGEST_PROMPT} characters.")
    return task


def _only_once(
    task: Task, number: int, place: str, ids: dict[str, int], prompts: dict[str, int], *, strict: bool
) -> Task:
    """The task, if its id and prompt are new.

    Else raises UsageError where ``strict``; in a published set a repeated prompt raises NotGradable, and a repeated id
    is told apart by the line's number.
    """
    earlier = {
        "prompt": prompts.setdefault(" ".join(task.prompt.casefold().split()), number),
        "id": ids.setdefault(task.id, number),
    }
    for what, line in earlier.items():
        if line != number and strict:
            raise UsageError(f"{place}: it has the same {what} as line {line}. Remove one of them.")
    if earlier["prompt"] != number:
        raise NotGradable("repeat another line")
    return task if earlier["id"] == number else msgspec.structs.replace(task, id=f"{task.id}-{number}")
