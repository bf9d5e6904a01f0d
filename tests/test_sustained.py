"""Speed over minutes: when it changes and by how much, held against series whose changes are known."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from bakeoff.analysis.findings import Asked, Cell, Check, heat
from bakeoff.analysis.sustained import Sustained, elapsed_s, sustained
from bakeoff.report.sustained import course_chart, course_sentences
from bakeoff.results.records import Reading, Timeline, Trial, Usage
from bakeoff.stats.steps import steps
from tests.finding_cases import Case, Cases, cell, every_case, judge

START = datetime(2026, 1, 1, tzinfo=UTC)


def trial(at_s: float, tps: float, tokens: int = 129, **more: object) -> Trial:
    """One trial that began then and decoded at that rate."""
    span_ns = round((tokens - 1) / tps * 1e9)
    fields = {
        "cell": 0, "index": 0, "purpose": "timed", "status": "ok", "seed": 0,
        "started": (START + timedelta(seconds=at_s)).isoformat(timespec="seconds"),
        "timeline": Timeline(at_ns=(50_000_000, 50_000_000 + span_ns), kinds="aa"),
        "end_ns": 50_000_000 + span_ns, "usage": Usage(output_tokens=tokens),
    }  # fmt: skip
    return Trial(**(fields | more))  # type: ignore[arg-type]


def run(speed: Callable[[float], float], minutes: float = 10, noise: float = 0.01, seed: int = 0) -> list[Trial]:
    """Trials back to back, each at the speed of its time, with some noise."""
    rng, at, trials = random.Random(seed), 0.0, []
    while at < minutes * 60:
        made = trial(at, speed(at) * rng.gauss(1, noise))
        trials.append(made)
        at += (made.end_ns or 0) / 1e9
    return trials


def seen(trials: Sequence[Trial]) -> Sustained:
    course = sustained(trials)
    assert course is not None
    return course


def test_a_steady_speed_has_no_change_and_says_how_surely() -> None:
    course = seen(run(lambda _: 50))
    assert course.changes == ()
    over = course.steady_over_first
    assert over is not None
    assert over.low is not None
    assert over.high is not None
    assert over.low < 1 < over.high
    assert over.high - over.low < 0.02


def test_a_drop_is_found_where_it_is_and_as_large_as_it_is() -> None:
    course = seen(run(lambda at: 50 if at < 240 else 40))
    assert course.changes is not None
    (drop,) = course.changes
    assert drop.at_s == pytest.approx(240, abs=course.bins[0].span_s)
    assert drop.ratio.low is not None
    assert drop.ratio.high is not None
    assert drop.ratio.low < 0.8 < drop.ratio.high
    assert course.first_tps is not None
    assert course.first_tps.point == pytest.approx(50, rel=0.01)
    assert course.steady_tps is not None
    assert course.steady_tps.point == pytest.approx(40, rel=0.01)


def test_two_drops_are_two_and_the_last_level_is_the_steady_one() -> None:
    course = seen(run(lambda at: 50 if at < 150 else 44 if at < 400 else 35))
    assert course.changes is not None
    assert [round(change.ratio.point, 2) for change in course.changes] == [
        pytest.approx(0.88, abs=0.015),
        pytest.approx(0.80, abs=0.015),
    ]
    assert course.steady_tps is not None
    assert course.steady_tps.point == pytest.approx(35, rel=0.01)


def test_a_machine_that_warms_up_slowly_and_cools_down_again_is_not_called_steady_by_its_mean() -> None:
    course = seen(run(lambda at: 40 if 200 <= at < 400 else 50))
    assert course.changes is not None
    fell, rose = course.changes
    assert fell.ratio.point == pytest.approx(0.8, abs=0.02)
    assert rose.ratio.point == pytest.approx(1.25, abs=0.03)
    assert course.steady_over_first is not None
    assert course.steady_over_first.point == pytest.approx(1, abs=0.01)


def test_a_change_below_three_percent_is_none() -> None:
    assert seen(run(lambda at: 50 if at < 300 else 49, noise=0.001)).changes == ()


def test_too_few_trials_tell_nothing_of_changes() -> None:
    course = seen([trial(at, 50) for at in range(0, 100, 10)])
    assert course.changes is None
    assert course.first_tps is not None
    assert sustained([trial(0, 50)]) is None
    assert sustained([]) is None


@pytest.mark.parametrize("started", ["", "yesterday", "9999-99-99", "0001-01-01T00:00:00+23:59"])
def test_a_trial_whose_time_is_no_time_is_left_out(started: str) -> None:
    trials = run(lambda _: 50)
    assert seen([*trials, trial(0, 1, started=started)]).span_s == seen(trials).span_s


def test_what_has_elapsed_is_from_the_first_begin_to_the_last_end() -> None:
    assert elapsed_s([]) == 0
    assert elapsed_s([trial(0, 128), trial(30, 128)]) == pytest.approx(31.05)
    assert elapsed_s([trial(30, 128), trial(0, 128)]) == 0
    assert elapsed_s([trial(0, 128, started="?")]) == 0


def test_failed_trials_are_no_part_of_the_course() -> None:
    trials = run(lambda _: 50)
    broken = [trial(5, 1, status="failed"), trial(7, 1, status="truncated")]
    assert seen([*trials, *broken]).first_tps == seen(trials).first_tps


def test_heat_stands_beside_the_speed_of_its_time() -> None:
    hot = Reading(meter="m", scope="package", quantity="temperature_c", value=80, high=91)
    held = Reading(meter="m", scope="gpu", quantity="throttled_share", value=0.4, detail="too hot")
    trials = [trial(at, 50, readings=(hot, held) if at >= 40 else ()) for at in range(0, 80, 4)]
    bins = seen(trials).bins
    assert (bins[0].temperature_c, bins[0].throttled) == (None, False)
    assert (bins[-1].temperature_c, bins[-1].throttled) == (91, True)


# The rule for steps


def test_of_a_thousand_level_series_at_most_one_in_twenty_has_a_step() -> None:
    rng = random.Random(1)
    alarms = sum(bool(steps([rng.gauss(1, 0.05) for _ in range(20)])) for _ in range(1000))
    assert alarms <= 50


def test_a_step_of_three_standard_deviations_is_nearly_always_found_within_one_place() -> None:
    rng = random.Random(2)
    near = 0
    for _ in range(200):
        found = steps([rng.gauss(1, 0.02) for _ in range(8)] + [rng.gauss(1.06, 0.02) for _ in range(12)])
        near += any(abs(place - 8) <= 1 for place in found)
    assert near >= 190


def test_an_outlier_is_no_step_and_neither_is_a_constant_series() -> None:
    assert steps([1.0] * 10 + [9.0] + [1.0] * 9) == []
    assert steps([2.5] * 20) == []


def test_a_step_without_noise_is_found_exactly() -> None:
    assert steps([1.0] * 5 + [2.0] * 7) == [5]
    assert steps([1.0, 2.0]) == []


# The chart and the sentences


def test_the_chart_is_drawn_from_zero_and_marks_what_was_held_back() -> None:
    hot = Reading(meter="m", scope="gpu", quantity="throttled_share", value=0.4, detail="too hot")
    trials = run(lambda at: 50 if at < 300 else 25, noise=0)
    late = [structs.replace(each, readings=(hot,)) for each in trials[3 * len(trials) // 4 :]]
    top, _, half, _, axis, marks, scale = course_chart(seen([*trials[: -len(late)], *late]))
    assert top == f"  50.0 │{'█' * 20}"
    assert half == f"  25.0 │{'█' * 40}"
    assert axis == f"     0 └{'─' * 40}"
    assert marks.strip().endswith("!  ! held back by heat or power")
    assert scale.split() == ["0", "10", "min"]


def test_the_sentences_say_the_first_minute_the_end_and_each_change() -> None:
    first, changes = course_sentences(seen(run(lambda at: 50 if at < 180 else 40 if at < 420 else 44)))
    assert re.fullmatch(
        r"Over 10 min: (49|50)\.\d\d ±0\.\d\d tokens/s in the first minute, (43|44)\.\d\d ±0\.\d\d in the end, "
        r"0\.8\d\d ±0\.00\d times that\.",
        first,
    )
    assert changes == "The speed fell by 20% after 3 min and rose by 10% after 7 min."


def test_too_few_trials_are_said_to_be_too_few() -> None:
    *_, last = course_sentences(seen([trial(at, 50) for at in range(0, 100, 10)]))
    assert last.startswith("Too few trials to tell")


# The finding


def asked_for(trials: Sequence[Trial], sustained_s: float | None = 600) -> Cell:
    return cell(trials, asked=Asked(sustained_s=sustained_s))


FADING = run(lambda at: 50 if at < 240 else 40)
CASES: Cases = {
    heat.not_sustained: [
        (asked_for(FADING), "warning", r"over 10 min .* from (49|50)\.\d to (39|40)\.\d tok", asked_for(FADING, None)),
        (asked_for(FADING), "warning", "", asked_for(run(lambda _: 50))),
        (asked_for(FADING), "warning", "", asked_for(run(lambda at: 50 if at < 240 else 49.5))),
        (asked_for(FADING), "warning", "", asked_for([])),
    ],
}


@every_case(CASES)
def test_a_speed_that_does_not_last_is_a_finding(check: Check, case: Case) -> None:
    judge(check, case)
