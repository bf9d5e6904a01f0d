"""Accuracy and pairs: by hand, against scipy, and by coverage, false alarms and power on simulated tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from fit.power import seen, simulated, stated
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from bakeoff.stats.accuracy import accuracy, wilson
from bakeoff.stats.paired import EXACT_FLIPS, holm, mcnemar, newcombe, sign_flip
from bakeoff.stats.power import (
    EXACT_UP_TO,
    mcnemar_power,
    power,
    smallest_visible,
    smallest_visible_flips,
)

# Intervals of an accuracy


@pytest.mark.parametrize(("right", "of"), [(0, 10), (1, 10), (5, 10), (10, 10), (216, 300)])
def test_one_sample_a_task_has_wilsons_interval(right: int, of: int) -> None:
    found = accuracy([1.0] * right + [0.0] * (of - right))
    expected = oracle.binomtest(right, of).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_one_task_has_no_interval_and_none_no_accuracy() -> None:
    assert (accuracy([0.5]).low, accuracy([0.5]).high) == (None, None)
    for wrong in ([], [1.5], [-0.1], [math.nan]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            accuracy(wrong)


def test_samples_that_agree_within_a_task_do_not_narrow_the_interval() -> None:
    tasks = [1.0, 0.0] * 20
    assert accuracy(tasks) == accuracy([*tasks])
    apart, alike = accuracy([0.75, 0.25] * 20), accuracy(tasks)
    assert apart.relative_half_width < alike.relative_half_width


def test_tasks_that_are_all_alike_still_have_an_interval() -> None:
    found = accuracy([0.5] * 40)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.45
    assert found.high > 0.55


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=2, max_size=60))
def test_an_interval_holds_its_point_and_stays_within_0_and_1(means: Sequence[float]) -> None:
    found = accuracy(means)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.point <= found.high <= 1


@pytest.mark.parametrize(("tasks", "samples"), [(20, 1), (20, 4), (100, 1), (100, 4)])
def test_the_interval_of_an_accuracy_holds_the_truth_about_as_often_as_it_says(tasks: int, samples: int) -> None:
    means, _ = simulated(1500, tasks, samples)
    held = sum(i.low <= 0.7 <= i.high for row in means.tolist() if (i := accuracy(row)) and i.low is not None
               and i.high is not None)  # fmt: skip
    assert 0.93 <= held / 1500 <= 0.985


# Tests of pairs


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (0, 6), (3, 9), (20, 21), (40, 70)])
def test_mcnemars_exact_p_is_the_binomial_test_of_the_flips(first: int, second: int) -> None:
    expected = oracle.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(expected)


def test_newcombes_interval_is_that_of_his_paper() -> None:
    """Newcombe 1998, Statistics in Medicine 17, 2635-2650, table III, method 10: 36, 12, 2, 0 and 0, 30, 0, 0."""
    found = newcombe(36, 2, 12, 0)
    assert (found.point, found.low, found.high) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)
    found = newcombe(0, 0, 30, 0)
    assert (found.point, found.low, found.high) == pytest.approx((1.0, 0.8395, 1.0), abs=5e-5)


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 1))
def test_newcombes_interval_turns_over_with_the_subjects_and_holds_its_point(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    here, there = newcombe(both, first, second, neither), newcombe(both, second, first, neither)
    assert here.low is not None
    assert here.high is not None
    assert -1 <= here.low <= here.point <= here.high <= 1
    assert there.low == pytest.approx(-here.high)
    assert there.high == pytest.approx(-here.low)


@pytest.mark.parametrize("differences", [[0.25] * 8 + [-0.25] * 2, [0.5, 0.25, -0.75, 1.0, 0.25], [0.1] * 6])
def test_a_sign_flip_test_of_few_tasks_counts_every_sign(differences: list[float]) -> None:
    assert len(differences) <= EXACT_FLIPS
    found = oracle.permutation_test((np.array(differences),), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip([*differences, 0.0, 0.0]) == pytest.approx(found.pvalue)


def test_a_sign_flip_test_of_many_tasks_draws_signs_and_repeats_by_its_seed() -> None:
    differences = [0.25] * 30 + [-0.25] * 18
    exact = oracle.binomtest(18, 48).pvalue
    assert sign_flip(differences, 1) == sign_flip(differences, 1)
    assert sign_flip(differences, 1) == pytest.approx(exact, abs=0.01)
    assert sign_flip([0.0] * 40) == 1.0
    assert 0 < sign_flip([1.0] * 200) < 0.001


def test_holms_correction_is_that_of_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


# Power


def test_the_power_of_the_exact_test_is_that_of_summing_over_all_outcomes() -> None:
    tasks, flipped, difference = 20, 0.5, 0.3
    up, down = (flipped + difference) / 2, (flipped - difference) / 2
    total = sum(
        math.comb(tasks, a) * math.comb(tasks - a, b) * up**a * down**b * (1 - flipped) ** (tasks - a - b)
        for a in range(tasks + 1)
        for b in range(tasks + 1 - a)
        if mcnemar(a, b) <= 0.05
    )
    assert mcnemar_power(difference, flipped, tasks) == pytest.approx(total, abs=1e-6)


def test_the_smallest_visible_difference_is_seen_as_often_as_it_says() -> None:
    for tasks in (30, 300):
        smallest = smallest_visible_flips(0.2, tasks)
        assert smallest is not None
        assert mcnemar_power(smallest, 0.2, tasks) == pytest.approx(0.8, abs=0.02)
    assert power(smallest_visible(0.3, 300), 0.3, 300) == pytest.approx(0.8, abs=0.001)


def test_too_few_tasks_show_nothing_however_large() -> None:
    assert smallest_visible_flips(0.2, 5) is None
    assert mcnemar_power(1.0, 1.0, 5) == 0.0
    assert mcnemar_power(1.0, 1.0, 6) == pytest.approx(1.0)
    assert mcnemar_power(0.0, 0.0, 100) == 0.0


def test_beyond_the_exact_sum_the_normal_approximation_goes_on() -> None:
    exact, beyond = smallest_visible_flips(0.2, EXACT_UP_TO), smallest_visible_flips(0.2, EXACT_UP_TO + 1)
    assert exact is not None
    assert beyond == pytest.approx(exact, rel=0.05)


def test_five_points_of_300_tasks_are_seen_with_one_sample_about_as_often_as_stated_which_is_seldom() -> None:
    told, _ = stated(300, 1, 0.05)
    assert seen(300, 1, 0.05) == pytest.approx(told, abs=0.025)
    assert told == pytest.approx(0.42, abs=0.01)


def test_with_four_samples_they_are_seen_much_more_often_and_again_as_often_as_stated() -> None:
    told, _ = stated(300, 4, 0.05)
    assert seen(300, 4, 0.05, runs=100) == pytest.approx(told, abs=0.08)
    assert told > 0.8


@pytest.mark.parametrize(("samples", "runs"), [(1, 4000), (4, 120)])
def test_without_a_difference_false_alarms_are_at_most_5_per_cent(samples: int, runs: int) -> None:
    assert seen(300, samples, 0.0, runs) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_the_interval_of_pairs_holds_the_truth_about_as_often_as_it_says() -> None:
    a, b = simulated(2000, 100, 1, 0.05)
    held = 0
    for x, y in zip(a, b, strict=True):
        counts = [int(((x == i) & (y == j)).sum()) for i, j in ((1, 1), (1, 0), (0, 1), (0, 0))]
        found = newcombe(*counts)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= -0.05 <= found.high
    assert 0.94 <= held / 2000 <= 0.985


def test_wilsons_bounds_stay_within_0_and_1() -> None:
    assert wilson(0.0, 10, 1.96)[0] == 0.0
    assert wilson(1.0, 10, 1.96)[1] == 1.0
