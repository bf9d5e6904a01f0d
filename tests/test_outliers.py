"""Outliers, drift and two modes: seen where they are, and with a known rate of false alarms where they are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import permutations

import pytest
from scipy import stats

from bakeoff.stats import drift as drifts
from bakeoff.stats.drift import drift
from bakeoff.stats.modes import two_modes
from bakeoff.stats.outliers import outliers

Draw = Callable[[random.Random], float]


def around(rng: random.Random) -> float:
    """Seconds of a trial: 1.27 with 4 % noise."""
    return 1.27 * rng.lognormvariate(0, 0.04)


def evenly(rng: random.Random) -> float:
    return rng.uniform(1, 1.2)


def with_a_tail(rng: random.Random) -> float:
    """What others' work adds to a time: mostly little, at times much."""
    return 1 + rng.expovariate(20)


def alarms(seen: Callable[[list[float]], bool], draw: Draw, n: int, runs: int = 600) -> float:
    """The share of runs of ``n`` values in which something is seen."""
    rng = random.Random(20_241_125)
    return sum(seen([draw(rng) for _ in range(n)]) for _ in range(runs)) / runs


def test_a_value_far_from_the_rest_is_an_outlier_and_its_place_is_told() -> None:
    assert outliers([10.1, 9.9, 10.0, 17.0, 10.2, 9.8]) == [3]
    assert outliers([10.1, 9.9, 10.0, 10.3, 10.2, 9.8]) == []


def test_two_outliers_do_not_hide_each_other() -> None:
    values = [10.1, 9.9, 10.0, 10.2, 9.8, 10.1, 9.9, 10.05, 15.0, 15.3]
    assert outliers(values) == [8, 9]
    assert max(abs(stats.zscore(values, ddof=1))) < 2.3, "each alone, by its distance, is none"


def test_one_value_that_differs_from_a_constant_is_an_outlier() -> None:
    assert outliers([1.0, 1.0, 1.0, 2.0, 1.0]) == [3]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 9.0], [3.0] * 12, [0.1 + 0.2, 0.3, 0.3, 0.3]])
def test_of_few_or_constant_values_none_is_an_outlier(values: list[float]) -> None:
    assert outliers(values) == []


def test_the_limit_for_one_outlier_is_grubbs() -> None:
    """Critical values for 5 %, two-sided, as tables of Grubbs' test print them (n = 5: 1.715, n = 9: 2.215)."""
    from bakeoff.stats.outliers import _limit

    assert (_limit(5, 0, 0.05), _limit(9, 0, 0.05)) == pytest.approx((1.715, 2.215), abs=5e-4)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_normal_noise_gives_outliers_in_about_one_run_of_twenty(n: int) -> None:
    assert 0.02 <= alarms(lambda values: bool(outliers(values)), around, n) <= 0.09


@pytest.mark.parametrize("n", [6, 10, 15, 20])
@pytest.mark.parametrize("draw", [around, evenly, with_a_tail])
def test_values_of_one_hump_are_seldom_taken_for_two_modes(draw: Draw, n: int) -> None:
    assert alarms(lambda values: two_modes(values) is not None, draw, n) <= 0.065


def test_two_modes_are_told_apart_value_by_value() -> None:
    found = two_modes([1.00, 1.31, 1.01, 1.30, 0.99, 1.29, 1.02, 1.32])
    assert found is not None
    assert found.lower == (0, 2, 4, 6)
    assert found.upper == (1, 3, 5, 7)
    assert found.p < 0.01


def test_an_outlier_does_not_hide_two_modes() -> None:
    assert two_modes([1.00, 1.31, 1.01, 1.30, 0.99, 1.29, 1.02, 1.32, 1.30, 9.0]) is not None


def test_a_few_outliers_are_no_mode_and_few_values_have_none() -> None:
    assert two_modes([1.0, 1.01, 1.02, 0.99, 1.0, 1.03, 2.0, 2.01]) is None
    assert two_modes([1.0, 1.0, 1.0, 2.0, 2.0]) is None
    assert two_modes([1.0] * 10) is None


def test_values_that_take_only_two_values_have_two_modes() -> None:
    found = two_modes([1.0, 2.0] * 4)
    assert found is not None
    assert found.p == 0.0


def test_the_chance_of_a_gap_among_evenly_spread_values_is_exact() -> None:
    """Six values have five intervals, the inner three over a share x > 1/2 with chance 3 (1 − x)⁴."""
    found = two_modes([0.0, 0.05, 0.1, 0.9, 0.95, 1.0])
    assert found is not None
    assert found.p == pytest.approx(3 * 0.2**4)


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0, 4.0, 5.0], [3.1, 1.2, 4.5, 2.2, 0.3, 6.1, 5.0, 9.9]])
def test_the_chance_of_a_trend_is_kendalls(values: list[float]) -> None:
    found = drift(values)
    assert found is not None
    assert found.p == pytest.approx(stats.kendalltau(range(len(values)), values, method="exact").pvalue)


@pytest.mark.parametrize("values", [[1.0, 1.0, 2.0, 3.0, 3.0, 3.0], [2.0, 1.0, 1.0, 3.0, 2.0, 3.0]])
def test_with_ties_too_it_is_the_share_of_all_orders_with_as_straight_a_one(values: list[float]) -> None:
    def score(order: tuple[float, ...]) -> int:
        return abs(sum((b > a) - (b < a) for i, a in enumerate(order) for b in order[i + 1 :]))

    scores = [score(order) for order in permutations(values)]
    found = drift(values)
    assert found is not None
    assert found.p == pytest.approx(sum(s >= score(tuple(values)) for s in scores) / len(scores))


def test_the_approximation_for_many_values_joins_the_exact_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    values = [around(rng) + 0.001 * i for i in range(40)]
    exact = drift(values)
    monkeypatch.setattr(drifts, "EXACT_UP_TO", 39)
    near = drift(values)
    assert exact is not None
    assert near is not None
    assert near.p == pytest.approx(exact.p, rel=0.1)


def test_the_change_is_from_the_first_to_the_last_as_a_share_of_the_median() -> None:
    found = drift([100.0, 99.0, 98.0, 97.0, 96.0])
    assert found is not None
    assert found.change == pytest.approx(-4 / 98)


def test_one_wild_value_moves_the_change_little() -> None:
    found = drift([100.0, 99.0, 98.0, 500.0, 96.0, 95.0, 94.0])
    assert found is not None
    assert found.change == pytest.approx(-6 / 98, rel=0.05)


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 3.0, 4.0], [0.0] * 6])
def test_of_four_values_or_none_no_drift_is_told(values: list[float]) -> None:
    assert drift(values) is None


def test_constant_values_do_not_drift() -> None:
    found = drift([2.0] * 8)
    assert found is not None
    assert (found.change, found.p) == (0.0, 1.0)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_values_without_a_trend_drift_in_at_most_one_run_of_twenty(n: int) -> None:
    def drifts_(values: list[float]) -> bool:
        found = drift(values)
        return found is not None and found.p < 0.05

    assert alarms(drifts_, around, n) <= 0.065
