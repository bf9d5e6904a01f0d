"""How a cell's trials differ from each other, and what changed while they ran."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from bakeoff.analysis.findings import Check, findings_of, series
from bakeoff.results.records import Trial
from tests.finding_cases import Case, Cases, a_window, cell, counted, every_case, found, judge, name
from tests.hand_made import a_trial

QUIET = (100, 101, 99, 100, 102, 98, 101, 99, 100, 100)


def took(percents: Sequence[float], first_ms: Sequence[float] | None = None, **changes: Any) -> list[Trial]:
    """Trials of 21 tokens whose decode took so many percent of 200 ms: 100 is 100 tokens/s."""
    return [
        a_trial((first, first + 2 * percent), usage=counted(21), **changes)
        for percent, first in zip(percents, first_ms or [100.0] * len(percents), strict=True)
    ]


def anchored(*groups: Sequence[float]) -> list[list[Trial]]:
    return [took(group, purpose="anchor") for group in groups]


CASES: Cases = {
    series.first_trial_slow: [
        (
            cell(took((130, *QUIET))), "warning",
            "^the first trial was slower than the others: decode 76.9 tokens/s against 100 tokens/s$",
            cell(took((104.9, *QUIET))),
        ),
        (cell(took((130, 100, 101))), "warning", "76.9 tokens/s against", cell(took((130, 100, 110)))),
        (cell(took((130, 100, 101))), "warning", "76.9 tokens/s against", cell(took((130, 100)))),
        (cell(took((130, *QUIET))), "warning", "decode", cell(took((70, *QUIET)))),
        (cell(took((130, *QUIET))), "warning", "decode", cell(took((*QUIET, 130)))),
        (
            cell(took([100] * 6, (140, 100, 101, 99, 100, 102))), "warning", ": first token 140 ms against 100 ms$",
            cell(took([100] * 6, (9, 5, 5.1, 4.9, 5, 5.2))),  # a few turns of a busy system's scheduler
        ),
    ],
    series.outliers: [
        (
            cell(took((*QUIET, 150))), "warning",
            "^a few trials stand apart: decode of trial 11 66.7 tokens/s, with a median of 100 tokens/s$",
            cell(took((*QUIET, 104.9))),
        ),
        (cell(took((*QUIET, 150, 70))), "warning", "trial 11 66.7 tokens/s, trial 12 143 tokens/s", cell(took(QUIET))),
        (cell(took((*QUIET, 150))), "warning", "trial 11", cell(took((150, *QUIET)))),  # the first has its own finding
        (cell(took((*QUIET, 150))), "warning", "trial 11", cell(took((*QUIET, 150, 150, 150, 151, 149)))),  # two modes
        (cell(took([100] * 5, (90, 100, 99, 101, 160))), "warning", "token of trial 5 160 ms", cell(took([100] * 5))),
    ],
    series.bimodal: [
        (
            cell(took((100, 140, 101, 139, 99, 141, 100, 140))), "warning",
            "^the trials have two speeds: decode about 100 tokens/s in 4 trials and 71.4 tokens/s in 4 trials$",
            cell(took((100, 120, 101, 139, 99, 130, 110, 140))),
        ),
        (
            cell(took((100, 140, 101, 139, 99, 141, 100, 140))), "warning", "two speeds",
            cell(took((100, 104, 100.1, 103.9, 99.9, 104.1, 100, 104))),  # a gap that does not matter
        ),
    ],
    series.drift: [
        (
            cell(took((100, 102, 104, 106, 108, 110))), "warning",
            "^decode time became 10% longer from the first to the last of 6 trials$",
            cell(took((100, 101, 102, 103, 104, 104.5))),
        ),
        (cell(took((110, 108, 106, 104, 102, 100))), "warning", "10% shorter", cell(took((100, 108, 102, 110, 104)))),
        (
            cell(took(QUIET), anchors=anchored((100, 101), (108, 109))), "warning",
            "^the first cell's decode time was 8% longer when it was measured again at the end \\(99.5 .*, then 92.2 ",
            cell(took(QUIET), anchors=anchored((100, 101), (104, 105.4))),
        ),
        (
            cell(took(QUIET), anchors=anchored((100, 101), (100, 101), (120, 121))), "warning", "20% longer",
            cell(took(QUIET), anchors=anchored((100, 110), (108, 120))),  # too unlike each other to tell
        ),
        (cell([], anchors=anchored((100,), (120,))), "warning", "20% longer", cell([], anchors=anchored((100,), ()))),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


SERIES = (series.first_trial_slow, series.outliers, series.bimodal, series.drift)


@pytest.mark.parametrize("check", SERIES)
@pytest.mark.parametrize("count", [3, 5, 10, 20])
def test_like_trials_give_a_false_alarm_in_few_cells(check: Check, count: int) -> None:
    """Two times are looked at with a chance of 2 % each; noise of 10 %, so that any difference matters."""
    rng = random.Random(f"{name(check)} {count}")

    def noisy() -> list[Trial]:
        percents = [100 * math.exp(rng.gauss(0, 0.1)) for _ in range(count)]
        return took(percents, [100 * math.exp(rng.gauss(0, 0.1)) for _ in range(count)])

    alarms = sum(check(cell(noisy())) is not None for _ in range(200))
    assert alarms <= 20, "4 % of 200 are 8; over 20 comes about in less than one of 10,000 draws"


def test_an_outlier_is_labelled_and_stays_in_every_figure() -> None:
    odd = cell(took((*QUIET, 300)))
    assert "nothing is dropped" in found(series.outliers, odd).advice
    figure = odd.metrics["decode_tps"]
    assert figure is not None
    assert figure.point == pytest.approx(11 * 20 / (sum((*QUIET, 300)) * 0.002))


def test_a_slow_first_trial_is_not_told_twice() -> None:
    codes = [finding.code for finding in findings_of(cell(took((150, *QUIET))))]
    assert "first_trial_slow" in codes
    assert "outliers" not in codes


def test_failed_trials_are_no_part_of_the_series() -> None:
    trials = took(QUIET)
    assert series.outliers(cell([*trials, *took((300,), status="failed", error="x")])) is None


def test_of_very_many_trials_every_so_manyth_is_looked_at() -> None:
    slowing = cell(took([100 + 0.02 * i for i in range(1000)]))
    assert "of 250 trials" in found(series.drift, slowing).evidence


def test_a_time_that_more_than_doubled_is_told_in_times() -> None:
    finding = found(series.drift, cell(took(QUIET), anchors=anchored((100, 101), (700, 707))))
    assert "7.0 times as long" in finding.evidence


def test_a_model_that_was_as_at_first_until_it_was_loaded_again_blames_the_start() -> None:
    same = cell(took(QUIET), anchors=anchored((100, 101), (100, 101), (120, 121)))
    assert "this start" in found(series.drift, same).advice
    for moved in (((100, 101), (118, 119), (120, 121)), ((100, 101), (120, 121))):
        assert "Heat" in found(series.drift, cell(took(QUIET), anchors=anchored(*moved))).advice


def test_under_load_only_anchors_show_drift() -> None:
    slowing = took((100, 110, 120, 130, 140, 150))
    assert series.drift(cell(slowing, requests=6, windows=[a_window()])) is None
    assert series.drift(cell(slowing, requests=6, anchors=anchored((100,), (120,)))) is not None
