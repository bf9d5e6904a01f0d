"""Whether the trials suffice for the figure made of them."""

from __future__ import annotations

from typing import Any

from bakeoff.analysis.findings import ALONE, CHECKS, Asked, Check, findings_of, trials
from bakeoff.results.records import CellEnded, Warmed
from tests.finding_cases import (
    THREE,
    Case,
    Cases,
    a_window,
    cell,
    every_case,
    found,
    judge,
    lost,
    timed,
)
from tests.hand_made import a_trial

CASES: Cases = {
    trials.too_few_trials: [
        (cell([a_trial()] * 4), "info", "4 trials", cell([a_trial()] * 5)),
        (cell([a_trial()] + [lost] * 4), "info", "1 trial$", cell([lost])),
    ],
    trials.wide_interval: [
        (
            cell([a_trial((100, 110, 120)), a_trial((100, 111, 122))]), "severe", "known to ±61% only",
            cell([a_trial((100, 110, 120))]),
        ),
        (
            cell([a_trial((0, 100, 200 + 10.5 * i)) for i in (-2, -1, 0, 1, 2)]), "warning", "known to ±10% only",
            cell([a_trial((0, 100, 200 + 10.0 * i)) for i in (-2, -1, 0, 1, 2)]),
        ),
    ],
    trials.constant_data: [
        (
            cell([a_trial((100, 110, 120)), a_trial((300, 310, 320))]), "info", "every trial gave the same figure",
            cell([a_trial((100, 110, 120)), a_trial((100, 110, 120.001))]),
        ),
        (cell([a_trial()] * 2), "info", "the same figure", cell([a_trial()])),
    ],

    trials.warm_up_unsettled: [
        (
            cell([a_trial()], warmed=Warmed(cell=0, trials=4, agreed=False)), "warning", "after 4 warm-up trials",
            cell([a_trial()], warmed=Warmed(cell=0, trials=4, agreed=True)),
        ),
        (
            cell([a_trial()], warmed=Warmed(cell=0, trials=2, agreed=False)), "warning", "after 2 warm-up trials",
            cell([a_trial()]),
        ),
    ],
    trials.budget_cut: [
        (
            cell([a_trial()] * 7, ended=CellEnded(cell=0, by="budget", half_width=0.083, wanted=0.03)), "warning",
            "used up after 7 trials, when the rate was known to ±8.3% instead of ±3%",
            cell([a_trial()] * 7, ended=CellEnded(cell=0, by="precision", half_width=0.02, wanted=0.03)),
        ),
        (
            cell([a_trial()], ended=CellEnded(cell=0, by="budget")), "warning", "after 1 trials?, when .* unknown$",
            cell([a_trial()]),
        ),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_advice_about_too_few_trials_knows_why_there_are_so_few() -> None:
    few = [a_trial()] * 3

    def advice(**facts: Any) -> str:
        return found(trials.too_few_trials, cell(few, **facts)).advice

    assert advice(asked=THREE).endswith("Take --runs auto, or at least 5: it was 3.")
    assert advice(asked=Asked(runs=20, unfinished="2026-a")).endswith("'bakeoff runs resume 2026-a' goes on with it.")
    spent = CellEnded(cell=0, by="budget")
    assert advice(ended=spent, asked=Asked(time_budget_s=600.0)).endswith("more than --time-budget 600s.")
    assert advice().endswith("Take --runs auto, or at least 5.")


def test_advice_about_a_wide_interval_names_the_number_that_was_asked_for() -> None:
    wide = [a_trial((100, 110, 120)), a_trial((100, 111, 122))]
    assert "with --runs auto instead of 3, or longer" in found(trials.wide_interval, cell(wide, asked=THREE)).advice
    longer = found(trials.wide_interval, cell(wide, max_tokens=64)).advice
    assert "with longer answers (--max-tokens, 64 so far)" in longer


def test_advice_about_the_budget_names_the_precision_that_it_sufficed_for() -> None:
    spent = CellEnded(cell=0, by="budget", half_width=0.083, wanted=0.03)
    finding = found(trials.budget_cut, cell([a_trial()], ended=spent, asked=Asked(time_budget_s=120.0)))
    assert "more than --time-budget 120s" in finding.advice
    assert "--precision 9% would have been reached" in finding.advice


def test_under_load_trials_are_not_judged_as_if_they_ran_one_by_one() -> None:
    crowd = [a_trial((100, 110, 120 + i), engine=timed(queue_s=0.09)) for i in (0, 80)]
    alone = {finding.code for finding in findings_of(cell(crowd))}
    loaded = {finding.code for finding in findings_of(cell(crowd, requests=2, windows=[a_window()]))}
    assert {"queued", "wide_interval", "too_few_trials"} <= alone
    assert not {"queued", "wide_interval", "too_few_trials"} & loaded
    assert set(CHECKS) > ALONE
