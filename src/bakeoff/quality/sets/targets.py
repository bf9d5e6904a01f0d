"""What a task's target must hold, so that a mistake in a file is told before anything is asked of a model."""

from __future__ import annotations

import difflib
import re
from fractions import Fraction
from typing import Any

import msgspec

from bakeoff.errors import UsageError
from bakeoff.quality.grading.choice import LETTERS, ChoiceTarget
from bakeoff.quality.grading.date import DateTarget
from bakeoff.quality.grading.number import NumberTarget, unit_of
from bakeoff.quality.grading.python import PythonTarget
from bakeoff.quality.grading.series import SeriesTarget
from bakeoff.quality.grading.word import WordTarget, bare_words
from bakeoff.quality.sandbox.wire import decode
from bakeoff.units import one_line

_NUMBER = re.compile(r"[+-]?(?:\d{1,60}(?:\.\d{0,60}|/\d{1,60})?|\.\d{1,60})(?:[eE][+-]?\d{1,2})?")
_HUGE = re.compile(r"\d[eE][+-]?\d{3}|\d{300}")
"""What would take for ever to write out in digits."""

TARGETS: dict[str, Any] = {
    "number": NumberTarget,
    "choice": ChoiceTarget,
    "word": WordTarget,
    "date": DateTarget,
    "series": SeriesTarget,
    "python": PythonTarget,
    "binary_search": None,
}
"""Every checker, and what its target is (None: it has none)."""
_EXAMPLES = {
    "number": '{"value": "75", "unit": "km/h"}', "choice": '{"letter": "B"}', "word": '{"word": "Paris"}',
    "date": '{"date": "2024-12-31"}', "series": '{"items": [2, 3, 5]}',
    "python": '{"function": "f", "cases": [{"arguments": [1], "returns": 2}]}',
}  # fmt: skip


def whole_target(checker: str, target: Any) -> Any:
    """The target with a bare answer put in its place: ``75`` for ``{"value": "75"}``."""
    bare = isinstance(target, str | int | float) and not isinstance(target, bool)
    if checker == "number" and bare:
        return {"value": str(target)}
    return {"word": target} if checker == "word" and isinstance(target, str) else target


def check_checker(checker: str) -> None:
    """Raises UsageError where the checker that was named for a whole file is not known."""
    if checker and checker not in TARGETS:
        raise UsageError(f"--checker: {_unknown(checker)}")


def _unknown(checker: str) -> str:
    near = difflib.get_close_matches(checker, TARGETS, 1, 0.5)
    named = f"there is no checker '{one_line(checker)[:40]}'" if checker else "it names no checker"
    return f"{named}. " + (f"Did you mean {near[0]}?" if near else f"Checkers: {', '.join(TARGETS)}.")


def check_target(checker: str, target: Any, place: str) -> None:
    """Raises UsageError where the checker is not known, or the target is none that it can work with."""
    if checker not in TARGETS:
        raise UsageError(f"{place}: {_unknown(checker)}")
    if TARGETS[checker] is None:
        return
    try:
        read = msgspec.convert(target, TARGETS[checker])
        _workable(read)
    except (msgspec.ValidationError, ValueError, TypeError, ZeroDivisionError) as error:
        why, such = one_line(str(error))[:150], _EXAMPLES[checker]
        raise UsageError(f"{place}: this is no target for the checker {checker}: {why}. Write {such}.") from error


def _workable(target: Any) -> None:
    if isinstance(target, NumberTarget):
        if not _NUMBER.fullmatch(str(target.value).strip()):
            raise ValueError(f"{str(target.value)[:40]!r} is no number, decimal or fraction")
        Fraction(target.value)
        unit_of(target.unit)
    if isinstance(target, ChoiceTarget):
        for letter in (target.letter, *target.options):
            if letter not in LETTERS:
                raise ValueError(f"{letter[:40]!r} is no letter from A to J")
        if target.options and target.letter not in target.options:
            raise ValueError(f"{target.letter!r} is none of its options")
    if isinstance(target, WordTarget) and not target.among and not bare_words(target.word):
        raise ValueError("it has no word")
    if isinstance(target, WordTarget) and target.among and target.word not in target.among:
        raise ValueError(f"{target.word!r} is none of 'among'")
    if isinstance(target, SeriesTarget):
        if not target.items:
            raise ValueError("it has no items")
        if any(_HUGE.search(str(item)) for item in target.items):
            raise ValueError("an item is too large a number")
    if isinstance(target, PythonTarget):
        if not target.cases:
            raise ValueError("it has no cases")
        if target.function is not None and not target.function.isidentifier():
            raise ValueError(f"{target.function[:40]!r} is no name of a function")
        if target.tolerance < 0:
            raise ValueError("its tolerance is below 0")
        for case in target.cases:
            decode([*case.arguments, case.returns])
