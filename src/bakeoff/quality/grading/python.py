"""Grades a program by running its function on given inputs in a sandbox, and comparing what it returns here.

Right: every case is. Wrong: any case returned something else, raised, ran too long or ended the process, or the block
is no Python. Ungraded: there is no program, or the sandbox lacks what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, convert

from bakeoff.quality.grading.code import Program, program
from bakeoff.quality.grading.final import refuses
from bakeoff.quality.sandbox.base import Call, Outcome, Sandbox
from bakeoff.quality.sandbox.wire import decode
from bakeoff.quality.tasks import Grader, Score, Task


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    """One call and what it returns; plain data as ``wire`` writes it."""

    arguments: tuple[Any, ...]
    returns: Any


class PythonTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The hidden cases, the function's name where the prompt gave one, and how far floats may be off."""

    cases: tuple[Case, ...]
    function: str | None = None
    hints: tuple[str, ...] = ()
    tolerance: float = 0.0


def python(sandbox: Sandbox) -> Grader:
    """The grader that runs programs in this sandbox."""

    def grade(answer: str, task: Task) -> Score:
        target = convert(task.target, PythonTarget)
        arities = sorted({len(case.arguments) for case in target.cases})
        found = program(answer, arities, target.function, target.hints)
        if found is None or found.function is None:
            return no_program(answer, found)
        expression = found.function.expression
        calls = [Call(expression, tuple(map(decode, case.arguments))) for case in target.cases]
        outcomes = sandbox.run(found.source, calls)
        wrong = [
            f"{shown(call)} {came_to(outcome)}"
            for call, case, outcome in zip(calls, target.cases, outcomes, strict=True)
            if not is_right(outcome, decode(case.returns), target.tolerance)
        ]
        return judged(found.source, outcomes, wrong)

    return grade


def no_program(answer: str, found: Program | None) -> Score:
    """The score of an answer without a function to call."""
    if found is not None:
        return Score(verdict="wrong", basis=found.source, note="It defines no function that fits.")
    if "```" in answer or "def " in answer:
        return Score(verdict="wrong", basis=answer[-2000:].strip(), note="Its program is not valid Python.")
    if refuses(answer):
        return Score(verdict="wrong", basis=answer[:200].strip(), note="It refuses.")
    return Score(verdict="ungraded", basis=answer[-300:].strip(), note="No program was found.")


def judged(source: str, outcomes: Sequence[Outcome], wrong: Sequence[str]) -> Score:
    """The score of a program from what its calls came to; ``wrong`` tells of each that was not right."""
    lacking = next((outcome for outcome in outcomes if outcome.how == "lacking"), None)
    failed = len(wrong) - sum(outcome.how == "lacking" for outcome in outcomes)
    if failed:
        first = next(words for words in wrong if not words.endswith(LACKING))
        return Score(verdict="wrong", basis=source, note=f"{failed} of {len(outcomes)} cases failed; {first}.")
    if lacking is not None:
        return Score(verdict="ungraded", basis=source, note=f"The sandbox cannot run it. {lacking.note}".strip())
    return Score(verdict="right", basis=source, note=f"{len(outcomes)} cases passed.")


LACKING = "could not be run"


def shown(call: Call) -> str:
    """A call in few words."""
    arguments = ", ".join(text if len(text) <= 40 else text[:37] + "…" for text in map(repr, call.arguments))
    return f"{call.function}({arguments})"


def came_to(outcome: Outcome) -> str:
    """What a call came to, in few words."""
    if outcome.how == "returned":
        text = repr(outcome.value)
        return f"returned {text if len(text) <= 60 else text[:57] + '…'}"
    if outcome.how == "raised":
        return f"raised {outcome.error[0] if outcome.error else 'an exception'}"
    return {"timed_out": "ran too long", "ended": "ended the process", "not_data": "returned no plain data"}.get(
        outcome.how, LACKING
    )


def is_right(outcome: Outcome, expected: Any, tolerance: float) -> bool:
    """Whether a call returned what is expected: equal as Python has it, floats within the tolerance."""
    return outcome.how == "returned" and same(outcome.value, expected, tolerance)


def same(value: Any, expected: Any, tolerance: float) -> bool:
    """Equality of plain data; NaN equals itself, and numbers may be off by the tolerance, absolute or relative."""
    if isinstance(expected, list | tuple):
        same_kind = type(value) is type(expected) and len(value) == len(expected)
        return same_kind and all(same(one, other, tolerance) for one, other in zip(value, expected, strict=True))
    if isinstance(expected, dict) and isinstance(value, dict):
        return value.keys() == expected.keys() and all(same(value[key], expected[key], tolerance) for key in expected)
    if isinstance(expected, float) and isinstance(value, int | float):
        if expected != expected:
            return value != value
        return value == expected or abs(value - expected) <= tolerance * max(1.0, abs(expected))
    return bool(value == expected)
