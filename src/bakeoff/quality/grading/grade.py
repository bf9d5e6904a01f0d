"""The score of a whole reply: reasoning is set aside, a cut one is truncated, the task's checker grades the answer."""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.errors import UsageError
from bakeoff.quality.grading.binary_search import binary_search
from bakeoff.quality.grading.choice import choice
from bakeoff.quality.grading.date import date
from bakeoff.quality.grading.number import number
from bakeoff.quality.grading.python import python
from bakeoff.quality.grading.series import series
from bakeoff.quality.grading.word import word
from bakeoff.quality.sandbox.base import Sandbox
from bakeoff.quality.tasks import Grader, Score, Task
from bakeoff.quality.thinking import parts


def graders(sandbox: Sandbox) -> dict[str, Grader]:
    """Every grader by the name that a task's ``checker`` holds."""
    return {
        "number": number,
        "choice": choice,
        "word": word,
        "date": date,
        "series": series,
        "python": python(sandbox),
        "binary_search": binary_search(sandbox),
    }


def grade(
    reply: str, task: Task, known: Mapping[str, Grader], *, cut: bool = False, opens_thinking: bool | None = None
) -> Score:
    """The score of a reply as the model gave it, reasoning and all.

    ``cut``: it was ended by the token limit, and so is truncated, whatever it holds. A reply that ended by itself and
    has no answer is ungraded. Where the engine parts reasoning from answer, give the answer alone as the reply. A
    grader that fails leaves the answer ungraded, and says how. Raises UsageError for an unknown checker.
    """
    if task.checker not in known:
        raise UsageError(f"Task {task.id} names the checker '{task.checker}'; there are {', '.join(sorted(known))}.")
    said = parts(reply, opens_thinking)
    if cut:
        return Score(verdict="truncated", note="The token limit cut it off.")
    if said.answer is None:
        return Score(verdict="ungraded", note="The reasoning never ended." if said.reasoning else "Nothing came.")
    try:
        return known[task.checker](said.answer, task)
    except Exception as failure:
        note = f"The checker '{task.checker}' failed: {type(failure).__name__}: {failure}"
        return Score(verdict="ungraded", basis=said.answer[-300:], note=note[:300])
