"""The ratio of two cells: its interval covers, in pairs too; and the verdicts say what the interval shows."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from bakeoff.stats.intervals import Interval
from bakeoff.stats.ratios import Parts, inverted, paired_quotient, quotient
from bakeoff.stats.verdicts import Code, in_words, times, trials_wanted, verdict

TOKENS = 127.0


def cells(
    rng: random.Random, n: int, m: int, noise: tuple[float, float], common: float = 0.0
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Two cells, the second twice as fast; in each round a share ``common`` of the noise's variance is shared."""
    shared = [rng.gauss(0, 1) for _ in range(max(n, m))]

    def seconds(place: int, typical: float, deviation: float) -> float:
        own = rng.gauss(0, 1) * math.sqrt(1 - common) + shared[place] * math.sqrt(common)
        return typical * math.exp(deviation * own - deviation**2 / 2)

    return (
        [(TOKENS, seconds(i, 1.27, noise[0])) for i in range(n)],
        [(TOKENS, seconds(i, 0.635, noise[1])) for i in range(m)],
    )


def covered(interval: Interval, truth: float = 2.0) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("noise", [(0.03, 0.03), (0.02, 0.08)])
@pytest.mark.parametrize(("n", "m"), [(3, 3), (5, 5), (10, 10), (20, 20), (5, 20), (20, 5)])
def test_the_interval_of_the_ratio_covers_95_times_in_100(n: int, m: int, noise: tuple[float, float]) -> None:
    rng = random.Random(20_241_127)
    share = sum(covered(quotient(*cells(rng, n, m, noise))) for _ in range(1000)) / 1000
    assert 0.93 <= share <= 0.975


@pytest.mark.parametrize("n", [3, 5, 10, 20])
@pytest.mark.parametrize("common", [0.0, 0.6, 0.9])
def test_in_pairs_it_covers_as_often_whatever_the_rounds_have_in_common(n: int, common: float) -> None:
    rng = random.Random(20_241_128)
    share = sum(covered(paired_quotient(*cells(rng, n, n, (0.04, 0.04), common))) for _ in range(1000)) / 1000
    assert share == pytest.approx(0.95, abs=0.02)


def test_noise_that_both_share_makes_pairs_narrower_and_the_unpaired_interval_too_wide() -> None:
    rng = random.Random(6)
    drawn = [cells(rng, 10, 10, (0.04, 0.04), common=0.8) for _ in range(500)]
    pairs, apart = [paired_quotient(a, b) for a, b in drawn], [quotient(a, b) for a, b in drawn]
    assert sum(map(width, pairs)) < 0.55 * sum(map(width, apart))
    assert sum(map(covered, apart)) / 500 > 0.985


def width(interval: Interval) -> float:
    return interval.relative_half_width


def test_the_interval_is_welchs_of_the_logarithms() -> None:
    """For trials of one length and little noise, that of scipy on the logarithms of the times."""
    a = [(1.0, t) for t in (1.000, 1.001, 0.999, 1.002)]
    b = [(1.0, t) for t in (0.800, 0.803, 0.799, 0.801, 0.798)]
    logs_a, logs_b = ([math.log(t) for _, t in each] for each in (a, b))
    oracle = stats.ttest_ind(logs_a, logs_b, equal_var=False).confidence_interval()
    ours = quotient(a, b)
    assert ours.low is not None
    assert ours.high is not None
    assert (math.log(ours.low), math.log(ours.high)) == pytest.approx((oracle.low, oracle.high), rel=1e-3)


def test_in_pairs_it_is_the_paired_t_of_the_logarithms() -> None:
    a = [(1.0, t) for t in (1.000, 1.011, 0.989, 1.002)]
    b = [(1.0, t) for t in (0.500, 0.507, 0.496, 0.500)]
    logs_a, logs_b = ([math.log(t) for _, t in each] for each in (a, b))
    oracle = stats.ttest_rel(logs_a, logs_b).confidence_interval()
    ours = paired_quotient(a, b)
    assert ours.low is not None
    assert ours.high is not None
    assert (math.log(ours.low), math.log(ours.high)) == pytest.approx((oracle.low, oracle.high), rel=2e-3)


def test_turned_around_the_ratio_is_one_over_it() -> None:
    a, b = cells(random.Random(1), 5, 8, (0.03, 0.05))
    there, back = quotient(a, b), inverted(quotient(b, a))
    assert there.low is not None
    assert (there.point, there.low, there.high) == pytest.approx((back.point, back.low, back.high))


def test_one_trial_gives_a_ratio_without_bounds() -> None:
    assert quotient([(10, 1)], [(20, 1), (21, 1)]) == Interval(20.5 / 10, None, None, 1)
    assert paired_quotient([(10, 1)], [(20, 1)]) == Interval(2.0, None, None, 1)


def test_cells_that_never_vary_give_a_ratio_whose_bounds_are_itself() -> None:
    same: Parts = [(10, 1)] * 5
    twice: Parts = [(20, 1)] * 5
    for interval in (quotient(same, twice), paired_quotient(same, twice)):
        assert interval == Interval(2.0, 2.0, 2.0, 5)


