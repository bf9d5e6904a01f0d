"""Second solutions for reasoning-gym's sums, equations and dice: a grammar of our own over exact fractions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from bakeoff.quality.sets.families.base import number_target
from bakeoff.quality.tasks import Task

ratio = Fraction


def value(text: str, names: Mapping[str, Fraction]) -> Fraction:
    """What an expression of + - * /, brackets, numbers and names comes to, exactly. ValueError for anything else."""
    tokens = re.findall(r"\d+|[a-z]|\S", text)
    result, end = _sum(tokens, 0, names)
    if end != len(tokens):
        raise ValueError(f"not an expression at {tokens[end]!r}")
    return result


def _sum(tokens: list[str], at: int, names: Mapping[str, Fraction]) -> tuple[Fraction, int]:
    total, at = _product(tokens, at, names)
    while at < len(tokens) and tokens[at] in "+-":
        part, end = _product(tokens, at + 1, names)
        total, at = total + part if tokens[at] == "+" else total - part, end
    return total, at


def _product(tokens: list[str], at: int, names: Mapping[str, Fraction]) -> tuple[Fraction, int]:
    total, at = _signed(tokens, at, names)
    while at < len(tokens) and tokens[at] in "*/":
        part, end = _signed(tokens, at + 1, names)
        if tokens[at] == "/" and not part:
            raise ValueError("a division by zero")
        total, at = total * part if tokens[at] == "*" else total / part, end
    return total, at


def _signed(tokens: list[str], at: int, names: Mapping[str, Fraction]) -> tuple[Fraction, int]:
    token = tokens[at] if at < len(tokens) else ""
    if token == "-":  # noqa: S105 (a sign)
        result, end = _signed(tokens, at + 1, names)
        return -result, end
    if token == "(":  # noqa: S105
        result, end = _sum(tokens, at + 1, names)
        if tokens[end : end + 1] != [")"]:
            raise ValueError("a bracket that is not closed")
        return result, end + 1
    if token.isdigit():
        return Fraction(token), at + 1
    if token in names:
        return names[token], at + 1
    raise ValueError(f"not a number: {token!r}")


def expression(task: Task) -> Any:
    """The value of what follows "Calculate"; reasoning-gym divides as integers, which differs where that is inexact."""
    text = task.prompt.partition("\n\n")[0].removeprefix("Calculate ").removesuffix(".")
    return number_target(value(text, {}))


def equation(task: Task) -> Any:
    """By the values of both sides at 0 and at 1, which settle a linear equation; a value at 2 shows that it is one."""
    found = re.search(r"([^:]+) = ([^=\n]+)$", task.prompt.partition("\n\n")[0])
    assert found is not None
    (name,) = set(re.findall(r"[a-z]", found[0]))
    at_0, at_1, at_2 = (
        value(found[1], {name: Fraction(x)}) - value(found[2], {name: Fraction(x)}) for x in (0, 1, 2)
    )  # fmt: skip
    if at_1 == at_0 or at_2 - at_1 != at_1 - at_0:
        raise ValueError("not a linear equation")
    return number_target(at_0 / (at_0 - at_1))


def dice(task: Task) -> Any:
    """By counting every way to fall."""
    story = task.prompt.partition("\n\n")[0]
    sides = [int(number) for number in re.findall(r"1d(\d+)", story.partition(". (")[0])]
    aim = re.search(r"show (\d+) or more", story)
    assert aim is not None
    falls = list(product(*(range(1, side + 1) for side in sides)))
    return number_target(Fraction(sum(sum(fall) >= int(aim[1]) for fall in falls), len(falls)))
