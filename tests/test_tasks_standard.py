"""The frozen items: each key is found twice, is graded right, and a wrong one wrong; the mixture is as planned."""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tasksets.freeze import cells, frozen
from tasksets.page import ABOUT, SECOND

from bakeoff.quality.grading.grade import grade, graders
from bakeoff.quality.sandbox.base import Call, Outcome
from bakeoff.quality.sandbox.choose import best_sandbox
from bakeoff.quality.sandbox.wire import decode
from bakeoff.quality.sets import load
from bakeoff.quality.sets.families.code import exercise_of
from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from bakeoff.quality.sets.fresh import agrees, normalised
from bakeoff.quality.tasks import Task

STANDARD = load("standard")
ROOT = Path(__file__).parent.parent


def family(task: Task) -> str:
    return task.id.split("-")[0]


class Here:
    """Runs the tests' own programs in this process, as a sandbox would run a model's."""

    name = "here"

    def run(self, source: str, calls: Sequence[Call]) -> tuple[Outcome, ...]:
        scope: dict[str, Any] = {}
        exec(compile(source, "answer", "exec"), scope)
        return tuple(Outcome(how="returned", value=scope[call.function](*call.arguments)) for call in calls)


KNOWN = graders(Here())


def table_program(task: Task, change: Any = None) -> str:
    """A program that knows the hidden cases by heart; with ``change``, what it returns for the last is changed."""
    results = {repr(tuple(map(decode, case["arguments"]))): decode(case["returns"]) for case in task.target["cases"]}
    if change is not None:
        results[list(results)[-1]] = change
    name = task.target["function"]
    source = f"RESULTS = {results!r}\n\ndef {name}(*given):\n    return RESULTS[repr(given)]"
    return f"Here it is:\n\n```python\n{source}\n```\n"


def final(task: Task) -> str:
    """A task's key as a model would write it."""
    target: dict[str, Any] = task.target
    if task.checker == "number":
        unit: str = {"€": " euros"}.get(target.get("unit", ""), " " + target.get("unit", ""))
        return str(target["value"]) + unit.rstrip()
    if task.checker == "series":
        return ", ".join(map(str, target["items"]))
    return str(target["word"] if task.checker == "word" else target["date"])


def mistaken(task: Task) -> str:
    """A wrong answer of the same form."""
    target: dict[str, Any] = task.target
    if task.checker == "number":
        return f"{Fraction(target['value']) * 2 + 1} {target.get('unit', '')}".strip()
    if task.checker == "word":
        return next(str(word) for word in target["among"] if word != target["word"])
    if task.checker == "series":
        return ", ".join([*target["items"][1:], "Zoe"])
    return str(datetime.date.fromisoformat(target["date"]) + datetime.timedelta(days=1))


@pytest.mark.parametrize("name", PLAN)
def test_every_key_is_found_again_by_the_second_solution(name: str) -> None:
    items = [task for task in STANDARD if family(task) == name]
    assert len(items) == sum(PLAN[name])
    assert [task.id for task in items if not agrees(FAMILIES[name], task)] == []


@pytest.mark.parametrize(
    ("name", "figure"),
    {
        "expression": r"\d+(?=[ )]*\.\n)",
        "equation": r"\d+(?=\n)",
        "dice": r"(?<=show )\d+",
        "journey": r"(?<=, then covers )\d+|(?<=steady )\d+|\d+(?= km apart)",
        "work": r"\d+(?= minutes| days)",
        "shopping": r"(?<=pays with )\d+|(?<=tax of )\d+|(?<=lowered by )\d+|(?<=pack of )\d+",
        "riddle": r"(?<=has )\d+(?= more)|\d+(?= years ago| animals)|(?<=worth )\d+|(?<=read )\d+",
        "dates": r"\d+(?= days| working)|(?<=ended on )\d+",
        "clock": r"\d+(?= minutes)",
        "conversion": r"\d+(?= \S+ in)|(?<=covers )\d+|\d+(?= cm)|(?<=for )\d+(?= miles)",
        "flow": r"\d+(?= cm wide)|\d+(?= litres)",
        "rates": r"\d+(?= hours)|\d+(?= megabits)|(?<=has )\d+",
    }.items(),
)
def test_the_second_solution_reads_the_words_and_comes_to_something_else_where_a_figure_differs(
    name: str, figure: str
) -> None:
    for task in (task for task in STANDARD if family(task) == name):
        changed, count = re.subn(figure, lambda found: str(int(found[0]) + 1), task.prompt, count=1)
        assert count, task.id
        assert not agrees(FAMILIES[name], msgspec.structs.replace(task, prompt=changed)), task.id


def test_our_own_families_make_the_same_items_again_from_their_figures() -> None:
    own = [name for name in PLAN if not FAMILIES[name].source]
    again = {line["id"]: line for line in map(json.loads, frozen(cells(own)).splitlines())}
    assert len(again) == 234
    for task in STANDARD:
        if task.id in again:
            assert (task.prompt, task.target) == (again[task.id]["prompt"], again[task.id]["target"]), task.id