def test_rounds_that_differ_alike_in_both_leave_nothing_in_doubt() -> None:
    a = [(10.0, t) for t in (1.0, 1.1, 0.9)]
    b = [(10.0, t / 2) for t in (1.0, 1.1, 0.9)]
    assert paired_quotient(a, b) == Interval(2.0, 2.0, 2.0, 3)


def test_two_trials_that_say_nothing_have_no_bounds() -> None:
    wild = quotient([(1, 1), (1e-9, 1)], [(1, 1), (1e-9, 1)], confidence=0.9999)
    assert (wild.low, wild.high) == (None, None)


@pytest.mark.parametrize(("a", "b"), [([(0, 1)], [(1, 1)]), ([(1, 1)], [(0, 1)]), ([(1, 0)], [(1, 1)])])
def test_what_is_no_ratio_above_zero_is_an_error(a: Parts, b: Parts) -> None:
    with pytest.raises(ValueError, match="above zero"):
        quotient(a, b)


def test_pairs_must_be_complete() -> None:
    with pytest.raises(ValueError, match="pairs"):
        paired_quotient([(1, 1)], [(1, 1), (1, 1)])


def ratio(point: float, low: float | None, high: float | None, n: int = 5) -> Interval:
    return Interval(point, low, high, n)


WORDS: list[tuple[Interval, Code, str]] = [
    (ratio(2.4, 2.3, 2.5), "faster", "faster by 2.4× (2.3–2.5)"),
    (ratio(1 / 2.4, 1 / 2.5, 1 / 2.3), "slower", "slower by 2.4× (2.3–2.5)"),
    (ratio(1.0, 0.97, 1.031), "no_difference_seen", "no difference seen (±3.1 %)"),
    (ratio(1.0, 0.99, 1.01), "equivalent", "equivalent within ±3 %"),
    (ratio(1.3, 0.8, 2.1), "too_few_trials", "too few trials to tell"),
    (ratio(1.3, None, None, 1), "too_few_trials", "too few trials to tell"),
    (ratio(1.02, 1.015, 1.025), "equivalent", "equivalent within ±3 %"),
    (ratio(1.05, 1.01, 1.09), "faster", "faster by 1.05× (1.01–1.09)"),
    (ratio(2.4, 2.4, 2.4), "faster", "faster by 2.40× (2.40–2.40)"),
    (ratio(1.0, 1.0, 1.0), "equivalent", "equivalent within ±3 %"),
]


@pytest.mark.parametrize(("interval", "code", "words"), WORDS)
def test_the_words_say_what_the_interval_shows(interval: Interval, code: Code, words: str) -> None:
    assert verdict(interval) == code
    assert in_words(code, interval) == words


def test_a_smaller_margin_calls_less_equivalent() -> None:
    narrow = ratio(1.02, 1.015, 1.025)
    assert verdict(narrow, margin=0.01) == verdict(narrow, margin=0.0) == "faster"
    assert in_words("equivalent", narrow, 0.05) == "equivalent within ±5 %"


def test_a_bound_that_is_not_1_does_not_read_as_1() -> None:
    assert times(ratio(1.08, 1.004, 1.16)) == "1.080× (1.004–1.160)"
    assert times(ratio(1.08, 1.00000001, 1.16)) == "1.0800× (1.0000–1.1600)"


def test_a_ratio_without_bounds_is_said_without_them() -> None:
    assert times(ratio(2.4, None, None, 1)) == "2.40×"
    assert times(ratio(24.1, 19.0, 30.0)) == "24× (19–30)"


def test_how_many_trials_it_would_take_follows_from_the_root_of_n() -> None:
    """From ±12 % (in logarithms) to just under ±3 %: sixteen times as many."""
    interval = ratio(1.0, 1.03**-3.99, 1.03**3.99, n=5)
    assert trials_wanted(interval) == 80
    assert trials_wanted(ratio(1.0, None, None, 1)) is None


@pytest.mark.parametrize("truth", [1.0, 1.01])
def test_what_is_the_same_is_seldom_said_to_differ(truth: float) -> None:
    """Of two equal cells: in 5 % of comparisons at most; of cells that differ by less than the margin, no more often
    than that shows."""
    rng = random.Random(9)
    said = []
    for _ in range(1000):
        a = [(TOKENS, rng.lognormvariate(0, 0.03)) for _ in range(5)]
        b = [(TOKENS * truth, rng.lognormvariate(0, 0.03)) for _ in range(5)]
        said.append(verdict(quotient(a, b)))
    wrong = sum(code in ("faster", "slower") for code in said) / 1000
    assert wrong <= (0.065 if truth == 1.0 else 0.15)


def test_what_differs_by_more_than_the_margin_is_seldom_said_to_be_equivalent() -> None:
    rng = random.Random(10)
    said = []
    for _ in range(1000):
        a = [(TOKENS, rng.lognormvariate(0, 0.01)) for _ in range(5)]
        b = [(TOKENS * 1.03, rng.lognormvariate(0, 0.01)) for _ in range(5)]
        said.append(verdict(quotient(a, b)))
    assert sum(code == "equivalent" for code in said) / 1000 <= 0.04
