"""``bakeoff quality`` from the command line: what it prints where, and that bad input gets a sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bakeoff.quality.sets import fresh
from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from bakeoff.quality.sets.packaged import standard
from bakeoff.results.runfile import read_run
from tests.test_cli import Bakeoff, bakeoff, own_home, run_files, script_file

__all__ = ["bakeoff", "own_home"]

RIGHT = {"text": "Answer: 75 km/h", "stop_after": 1}
WRONG = {"text": "Answer: 72 km/h", "stop_after": 1}
TRAIN = ("--tasks", "article-train")


def mine(folder: Path, count: int = 8, name: str = "mine.jsonl") -> str:
    """A file of tasks whose answers are all 75."""
    lines = [
        {"id": f"item-{n}", "prompt": f"Item {n}: what is 75 km/h?", "checker": "number",
         "target": {"value": "75", "unit": "km/h"}}
        for n in range(count)
    ]  # fmt: skip
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def answering(folder: Path, name: str, *turns: dict[str, Any]) -> str:
    """A script whose first turn is the warm-up's."""
    return script_file(folder, f"{name}.json", turns=[turns[0], *turns], exact_length=False)


def test_one_subject_prints_one_object_with_its_accuracy_at_the_top(tmp_path: Path, bakeoff: Bakeoff) -> None:
    said = bakeoff("quality", answering(tmp_path, "right", RIGHT), *TRAIN, "--samples", "3", "--json")
    assert said.code == 0
    document = said.document
    assert document["accuracy"]["point"] == 1.0
    assert document["subjects"][0]["right"] == 3
    assert document["pairs"] == []
    assert "answer 3 of 3" in said.err
    assert "right so far" in said.err


def test_the_screen_tells_of_the_published_key_and_where_the_file_is(tmp_path: Path, bakeoff: Bakeoff) -> None:
    said = bakeoff("quality", answering(tmp_path, "wrong", WRONG), *TRAIN)
    words = " ".join(said.out.split())
    assert "The right answer is 75 km/h" in words
    assert "0 of 1" in words
    assert "No answer was right" in words
    assert ".jsonl" in said.out


def test_two_subjects_are_compared_task_by_task(tmp_path: Path, bakeoff: Bakeoff) -> None:
    a, b = answering(tmp_path, "a", RIGHT), answering(tmp_path, "b", WRONG)
    said = bakeoff("quality", a, b, "--tasks", mine(tmp_path), "--reference", b, "--json")
    (pair,) = said.document["pairs"]
    assert (pair["a"], pair["b"], pair["verdict"]) == (b, a, "better")
    assert pair["flips"] == {"a_only": 0, "b_only": 8}
    assert pair["p"] == pytest.approx(2 / 2**8)
    assert "accuracy" not in said.document


def test_the_budget_is_said_where_nobody_set_it(tmp_path: Path, bakeoff: Bakeoff) -> None:
    said = bakeoff("quality", answering(tmp_path, "right", RIGHT), *TRAIN)
    assert "An answer may have 8,192 tokens (--max-tokens)" in said.err
    said = bakeoff("quality", answering(tmp_path, "right", RIGHT), *TRAIN, "--max-tokens", "100")
    assert "may have" not in said.err


def test_a_price_makes_dollars(tmp_path: Path, bakeoff: Bakeoff) -> None:
    said = bakeoff("quality", answering(tmp_path, "right", RIGHT), *TRAIN, "--price-per-hour", "36", "--json")
    cost = said.document["subjects"][0]["per_correct"]
    assert cost["dollars"]["point"] == pytest.approx(cost["seconds"]["point"] * 0.01)


def test_resume_goes_on_with_the_newest_run_that_has_tasks(tmp_path: Path, bakeoff: Bakeoff, own_home: Path) -> None:
    bakeoff("quality", answering(tmp_path, "right", RIGHT), "--tasks", mine(tmp_path))
    (path,) = run_files(own_home)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]))
    (tmp_path / "mine.jsonl").unlink()  # the file is complete in itself
    said = bakeoff("quality", "--resume", "--json")
    assert (said.code, said.document["subjects"][0]["right"]) == (0, 8)
    assert said.err.count("answer ") == 8 - (6 - 3)
    assert len(read_run(path).resumed) == 1
    again = bakeoff("runs", "resume", path.stem, "--json")
    assert again.document == said.document


def test_resume_without_any_such_run_says_so(bakeoff: Bakeoff) -> None:
    said = bakeoff("quality", "--resume")
    assert said.code == 2
    assert "no run with answers" in said.err


def test_a_run_with_quality_measures_and_then_asks(tmp_path: Path, bakeoff: Bakeoff, own_home: Path) -> None:
    said = bakeoff("run", "scripted:steady", "--runs", "2", "--prompt", "Count.", "--with-quality", *TRAIN, "--json")
    assert said.code == 0
    assert said.document["cells"][0]["metrics"]["decode_tps"]["point"] == pytest.approx(100)
    assert said.document["quality"]["subjects"][0]["answers"] == 1
    (path,) = run_files(own_home)
    assert len(read_run(path).trials) >= 2
    shown = bakeoff("runs", "show", path.stem)
    assert "trials" in shown.out
    assert "accuracy" in shown.out
    assert "1 answers" in bakeoff("runs", "list").out


