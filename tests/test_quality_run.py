"""Tasks put to engines: what is sent, what is kept and when, what is gone on with, and what odd answers come to."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from bakeoff.engines.base import Request, StreamEvent
from bakeoff.errors import BrokenReply, EngineCrashed, FileError, Interrupted
from bakeoff.quality.grading.grade import graders
from bakeoff.quality.sampling import ADVISED_TOKENS, USUAL_TOKENS, answer_seed, budget, order, prompt_room
from bakeoff.quality.sandbox.base import NoSandbox
from bakeoff.quality.tasks import Score, Task
from bakeoff.report.quality import print_quality
from bakeoff.results.answers import Answer
from bakeoff.results.records import Model, Trial, Usage
from bakeoff.results.runfile import read_run
from bakeoff.run.quality_record import token_split
from tests.answering import Oracle, Said, begin, go_on, number_in, plan_of, right, right_of, summary_of, sums, wrong
from tests.hand_made import a_trial


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in a file is all that counts here, not whether it is on the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def screen(path: Path) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_quality(summary_of(path), path.name, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def answers_of(path: Path) -> tuple[Answer, ...]:
    return read_run(path).answers


def one_answer(folder: Path, said: Said, max_tokens: int = 64) -> tuple[Answer, Path]:
    path, errors = begin(folder, plan_of("a", max_tokens=max_tokens), {"a": Oracle(lambda _: said)}, sums(1))
    assert errors == []
    (answer,) = answers_of(path)
    return answer, path


# What is sent


def test_a_prompt_goes_bare_with_the_sampling_asked_for_and_room_for_both(tmp_path: Path) -> None:
    engine = Oracle(right)
    begin(tmp_path, plan_of("a", samples=2, max_tokens=500), {"a": engine}, sums(2))
    warm_up, *asked = engine.asked
    assert warm_up.max_tokens == 8
    assert len(asked) == 4
    for request in asked:
        assert (request.prompt.system, request.temperature, request.top_p) == (None, 0.6, 0.95)
        assert (request.max_tokens, request.to_the_limit, request.cache) == (500, False, False)
        assert request.context is not None
        assert request.context >= 500 + 256


def test_greedy_is_temperature_0_without_a_top_p(tmp_path: Path) -> None:
    engine = Oracle(right)
    begin(tmp_path, plan_of("a", temperature=0.0), {"a": engine}, sums(1))
    assert {(request.temperature, request.top_p) for request in engine.asked} == {(0.0, None)}


def test_every_subject_gets_the_same_items_and_seeds_in_the_same_order(tmp_path: Path) -> None:
    engines = {"a": Oracle(right), "b": Oracle(wrong)}
    path, _ = begin(tmp_path, plan_of("a", "b", samples=3), engines, sums(5))
    sent = [[(request.prompt.text, request.seed) for request in engine.asked] for engine in engines.values()]
    assert sent[0] == sent[1]
    assert len(set(sent[0][1:])) == 15
    kept = [[(x.item, x.sample, x.seed) for x in answers_of(path) if x.entrant == number] for number in (0, 1)]
    assert kept[0] == kept[1]


def test_all_tasks_are_asked_once_before_any_is_asked_again() -> None:
    places = list(order(["x", "y", "z"], 2, 7))
    assert sorted(places[:3]) == [("x", 0), ("y", 0), ("z", 0)]
    assert sorted(places[3:]) == [("x", 1), ("y", 1), ("z", 1)]
    assert places == list(order(["x", "y", "z"], 2, 7))
    assert len({tuple(order(list("abcdefgh"), 1, seed)) for seed in range(5)}) == 5


def test_an_answers_seed_depends_on_its_place_alone() -> None:
    assert answer_seed(1, "x", 0) == answer_seed(1, "x", 0)
    assert len({answer_seed(s, i, n) for s in (1, 2) for i in "xy" for n in (0, 1)}) == 8


def test_a_budget_is_what_the_slowest_makes_in_ten_minutes_or_its_context_holds() -> None:
    assert budget(100, None, 512) == ADVISED_TOKENS
    assert budget(7, None, 512) == 4096
    assert budget(0.1, None, 512) == 1024
    assert budget(None, None, 512) == USUAL_TOKENS
    assert budget(100, 8192, 512) == 7680
    assert prompt_room(["word " * 1000]) >= 1000


# What is kept


def test_each_answer_is_in_the_file_before_the_next_is_asked_for(tmp_path: Path) -> None:
    seen: list[int] = []

    def looking(request: Request) -> Said:
        files = list(tmp_path.glob("*.jsonl"))
        seen.append(files[0].read_text().count('"type":"answer"') if files else -1)
        return right(request)

    begin(tmp_path, plan_of("a"), {"a": Oracle(looking)}, sums(4))
    assert seen == [-1, 0, 1, 2, 3]


def test_an_answer_keeps_its_text_score_tokens_and_times(tmp_path: Path) -> None:
    answer, _ = one_answer(tmp_path, Said(reasoning="Let me add. It is two.", text="Answer: 2"))
    assert (answer.verdict, answer.basis) == ("right", "2")
    assert (answer.reasoning, answer.text) == ("Let me add. It is two.", "Answer: 2")
    assert (answer.reasoning_tokens, answer.answer_tokens, answer.tokens_from) == (6, 2, "chunks")
    assert (answer.first_ns, answer.answer_ns) == (60_000_000, 120_000_000)
    assert (answer.last_ns, answer.end_ns) == (130_000_000, 131_000_000)


THOUGHT: dict[str, Any] = {"at_ms": (100, 110, 120, 130), "kinds": "rr-a"}


@pytest.mark.parametrize(
    ("trial", "split"),
    [
        (a_trial(**THOUGHT, usage=Usage(output_tokens=20, reasoning_tokens=15)), (15, 5, "usage")),
        (a_trial(**THOUGHT, usage=Usage(output_tokens=20), counts=(6, 12, 13, 20)), (13, 7, "stream")),
        (a_trial(**THOUGHT, usage=Usage(output_tokens=20)), (15, 5, "chunks")),
        (a_trial(**THOUGHT, usage=Usage()), (3, 1, "chunks")),
        (a_trial((100, 110), usage=Usage(output_tokens=20)), (0, 20, "usage")),
        (a_trial((100, 110), "rr", usage=Usage(output_tokens=20)), (20, 0, "usage")),
        (a_trial((), usage=Usage()), (None, None, "chunks")),
        (a_trial(**THOUGHT, usage=Usage(output_tokens=5, reasoning_tokens=9)), (5, 0, "usage")),
    ],
)
def test_tokens_are_parted_by_the_engine_else_by_its_count_else_by_chunks(
    trial: Trial, split: tuple[int | None, int | None, str]
) -> None:
    assert token_split(trial) == split


def test_the_tasks_are_kept_whole_so_that_the_file_is_complete(tmp_path: Path) -> None:
    path, _ = begin(tmp_path, plan_of("a", samples=2), {"a": Oracle(right)}, sums(3))
    (tasks,) = read_run(path).task_sets
    assert [(item.id, item.prompt, item.target) for item in tasks.items] == [
        (task.id, task.prompt, task.target) for task in sums(3)
    ]
    assert len(tasks.digest) == 64
    other, _ = begin(tmp_path, plan_of("a", samples=2), {"a": Oracle(right)}, sums(4))
    assert read_run(other).task_sets[0].digest != tasks.digest


def test_a_subject_that_is_not_there_leaves_no_file_and_does_not_keep_others_from_being_asked(tmp_path: Path) -> None:
    path, errors = begin(tmp_path, plan_of("nobody"), {}, sums(1))
    assert [str(error) for error in errors] == ["There is no nobody."]
    assert not path.exists()
    path, errors = begin(tmp_path, plan_of("nobody", "a"), {"a": Oracle(right)}, sums(2))
    run = read_run(path)
    assert len(errors) == len(run.failures) == 1
    assert len(run.answers) == 2
    assert run.ended is not None
    assert run.ended.status == "done"


# What is gone on with


def test_a_run_cut_behind_any_record_comes_to_the_same_answers_and_asks_for_none_again(tmp_path: Path) -> None:
    engines = {name: Oracle(right_of({1, 3})) for name in ("a", "b")}
    path, _ = begin(tmp_path, plan_of("a", "b", samples=2), engines, sums(3))
    whole = answers_of(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        cut = tmp_path / "cut.jsonl"
        cut.write_bytes(b"".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2])
        there = len(answers_of(cut))
        again = {name: Oracle(right_of({1, 3})) for name in ("a", "b")}
        assert go_on(cut, again, ()) == [] if b'"tasks"' in b"".join(lines[:kept]) else go_on(cut, again, sums(3)) == []
        timeless = [msgspec.structs.replace(answer, started="") for answer in answers_of(cut)]
        assert timeless == [msgspec.structs.replace(answer, started="") for answer in whole]
        asked = sum(len([r for r in engine.asked if r.max_tokens == 64]) for engine in again.values())
        assert asked == len(whole) - there
        assert read_run(cut).ended is not None


def test_a_run_that_is_interrupted_loses_the_answer_in_flight_alone(tmp_path: Path) -> None:
    class Interrupting(Oracle):
        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            async for event in super().stream(request):
                yield event

    with pytest.raises(Interrupted, match="bakeoff runs resume"):
        begin(tmp_path, plan_of("a"), {"a": Interrupting(right)}, sums(4))
    (path,) = tmp_path.glob("*.jsonl")
    assert len(answers_of(path)) == 2
    assert go_on(path, {"a": Oracle(right)}, ()) == []
    assert {answer.item for answer in answers_of(path)} == {task.id for task in sums(4)}


def test_an_answer_that_failed_is_asked_for_again_and_others_are_not(tmp_path: Path) -> None:
    def failing(request: Request) -> Said:
        return (
            Said(error=BrokenReply("Cut.")) if number_in(request) == 2 and request.max_tokens == 64 else right(request)
        )

    path, errors = begin(tmp_path, plan_of("a"), {"a": Oracle(failing)}, sums(4))
    assert errors == []
    failed = [answer for answer in answers_of(path) if answer.verdict == "failed"]
    assert [(answer.item, answer.error) for answer in failed] == [("sum-2", "Cut.")]
    summary = summary_of(path)
    assert summary.subjects[0].counts.failed == 1
    assert summary.subjects[0].accuracy is not None
    assert (summary.subjects[0].accuracy.point, summary.subjects[0].accuracy.n) == (1.0, 3)
    again = Oracle(right)
    assert go_on(path, {"a": again}, ()) == []
    assert [number_in(request) for request in again.asked if request.max_tokens == 64] == [2]
    assert summary_of(path).subjects[0].counts.failed == 0


def test_an_engine_that_crashes_ends_its_subject_and_leaves_the_run_to_be_resumed(tmp_path: Path) -> None:
    def crashing(request: Request) -> Said:
        return Said(error=EngineCrashed("It ended.")) if request.max_tokens == 64 else right(request)

    path, errors = begin(tmp_path, plan_of("a", "b"), {"a": Oracle(crashing), "b": Oracle(right)}, sums(3))
    run = read_run(path)
    assert [type(error) for error in errors] == [EngineCrashed]
    assert [answer.verdict for answer in run.answers if answer.entrant == 1] == ["right"] * 3
    assert run.ended is not None
    assert run.ended.status == "failed"
    assert go_on(path, {"a": Oracle(right), "b": Oracle(right)}, ()) == []
    assert summary_of(path).subjects[0].counts.right == 3


def test_an_engine_that_fails_three_times_in_a_row_is_asked_no_more(tmp_path: Path) -> None:
    engine = Oracle(lambda r: Said(error=BrokenReply("Cut.")) if r.max_tokens == 64 else right(r))
    _, errors = begin(tmp_path, plan_of("a"), {"a": engine}, sums(9))
    assert [str(error) for error in errors] == ["Cut."]
    assert len(engine.asked) == 1 + 3


def test_other_weights_cannot_go_on_with_a_run(tmp_path: Path) -> None:
    path, _ = begin(tmp_path, plan_of("a"), {"a": Oracle(right, {"model": Model(name="m", digest="one")})}, sums(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    with pytest.raises(FileError, match="no longer those"):
        go_on(path, {"a": Oracle(right, {"model": Model(name="m", digest="other")})}, ())


@pytest.mark.parametrize("change", [b'"item":"sum-9"', b'"item":"sum-1"'])
def test_answers_to_no_task_or_twice_to_the_same_are_a_damaged_file(tmp_path: Path, change: bytes) -> None:
    path, _ = begin(tmp_path, plan_of("a"), {"a": Oracle(right)}, sums(2))
    path.write_bytes(path.read_bytes().replace(b'"item":"sum-2"', change))
    with pytest.raises(FileError, match="do not belong together"):
        read_run(path)


# What answers come to


def test_an_answer_that_the_limit_cut_is_truncated_and_wrong_whatever_it_holds(tmp_path: Path) -> None:
    answer, path = one_answer(tmp_path, Said(text="Answer: 2", finish="length"))
    assert answer.verdict == "truncated"
    subject = summary_of(path).subjects[0]
    assert (subject.counts.truncated, subject.counts.wrong) == (1, 0)
    assert subject.accuracy is not None
    assert subject.accuracy.point == 0.0


ODD = {
    "nothing": Said(),
    "white space": Said(text=" \n\t "),
    "a refusal": Said(text="I'm sorry, but I can't help with that."),
    "another language, its figure clear": Said(text="Die Summe ist 2. Antwort: 2"),
    "100 kB of repetition": Said(text="and so on " * 10_000),
    "HTML": Said(text="<script>alert(1)</script><b>Answer: 2</b>"),
    "terminal codes": Said(text="\x1b[2J\x1b]0;owned\x07Answer: \x1b[31m3\x1b[0m \u202e"),
    "only reasoning": Said(reasoning="Hmm, wait."),
    "an unended tag": Said(text="<think>Hmm, wait."),
    "null bytes": Said(text="Answer: \x00\x00"),
}


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_an_odd_answer_is_kept_and_shown_escaped_and_breaks_nothing(said: Said, tmp_path: Path) -> None:
    answer, path = one_answer(tmp_path, said, max_tokens=100_000)
    assert answer.verdict in ("right", "wrong", "ungraded")
    shown = screen(path)
    assert not [letter for letter in shown if not (letter.isprintable() or letter == "\n")]
    assert len(shown) < 6000


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("nothing", "ungraded"), ("only reasoning", "ungraded"), ("an unended tag", "ungraded"), ("a refusal", "wrong"),
     ("another language, its figure clear", "right"), ("HTML", "right")],
)  # fmt: skip
def test_what_odd_answers_are_worth(name: str, verdict: str, tmp_path: Path) -> None:
    answer, _ = one_answer(tmp_path, ODD[name])
    assert answer.verdict == verdict


def test_a_checker_that_raises_leaves_the_answer_ungraded_with_its_reason(tmp_path: Path) -> None:
    def broken(_: str, __: Task) -> Score:
        raise RecursionError("too deep")

    known = {**graders(NoSandbox()), "number": broken}
    path, errors = begin(tmp_path, plan_of("a"), {"a": Oracle(right)}, sums(2), known)
    assert errors == []
    assert {(answer.verdict, answer.note) for answer in answers_of(path)} == {
        ("ungraded", "The checker 'number' failed: RecursionError: too deep")
    }
    assert "too deep" in screen(path)
