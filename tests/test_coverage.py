"""The 95 % intervals hold the truth as often as docs/statistics.md says, by the package's own rules."""

from __future__ import annotations

import random
import re

import pytest
from fit.coverage import (
    PAGE,
    coverage,
    coverage_of_ratio,
    coverage_stopped,
    stopped_by_trials,
    stopped_by_windows,
    times,
)

from bakeoff.stats.correlation import lag_one


@pytest.mark.parametrize("noise", [0.02, 0.04, 0.08])
@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_a_fixed_number_of_trials_covers_93_to_97_times_in_100(n: int, noise: float) -> None:
    assert 0.93 <= coverage(n, 3000, noise) <= 0.97


def test_so_do_40_trials_by_the_bootstrap() -> None:
    assert 0.93 <= coverage(40, 1500) <= 0.97


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.055, 0.1])
def test_the_rule_that_ends_a_cell_leaves_90_times_in_100_at_least(noise: float) -> None:
    """The worst is noise of 5.5 %, where the rule stops wherever the interval is narrow by chance."""
    covers, taken = coverage_stopped(stopped_by_trials, 1000, noise)
    assert covers >= 0.90
    assert 5 <= taken <= 20


def test_the_rule_for_windows_costs_more_but_no_more_than_that() -> None:
    covers, taken = coverage_stopped(stopped_by_windows, 1500, 0.055)
    assert covers == pytest.approx(0.902, abs=0.015)
    assert 3 <= taken <= 20


@pytest.mark.parametrize(("correlation", "n", "covers"), [
    (0.3, 5, 0.885), (0.3, 20, 0.85), (0.6, 5, 0.735), (0.6, 20, 0.67),
])  # fmt: skip
def test_trials_that_resemble_the_one_before_make_the_interval_too_narrow(
    correlation: float, n: int, covers: float
) -> None:
    assert coverage(n, 2000, correlation=correlation) == pytest.approx(covers, abs=0.025)


@pytest.mark.parametrize(("correlation", "covers"), [(0.3, 0.84), (0.6, 0.67)])
def test_under_the_rule_they_do_so_too(correlation: float, covers: float) -> None:
    assert coverage_stopped(stopped_by_trials, 1000, 0.04, correlation)[0] == pytest.approx(covers, abs=0.035)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (10, 10), (5, 20)])
def test_the_ratio_of_two_cells_covers_as_often(n: int, m: int) -> None:
    assert 0.93 <= coverage_of_ratio(n, m, 1000) <= 0.98


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_correlation_of_neighbours_is_estimated_without_a_bias_to_speak_of(correlation: float) -> None:
    found = [lag_one(row) for row in times(1500, 20, 0.04, correlation).tolist()]
    assert sum(each.r for each in found if each) / 1500 == pytest.approx(correlation, abs=0.04)


def test_values_without_correlation_show_one_in_about_one_run_of_twenty() -> None:
    for n in (8, 20):
        found = [lag_one(row) for row in times(1500, n, 0.04).tolist()]
        assert 0.025 <= sum(each.p < 0.05 for each in found if each) / 1500 <= 0.07


def test_an_interval_widened_as_the_correlation_asks_covers_again() -> None:
    """With the true correlation of 0.6, and 40 trials: the factor is 2."""
    hits = 0
    for row in times(1000, 20, 0.04, 0.6).tolist():
        from fit.coverage import TRUE_TPS, of_trials

        interval = of_trials(row)
        assert interval.high is not None
        hits += abs(interval.point - TRUE_TPS) <= 2 * (interval.high - interval.point)
    assert 0.90 <= hits / 1000 <= 0.97


def test_the_widening_is_the_root_of_one_plus_r_over_one_minus_r() -> None:
    rng, values = random.Random(2), [1.0]
    while len(values) < 200:
        values.append(1 + 0.6 * (values[-1] - 1) + 0.01 * rng.gauss(0, 1))
    found = lag_one(values)
    assert found is not None
    assert found.widening == pytest.approx(((1 + found.r) / (1 - found.r)) ** 0.5)
    assert found.r == pytest.approx(0.6, abs=0.12)
    assert found.p < 1e-6


@pytest.mark.parametrize("values", [[1.0, 2.0, 1.5], [3.0] * 12])
def test_few_or_constant_values_show_no_correlation(values: list[float]) -> None:
    assert lag_one(values) is None


def test_values_that_alternate_ask_for_no_widening() -> None:
    found = lag_one([1.0, 1.1] * 6)
    assert found is not None
    assert found.r < 0
    assert found.widening == 1.0


def page_rows(head: str) -> list[list[str]]:
    """The rows of the first table below this line of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(head)[2]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in re.findall(r"(?m)^\|.*\|$", text.split("\n\n")[1])[2:]]  # fmt: skip


def test_the_page_shows_what_comes_out() -> None:
    for n, *shares in page_rows("Of a fixed number of trials"):
        if int(n) < 30:
            for correlation, share in zip((0.0, 0.3, 0.6), shares, strict=True):
                shown = float(share.removesuffix(" %")) / 100
                assert shown == pytest.approx(coverage(int(n), 1000, correlation=correlation), abs=0.05)


def test_no_row_of_the_page_falls_below_what_is_promised_for_independent_trials() -> None:
    for row in page_rows("Of a fixed number of trials"):
        assert 93 <= float(row[1].removesuffix(" %")) <= 97
    for words in ("by trials:", "by windows of load:"):
        for row in page_rows(words):
            assert float(row[2].removesuffix(" %")) >= 89.5