WRONG_USE = [
    ((), "Name a subject"),
    (("scripted:steady", "scripted:steady"), "named twice"),
    (("scripted:steady", "--reference", "scripted:other"), "none of the subjects"),
    (("scripted:steady", "--tasks", "standart"), "Did you mean standard"),
    (("scripted:steady", "--tasks", ","), "names no set"),
    (("scripted:steady", "--greedy", "--samples", "2"), "--greedy answers repeat"),
    (("scripted:steady", "--greedy", "--temperature", "1"), "--greedy answers repeat"),
    (("scripted:steady", "--items", "0"), "--items"),
    (("scripted:steady", "--fresh", "x"), "--fresh"),
    (("scripted:steady", "--checker", "nmber"), "--checker: there is no checker 'nmber'. Did you mean number?"),
    (("scripted:steady", "--fresh", "1", "--tasks", "humaneval"), "of the set standard, not of 'humaneval'"),
    (("scripted:steady", "--fresh", "1", "--items", "6000"), "Ask for 1 to 5000"),
    (("scripted:steady", "--margin", "x"), "no share"),
    (("steady",), "names no engine"),
    (("scripted:steady", "--resume=last"), "leave the subjects out"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG_USE)
def test_bad_input_is_a_sentence_and_leaves_nothing(
    arguments: tuple[str, ...], words: str, bakeoff: Bakeoff, own_home: Path
) -> None:
    said = bakeoff("quality", *arguments)
    assert said.code == 2
    assert words in " ".join(said.err.split())
    assert said.out == ""
    assert run_files(own_home) == []


def test_a_checker_can_be_named_for_a_whole_file(tmp_path: Path, bakeoff: Bakeoff, own_home: Path) -> None:
    file = tmp_path / "bare.jsonl"
    file.write_text('{"prompt": "What is 70 + 5?", "target": 75}\n')
    said = bakeoff(
        "quality", answering(tmp_path, "right", RIGHT), "--tasks", str(file), "--checker", "number", "--json"
    )
    assert said.document["subjects"][0]["right"] == 1
    (path,) = run_files(own_home)
    assert read_run(path).task_sets[0].items[0].checker == "number"


def test_tasks_for_a_run_without_quality_are_refused(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "scripted:steady", "--tasks", "standard")
    assert (said.code, "--with-quality" in said.err) == (2, True)


def test_a_bad_line_of_a_task_file_is_named_by_its_number(tmp_path: Path, bakeoff: Bakeoff) -> None:
    path = Path(mine(tmp_path))
    path.write_text(path.read_text() + "{oops\n")
    said = bakeoff("quality", "scripted:steady", "--tasks", str(path))
    assert said.code == 2
    assert "9" in said.err


@pytest.mark.live
def test_a_real_small_model_is_honestly_graded(bakeoff: Bakeoff, own_home: Path) -> None:
    said = bakeoff("quality", "llamacpp:smollm2", *TRAIN, "--samples", "2", "--max-tokens", "128", "--json")
    assert said.code == 0
    (subject,) = said.document["subjects"]
    assert subject["answers"] == 2
    (path,) = run_files(own_home)
    for answer in read_run(path).answers:
        assert answer.text
        assert answer.usage.output_tokens is not None
        assert answer.usage.output_tokens <= 128
        assert answer.verdict == "truncated" or answer.finish == "stop"


# Unseen tasks


@pytest.fixture
def own_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that need no reasoning-gym, as if there were no others."""
    own = {name: levels for name, levels in PLAN.items() if not FAMILIES[name].source}
    monkeypatch.setattr(fresh, "PLAN", own)


def answering_all(folder: Path) -> str:
    """A script that counts as many tokens as the longest of these prompts has."""
    return script_file(folder, "all.json", turns=[RIGHT], exact_length=False, prompt_tokens=600)


def sets(path: Path) -> tuple[str, ...]:
    return read_run(path).task_sets[0].sets


def ids(path: Path) -> list[tuple[str, str]]:
    return [(item.id, item.prompt) for item in read_run(path).task_sets[0].items]


@pytest.mark.usefixtures("own_families")
def test_fresh_tasks_are_those_of_their_seed_and_not_of_the_set(
    tmp_path: Path, bakeoff: Bakeoff, own_home: Path
) -> None:
    asked = (answering_all(tmp_path), "--items", "20")
    for seed in ("7", "7", "8"):
        assert bakeoff("quality", *asked, "--fresh", seed).code == 0
    first, again, other = (ids(path) for path in sorted(run_files(own_home), key=sets))
    assert len(first) == 20
    assert first == again
    assert {prompt for _, prompt in first}.isdisjoint(prompt for _, prompt in other)
    assert {prompt for _, prompt in first}.isdisjoint(task.prompt for task in standard())
    shown = bakeoff("runs", "show")
    assert "20 tasks of standard (fresh, seed " in " ".join(shown.out.split())


@pytest.mark.usefixtures("own_families")
def test_a_run_of_fresh_tasks_is_gone_on_with_by_its_own_seed_though_it_had_asked_nothing_yet(
    tmp_path: Path, bakeoff: Bakeoff, own_home: Path
) -> None:
    script = answering_all(tmp_path)
    for _ in range(2):
        bakeoff("quality", script, "--items", "6", "--fresh", "3", "--seed", "5")
    whole, path = run_files(own_home)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert bakeoff("quality", f"--resume={path.stem}").code == 0
    assert ids(path) == ids(whole)
    assert read_run(path).task_sets[0].digest == read_run(whole).task_sets[0].digest
    assert [a.seed for a in read_run(path).answers] == [a.seed for a in read_run(whole).answers]


def test_fresh_tasks_without_reasoning_gym_say_how_to_get_it(
    bakeoff: Bakeoff, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    said = bakeoff("quality", "scripted:steady", "--fresh", "7")
    assert (said.code, said.out) == (2, "")
    assert "need reasoning-gym" in said.err
    assert "pip install 'bakeoff[fresh]'" in said.err
    assert run_files(own_home) == []


@pytest.mark.usefixtures("own_families")
def test_a_run_with_quality_takes_fresh_tasks_too(tmp_path: Path, bakeoff: Bakeoff, own_home: Path) -> None:
    asked = ("--runs", "1", "--prompt", "Count.", "--with-quality", "--items", "2", "--fresh", "4")
    said = bakeoff("run", answering_all(tmp_path), *asked, "--json")
    assert said.document["quality"]["tasks"]["sets"] == ["standard (fresh, seed 4)"]
    refused = bakeoff("run", "scripted:steady", "--fresh", "4")
    assert (refused.code, "--with-quality" in refused.err) == (2, True)
    assert len(run_files(own_home)) == 1


# Runs against each other


def run_of(bakeoff: Bakeoff, *arguments: str) -> str:
    """The ID of a run that is made now."""
    return str(bakeoff(*arguments, "--json").document["run"])


def test_runs_of_answers_are_compared_task_by_task(tmp_path: Path, bakeoff: Bakeoff) -> None:
    tasks = ("--tasks", mine(tmp_path), "--max-tokens", "64")
    first = run_of(bakeoff, "quality", answering(tmp_path, "a", RIGHT), *tasks)
    second = run_of(bakeoff, "quality", answering(tmp_path, "b", WRONG), *tasks, "--seed", "5")
    said = bakeoff("compare", first, second, "--json")
    (pair,) = said.document["pairs"]
    assert (pair["verdict"], pair["flips"]) == ("worse", {"a_only": 8, "b_only": 0})
    assert [each["accuracy"]["point"] for each in said.document["subjects"]] == [1.0, 0.0]
    assert [each["run"] for each in said.document["subjects"]] == [first, second]
    words = " ".join(bakeoff("compare", second, first).out.split())
    assert "is right more often than" in words
    assert "exact McNemar, p = 0.0078" in words
    assert "machines differ" not in words


def test_one_subject_in_two_runs_is_told_apart_by_them(tmp_path: Path, bakeoff: Bakeoff) -> None:
    same = (answering(tmp_path, "a", RIGHT), "--tasks", mine(tmp_path), "--max-tokens", "64")
    first, second = (run_of(bakeoff, "quality", *same) for _ in range(2))
    said = bakeoff("compare", first, second, "--margin", "50%", "--json")
    (pair,) = said.document["pairs"]
    assert (pair["a"], pair["b"]) == (f"{same[0]} of {first}", f"{same[0]} of {second}")
    assert (pair["verdict"], pair["margin"]) == ("equivalent", 0.5)
    assert bakeoff("compare", first, second, "--json").document["pairs"][0]["verdict"] == "no_difference_seen"


def test_answers_that_cannot_be_compared_are_told_why(tmp_path: Path, bakeoff: Bakeoff) -> None:
    script = answering(tmp_path, "a", RIGHT)
    eight = run_of(bakeoff, "quality", script, "--tasks", mine(tmp_path), "--max-tokens", "64")
    nine = run_of(bakeoff, "quality", script, "--tasks", mine(tmp_path, 9), "--max-tokens", "128")
    speeds = run_of(bakeoff, "run", "scripted:steady", "--runs", "1", "--prompt", "Count.")

    def told(*arguments: str) -> str:
        said = bakeoff("compare", *arguments)
        assert (said.code, said.out) == (2, "")
        return said.err

    assert f"{nine} and {eight} differ in tasks, token limit" in told(eight, nine)
    assert "one subject only" in told(eight)
    assert "named twice" in told(eight, eight)
    assert f"{eight} holds answers and no speeds" in told(speeds, eight)
    assert "--metric and --fail-if-slower are for speeds" in told(eight, nine, "--metric", "decode_tps")
