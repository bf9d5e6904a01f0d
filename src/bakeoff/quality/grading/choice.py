"""Grades a choice among lettered options.

An answer names a letter ("(B)", "B.", "option B", or B alone), or else repeats one option's text. ``A`` at the head of
a sentence is an article. A letter that is denied ("not (A)") is no answer; two letters contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, convert

from bakeoff.quality.grading.final import Found, settle
from bakeoff.quality.grading.plain import plain
from bakeoff.quality.grading.word import same_words
from bakeoff.quality.tasks import Score, Task

LETTERS = tuple("ABCDEFGHIJ")


class ChoiceTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The right letter, and the options' texts by their letters."""

    letter: str
    options: dict[str, str] = {}


_ALONE = re.compile(r"^\W*(?:(?:option|choice|answer)\W{1,3})?\(?([A-J])\)?(?:\W*$|[.):]\s?|\s?[-–—:=]\s)")
_NAMED = re.compile(r"(?<!not\s)(?:\(([A-J])\)|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?:\sis)?\s?:?\s?\(?([A-J])\b(?!'))")
_DENIED = re.compile(r"(?:\bnot|n't|\bthan|\binstead of)\s(?:option\s|choice\s)?\(?$", re.IGNORECASE)


def choice(answer: str, task: Task) -> Score:
    """The score of a choice. Raises ``msgspec.ValidationError`` for a target that is none."""
    target = convert(task.target, ChoiceTarget)

    def read(statement: str, short: bool) -> Sequence[Found]:
        return [Found(letter == target.letter) for letter in _letters(statement, target, short=short)]

    return settle(answer, read)


def _letters(statement: str, target: ChoiceTarget, *, short: bool) -> list[str]:
    named = [found for found in _NAMED.finditer(statement) if not _DENIED.search(statement[: found.start()])]
    letters = sorted({found[1] or found[2] for found in named})
    alone = _ALONE.match(statement) if short or len(statement) < 80 else None
    if alone and len(letters) < 2:
        return [alone[1]]
    if letters:
        return letters
    if not short:
        return []
    return [letter for letter, text in target.options.items() if same_words(statement, plain(text))]