def test_reasoning_gym_makes_the_same_items_again() -> None:
    pytest.importorskip("reasoning_gym", reason="pip install 'bakeoff[fresh]'")
    assert frozen(cells()) == resources.files("bakeoff.quality.sets").joinpath("standard.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    "form",
    [
        "First I work it out.\n\nAnswer: {}",
        "<think>Let me see… 12, no, 13.</think>\n\nStep 1: as told.\n\n**Answer: {}**",
        "It follows that\n\n### Answer:\n\n{}.",
        "So the result is clear.\n\n**Answer:** {}\n",
    ],
)
def test_every_key_is_graded_right_as_a_model_would_write_it(form: str) -> None:
    spoken = [task for task in STANDARD if task.checker != "python"]
    wrong = [(task.id, final(task), score) for task in spoken
             if (score := grade(form.format(final(task)), task, KNOWN)).verdict != "right"]  # fmt: skip
    assert wrong == []


def test_every_wrong_answer_is_graded_wrong() -> None:
    spoken = [task for task in STANDARD if task.checker != "python"]
    scores = [(task.id, grade(f"I think so.\n\nAnswer: {mistaken(task)}", task, KNOWN)) for task in spoken]
    passed = [(name, score) for name, score in scores if score.verdict != "wrong"]
    assert passed == []


def test_a_program_that_knows_every_case_is_right_and_one_that_misses_a_case_is_wrong() -> None:
    programs = [task for task in STANDARD if task.checker == "python"]
    assert len(programs) == 36
    for task in programs:
        assert grade(table_program(task), task, KNOWN).verdict == "right", task.id
        assert grade(table_program(task, change="nothing"), task, KNOWN).verdict == "wrong", task.id


def test_a_real_program_passes_in_the_sandbox_of_this_machine() -> None:
    sandbox = best_sandbox()
    if sandbox.name == "none":
        pytest.skip("no sandbox here")
    task = next(task for task in STANDARD if task.checker == "python" and exercise_of(task).name == "fewest_coins")
    coins = exercise_of(task).figures_in(task.prompt)
    program = f"""```python
def fewest_coins(n: int) -> int:
    best = [0] + [None] * n
    for total in range(1, n + 1):
        ways = [best[total - coin] for coin in {coins} if coin <= total and best[total - coin] is not None]
        best[total] = min(ways) + 1 if ways else None
    return -1 if best[n] is None else best[n]
```"""
    known = graders(sandbox)
    assert grade(program, task, known).verdict == "right"
    assert grade(program.replace("min(ways)", "max(ways)"), task, known).verdict == "wrong"


def test_levels_and_kinds_are_balanced() -> None:
    assert Counter(task.level for task in STANDARD) == {1: 108, 2: 108, 3: 108}
    by_kind = {
        "arithmetic": 18,
        "word problems": 24,
        "logic": 18,
        "calendar": 18,
        "units": 18,
        "code": 12,
    }
    counted = Counter((task.kind, task.level) for task in STANDARD)
    assert counted == {(kind, level): count for kind, count in by_kind.items() for level in (1, 2, 3)}


def test_no_prompt_and_no_name_comes_twice() -> None:
    assert len({normalised(task.prompt) for task in STANDARD}) == len({task.id for task in STANDARD}) == 324


def test_every_prompt_says_how_to_give_the_answer_and_names_the_unit() -> None:
    for task in STANDARD:
        ending = task.prompt.rpartition("\n\n")[2]
        assert ("one Python code block" if task.checker == "python" else "'Answer:'") in ending, task.id
        unit = task.target.get("unit", "") if task.checker == "number" else ""
        assert {"€": "euros"}.get(unit, unit) in ending, task.id


def test_no_answer_is_the_key_of_more_than_a_quarter_of_a_family() -> None:
    """The commonest answer of a family is a few of its items at most: one that always says the same gains little."""
    for name in PLAN:
        answers = Counter(json.dumps(task.target, sort_keys=True) for task in STANDARD if family(task) == name)
        assert answers.most_common(1)[0][1] <= max(3, sum(PLAN[name]) / 4), name


def test_the_data_in_the_package_is_small_and_its_licence_stands_beside_it() -> None:
    folder = resources.files("bakeoff.quality.sets")
    sizes = {file.name: len(file.read_bytes()) for file in folder.iterdir() if file.is_file()}
    assert sum(sizes.values()) < 1_000_000
    assert "Apache License" in folder.joinpath("reasoning-gym.LICENSE").read_text("utf-8")
    notice = folder.joinpath("NOTICE").read_text("utf-8")
    assert all(name in notice for name in PLAN if FAMILIES[name].source)


def test_the_page_tells_of_every_family_what_is_in_the_package() -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert set(ABOUT) == set(SECOND) == set(PLAN) == set(FAMILIES)
    for name, counts in PLAN.items():
        row = next(line for line in page.splitlines() if re.match(rf"\| {name}\b", line))
        assert f"| {' | '.join(str(count or '–') for count in counts)} |" in row, name
    gym = sum(bool(FAMILIES[family(task)].source) for task in STANDARD)
    assert f"{gym} of the {len(STANDARD)} items" in page
