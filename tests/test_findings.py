"""Findings as a whole: one enumeration, a case for and against each, advice that names options that there are."""

from __future__ import annotations

import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bakeoff.analysis.findings import CHECKS, Asked, Check, asked, findings_of
from bakeoff.cli.run import command
from bakeoff.measurement.metrics import METRICS
from bakeoff.results.records import EngineTimings, RunEnded, Trial
from bakeoff.run.plan import Plan, Protocol
from tests import (
    test_findings_answers,
    test_findings_engine,
    test_findings_host,
    test_findings_load,
    test_findings_power,
    test_findings_series,
    test_findings_timing,
    test_findings_tips,
    test_findings_trials,
    test_sustained,
)
from tests.finding_cases import Cases, cell, counted, found, lost, name
from tests.hand_made import MS, a_run, a_trial

CASES: Cases = (
    test_findings_answers.CASES
    | test_findings_engine.CASES
    | test_findings_host.CASES
    | test_findings_load.CASES
    | test_findings_power.CASES
    | test_findings_series.CASES
    | test_findings_timing.CASES
    | test_findings_tips.CASES
    | test_findings_trials.CASES
    | test_sustained.CASES
)
EVERY = [pytest.param(check, id=name(check)) for check in CHECKS]


def test_every_check_has_its_cases_and_every_case_a_check() -> None:
    assert set(CASES) == set(CHECKS)
    assert len(set(CHECKS)) == len(CHECKS)


def test_every_finding_has_a_code_of_its_own() -> None:
    assert len({found(check, CASES[check][0][0]).code for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", EVERY)
def test_a_finding_says_what_was_seen_and_then_what_to_do(check: Check) -> None:
    for provokes, *_ in CASES[check]:
        finding = found(check, provokes)
        assert re.fullmatch(r"[a-z_]+", finding.code)
        assert re.fullmatch(r"\S.*[^.\s]", finding.evidence)
        assert re.fullmatch(r"\S.*\.", finding.advice)
        assert "  " not in finding.evidence + finding.advice


OURS = {option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts}
THEIRS = {
    "--max-model-len", "--max-num-seqs", "--no-cache-prompt", "--no-enable-prefix-caching",
    "--enable-prompt-tokens-details", "--calibrate", "--concurrency",
}  # fmt: skip
"""Of engines' own servers and of other commands."""


@pytest.mark.parametrize("check", EVERY)
def test_advice_names_only_options_that_there_are(check: Check) -> None:
    for provokes, *_ in CASES[check]:
        assert set(re.findall(r"--[a-z-]+", found(check, provokes).advice)) <= OURS | THEIRS


def test_findings_come_in_the_order_of_the_checks() -> None:
    codes = [finding.code for finding in findings_of(cell([a_trial(), lost], engine="scripted", synthetic=True))]
    assert codes[:3] == ["scripted", "synthetic", "failed_trials"]
    assert codes[-1] == "not_reported"


def test_a_sound_cell_has_no_findings() -> None:
    trials = [a_trial((100, 110, 120 + 0.1 * i), memory_peak_bytes=10**8) for i in range(5)]
    assert findings_of(cell(trials)) == []


# What the user asked for


def asked_by(plan: dict[str, object] | None, status: str | None = None) -> Asked:
    run = a_run(ended=RunEnded(ended="", status=status) if status else None)  # type: ignore[arg-type]
    return asked(structs.replace(run, started=structs.replace(run.started, plan=plan)))


def test_what_was_asked_for_is_that_of_the_plan() -> None:
    own = Plan((), Protocol(runs=7, time_budget_s=90.0)).as_record()
    assert asked_by(own, "done") == Asked(runs=7, time_budget_s=90.0)
    assert asked_by(Plan(()).as_record(), "done") == Asked()


@pytest.mark.parametrize("protocol", [[], {"runs": True}, {"runs": [1]}, {"runs": "x"}, {"time_budget_s": 1e308}, None])
def test_a_plan_that_is_none_says_nothing(protocol: object) -> None:
    assert asked_by({"protocol": protocol}, "done") == Asked()
    assert asked_by({}, "done") == asked_by(None) == Asked()


def test_only_a_run_with_a_plan_that_did_not_end_well_can_be_resumed() -> None:
    for status, can in ((None, True), ("interrupted", True), ("failed", True), ("done", False)):
        assert (asked_by({}, status).unfinished is not None) == can
    assert asked_by(None).unfinished is None


WHY_MISSING = {
    "ttfa_s": {"thinking_cut"},
    "decode_tps": {"one_piece"},
    "engine_decode_tps": {"one_piece", "not_reported"},
    "prefill_tps": {"cache_hit", "not_reported"},
    "itl_s": {"itl_unknown"},
    "tpot_s": {"one_piece"},
    "load_s": {"not_reported"},
    "output_tps": {"one_piece"},
}
"""Where a trial succeeded; the other figures need no more than that."""


@st.composite
def trials_of_any_engine(draw: st.DrawFn) -> Trial:
    n = draw(st.integers(1, 4))
    at_ms = sorted(draw(st.lists(st.integers(1, 50), min_size=n, max_size=n)))
    maybe = st.none() | st.integers(0, 6)
    return a_trial(
        at_ms,
        "".join(draw(st.sampled_from("ra-")) for _ in at_ms),
        usage=counted(draw(maybe), draw(maybe), draw(maybe)),
        engine=EngineTimings(
            prefill_tokens=draw(maybe), prefill_s=draw(st.none() | st.just(0.1)),
            decode_s=draw(st.none() | st.just(0.02)), load_s=draw(st.none() | st.just(0.0)),
        ),
        status=draw(st.sampled_from(["ok", "ok", "failed"])),
        end_ns=60 * MS,
    )  # fmt: skip


@given(st.lists(trials_of_any_engine(), max_size=3))
def test_a_missing_figure_has_a_finding_that_says_why(trials: list[Trial]) -> None:
    measured = cell(trials)
    found = findings_of(measured)
    codes = {finding.code for finding in found}
    for metric in METRICS:
        if measured.metrics[metric] is None:
            assert codes & (WHY_MISSING[metric] if measured.ok else {"no_trials", "failed_trials"}), metric
    assert not [finding for finding in found if "None" in finding.evidence + finding.advice]
