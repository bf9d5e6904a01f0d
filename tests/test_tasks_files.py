"""Files of tasks: the user's own, published sets as they are, and everything that can be wrong with them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError, FileError, UsageError
from bakeoff.quality.grading.grade import grade, graders
from bakeoff.quality.sandbox.base import NoSandbox
from bakeoff.quality.sets import about, load
from bakeoff.quality.sets.humaneval import NotGradable
from bakeoff.quality.sets.lines import tasks_of
from bakeoff.quality.sets.published import math_target
from bakeoff.quality.sets.targets import TARGETS
from bakeoff.quality.tasks import Task
from bakeoff.run.quality_plan import Quality, lines_left_out, task_set

KNOWN = graders(NoSandbox())
ROOT = Path(__file__).parent.parent


def written(folder: Path, *rows: Any, name: str = "mine.jsonl") -> str:
    """A file with these objects, or texts as they are, one a line."""
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return str(path)


GOOD = {"prompt": "What is 3 + 4?", "checker": "number", "target": {"value": "7"}}


def test_every_checker_has_its_target_described() -> None:
    assert set(TARGETS) == set(KNOWN)


def test_a_line_needs_a_prompt_a_checker_and_a_target_and_may_have_more(tmp_path: Path) -> None:
    more = {
        "id": "b",
        "kind": "geography",
        "level": 3,
        "prompt": "Capital of Peru?",
        "checker": "word",
        "target": "Lima",
    }
    first, second = load(written(tmp_path, GOOD, "", more))
    assert (first.id, first.set, first.level, first.kind, first.target) == ("mine-1", "mine", 1, "", {"value": "7"})
    assert (second.id, second.level, second.kind, second.target) == ("b", 3, "geography", {"word": "Lima"})
    assert grade("It is Lima.\n\nAnswer: Lima", second, KNOWN).verdict == "right"


def test_a_checker_can_be_named_for_the_whole_file(tmp_path: Path) -> None:
    file = written(tmp_path, {"prompt": "3 + 4?", "target": 7}, {"prompt": "Half of one?", "target": "1/2"})
    assert [task.target for task in load(file, checker="number")] == [{"value": "7"}, {"value": "1/2"}]
    with pytest.raises(UsageError, match=r"mine\.jsonl, line 1: it names no checker\. Checkers: number, "):
        load(file)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "this is not JSON"),
        ("[1, 2]", "this is not a JSON object"),
        ("[" * 100_000, "this is not JSON"),
        ({"prompt": "x"}, "it names no checker"),
        ({"checker": "number", "target": 1}, "Object missing required field `prompt`"),
        ({**GOOD, "prompt": "y", "answer": 1}, "Object contains unknown field `answer`. Keys: prompt, checker"),
        ({**GOOD, "prompt": "  "}, "the prompt is empty"),
        ({**GOOD, "prompt": "y" * 100_001}, "the prompt is longer than 100000 characters"),
        ({**GOOD, "prompt": "y", "level": 4}, "the level is 4. It has to be 1, 2 or 3"),
        ({**GOOD, "prompt": "y", "checker": "nmber"}, "there is no checker 'nmber'. Did you mean number?"),
        ({**GOOD, "prompt": "y", "checker": "\x1b[31mzzz"}, "there is no checker 'zzz'. Checkers: number"),
        ({**GOOD, "prompt": "y", "target": {"value": "many"}}, "no target for the checker number: 'many'"),
        ({**GOOD, "prompt": "y", "target": {"value": "1e999999999"}}, "no target for the checker number"),
        ({**GOOD, "prompt": "y", "target": {"value": "1/0"}}, "no target for the checker number"),
        ({**GOOD, "prompt": "y", "target": {"value": "1", "unit": "parsnip"}}, ".*unknown unit 'parsnip'"),
        ('{"prompt": "y", "checker": "number", "target": 1e999}', ""),
        ({"prompt": "y", "checker": "word", "target": {"word": "a", "among": ["b"]}}, ".*'a' is none of 'among'"),
        ({"prompt": "y", "checker": "word", "target": ""}, ".*it has no word"),
        ({"prompt": "y", "checker": "word", "target": "the"}, ".*it has no word"),
        ({"prompt": "y", "checker": "word", "target": {"word": "!"}}, ".*it has no word"),
        ({"prompt": "y", "checker": "choice", "target": {"letter": "b"}}, ".*'b' is no letter from A to J"),
        ({"prompt": "y", "checker": "choice", "target": {"letter": "BB"}}, ".*'BB' is no letter from A to J"),
        ({"prompt": "y", "checker": "choice", "target": {"letter": "A", "options": {"A": "", "b": ""}}}, ".*'b' is no"),
        ({"prompt": "y", "checker": "choice", "target": "B"}, r'.*got `str`\. Write \{"letter": "B"\}'),
        ({"prompt": "y", "checker": "date", "target": "2024-12-31"}, r'.*Write \{"date": "2024-12-31"\}'),
        ({"prompt": "y", "checker": "python", "target": {"function": "1f", "cases": [{"arguments": [], "returns": 1}]}},
         ".*'1f' is no name of a function"),
        ({"prompt": "y", "checker": "python", "target": {"tolerance": -1, "cases": [{"arguments": [], "returns": 1}]}},
         ".*its tolerance is below 0"),
        ({"prompt": "y", "checker": "date", "target": {"date": "2024-02-30"}}, "no target for the checker date"),
        ({"prompt": "y", "checker": "choice", "target": {"letter": "E", "options": {"A": "x"}}}, "none of its options"),
        ({"prompt": "y", "checker": "series", "target": {"items": []}}, ".*it has no items"),
        ({"prompt": "y", "checker": "series", "target": {"items": ["1e9999"]}}, ".*too large a number"),
        ({"prompt": "y", "checker": "python", "target": {"cases": []}}, ".*it has no cases"),
        ({"prompt": "y", "checker": "python", "target": {"cases": [{"arguments": [], "returns": {"!set": 3}}]}}, "no"),
        (GOOD, "it has the same prompt as line 1"),
        ({**GOOD, "prompt": " WHAT is 3  + 4?"}, "it has the same prompt as line 1"),
        ({**GOOD, "prompt": "y", "id": "mine-1"}, "it has the same id as line 1. Remove one of them"),
    ],
)  # fmt: skip
def test_a_bad_line_is_told_by_its_number_in_one_sentence(tmp_path: Path, row: Any, told: str) -> None:
    with pytest.raises(UsageError, match=rf"^mine\.jsonl, line 2: .*{told}") as caught:
        load(written(tmp_path, GOOD, row))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.jsonl has no task"):
        load(written(tmp_path, ""))
    with pytest.raises(FileError, match=r"Cannot read the tasks .*: Is a directory"):
        load(str(tmp_path))
    (tmp_path / "bad").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="it is not UTF-8 text"):
        load(str(tmp_path / "bad"))
    with pytest.raises(FileError, match="Cannot read the tasks"):
        load("a\0b")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(FileError, match="is larger than 67108864 bytes"):
        load(str(tmp_path / "large"))
    with pytest.raises(FileError, match="/dev/zero is larger than 67108864 bytes: not a file of tasks"):
        load("/dev/zero")


def test_too_many_tasks_are_refused() -> None:
    text = "".join(json.dumps({**GOOD, "prompt": str(number)}) + "\n" for number in range(20_001))
    with pytest.raises(UsageError, match="has more than 20000 tasks"):
        tasks_of(text, "many.jsonl", "many")


def test_odd_line_breaks_within_a_text_part_no_line_and_ids_are_shown_plain(tmp_path: Path) -> None:
    row = json.dumps({**GOOD, "prompt": "a\u2028b\x85c", "id": "\x1b[2Jid\nx"}, ensure_ascii=False)
    (task,) = load(written(tmp_path, row))
    assert (task.prompt, task.id) == ("a\u2028b\x85c", "id x")


def test_windows_line_ends_and_a_byte_order_mark_are_no_matter(tmp_path: Path) -> None:
    (tmp_path / "w.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert len(load(str(tmp_path / "w.jsonl"))) == 1


def test_gsm8k_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [
        {"question": "A pen costs $3. How much are 5?", "answer": "5 pens cost 5*3=<<5*3=15>>15 dollars.\n#### 15"},
        {"question": "How many grams are 1,2 tonnes?", "answer": "It is so.\n#### 1,200,000"},
        {"question": "What is left?", "answer": "None.\n#### -2.5"},
    ]
    file = written(tmp_path, *rows, name="gsm8k.jsonl")
    tasks = load(file)
    assert [task.target for task in tasks] == [{"value": "15"}, {"value": "1200000"}, {"value": "-5/2"}]
    assert (tasks[0].id, tasks[0].kind, tasks[0].checker) == ("gsm8k-1", "GSM8K", "number")
    assert tasks[0].prompt.startswith(
        "A pen costs $3. How much are 5?\n\nEnd your reply with a line that says 'Answer:'"
    )
    assert about(file).source == "a file in the format of GSM8K"
    assert grade("Answer: $15", tasks[0], KNOWN).verdict == "right"
    with pytest.raises(UsageError, match="line 2: the answer does not end with '#### ' and a number"):
        load(written(tmp_path, rows[0], {"question": "y", "answer": "#### many"}))


@pytest.mark.parametrize("keys", [("problem", "answer"), ("question", "answer"), ("Problem", "Answer")])
def test_aime_is_read_as_it_is(tmp_path: Path, keys: tuple[str, str]) -> None:
    ask, key = keys
    rows = [{ask: "Find $N$.", key: "033", "id": "I-1"}, {ask: "Find $M$.", key: 204, "id": "I-1"}]
    first, second = load(written(tmp_path, *rows, name="aime.jsonl"))
    assert (first.target, second.target, first.level, first.kind) == ({"value": "33"}, {"value": "204"}, 3, "AIME")
    assert first.prompt.endswith("put your final answer within \\boxed{}.")
    assert first.id != second.id
    assert grade(r"So \boxed{033}.", first, KNOWN).verdict == "right"
    with pytest.raises(UsageError, match="line 2: the answer is not an integer from 0 to 999"):
        load(written(tmp_path, rows[0], {ask: "y", key: 1000}))


def math_row(number: int, answer: str, level: int = 3) -> dict[str, Any]:
    return {
        "problem": f"Problem {number}.",
        "solution": "…",
        "answer": answer,
        "subject": "Algebra",
        "level": level,
        "unique_id": f"test/algebra/{number}.json",
    }


def test_math_500_is_read_as_it_is_and_what_cannot_be_graded_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [math_row(1, r"\frac{14}{3}"), math_row(2, "p - q"), math_row(3, r"\text{Evelyn}", 5), math_row(1, "9", 1)]
    file = written(tmp_path, *rows, name="math500.jsonl")
    tasks = load(file)
    assert [task.checker for task in tasks] == ["number", "word"]
    assert [task.level for task in tasks] == [2, 3]
    assert (tasks[0].id, tasks[0].kind) == ("test/algebra/1.json", "Algebra")
    note = "2 lines were left out: 1 have a formula for an answer; 1 repeat another line."
    assert about(file).note == note
    quality = Quality(sets=(file,))
    told = task_set(quality, tasks, "none", lines_left_out(quality)).sets
    assert told == (f"{file} ({note.removesuffix('.')})",)
    with pytest.raises(UsageError, match="line 1: the level is not from 1 to 5"):
        load(written(tmp_path, math_row(1, "9", 6)))
    with pytest.raises(UsageError, match="line 1: the key 'level' is missing"):
        load(written(tmp_path, {"problem": "x", "answer": "1", "unique_id": "u"}))


@pytest.mark.parametrize(
    ("answer", "checker", "target"),
    [
        ("9", "number", {"value": "9"}),
        ("-\\frac{1}{2}", "number", {"value": "-1/2"}),
        (r"\dfrac{9}{7}", "number", {"value": "9/7"}),
        (r"\frac43", "number", {"value": "4/3"}),
        ("0.35", "number", {"value": "7/20"}),
        (".0000672", "number", {"value": "21/312500"}),
        ("11,\\! 111,\\! 111,\\! 100", "number", {"value": "11111111100"}),
        (r"58,500", "number", {"value": "58500"}),
        (r"90^\circ", "number", {"value": "90", "unit": "°"}),
        (r"12\%", "number", {"value": "12", "unit": "%"}),
        (r"\$32,\!348", "number", {"value": "32348", "unit": "$"}),
        (r"5.4 \text{ cents}", "number", {"value": "27/5", "unit": "cents"}),
        (r"\text{(C)}", "choice", {"letter": "C"}),
        (r"\text{even}", "word", {"word": "even"}),
        ("3, 5, 7", "series", {"items": ["3", "5", "7"], "ordered": False}),
        ("1,-2", "series", {"items": ["1", "-2"], "ordered": False}),
        (r"(6,31,-1)", "series", {"items": ["6", "31", "-1"], "ordered": True}),
        (r"\left( -2, \frac{1}{3} \right)", "series", {"items": ["-2", "1/3"], "ordered": True}),
    ],
)
def test_the_answers_of_math_500_that_are_numbers_letters_words_and_lists_are_understood(
    answer: str, checker: str, target: dict[str, Any]
) -> None:
    assert math_target(answer) == (checker, target)
    task = load("article-setup")[0]
    asked = msgspec.structs.replace(task, checker=checker, target=target)
    said = answer.replace("\\! ", "\\!")  # the file has a space there that no model writes
    assert grade(f"Therefore the answer is $\\boxed{{{said}}}$.", asked, KNOWN).verdict == "right"


@pytest.mark.parametrize(
    "answer",
    ["p - q", r"11\sqrt{2}", r"\left( 3, \frac{\pi}{2} \right)", "2516_8", "x=5", r"(-\infty, 3]", "[2,5)", r"3 \pm 2",
     r"6 - 5i", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "x^3+3x-6", "y = 2x + 3", r"\frac{3}{56} + x", "2k", "1/0"],
)  # fmt: skip
def test_other_answers_of_math_500_are_left_out_and_not_misread(answer: str) -> None:
    with pytest.raises(NotGradable):
        math_target(answer)


def test_humaneval_lines_of_a_file_are_read_as_they_are(tmp_path: Path) -> None:
    row = {
        "task_id": "Mine/1",
        "prompt": "def twice(x):\n",
        "entry_point": "twice",
        "canonical_solution": "    return 2 * x\n",
        "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(5 * 2) == 20\n",
    }
    (task,) = load(written(tmp_path, row))
    cases = [{"arguments": [2], "returns": 4}, {"arguments": [10], "returns": 20}]
    assert task.target == {"function": "twice", "cases": cases, "tolerance": 0.0}
    for test in ("def check(candidate):\n    assert candidate() > 9 ** 9 ** 9\n", "import os\nos.abort()\n"):
        with pytest.raises(UsageError, match="has no task"):
            load(written(tmp_path, {**row, "test": test}))
    with pytest.raises(UsageError, match="line 1: the test is not valid Python"):
        load(written(tmp_path, {**row, "test": "("}))


def test_the_examples_of_the_page_are_good_lines(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.+?)```", page, re.DOTALL)
    tasks = load(written(tmp_path, block.strip()))
    assert [task.checker for task in tasks] == ["number", "word", "date"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    "prompt",
    "checker",
    "target",
    "id",
    "level",
    "question",
    "problem",
    "answer",
    "unique_id",
    "task_id",
    "test",
    "entry_point",
]
ROW = st.dictionaries(
    st.sampled_from(KEYS), JSON | st.sampled_from([*TARGETS, "#### 3", "def f(): 1", "7"]), max_size=6
)


@given(st.lists(ROW, min_size=1, max_size=3))
def test_whatever_a_file_holds_comes_to_tasks_or_to_one_sentence(rows: list[dict[str, Any]]) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    tasks: tuple[Task, ...] = ()
    told = ""
    try:
        tasks = tasks_of(text, "any.jsonl", "any").tasks
    except BakeoffError as error:
        told = str(error)
    assert bool(tasks) != bool(told)
    assert "\n" not in told
    assert len(told) < 500
    assert all(task.checker in TARGETS and task.prompt.strip() for task in tasks)
