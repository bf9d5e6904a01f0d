"""Answers as models write them get the verdict that a careful reader gives them, quickly, and with its basis."""

from __future__ import annotations

import json
import signal
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import UsageError
from bakeoff.quality.grading.code import functions, parse, program
from bakeoff.quality.grading.grade import grade, graders
from bakeoff.quality.grading.measures import UNITS
from bakeoff.quality.grading.number import meets, unit_of
from bakeoff.quality.grading.plain import plain
from bakeoff.quality.grading.quantities import quantities
from bakeoff.quality.sandbox.base import NoSandbox, Sandbox
from bakeoff.quality.sandbox.bubblewrap import Bubblewrap
from bakeoff.quality.tasks import Task
from tests.sandboxes import NAMES, missing, sandbox_named

ANSWERS = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "answers.jsonl").read_text("utf-8").splitlines()
]

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

TARGETS: dict[str, tuple[str, Any]] = {
    # average speeds: 120 km at 60 km/h, then 180 km at 90 km/h; and 120 km at 60 km/h, then 120 km at 90 km/h
    "train": ("number", {"value": str((120 + 180) / (Fraction(120, 60) + Fraction(180, 90))), "unit": "km/h"}),
    "trap": ("number", {"value": str((120 + 120) / (Fraction(120, 60) + Fraction(120, 90))), "unit": "km/h"}),
    "product": ("number", {"value": 247 * 83}),
    "percent": ("number", {"value": str(Fraction(8 * 100, 64)), "unit": "%"}),
    "share": ("number", {"value": str(Fraction(8, 64))}),
    "third": ("number", {"value": "1/3"}),
    "twothirds": ("number", {"value": "200/3"}),
    "money": ("number", {"value": "1234.50", "unit": "dollars"}),
    "duration": ("number", {"value": "2.5", "unit": "hours"}),
    "celsius": ("number", {"value": 20, "unit": "°C"}),
    "area": ("number", {"value": 35, "unit": "m^2"}),
    "light": ("number", {"value": 3 * 10**8, "unit": "m/s"}),
    "negative": ("number", {"value": -7}),
    "mixed": ("number", {"value": "2.75"}),
    "count": ("number", {"value": 1200}),
    "choice": ("choice", {"letter": "B", "options": {"A": "72 km/h", "B": "75 km/h", "C": "80 km/h"}}),
    "yes": ("word", {"word": "yes", "among": ["yes", "no"]}),
    "weekday": ("word", {"word": "Wednesday", "among": DAYS, "also": {"Wednesday": ["Wed"]}}),
    "name": ("word", {"word": "Alice", "among": ["Alice", "Bob", "Carol"]}),
    "date": ("date", {"date": "2024-03-15"}),
    "ambiguous_date": ("date", {"date": "2024-04-03"}),
    "list": ("series", {"items": [3, 5, 8, 13]}),
    "set": ("series", {"items": [3, 5], "ordered": False}),
    "order": ("series", {"items": ["Bob", "Alice", "Carol"]}),
    "apples": ("number", {"value": 20 - 8}),
    "three_quarters": ("number", {"value": "3/4"}),
    "frost": ("number", {"value": -7, "unit": "°C"}),
    "large": ("number", {"value": 1234567}),
    "tickets": ("number", {"value": 3 * 15, "unit": "$"}),
    "ninety": ("number", {"value": 90, "unit": "minutes"}),
    "discount": ("number", {"value": (50 - 40) * 100 // 50, "unit": "%"}),
    "five": ("number", {"value": 5}),
    "ways": ("number", {"value": 720 // 2}),
    "power": ("number", {"value": 2**10}),
    "three": ("number", {"value": 10 - 7}),
    "angle": ("number", {"value": 180 - 80}),
    "no": ("word", {"word": "no", "among": ["yes", "no"]}),
    "thief": ("word", {"word": "Bob", "among": ["Alice", "Bob", "Carol"]}),
    "knight": ("word", {"word": "knight", "among": ["knight", "knave"]}),
    "letter": ("choice", {"letter": "C"}),
    "leap_day": ("date", {"date": "2024-02-29"}),
    "primes": ("series", {"items": ["2", "3", "5", "7"]}),
    "fruit": ("series", {"items": ["apple", "banana"]}),
    "search": ("binary_search", {}),
    "fib": (
        "python",
        {"function": "fib", "cases": [{"arguments": [n], "returns": v} for n, v in enumerate([0, 1, 1, 2, 3, 5, 8])]},
    ),
}


def task(name: str, checker: str | None = None, target: Any = None) -> Task:
    own_checker, own_target = TARGETS.get(name, ("", None))
    return Task(
        id=name,
        set="test",
        level=1,
        prompt="…",
        checker=checker or own_checker,
        target=own_target if target is None else target,
    )


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The best one here; of the written programs, one never ends."""
    ready = [name for name in NAMES if missing(name) is None]
    return sandbox_named(ready[0], wall_s=3) if ready else NoSandbox()


PURE = graders(NoSandbox())


def number(text: str, value: str | int, unit: str = "", **more: Any) -> str:
    return grade(text, task("n", "number", {"value": value, "unit": unit, **more}), PURE).verdict


# The written answers


@pytest.mark.parametrize("one", ANSWERS, ids=[f"{one['task']}: {one['why']}" for one in ANSWERS])
def test_a_written_answer_gets_its_verdict(one: dict[str, Any], sandbox: Sandbox) -> None:
    if TARGETS[one["task"]][0] in ("python", "binary_search") and isinstance(sandbox, NoSandbox):
        pytest.skip("neither bubblewrap nor pydantic-monty works here")
    if one.get("bubblewrap") and not isinstance(sandbox, Bubblewrap):
        pytest.skip("bubblewrap does not work here, and Monty lacks what this program needs")
    given = {"cut": one.get("cut", False), "opens_thinking": one.get("opens")}
    score = grade(one["text"], task(one["task"]), graders(sandbox), **given)
    assert score.verdict == one["verdict"], score


def test_there_are_many_answers_of_each_verdict_and_none_twice() -> None:
    assert len(ANSWERS) >= 150
    assert len({(one["task"], one["text"], one.get("cut"), one.get("opens")) for one in ANSWERS}) == len(ANSWERS)
    counts = Counter(one["verdict"] for one in ANSWERS)
    assert counts.keys() == {"right", "wrong", "ungraded", "truncated"}
    assert min(counts["right"], counts["wrong"]) >= 60


def test_every_basis_is_text_of_the_answer_itself() -> None:
    for one in ANSWERS:
        if TARGETS[one["task"]][0] in ("python", "binary_search") or "\x1b" in one["text"]:
            continue
        score = grade(one["text"], task(one["task"]), PURE, opens_thinking=one.get("opens"))
        for part in score.basis.split(" | "):
            assert part.rstrip("…") in one["text"] or "\n" in one["text"], (part, one)


# Numbers and units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,200", 1200), ("1 200", 1200), ("1.200", Fraction(6, 5)), ("1.200,0", 1200), ("1,200.0", 1200),
        ("1,20,000", 120000), ("0,125", Fraction(1, 8)), ("1'200", 1200), ("1.2e3", 1200),
        ("1.2E-3", Fraction(3, 2500)),
        ("-5", -5), ("−5", -5), ("3/4", Fraction(3, 4)), ("2 1/2", Fraction(5, 2)), ("2½", Fraction(5, 2)),
        (r"\frac{1}{2}", Fraction(1, 2)), (r"-\frac{1}{2}", Fraction(-1, 2)), (r"\frac12", Fraction(1, 2)),
        (r"10^{3}", 1000), ("10³", 1000), ("2^10", 1024), ("10^-3", Fraction(1, 1000)), ("1.5 million", 1500000),
        ("٧٥", 75), ("७५", 75), ("７５", 75), (".5", Fraction(1, 2)), ("1_000", 1000), ("-$5", -5), ("3 万", 30000),
    ],
)  # fmt: skip
def test_a_number_is_read_in_every_way_it_is_written(text: str, value: Fraction) -> None:
    assert [one.value for one in quantities(plain(text))] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "x1",
        "GPT-4",
        "v1.2.3",
        "10:30",
        "2024-03-15",
        "3/15/2024",
        "the 4th",
        "Step 3",
        "1/0",
        "R2D2",
        "9" * 61,
        "",
        "e",
    ],
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert quantities(plain(text)) == []


@given(st.fractions(min_value=-(10**9), max_value=10**9), st.integers(0, 6))
def test_a_value_rounded_by_any_printer_is_met_where_enough_digits_are_shown(value: Fraction, decimals: int) -> None:
    shown = f"{float(value):.{decimals}f}"
    if (value * 10**4).denominator != 1 and abs(value) >= 1 and decimals >= 2 and abs(value) < 10**6:
        [read] = quantities(shown)
        assert meets(read, value)


@given(st.integers(0, 10**15))
def test_groups_of_digits_change_nothing(value: int) -> None:
    for text in (f"{value:,}", f"{value:_}", f"{value:,}".replace(",", "\u202f"), str(value)):
        assert [one.value for one in quantities(plain(text))] == [value]


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.integers(1, 999))
def test_a_unit_and_back_is_the_same_and_other_kinds_are_wrong(one: str, other: str, value: int) -> None:
    first, second = UNITS[one], UNITS[other]
    if first.dimension == second.dimension:
        assert second.convert(first.convert(Fraction(value), second), first) == value


@pytest.mark.parametrize(
    ("text", "value", "unit", "verdict"),
    [
        ("20 m/s", 72, "km/h", "right"),
        ("72 mph", 72, "km/h", "wrong"),
        ("100 °C", 212, "°F", "right"),
        ("1 GB", 1000, "MB", "right"),
        ("1 GiB", 1024, "MiB", "right"),
        ("8 bits", 1, "byte", "right"),
        ("1 kWh", 3600, "kJ", "right"),
        ("3 ft 6 in", 42, "inches", "right"),
        ("75 in total", 75, "km", "right"),
        ("75 in.", 75, "km", "wrong"),
        ("75 km per lap", 75, "km/h", "right"),
        ("5 L", 5000, "cm^3", "right"),
        ("60 km/h²", 60, "km/h", "wrong"),
        ("5 dollars", 5, "euros", "wrong"),
    ],
)
def test_units_are_taken_by_what_they_mean(text: str, value: int, unit: str, verdict: str) -> None:
    assert number(text, value, unit) == verdict


def test_a_missing_unit_is_ungraded_only_where_the_task_requires_one() -> None:
    assert number("75", 75, "km/h") == "right"
    assert number("75", 75, "km/h", unit_required=True) == "ungraded"
    assert number("75 km/h", 75, "km/h", unit_required=True) == "right"


def test_contradicting_answers_are_wrong_only_where_none_could_be_right() -> None:
    assert number("Answer: 72 or 75", 75) == "ungraded"
    assert number("Answer: 72 or 73", 75) == "wrong"
    assert number("Answer: 75 or 75.0", 75) == "right"


@pytest.mark.parametrize("name", ["parsecs", "km/lap", "km and", "!"])
def test_a_target_with_an_unknown_unit_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown unit"):
        unit_of(name)


# Whole replies


def test_a_task_with_an_unknown_checker_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"Task n names the checker 'magic'; there are binary_search, choice"):
        grade("75", task("n", "magic", {}), PURE)


@pytest.mark.parametrize("target", [{}, {"value": "x"}, {"value": 1, "unit": "furlongs"}, 5, None, {"value": "1/0"}])
def test_a_checker_that_fails_leaves_the_answer_ungraded_and_says_so(target: Any) -> None:
    score = grade("75", Task(id="n", set="t", level=1, prompt="", checker="number", target=target), PURE)
    assert score.verdict == "ungraded"
    assert score.note.startswith("The checker 'number' failed: ")


def test_without_a_sandbox_a_program_is_ungraded_and_the_way_to_get_one_is_told() -> None:
    score = grade("```python\ndef fib(n):\n    return n\n```", task("fib"), PURE)
    assert score.verdict == "ungraded"
    assert "pip install 'bakeoff[quality]'" in score.note


def test_the_basis_of_a_program_is_the_program() -> None:
    score = grade("Look:\n```python\ndef fib(n):\n    return n\n```\nDone.", task("fib"), PURE)
    assert score.basis == "def fib(n):\n    return n\n"


# Programs are found by their syntax


def test_the_function_is_the_hinted_one_then_the_first_public_one_that_fits() -> None:
    source = "def helper(a): ...\ndef _go(a, b): ...\ndef find(a, b): ...\ndef my_search(a, b): ...\n"
    found = program(f"```python\n{source}```", (2,), hints=("search",))
    assert found is not None
    assert found.function is not None
    assert found.function.expression == "my_search"
    plainly = program(f"```python\n{source}```", (2,))
    assert plainly is not None
    assert plainly.function is not None
    assert plainly.function.expression == "find"


@pytest.mark.parametrize(
    ("source", "annotated"),
    [
        ("def f(a: int, b: int) -> int: ...", True),
        ("def f(a: int, b) -> int: ...", False),
        ("def f(a: int, b: int): ...", False),
        ("def f(a: int, *rest, key: int = 1) -> int: ...", False),
        ("class A:\n def f(self, a: int) -> int: ...", True),
        ("class A:\n @staticmethod\n def f(a) -> int: ...", False),
    ],
)
def test_every_parameter_and_the_return_must_have_a_hint(source: str, annotated: bool) -> None:
    tree = parse(source)
    assert tree is not None
    assert functions(tree)[0].annotated is annotated


# A word in a whole sentence

CAPITAL = "Which city is the capital of Japan? End with 'Answer:' and the city's name alone."
CITY = Task(id="own", set="own", level=1, prompt=CAPITAL, checker="word", target={"word": "Tokyo"})


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The capital of Japan is Tokyo.", "right"),
        ("The capital of Japan is **Tokyo**.", "right"),
        ("Japan's capital city is Tokyo.  Tokyo is the capital city of Japan.", "right"),
        ("So Tokyo is the capital of Japan, and it is a very large city.", "right"),
        ("It’s Tokyo!", "right"),
        ("Tokyo, the capital of Japan.", "right"),
        ("The capital of Japan is Tokyo, not Kyoto, which was the capital for a thousand years.", "right"),
        ("The former capital of Japan is Kyoto. The capital of Japan is Tokyo.", "right"),
        ("The capital of Japan is Tokyo. The capital of Japan is beautiful.", "right"),
        ("The Capital of Japan is Tokyo. Answer with the name of the capital of Japan.", "right"),
        ("The capital of Japan is Kyoto.", "wrong"),
        ("Kasp (Kosika) is the capital of Japan.", "wrong"),
        ("The capital of Japan is Tokyo Bay.", "wrong"),
        ("Tokyo Tower is the capital of Japan.", "wrong"),
        ("El Salvador, the capital of Japan.", "wrong"),
        ("The capital of Japan is Kyoto. The capital of Japan is Tokyo.", "ungraded"),
        ("The capital of Tokyo is Japan.", "ungraded"),
        ("Japan is the capital of Tokyo.", "ungraded"),
        ("The capital of Japan is not Tokyo.", "ungraded"),
        ("The capital of Japan isn't Tokyo.", "ungraded"),
        ("If Tokyo is the capital of Japan.", "ungraded"),
        ("Is Tokyo the capital of Japan?", "ungraded"),
        ("The capital of Japan is beautiful.", "ungraded"),
        ("Tokyo, Osaka and Kyoto are cities in Japan.", "ungraded"),
        ("I went to Tokyo once.", "ungraded"),
        ("The mayor of Tokyo lives in the capital of Japan.", "ungraded"),
        ("I'm sorry, I cannot say that the capital of Japan is Tokyo.", "wrong"),
        ("The capital of Japan is Tokyo.\nAnswer: Kyoto", "wrong"),
    ],
)
def test_a_word_is_read_from_a_sentence_that_repeats_the_question_and_from_no_other(text: str, verdict: str) -> None:
    score = grade(text, CITY, PURE)
    assert score.verdict == verdict
    assert " ".join(score.basis.rstrip("…").split(" | ")[-1].split()) in " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Plants release oxygen.", "ungraded"),
        ("The gas that plants release is oxygen.", "right"),
        ("Oxygen is the gas that plants release by day.", "right"),
        ("It is oxygen", "right"),
        ("The gas that plants release is nitrogen.", "wrong"),
    ],
)
def test_a_word_that_is_no_name_is_read_in_the_same_way(text: str, verdict: str) -> None:
    own = Task(id="own", set="own", level=1, prompt="Which is the gas that plants release by day?", checker="word",
               target={"word": "oxygen"})  # fmt: skip
    assert grade(text, own, PURE).verdict == verdict


# Text made to hurt


@pytest.mark.parametrize(
    "unit",
    [
        "75 km/h ", "Answer: ", "Wait, let me check. ", "\\boxed{", "\\boxed{7}", "{", "**", "**a", "$", "(", "[1, ",
        "=", "1,", "1 ", "1.", ".", " ", "\n", "\n\n", "#### ", "- 1\n", "\\frac", "\\frac{1}", "\\frac1\\frac", "<b",
        "<b>", "&amp", "9", "9/", "-", "10^", "not ", "or ", "```\n", "```python\ndef f(a, b):\n    pass\n",
        "the answer to ",        "final answer ", "Tokyo is, ", "It is ", "\\", "\x1b[", "\x1b]", "\u202f", "答案",
        "Therefore 7. ", "a", "A ", "(A) ", "yes no ",
        "March 1 ", "1-", "1/", "Mar. ", "~~~\n", "x = ",
    ],
)  # fmt: skip
def test_a_hundred_thousand_characters_of_one_thing_do_not_hold_a_grader_up(unit: str) -> None:
    """In processor time of this process, with much to spare: what is quadratic would take minutes."""

    def too_long(*_: object) -> None:
        raise AssertionError(f"{unit!r} holds the grader up")

    text = unit * (100_000 // len(unit))
    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    try:
        for asked in (task("train"), task("list"), task("search"), CITY):
            assert grade(f"75 {text}!", asked, PURE).verdict in ("right", "wrong", "ungraded")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@given(st.text(max_size=300), st.sampled_from(sorted(TARGETS)))
def test_no_text_breaks_a_grader(text: str, name: str) -> None:
    score = grade(text, task(name), PURE)
    assert "failed" not in score.note
