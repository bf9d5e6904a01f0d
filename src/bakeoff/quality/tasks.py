"""A task, the grade of one answer, and the function that gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

Verdict = Literal["right", "wrong", "ungraded", "truncated"]
"""``ungraded``: it cannot be told (ambiguous, unreadable, beyond the sandbox). ``truncated``: cut by the limit."""


class Task(Struct, frozen=True, kw_only=True):
    """One question. ``checker`` names the grader; ``target`` is what that grader compares with, plain JSON data.

    ``level`` is 1 (easy), 2 or 3 (hard), ``kind`` what it is about (arithmetic, logic, …). ``note`` is to be told
    wherever the task is shown. Each grader's module says what its target holds.
    """

    id: str
    set: str
    level: int
    prompt: str
    checker: str
    target: Any
    kind: str = ""
    note: str = ""


class Score(Struct, frozen=True, kw_only=True):
    """The grade of one answer. ``basis`` is the text that it rests on, as it stood in the answer."""

    verdict: Verdict
    basis: str = ""
    note: str = ""


Grader = Callable[[str, Task], Score]
"""(the answer part of a reply, its task) → its score. Pure, but for those that run code in a sandbox."""
