"""Quantiles and their intervals: by ranks alone, exact for every distribution, and silent where n is too small."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bakeoff.stats.quantiles import quantile, quotient_of_quantiles

Draw = Callable[[random.Random], float]
DRAWS: dict[str, tuple[Draw, Callable[[float], float]]] = {
    "normal": (lambda rng: rng.gauss(5, 1), lambda p: float(stats.norm.ppf(p, 5, 1))),
    "exponential": (lambda rng: rng.expovariate(1), lambda p: float(stats.expon.ppf(p))),
    "Pareto": (lambda rng: rng.paretovariate(1), lambda p: float(stats.pareto.ppf(p, 1))),
}


@pytest.mark.parametrize("n", [1, 2, 5, 10, 101])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_a_quantile_lies_between_ranks_as_numpys_does(n: int, p: float) -> None:
    rng = random.Random(n)
    values = [rng.expovariate(1) for _ in range(n)]
    assert quantile(values, p).point == pytest.approx(np.quantile(values, p))


@pytest.mark.parametrize(("n", "p"), [(6, 0.5), (10, 0.5), (25, 0.5), (50, 0.9), (80, 0.95), (400, 0.99)])
def test_the_bounds_are_the_ranks_of_the_exact_binomial(n: int, p: float) -> None:
    """Of the values 0 to n − 1, the bounds are their own ranks."""
    interval = quantile([float(i) for i in range(n)], p)
    low, high = stats.binom.ppf(0.025, n, p), stats.binom.ppf(0.975, n, p)
    assert (interval.low, interval.high) == (low - 1, high)


@pytest.mark.parametrize(("p", "fewest"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_too_few_values_have_no_interval(p: float, fewest: int) -> None:
    values = [float(i) for i in range(fewest)]
    assert quantile(values, p).low is not None
    less = quantile(values[1:], p)
    assert less.low is less.high is None


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize(("n", "p"), [(6, 0.5), (20, 0.5), (50, 0.9)])
def test_the_interval_covers_at_least_95_times_in_100_whatever_the_distribution(name: str, n: int, p: float) -> None:
    draw, truth_at = DRAWS[name]
    rng, truth, hits = random.Random(20_241_126), truth_at(p), 0
    for _ in range(1000):
        interval = quantile([draw(rng) for _ in range(n)], p)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= truth <= interval.high
    assert 0.94 <= hits / 1000 <= 0.99


def test_the_median_of_an_even_number_is_the_middle_of_two() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5).point == 2.5


def test_the_ratio_of_two_medians_covers_at_least_as_often_as_it_says() -> None:
    rng, hits, runs = random.Random(5), 0, 600
    for _ in range(runs):
        a, b = ([rng.lognormvariate(shift, 0.1) for _ in range(12)] for shift in (0.0, 0.5))
        interval = quotient_of_quantiles(a, b, 0.5)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= np.exp(0.5) <= interval.high
    assert hits / runs >= 0.95


def test_the_ratio_of_two_quantiles_has_no_bounds_where_one_has_none() -> None:
    interval = quotient_of_quantiles([1.0] * 20, [2.0] * 5, 0.5)
    assert (interval.point, interval.low, interval.high, interval.n) == (2.0, None, None, 5)


@pytest.mark.parametrize(("values", "p"), [([], 0.5), ([1.0, float("nan")], 0.5), ([1.0], 0.0), ([1.0], 1.0)])
def test_what_has_no_quantile_is_an_error(values: list[float], p: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(values, p)


def test_a_ratio_of_quantiles_needs_values_above_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        quotient_of_quantiles([1.0, 0.0], [1.0, 2.0], 0.5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_the_values_changes_nothing(values: list[float], rng: random.Random) -> None:
    assert quantile(rng.sample(values, len(values)), 0.5) == quantile(values, 0.5)


@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_the_point_lies_within_its_bounds(values: list[float], p: float) -> None:
    interval = quantile(values, p)
    if interval.low is not None and interval.high is not None:
        assert interval.low <= interval.point <= interval.high
