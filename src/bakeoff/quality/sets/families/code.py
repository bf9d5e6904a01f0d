"""Functions to be written, and hidden cases for them."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from bakeoff.quality.sandbox.wire import decode, encode
from bakeoff.quality.sets.families import code_easy, code_graphs, code_hard, code_middle
from bakeoff.quality.sets.families.base import Draft, Family
from bakeoff.quality.sets.families.exercises import Exercise
from bakeoff.quality.tasks import Task

EXERCISES = {
    1: code_easy.EXERCISES,
    2: code_middle.EXERCISES,
    3: (*code_hard.EXERCISES, *code_graphs.EXERCISES),
}
ENDING = "Give the whole program, with any imports it needs, in one Python code block."


def draft(rng: Random, level: int) -> Draft:
    """One of the level's exercises with figures and cases of its own."""
    exercise = rng.choice(EXERCISES[level])
    figures = exercise.figures(rng)
    cases = [
        {
            "arguments": [encode(argument) for argument in arguments],
            "returns": _result(exercise.first, arguments, figures),
        }
        for arguments in exercise.arguments(rng)
    ]
    target = {"function": exercise.name, "cases": cases}
    return Draft(question=exercise.question(figures), ending=ENDING, checker="python", target=target)


def second(task: Task) -> Any:
    """By the other solution, with the figures that the prompt's words give, on the same arguments."""
    exercise = exercise_of(task)
    figures = exercise.figures_in(task.prompt)
    cases = [
        {
            "arguments": case["arguments"],
            "returns": _result(exercise.other, tuple(map(decode, case["arguments"])), figures),
        }
        for case in task.target["cases"]
    ]
    return {"function": exercise.name, "cases": cases}


def _result(function: Any, arguments: tuple[Any, ...], figures: Any) -> Any:
    return encode(function(*deepcopy(arguments), *figures))


def exercise_of(task: Task) -> Exercise:
    """The exercise that a task asks for."""
    return next(one for each in EXERCISES.values() for one in each if one.name == task.target["function"])


FAMILY = Family(name="program", kind="code", draft=draft, second=second)
