"""Student's t against scipy, which the package itself never imports."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bakeoff.stats.student import t_cdf, t_quantile

degrees = st.one_of(st.integers(1, 10_000).map(float), st.floats(0.5, 10_000))


@given(st.floats(0.51, 0.9999), degrees)
def test_quantiles_agree_with_scipy(p: float, df: float) -> None:
    assert t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-8)


@given(st.floats(-1000, 1000), degrees)
def test_probabilities_agree_with_scipy(t: float, df: float) -> None:
    assert t_cdf(t, df) == pytest.approx(float(stats.t.cdf(t, df)), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("df", "quantile"),
    [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (19, 2.093), (29, 2.045), (1e9, 1.960)],
)
def test_the_quantiles_of_a_95_percent_interval_are_those_of_the_printed_tables(df: float, quantile: float) -> None:
    assert round(t_quantile(0.975, df), 3) == quantile


@given(st.floats(0.0001, 0.9999), degrees)
def test_the_distribution_is_symmetric(p: float, df: float) -> None:
    assert t_quantile(1 - p, df) == pytest.approx(-t_quantile(p, df), rel=1e-6, abs=1e-9)


def test_its_median_is_zero_and_its_ends_are_certain() -> None:
    assert t_quantile(0.5, 3) == 0.0
    assert t_cdf(0.0, 3) == 0.5
    assert t_cdf(math.inf, 3) == 1.0
    assert t_cdf(-math.inf, 3) == 0.0


@pytest.mark.parametrize(("p", "df"), [(0, 5), (1, 5), (-0.1, 5), (1.1, 5), (math.nan, 5), (0.975, 0), (0.975, -1)])
def test_a_quantile_that_does_not_exist_is_an_error(p: float, df: float) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        t_quantile(p, df)
