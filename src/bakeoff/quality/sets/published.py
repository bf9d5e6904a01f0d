"""Published sets read as they are: GSM8K, MATH-500, AIME and HumanEval lines as tasks.

GSM8K: ``question``, ``answer`` that ends with ``#### N``. MATH-500: ``problem``, ``answer`` in LaTeX, ``unique_id``,
``level`` 1 to 5 (1 and 2 count as 1, 3 as 2, 4 and 5 as 3). AIME: ``problem`` or ``question`` (``Problem``), ``answer``
from 0 to 999. HumanEval: ``task_id``, ``prompt``, ``entry_point``, ``test``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from bakeoff.quality.grading.number import unit_of
from bakeoff.quality.grading.plain import plain
from bakeoff.quality.grading.quantities import numeral
from bakeoff.quality.sets.humaneval import NotGradable, task_of
from bakeoff.quality.tasks import Task

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
ANSWER_LINE = "End your reply with a line that says 'Answer:' and then the number."

LONGEST_ANSWER = 400

Row = dict[str, Any]
Reader = Callable[[Row, str, int], Task]
"""(a line's object, the set's name, the line's number) → its task. Raises ValueError for a line that is not what the
format says, KeyError for a key that is missing, NotGradable for an answer that no grader can judge."""


def shape_of(row: Row) -> str | None:
    """Whose format an object is in, by its keys; None for one of ours, or none that is known."""
    keys = {key.lower() for key in row}
    if "checker" in keys or "target" in keys:
        return None
    if {"task_id", "entry_point", "test"} <= keys:
        return "HumanEval"
    if "answer" not in keys or not keys & {"problem", "question"}:
        return None
    if "unique_id" in keys and "problem" in keys:
        return "MATH-500"
    return "GSM8K" if "question" in keys and "####" in str(_get(row, "answer")) else "AIME"


def _get(row: Row, *names: str) -> Any:
    """The value of the first of these keys that there is, whether capital or small."""
    by_name = {key.lower(): value for key, value in row.items()}
    for name in names:
        if name in by_name:
            return by_name[name]
    raise KeyError(names[0])


def _text(row: Row, *names: str) -> str:
    value = _get(row, *names)
    if not isinstance(value, str):
        raise ValueError(f"the key '{names[0]}' is not a text")
    return value


def gsm8k(row: Row, set_name: str, number: int) -> Task:
    """A line of GSM8K."""
    marked = re.search(r"####\s{0,9}\$?(-?[\d,]*\.?\d+)\s*$", _text(row, "answer")[-LONGEST_ANSWER:])
    if marked is None:
        raise ValueError("the answer does not end with '#### ' and a number")
    value = Fraction(marked[1].replace(",", ""))
    return _number(f"{_text(row, 'question')}\n\n{ANSWER_LINE}", set_name, f"{set_name}-{number}", 1, "GSM8K", value)


def aime(row: Row, set_name: str, number: int) -> Task:
    """A line of AIME; the answer is an integer from 0 to 999."""
    answer = str(_get(row, "answer")).strip()
    if not re.fullmatch(r"\d{1,3}", answer):
        raise ValueError("the answer is not an integer from 0 to 999")
    prompt = f"{_text(row, 'problem', 'question')}\n\n{BOXED}"
    by_name = {key.lower(): value for key, value in row.items()}
    named = str(by_name.get("id", by_name.get("problem_idx", ""))) or str(number)
    return _number(prompt, set_name, f"{set_name}-{named}", 3, "AIME", Fraction(int(answer)))


def _number(prompt: str, set_name: str, name: str, level: int, kind: str, value: Fraction) -> Task:
    target = {"value": str(value)}
    return Task(id=name, set=set_name, level=level, kind=kind, prompt=prompt, checker="number", target=target)


def math_500(row: Row, set_name: str, _number: int) -> Task:
    """A line of MATH-500."""
    checker, target = math_target(_text(row, "answer"))
    told = str(_get(row, "level")).rpartition(" ")[2]
    level = {"1": 1, "2": 1, "3": 2, "4": 3, "5": 3}.get(told)
    if level is None:
        raise ValueError("the level is not from 1 to 5")
    by_name = {key.lower(): value for key, value in row.items()}
    return Task(
        id=_text(row, "unique_id"),
        set=set_name,
        level=level,
        kind=str(by_name.get("subject", "MATH-500")),
        prompt=f"{_text(row, 'problem')}\n\n{BOXED}",
        checker=checker,
        target=target,
    )


def math_target(answer: str) -> tuple[str, dict[str, Any]]:
    """The checker and target for an answer in LaTeX: a number, a letter, a word, or a list of numbers.

    Raises NotGradable for anything else: formulas, intervals, matrices, numbers in other bases.
    """
    if len(answer) > LONGEST_ANSWER:
        raise NotGradable("have a formula for an answer")
    if letter := re.fullmatch(r"\s*(?:\\text\{)?\(([A-F])\)\}?\s*", answer):
        return "choice", {"letter": letter[1]}
    if word := re.fullmatch(r"\s*\\text(?:bf|rm)?\{\s*([A-Za-z]{2,30})\s*\}\s*", answer):
        return "word", {"word": word[1]}
    if "_" in answer or "sqrt" in answer or "\\pi" in answer:
        raise NotGradable("have a formula for an answer")
    text = plain(re.sub(r",\\!\s*(?=\d{3})", "", answer))
    number = _exact(text)
    if number is not None:
        return "number", number
    inner = re.fullmatch(r"\(([^()]+)\)", text)
    parts = [_exact(part.strip()) for part in re.split(r", ?(?!\d{3}(?!\d))", inner[1] if inner else text)]
    if len(parts) > 1 and all(part is not None and "unit" not in part for part in parts):
        items = [part["value"] for part in parts if part is not None]
        return "series", {"items": items, "ordered": inner is not None}
    raise NotGradable("have a formula for an answer")


_NUMBER = re.compile(
    r"(?P<sign>-?) ?(?P<dollar>\$?) ?(?P<value>[\d,\u202f]*\.?\d+)(?:/(?P<under>\d+))? ?(?P<unit>%|[a-z°^0-9/ ]*)"
)


def _exact(text: str) -> dict[str, str] | None:
    """The target of a plain number, with its unit where that is known; None for anything else."""
    found = _NUMBER.fullmatch(text.replace("(", "").replace(")", "") if "/" in text else text)
    read = numeral(found["value"].replace("\u202f", "")) if found else None
    if found is None or read is None or (found["under"] or "1").strip("0") == "":
        return None
    value = read[0] / int(found["under"] or 1) * (-1 if found["sign"] else 1)
    unit = "$" if found["dollar"] else found["unit"].strip()
    unit = {"^°": "°"}.get(unit, unit)
    try:
        unit_of(unit)
    except ValueError:
        return None
    return {"value": str(value)} | ({"unit": unit} if unit else {})


READERS: dict[str, Reader] = {
    "GSM8K": gsm8k,
    "MATH-500": math_500,
    "AIME": aime,
    "HumanEval": task_of,
}
