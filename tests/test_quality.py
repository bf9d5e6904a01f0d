"""What answers say: accuracy, pairs and what they could show, thinking, costs, the front, and the words for it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from rich.console import Console

from bakeoff.analysis.quality import QualitySummary, summarize_quality
from bakeoff.analysis.quality_findings import CHECKS
from bakeoff.engines.base import Request
from bakeoff.quality.sampling import ADVISED_TOKENS, Sampling
from bakeoff.report.quality import answer_line, print_quality, quality_document
from bakeoff.results.answers import Answer, Answering, TaskSet, Verdict
from bakeoff.results.records import Metered, Model, Reading, Run
from bakeoff.run.quality_plan import Quality, task_set
from tests.answering import Oracle, Said, begin, compared, number_in, plan_of, right, right_of, summary_of, sums, wrong
from tests.hand_made import a_run, a_subject

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def lines(summary: QualitySummary, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_quality(summary, "run.jsonl", console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def screen(summary: QualitySummary) -> str:
    return " ".join(" ".join(lines(summary, 200)).split())


def asked(count: int, samples: int = 1, **changes: Any) -> TaskSet:
    quality = Quality(sets=("sums",), sampling=Sampling(max_tokens=4096))
    return structs.replace(task_set(quality, sums(count), "none"), samples=samples, **changes)


def an_answer(verdict: Verdict = "right", item: str = "sum-1", sample: int = 0, **facts: Any) -> Answer:
    usual: dict[str, Any] = {"entrant": 0, "seed": 1, "started": "", "reasoning_tokens": 0, "answer_tokens": 10,
                             "first_ns": 10**8, "answer_ns": 10**8, "end_ns": 2 * 10**9}  # fmt: skip
    return Answer(item=item, sample=sample, verdict=verdict, **usual | facts)


def hand_made(*subjects: Sequence[Answer], tasks: TaskSet, metered: Sequence[Metered] = (), **quality: Any) -> Run:
    """A run of these answers; subjects are called 0, 1, …"""
    run = a_run(
        task_sets=(tasks,),
        answering=tuple(Answering(entrant=n, subject=a_subject(text=str(n))) for n in range(len(subjects))),
        answers=tuple(structs.replace(answer, entrant=n) for n, found in enumerate(subjects) for answer in found),
        metered=tuple(metered),
    )
    return structs.replace(run, started=structs.replace(run.started, plan={"quality": quality}))


def summed(run: Run) -> QualitySummary:
    found = summarize_quality(run)
    assert found is not None
    return found


# One subject


def test_a_run_without_tasks_has_no_answers() -> None:
    assert summarize_quality(a_run()) is None


def test_accuracy_is_the_mean_over_tasks_of_the_mean_over_samples() -> None:
    answers = [an_answer("right", "sum-1", n) for n in range(4)]
    answers += [an_answer("right" if n < 1 else "wrong", "sum-2", n) for n in range(4)]
    answers += [an_answer("wrong", "sum-3", n) for n in range(2)]  # interrupted: two samples are missing
    (subject,) = summed(hand_made(answers, tasks=asked(3, 4))).subjects
    assert subject.accuracy is not None
    assert subject.accuracy.point == pytest.approx((1 + 0.25 + 0) / 3)
    assert subject.interval == "clustered by task"
    assert [finding.code for finding in subject.findings] == ["unanswered"]


def test_an_ungraded_answer_is_left_out_and_counted_with_what_it_could_make_of_accuracy() -> None:
    answers = [an_answer("right", f"sum-{n}") for n in range(1, 5)] + [an_answer("ungraded", "sum-5", note="Two ways.")]
    (subject,) = summed(hand_made(answers, tasks=asked(5))).subjects
    assert subject.accuracy is not None
    assert subject.if_ungraded_wrong is not None
    assert (subject.accuracy.point, subject.if_ungraded_wrong.point) == (1.0, 0.8)
    (finding,) = subject.findings
    assert (finding.code, finding.severity) == ("ungraded", "severe")
    assert "Two ways" in finding.evidence


def test_a_cut_answer_counts_as_wrong() -> None:
    answers = [an_answer("right", "sum-1"), an_answer("truncated", "sum-2", answer_ns=None)]
    (subject,) = summed(hand_made(answers, tasks=asked(2))).subjects
    assert subject.accuracy is not None
    assert (subject.accuracy.point, subject.counts.truncated, subject.counts.wrong) == (0.5, 1, 0)
    assert "1 of them while still thinking" in subject.findings[0].evidence


def test_accuracy_is_told_by_level_and_kind(tmp_path: Path) -> None:
    path, _ = begin(tmp_path, plan_of("a"), {"a": Oracle(right_of({3, 6, 9}))}, sums(9))
    (subject,) = summary_of(path).subjects
    assert {level: figure.point for level, figure in subject.by_level.items()} == {1: 1.0, 2: 0.0, 3: 0.0}
    assert set(subject.by_kind) == {"arithmetic"}


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_loses_nothing_on_a_narrow_screen(width: int) -> None:
    long: dict[str, Any] = {
        "reasoning_tokens": 12_345,
        "answer_tokens": 1111,
        "reasoning": "So.",
        "end_ns": 754 * 10**9,
    }
    answers = [an_answer("right" if n % 3 else "wrong", f"sum-{n}", **long) for n in range(1, 325)]
    name = "llamacpp:DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf"
    run = hand_made(answers, tasks=asked(324))
    run = structs.replace(run, answering=(structs.replace(run.answering[0], subject=a_subject(text=name)),))
    shown = lines(summed(run), width)
    assert max(map(len, shown)) <= width
    first = next(place for place, line in enumerate(shown) if line.startswith("   "))
    table = shown[first : next(place for place in range(first, len(shown)) if "By difficulty" in shown[place])]
    words = [word for line in table for word in line.split()]
    for word in ("accuracy", "graded", "cut", "tokens", "thinks", "takes", "costs", "67", "(61–72)", "216", "13456",
                 "12345", "12", "min", "18", "51"):  # fmt: skip
        assert word in words
    assert "".join(line.split("  ")[0].strip() for line in table if not line.startswith(" ")) == name


def test_a_note_on_a_published_key_is_told_on_the_screen_and_the_right_answer_counts(tmp_path: Path) -> None:
    from bakeoff.quality.sets import load

    right_key, published = Said(text="Answer: 75 km/h"), Said(text="Answer: 72 km/h")
    engines = {"a": Oracle(lambda _: right_key), "b": Oracle(lambda _: published)}
    path, errors = begin(tmp_path, plan_of("a", "b"), engines, load("article-train"))
    assert errors == []
    summary = summary_of(path)
    assert [answer.verdict for answer in summary.run.answers] == ["right", "wrong"]
    assert "72 km/h" in screen(summary)
    assert "75 km/h" in screen(summary)
    assert "75" in quality_document(summary, "")["tasks"]["notes"]["article-train"]


# What a right answer costs


def test_a_right_answer_costs_all_that_was_spent_over_those_that_are_right() -> None:
    answers = [an_answer("right", f"sum-{n}", end_ns=10**9) for n in range(1, 21)]
    answers += [an_answer("wrong", f"sum-{n}", end_ns=3 * 10**9) for n in range(21, 41)]
    (subject,) = summed(hand_made(answers, tasks=asked(40), price_per_hour=3.6)).subjects
    cost = subject.per_correct
    assert cost.seconds is not None
    assert cost.tokens is not None
    assert cost.dollars is not None
    assert cost.seconds.point == pytest.approx(4.0)
    assert cost.tokens.point == pytest.approx(20.0)
    assert cost.dollars.point == pytest.approx(0.004)
    assert cost.seconds.low is not None
    assert cost.seconds.high is not None
    assert cost.seconds.low < 4 < cost.seconds.high
    assert cost.joules == {}


def test_one_right_answer_of_many_has_a_cost_without_an_upper_bound() -> None:
    answers = [an_answer("right" if n == 1 else "wrong", f"sum-{n}") for n in range(1, 21)]
    (subject,) = summed(hand_made(answers, tasks=asked(20))).subjects
    assert subject.per_correct.seconds is not None
    assert subject.per_correct.seconds.point == pytest.approx(40.0)
    assert subject.per_correct.seconds.high is None


def test_no_right_answer_has_no_cost_and_is_told_so() -> None:
    summary = summed(hand_made([an_answer("wrong")], tasks=asked(1)))
    assert summary.subjects[0].per_correct.seconds is None
    assert "No answer was right" in screen(summary)


def test_joules_are_told_by_scope_and_withheld_where_an_answer_has_none() -> None:
    def read(scope: Any, joules: float | None) -> Reading:
        return Reading(meter="m", scope=scope, quantity="energy_j", value=joules, span_s=1.0, method="counter")

    both = (read("package", 30.0), read("wall", 90.0))
    answers = [an_answer("right", "sum-1", readings=both), an_answer("wrong", "sum-2", readings=both)]
    (subject,) = summed(hand_made(answers, tasks=asked(2))).subjects
    figures = {scope: figure and figure.point for scope, figure in subject.per_correct.joules.items()}
    assert figures == {"package": 60.0, "wall": 180.0}
    answers[1] = structs.replace(answers[1], readings=(read("package", None), read("wall", 90.0)))
    (subject,) = summed(hand_made(answers, tasks=asked(2))).subjects
    assert subject.per_correct.joules["package"] is None
    assert subject.per_correct.joules["wall"] is not None


def test_who_is_neither_more_accurate_nor_faster_is_off_the_front() -> None:
    def all_of(verdicts: str, seconds: int) -> list[Answer]:
        return [
            an_answer("right" if v == "r" else "wrong", f"sum-{n}", end_ns=seconds * 10**9)
            for n, v in enumerate(verdicts, 1)
        ]

    run = hand_made(all_of("rrrr", 9), all_of("rrww", 2), all_of("rwww", 3), all_of("rrww", 2), tasks=asked(4))
    assert [subject.on_front for subject in summed(run).subjects] == [True, True, False, True]


# Pairs


def test_one_sample_a_task_is_compared_by_mcnemar_and_newcombe(tmp_path: Path) -> None:
    summary = compared(tmp_path, right, right_of(set(range(1, 11))), 20)
    (pair,) = summary.pairs
    assert (pair.test, pair.interval) == ("exact McNemar", "Newcombe, paired")
    assert (len(pair.flips.a_only), pair.flips.b_only) == (10, ())
    assert "sum-11" in pair.flips.a_only
    assert pair.difference is not None
    assert pair.difference.point == -0.5
    assert pair.p == pytest.approx(2 / 2**10)
    assert pair.verdict == "worse"
    assert "b is right less often than a, by 50.0 points" in screen(summary)


def test_the_tasks_that_only_one_had_right_are_named_the_first_of_them(tmp_path: Path) -> None:
    summary = compared(tmp_path, right_of({1, 2, 3, 4, 5, 6, 9}), right_of({1, 9, 10}), 12)
    words = screen(summary)
    assert (
        "5 came out right with a alone (sum-2, sum-3, sum-4, sum-5 and 1 more) and 1 with b alone (sum-10): " in words
    )
    assert quality_document(summary, "")["pairs"][0]["flipped_items"]["a_only"] == [f"sum-{n}" for n in range(2, 7)]


def test_several_samples_are_compared_by_signs_of_the_tasks_and_flip_by_majority(tmp_path: Path) -> None:
    def unsure(request: Request) -> Said:
        return right(request) if number_in(request) > 12 or request.seed % 4 else wrong(request)

    summary = compared(tmp_path, right, unsure, 40, samples=5)
    (pair,) = summary.pairs
    assert (pair.test, pair.interval) == ("paired sign-flip permutation", "bootstrap over tasks")
    means = {f"sum-{n}": [a.verdict == "right" for a in summary.run.answers if a.entrant == 1 and a.item == f"sum-{n}"]
             for n in range(1, 41)}  # fmt: skip
    assert set(pair.flips.a_only) == {item for item, found in means.items() if sum(found) / 5 <= 0.5}
    assert pair.difference is not None
    assert pair.difference.point == pytest.approx(sum(sum(found) / 5 for found in means.values()) / 40 - 1)


def test_nothing_seen_is_told_with_what_could_have_been_seen(tmp_path: Path) -> None:
    summary = compared(tmp_path, right_of(set(range(1, 16))), right_of(set(range(2, 17))), 20)
    (pair,) = summary.pairs
    assert pair.verdict == "no_difference_seen"
    assert pair.smallest_visible_difference is not None
    assert 0.2 < pair.smallest_visible_difference < 0.5
    assert "No difference seen between b and a" in screen(summary)
    assert "20 tasks show a difference of" in screen(summary)


def test_equivalent_is_said_only_of_an_interval_within_the_margin(tmp_path: Path) -> None:
    wide = compared(tmp_path, right, right, 20, margin=0.03)
    narrow = compared(tmp_path, right, right, 20, margin=0.25)
    without = compared(tmp_path, right, right, 20)
    assert [each.pairs[0].verdict for each in (wide, narrow, without)] == [
        "no_difference_seen", "equivalent", "no_difference_seen",
    ]  # fmt: skip
    assert "equivalent within ±25 %" in screen(narrow)


def test_too_few_tasks_have_no_verdict(tmp_path: Path) -> None:
    summary = compared(tmp_path, right, wrong, 5)
    assert summary.pairs[0].verdict == "too_few_items"
    assert "Too few tasks" in screen(summary)


@pytest.mark.parametrize(("cut", "verdict"), [(1, "worse"), (2, "truncated")])
def test_with_more_than_5_per_cent_cut_there_is_no_verdict_on_accuracy(cut: int, verdict: str, tmp_path: Path) -> None:
    def often_cut(request: Request) -> Said:
        return Said(text="Well, ", finish="length") if number_in(request) <= cut else wrong(request)

    summary = compared(tmp_path, right, often_cut, 20)
    assert summary.pairs[0].verdict == verdict
    codes = {finding.code: finding.severity for finding in summary.subjects[1].findings}
    assert codes["truncated"] == ("severe" if cut > 1 else "warning")


def test_several_subjects_are_held_against_the_reference_and_corrected_for_how_many(tmp_path: Path) -> None:
    engines = {"a": Oracle(right_of(set(range(7, 21)))), "b": Oracle(right), "c": Oracle(right_of({1, 2}))}
    path, _ = begin(tmp_path, plan_of("a", "b", "c", reference="b"), engines, sums(20))
    pairs = summary_of(path).pairs
    assert [(pair.a, pair.b) for pair in pairs] == [("b", "a"), ("b", "c")]
    assert pairs[0].p == pytest.approx(2 / 2**6)
    assert [pair.p_adjusted for pair in pairs] == [pytest.approx(2 / 2**6), pytest.approx(2 * 2 / 2**18)]
    assert pairs[0].difference is not None
    assert pairs[0].difference.confidence == pytest.approx(0.975)


def test_flips_that_one_comparison_would_show_several_may_not(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    engines = {name: Oracle(right if name == "a" else right_of(set(range(7, 21)))) for name in names}
    path, _ = begin(tmp_path, plan_of(*names), engines, sums(20))
    pairs = summary_of(path).pairs
    assert {pair.p for pair in pairs} == {2 / 2**6}
    assert {pair.verdict for pair in pairs} == {"no_difference_seen"}


# Greedy answers of unlike engines


def turned(*numbers: int) -> Callable[[Request], Said]:
    """Right, in other words and with these turned."""
    return lambda request: structs.replace(
        wrong(request) if number_in(request) in numbers else right(request), reasoning="So:"
    )


def greedy_pair(folder: Path, b: dict[str, Any], *numbers: int) -> QualitySummary:
    engines = {"a": Oracle(right), "b": Oracle(turned(*numbers), b)}
    path, errors = begin(folder, plan_of("a", "b", temperature=0.0), engines, sums(30))
    assert errors == []
    return summary_of(path)


def test_greedy_near_ties_between_engines_are_not_called_a_loss_of_quality(tmp_path: Path) -> None:
    summary = greedy_pair(tmp_path, {"engine": "other"}, 3, 4)
    assert summary.pairs[0].verdict == "near_ties"
    assert "30 of 30 texts differ" in screen(summary)
    assert "that is no loss of quality" in screen(summary)
    assert "greedy" in {finding.code for finding in summary.subjects[0].findings}


def test_greedy_answers_that_differ_by_more_than_near_ties_are_worse(tmp_path: Path) -> None:
    summary = greedy_pair(tmp_path, {"engine": "other"}, *range(1, 13))
    assert summary.pairs[0].verdict == "worse"


def test_other_weights_are_not_excused_by_near_ties(tmp_path: Path) -> None:
    summary = greedy_pair(tmp_path, {"engine": "other", "model": Model(name="Oracle", quant="Q4_K_M")}, 3, 4)
    assert summary.pairs[0].verdict == "no_difference_seen"


# Thinking


def thinker(verifies: bool) -> Callable[[Request], Said]:
    check = "\n\nWait, let me check that again." if verifies else ""

    def answers(request: Request) -> Said:
        n = number_in(request)
        more = " and so" * (n % 4)
        return Said(reasoning=f"I add {n} and {n}{more}.\n\nThat is {2 * n}.{check}", text=f"Answer: {2 * n}")

    return answers


def test_verification_that_is_skipped_is_measured_task_by_task(tmp_path: Path) -> None:
    summary = compared(tmp_path, thinker(True), thinker(False), 12, max_tokens=200)
    (pair,) = summary.pairs
    change = pair.thinking["verifications"]
    assert change is not None
    assert (change.a, change.b, change.seen) == (1.0, 0.0, True)
    steps, tokens = pair.thinking["steps"], pair.thinking["reasoning_tokens"]
    assert steps is not None
    assert tokens is not None
    assert (steps.difference.point, tokens.difference.point) == (-1.0, -6.0)
    assert tokens.ratio is not None
    assert tokens.ratio.point < 1
    assert "passages that verify: 1.00 → 0, −1.0" in screen(summary)
    answered_after = pair.thinking["ttfa_s"]
    assert answered_after is not None
    assert answered_after.difference.point == pytest.approx(-0.06)


def test_a_change_that_the_interval_does_not_show_is_not_called_one(tmp_path: Path) -> None:
    def unlike(sign: int) -> Callable[[Request], Said]:
        return lambda r: Said(reasoning="word " * (20 + sign * (-1) ** number_in(r)), text=right(r).text)

    (pair,) = compared(tmp_path, unlike(1), unlike(-1), 20, max_tokens=200).pairs
    change = pair.thinking["reasoning_tokens"]
    assert change is not None
    assert not change.seen


def test_loops_are_counted_and_named(tmp_path: Path) -> None:
    looping = "Let me see once more. " * 30
    path, _ = begin(tmp_path, plan_of("a", max_tokens=500),
                    {"a": Oracle(lambda r: Said(reasoning=looping, text=right(r).text))}, sums(3))  # fmt: skip
    (subject,) = summary_of(path).subjects
    assert subject.loops == 3
    assert "looping" in {finding.code for finding in subject.findings}


# The words


def test_the_document_has_the_names_that_are_promised(tmp_path: Path) -> None:
    document = quality_document(compared(tmp_path, right, right_of({1, 2, 3, 4}), 10), "run.jsonl")
    assert set(document) >= {"schema", "run", "subjects", "pairs"}
    assert "accuracy" not in document
    for subject in document["subjects"]:
        assert set(subject) >= {"subject", "accuracy", "ungraded", "truncated"}
    (pair,) = document["pairs"]
    assert set(pair) >= {"difference", "flips", "p", "smallest_visible_difference", "verdict"}
    assert pair["flips"] == {"a_only": 6, "b_only": 0}


def test_with_one_subject_its_accuracy_stands_at_the_top_too(tmp_path: Path) -> None:
    path, _ = begin(tmp_path, plan_of("a"), {"a": Oracle(right)}, sums(3))
    document = quality_document(summary_of(path), "")
    assert document["accuracy"] == document["subjects"][0]["accuracy"]


def test_a_long_basis_is_shown_on_one_line_and_cut() -> None:
    line = answer_line(an_answer("wrong", basis="one\ntwo \x1b[31m" + "x" * 500, note="It is 2."))
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) < 200
    assert line.endswith("…”: It is 2.")


TOO_SHORT = Reading(meter="m", scope="gpu", quantity="energy_j", span_s=0.3, detail="GPU 0; 300 ms are too short")
PROVOKED: dict[str, tuple[dict[str, Any], list[Answer], TaskSet]] = {
    "scripted": ({"engine": "scripted"}, [an_answer()], asked(1)),
    "synthetic": ({"model": Model(name="m", synthetic=True)}, [an_answer()], asked(1)),
    "no_chat_template": ({"model": Model(name="m", chat_template=False)}, [an_answer()], asked(1)),
    "unanswered": ({}, [], asked(1)),
    "truncated": ({}, [an_answer("truncated")], asked(1)),
    "ungraded": ({}, [an_answer("ungraded")], asked(1)),
    "looping": ({}, [an_answer(text="round and round " * 40)], asked(1)),
    "busy_host": ({}, [an_answer(others_cpu=0.2)], asked(1)),
    "sampling_not_sent": ({"settings": {"temperature": False}}, [an_answer()], asked(1)),
    "beyond_training": ({"model": Model(name="m", context_trained=4000)}, [an_answer()], asked(1)),
    "small_budget": ({}, [an_answer(reasoning_tokens=5)], asked(1)),
    "energy_withheld": ({}, [an_answer(readings=(TOO_SHORT,))], asked(1)),
    "greedy": ({}, [an_answer()], asked(1, temperature=0.0)),
}


@pytest.mark.parametrize("code", PROVOKED)
def test_each_finding_comes_of_what_provokes_it_and_of_nothing_else(code: str) -> None:
    facts, answers, tasks = PROVOKED[code]
    run = hand_made(answers, tasks=tasks)
    provoked = structs.replace(run, answering=(Answering(entrant=0, subject=a_subject(**facts)),))
    assert [finding.code for finding in summed(provoked).subjects[0].findings] == [code]
    plain = hand_made([an_answer()], tasks=asked(1))
    assert summed(plain).subjects[0].findings == ()


def test_the_page_lists_every_finding_by_what_provokes_it() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    listed = {row[0]: row[2] for row in rows if row[0] in PROVOKED}
    assert list(listed) == list(PROVOKED) == [check.__name__ for check in CHECKS]
    for check in CHECKS:
        assert listed[check.__name__] == " ".join((check.__doc__ or "").split())


def test_a_full_budget_is_no_finding() -> None:
    run = hand_made([an_answer(reasoning_tokens=5)], tasks=asked(1, max_tokens=ADVISED_TOKENS, context=1024))
    assert summed(run).subjects[0].findings == ()
