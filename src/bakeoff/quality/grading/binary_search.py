"""Grades the article's second check: a Python function that does a binary search on a sorted list, with type hints.

Its prompt leaves open what is returned, so any of these will do:

* found: the index, of any one where the value stands several times; ``True`` is no index;
* missing: ``None``, a negative integer, or a ValueError; for an empty list too.

The lists hold integers: empty, one, two, ends, between, duplicates, a million (in time with all the rest). Every
parameter and the return must have a type hint. The arguments are list and value, in the order that the hints give;
a function that needs two more gets the first and the last index.

A search of a million elements one by one is quick enough to be in time, and a check that the list is sorted, which
is fair, reads them all as well. So neither time nor reads tell a binary search: the program must halve something
(``// 2``, ``>> 1``, ``/ 2``, ``bisect``), which is read from its syntax tree.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from bakeoff.quality.grading.code import Function, Program, program
from bakeoff.quality.grading.python import came_to, judged, no_program, shown
from bakeoff.quality.sandbox.base import Call, Outcome, Sandbox
from bakeoff.quality.tasks import Grader, Score, Task

Searched = Sequence[int]

CASES: tuple[tuple[Searched, int], ...] = (
    ([1, 3, 5, 7, 9, 11], 7),
    ([1, 3, 5, 7, 9, 11], 1),
    ([1, 3, 5, 7, 9, 11], 11),
    ([1, 3, 5, 7, 9], 5),
    ([1, 3, 5, 7, 9, 11], 4),
    ([1, 3, 5, 7, 9, 11], 0),
    ([1, 3, 5, 7, 9, 11], 12),
    ([], 1),
    ([4], 4),
    ([4], 3),
    ([4], 5),
    ([2, 8], 2),
    ([2, 8], 8),
    ([2, 8], 5),
    ([-9, -4, -4, 0, 3], -9),
    ([-9, -4, -4, 0, 3], -4),
    ([5, 5, 5, 5, 5, 5, 5], 5),
    ([5, 5, 5, 5, 5, 5, 5], 6),
    (range(0, 2_000_000, 2), 0),
    (range(0, 2_000_000, 2), 1_234_568),
    (range(0, 2_000_000, 2), 1_999_998),
    (range(0, 2_000_000, 2), 999_999),
)
"""Lists and values. What is right is computed from them for each answer, never written down."""


def binary_search(sandbox: Sandbox) -> Grader:
    """The grader that runs programs in this sandbox; its tasks need no target."""

    def grade(answer: str, _task: Task) -> Score:
        found = program(answer, (2, 4), hints=("search",))
        if found is None or found.function is None:
            return no_program(answer, found)
        if not found.function.annotated:
            return Score(verdict="wrong", basis=found.source, note="A type hint is missing.")
        if not halves(found.tree):
            return Score(verdict="wrong", basis=found.source, note="It halves nothing: this is no binary search.")
        return _run(sandbox, found, found.function)

    return grade


def _run(sandbox: Sandbox, found: Program, function: Function) -> Score:
    calls = [Call(function.expression, _arguments(function, searched, value)) for searched, value in CASES]
    outcomes = sandbox.run(found.source, calls)
    wrong = [
        f"{shown(call)} {came_to(outcome)}"
        for call, (searched, value), outcome in zip(calls, CASES, outcomes, strict=True)
        if not answers(searched, value, outcome)
    ]
    return judged(found.source, outcomes, wrong)


def answers(searched: Searched, value: int, outcome: Outcome) -> bool:
    """Whether the outcome is right for a search of the value."""
    if value not in searched:
        if outcome.how == "raised":
            return "ValueError" in outcome.error
        absent = outcome.value is None or (type(outcome.value) is int and outcome.value < 0)
        return outcome.how == "returned" and absent
    index = outcome.value
    return outcome.how == "returned" and type(index) is int and 0 <= index < len(searched) and searched[index] == value


def halves(tree: ast.Module) -> bool:
    """Whether the program halves a number somewhere, or leaves that to ``bisect``."""
    return any(_halves(node) for node in ast.walk(tree))


def _halves(node: ast.AST) -> bool:
    if isinstance(node, ast.Name | ast.Attribute):
        return (node.id if isinstance(node, ast.Name) else node.attr).startswith("bisect")
    if not isinstance(node, ast.BinOp | ast.AugAssign):
        return False
    operand = node.right if isinstance(node, ast.BinOp) else node.value
    if not isinstance(operand, ast.Constant):
        return False
    by_two = isinstance(node.op, ast.FloorDiv | ast.Div) and operand.value == 2
    return by_two or (isinstance(node.op, ast.RShift) and operand.value == 1) or operand.value == 0.5


def _arguments(function: Function, searched: Searched, value: int) -> tuple[object, ...]:
    """List and value in the order of the type hints, then first and last index where they are required."""
    hints = [ast.unparse(one.annotation).lower() if one.annotation else "" for one in function.parameters[:2]]
    is_list = ["list" in hint or "sequence" in hint or "array" in hint for hint in hints]
    pair = (value, searched) if is_list == [False, True] else (searched, value)
    return (*pair, 0, len(searched) - 1) if function.required == 4 else pair
