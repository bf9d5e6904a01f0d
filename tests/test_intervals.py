"""Intervals do what they claim: the 95 % ones hold the truth 95 times in 100, on data whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bakeoff.stats import intervals
from bakeoff.stats.intervals import Interval, mean_interval, ratio_of_sums

Draw = Callable[[random.Random], tuple[float, float]]
TRUTH = 100.0


def like_length(rng: random.Random) -> tuple[float, float]:
    """Tokens and seconds of a trial of 127 intervals at 100 tokens a second, with 5 % noise."""
    return 127.0, 1.27 * rng.gauss(1, 0.05)


def unlike_length(rng: random.Random) -> tuple[float, float]:
    """The same of an answer of any length: its time follows from it, with 8 % noise."""
    tokens = rng.randint(64, 256)
    return float(tokens), tokens / TRUTH * rng.gauss(1, 0.08)


def coverage(draw: Draw, n: int, runs: int) -> float:
    """The share of simulated runs of ``n`` trials whose interval holds the true rate."""
    rng = random.Random(20_241_124)
    hits = 0
    for seed in range(runs):
        tokens, seconds = zip(*(draw(rng) for _ in range(n)), strict=True)
        interval = ratio_of_sums(tokens, seconds, seed=seed)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= TRUTH <= interval.high
    return hits / runs


@pytest.mark.parametrize("draw", [like_length, unlike_length])
@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_the_interval_of_few_trials_covers_the_true_rate_95_times_in_100(n: int, draw: Draw) -> None:
    assert 0.93 <= coverage(draw, n, 4000) <= 0.97


def test_the_bootstrap_of_40_trials_covers_nearly_as_often() -> None:
    assert coverage(like_length, 40, 1000) == pytest.approx(0.945, abs=0.015)


@pytest.mark.parametrize(("n", "covers"), [(3, 0.72), (5, 0.84), (10, 0.90)])
def test_the_bootstrap_of_few_trials_would_cover_too_seldom(
    n: int, covers: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intervals, "BOOTSTRAP_FROM", 2)
    assert coverage(like_length, n, 1000) == pytest.approx(covers, abs=0.03)


def test_of_very_many_trials_both_intervals_are_nearly_the_same_and_the_quick_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(3)
    skewed = [rng.lognormvariate(0.0, 1.0) for _ in range(intervals.BOOTSTRAP_UP_TO + 1)]
    taken = mean_interval(skewed)
    monkeypatch.setattr(intervals, "BOOTSTRAP_UP_TO", len(skewed))
    drawn = mean_interval(skewed)
    assert None not in (taken.low, taken.high, drawn.low, drawn.high)
    half = (taken.high - taken.low) / 2  # type: ignore[operator]
    assert taken.high - taken.point == pytest.approx(taken.point - taken.low)  # type: ignore[operator]
    assert drawn.low == pytest.approx(taken.low, abs=half / 10)
    assert drawn.high == pytest.approx(taken.high, abs=half / 10)


def test_the_bootstrap_agrees_with_scipys_on_skewed_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_RESAMPLES", 20_000)
    rng = random.Random(4)
    tokens = [float(rng.randint(32, 256)) for _ in range(40)]
    seconds = [n / TRUTH * rng.lognormvariate(0, 1.2) for n in tokens]

    def rate(y: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(y.sum(axis=axis) / x.sum(axis=axis))

    def oracle(method: str) -> tuple[float, float]:
        bounds = stats.bootstrap(
            (tokens, seconds), rate, paired=True, vectorized=True, n_resamples=20_000, method=method,
            rng=np.random.default_rng(1),
        ).confidence_interval  # fmt: skip
        return float(bounds.low), float(bounds.high)

    ours, theirs, plain = ratio_of_sums(tokens, seconds), oracle("BCa"), oracle("percentile")
    width = theirs[1] - theirs[0]
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.03 * width)
    assert plain != pytest.approx(theirs, abs=0.03 * width), "data on which the correction does not show"


def test_the_figure_is_total_over_total_and_not_the_mean_of_rates() -> None:
    interval = ratio_of_sums([100, 100], [1, 4])
    assert interval.point == 40.0
    assert interval.point != (100 / 1 + 100 / 4) / 2


def test_the_interval_of_a_mean_is_the_one_of_the_textbooks() -> None:
    values = [1.2, 1.9, 2.3, 2.2, 3.1]
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    interval = mean_interval(values)
    assert (interval.point, interval.low, interval.high) == pytest.approx((2.14, low, high), rel=1e-9)


def test_one_trial_gives_a_point_and_no_interval() -> None:
    interval = ratio_of_sums([127], [1.27])
    assert interval == Interval(point=100.0, low=None, high=None, n=1)
    assert interval.relative_half_width == math.inf


@pytest.mark.parametrize("n", [2, 3, 7, 20, 30, 31, 40])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1.27, 103.0, 1e-9])
def test_constant_data_give_a_point_whose_bounds_are_itself(value: float, n: int) -> None:
    interval = mean_interval([value] * n)
    assert interval.point == pytest.approx(value)
    assert interval.low == interval.high == interval.point
    assert interval.relative_half_width == 0.0


@pytest.mark.parametrize("n", [3, 31])
def test_trials_of_unlike_length_at_one_rate_are_constant_too(n: int) -> None:
    interval = ratio_of_sums([i * 3.0 for i in range(1, n + 1)], [i * 0.1 for i in range(1, n + 1)])
    assert interval.point == pytest.approx(30.0)
    assert interval.low == interval.high == interval.point


def test_a_figure_of_zero_has_no_relative_width() -> None:
    assert ratio_of_sums([0, 0, 0], [1, 2, 3]) == Interval(point=0.0, low=0.0, high=0.0, n=3)
    assert ratio_of_sums([0, 0, 0], [1, 2, 3]).relative_half_width == math.inf


@pytest.mark.parametrize(
    ("numerators", "denominators"),
    [([], []), ([1.0], []), ([1.0, 2.0], [1.0]), ([1.0], [0.0]), ([1.0, 1.0], [1.0, -1.0]),
     ([math.inf], [1.0]), ([1.0, math.nan], [1.0, 1.0]), ([1.0], [math.inf])],
)  # fmt: skip
def test_what_is_no_ratio_is_an_error(numerators: list[float], denominators: list[float]) -> None:
    with pytest.raises(ValueError, match="ratio of sums"):
        ratio_of_sums(numerators, denominators)


def test_the_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="ratio of sums"):
        mean_interval([])


trials = st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.01, 1000)), min_size=2, max_size=29)


def bounds(pairs: list[tuple[int, float]], confidence: float = 0.95) -> tuple[float, float, float]:
    interval = ratio_of_sums([n for n, _ in pairs], [s for _, s in pairs], confidence)
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.point, interval.high


@given(trials)
def test_the_interval_of_few_trials_is_centred_on_its_point(pairs: list[tuple[int, float]]) -> None:
    low, point, high = bounds(pairs)
    assert low <= point <= high
    assert point - low == pytest.approx(high - point, rel=1e-6, abs=1e-9 * point)


@given(trials, st.randoms(use_true_random=False))
def test_the_order_of_the_trials_changes_nothing(pairs: list[tuple[int, float]], rng: random.Random) -> None:
    assert bounds(rng.sample(pairs, len(pairs))) == pytest.approx(bounds(pairs), rel=1e-9, abs=1e-9)


@given(trials, st.integers(1, 1000))
def test_the_unit_of_time_scales_the_whole_figure(pairs: list[tuple[int, float]], factor: int) -> None:
    scaled = bounds([(n, s * factor) for n, s in pairs])
    low, point, high = bounds(pairs)
    assert scaled == pytest.approx((low / factor, point / factor, high / factor), rel=1e-6, abs=1e-9 * point)


@given(trials)
def test_more_confidence_takes_a_wider_interval(pairs: list[tuple[int, float]]) -> None:
    narrow, wide = bounds(pairs, 0.80), bounds(pairs, 0.95)
    assert wide[0] <= narrow[0]
    assert narrow[2] <= wide[2]


def test_the_bootstrap_is_the_same_for_the_same_seed_and_within_what_was_seen() -> None:
    rng = random.Random(7)
    tokens, seconds = zip(*(unlike_length(rng) for _ in range(30)), strict=True)
    first, again, other = (ratio_of_sums(tokens, seconds, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.low is not None
    assert first.high is not None
    rates = [n / s for n, s in zip(tokens, seconds, strict=True)]
    assert min(rates) < first.low < first.point < first.high < max(rates)
