"""What a family of tasks is, and the words that tell how to give the final answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

from msgspec import Struct

from bakeoff.quality.tasks import Task


class Draft(Struct, frozen=True, kw_only=True):
    """An item without its name: the question, how the answer is to be given, and the key, from the item's figures."""

    question: str
    ending: str
    checker: str
    target: Any

    @property
    def prompt(self) -> str:
        """The whole prompt."""
        return f"{self.question}\n\n{self.ending}"


class Family(Struct, frozen=True, kw_only=True):
    """Tasks of one kind that differ in their figures.

    ``draft`` makes an item of a level from its figures, or None where the figures drawn give none that is fit.
    ``second`` works out the target again by another way: from the prompt's words (for code, from the hidden cases'
    arguments). An item on which the two differ is never asked. ``source``: where items come from, if not from here.
    """

    name: str
    kind: str
    draft: Callable[[Random, int], Draft | None]
    second: Callable[[Task], Any]
    source: str = ""


def number_draft(question: str, value: Fraction | int, unit: str = "", rounded: str = "") -> Draft:
    """An item whose answer is a number, in a unit where one is given; ``rounded`` as in "to two decimals"."""
    where = f", in {unit}" if unit else ""
    ending = f"End your reply with a line that says 'Answer:' and then the number{where}{rounded and f' ({rounded})'}."
    return Draft(question=question, ending=ending, checker="number", target=number_target(value, unit))


def number_target(value: Fraction | int, unit: str = "") -> dict[str, Any]:
    """The target of the checker ``number``."""
    return {"value": exact(value)} | ({"unit": UNIT_NAMES.get(unit, unit)} if unit else {})


UNIT_NAMES = {"euros": "€"}
"""How the checker knows a unit that is written otherwise in a prompt."""


def exact(value: Fraction | int) -> str:
    """A value as text, exactly: as a decimal where six decimals are enough, else as a fraction."""
    value = Fraction(value)
    if (value * 10**6).denominator > 1:
        return str(value)
    sign, digits = "-" * (value < 0), str(int(abs(value) * 10**6)).zfill(7)
    return f"{sign}{digits[:-6]}.{digits[-6:]}".rstrip("0").rstrip(".")


def word_draft(question: str, word: str, among: tuple[str, ...], what: str) -> Draft:
    """An item whose answer is one of these words; ``what`` it is: the name, the weekday."""
    ending = f"End your reply with a line that says 'Answer:' and then {what}."
    return Draft(question=question, ending=ending, checker="word", target=word_target(word, among))


def word_target(word: str, among: tuple[str, ...]) -> dict[str, Any]:
    """The target of the checker ``word``."""
    return {"word": word, "among": list(among)}


def fitting(rng: Random, *makers: Callable[[Random], Draft | None]) -> Draft | None:
    """A draft by one of these, each as likely as the others however seldom its figures are fit."""
    make = rng.choice(makers)
    return next((draft for draft in (make(rng) for _ in range(2000)) if draft is not None), None)


def numbers(text: str) -> list[Fraction]:
    """Every numeral of a text in its order, written without separators: ``[Fraction(120), Fraction(5, 2)]``."""
    return [Fraction(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)]


def short(value: Fraction, decimals: int) -> bool:
    """Whether a value has no more than so many decimals."""
    return bool((value * 10**decimals).denominator == 1)
