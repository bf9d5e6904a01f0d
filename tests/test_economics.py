"""What a machine costs against an API: worked examples by hand, and what must hold for any numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.economics.case import break_even_months, busy_share, figures, local_cost_per_month
from bakeoff.economics.queueing import peak
from bakeoff.economics.ranges import between, exactly, extremes, parse_range
from bakeoff.economics.sensitivity import tornado
from bakeoff.errors import UsageError

LOAD = {"hardware_price": 3000.0, "calls_per_day": 500.0, "tokens_out": 1000.0, "api_output_price": 2.19}


def figure(name: str, **inputs: float) -> float:
    found = figures({key: exactly(value) for key, value in inputs.items()})[name]
    assert found is not None
    return found.point


@pytest.mark.parametrize(("calls", "months"), [(500.0, 90.0), (1000.0, 45.0)])
def test_a_published_break_even_comes_out_to_the_month(calls: float, months: float) -> None:
    assert figure("break_even_months", **LOAD | {"calls_per_day": calls}) == pytest.approx(months, abs=0.05)


def test_half_a_million_tokens_a_day_are_thirty_three_dollars_a_month() -> None:
    assert figure("api_cost_per_month", **LOAD) == pytest.approx(0.5 * 2.19 * 365.25 / 12)


def test_tokens_in_are_billed_too() -> None:
    more = figure("api_cost_per_month", **LOAD, tokens_in=200.0, api_input_price=0.55)
    assert more - figure("api_cost_per_month", **LOAD) == pytest.approx(500 * 365.25 / 12 * 200 * 0.55 / 1e6)


def test_electricity_is_that_of_the_busy_and_of_the_waiting_hours() -> None:
    inputs = LOAD | {"tps": 100.0, "watts": 325.0, "idle_watts": 80.0, "electricity_price": 0.2}
    busy_h = 500 * 10 / 3600  # 500 calls of 10 s
    kwh = 365.25 / 12 * (busy_h * 325 + (24 - busy_h) * 80) / 1000
    assert figure("electricity_cost_per_month", **inputs) == pytest.approx(kwh * 0.2)
    assert figure("break_even_months", **inputs) > 100 > figure("break_even_months", **LOAD)


def test_what_is_not_given_is_left_out_and_not_taken_for_zero() -> None:
    found = figures({name: exactly(value) for name, value in LOAD.items()})
    assert found["electricity_cost_per_month"] is None
    assert found["local_cost_per_month"] is None
    assert found["busy_share"] is None


def test_an_api_cheaper_than_the_electricity_is_never_caught_up_with() -> None:
    inputs = LOAD | {"tps": 5.0, "watts": 500.0, "idle_watts": 100.0, "electricity_price": 0.4}
    assert figure("break_even_months", **inputs) == math.inf


def test_electricity_for_nothing_is_a_price() -> None:
    inputs = LOAD | {"tps": 100.0, "watts": 300.0, "electricity_price": 0.0, "life_years": 3.0}
    assert figure("electricity_cost_per_month", **inputs) == 0
    assert figure("local_cost_per_month", **inputs) == pytest.approx(3000 / 36)


def test_resale_shortens_the_break_even() -> None:
    assert figure("break_even_months", **LOAD, resale=1500.0) == pytest.approx(figure("break_even_months", **LOAD) / 2)


def test_a_full_machine_makes_cheaper_tokens_than_an_idle_one() -> None:
    inputs = LOAD | {"tps": 100.0, "watts": 300.0, "idle_watts": 60.0, "electricity_price": 0.3, "life_years": 4.0}
    assert figure("full_load_cost_per_million_tokens", **inputs) < figure("local_cost_per_million_tokens", **inputs)


MONEY = st.floats(0.01, 1e4)
CASES = st.fixed_dictionaries(
    {
        "hardware_price": MONEY,
        "calls_per_day": st.floats(1, 1e5),
        "tokens_out": st.floats(1, 1e5),
        "api_output_price": st.floats(0.01, 100),
        "tps": st.floats(1, 1000),
        "watts": st.floats(100, 1000),
        "idle_watts": st.floats(0, 100),
        "electricity_price": st.floats(0, 1),
        "life_years": st.floats(0.5, 10),
    }
)


@given(case=CASES, factor=st.floats(1, 10))
def test_more_calls_never_lengthen_a_break_even_while_a_call_saves_money(case: dict[str, float], factor: float) -> None:
    api = case["tokens_out"] * case["api_output_price"] / 1e6
    call_s = case["tokens_out"] / case["tps"]
    power = call_s / 3600 * (case["watts"] - case["idle_watts"]) / 1000 * case["electricity_price"]
    more = case | {"calls_per_day": case["calls_per_day"] * factor}
    if api > power and busy_share(more) <= 1:
        assert break_even_months(more) <= break_even_months(case) * (1 + 1e-9)


@given(case=CASES, factor=st.floats(1, 10))
def test_dearer_hardware_never_pays_off_sooner_and_dearer_electricity_neither(
    case: dict[str, float], factor: float
) -> None:
    for name in ("hardware_price", "electricity_price"):
        assert break_even_months(case | {name: case[name] * factor}) >= break_even_months(case) * (1 - 1e-9)


@given(case=CASES)
def test_at_the_break_even_both_have_cost_the_same(case: dict[str, float]) -> None:
    months = break_even_months(case)
    if math.isfinite(months):
        without_life = {name: value for name, value in case.items() if name != "life_years"}
        api = months * case["calls_per_day"] * 365.25 / 12 * case["tokens_out"] * case["api_output_price"] / 1e6
        assert case["hardware_price"] + months * local_cost_per_month(without_life) == pytest.approx(api, rel=1e-6)


@given(low=st.floats(0, 1e6), more=st.floats(0, 1e6))
def test_the_extremes_of_a_steady_function_lie_at_its_corners(low: float, more: float) -> None:
    inputs = {"a": between(low, low + more), "b": exactly(2.0)}
    found = extremes(inputs, lambda n: n["a"] * n["b"])
    assert (found.low, found.high) == (low * 2, (low + more) * 2)
    assert found.point == pytest.approx(low * 2 + more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("325", (325, 325)),
        ("1,600-2,000", (1600, 2000)),
        ("2,500–3,500", (2500, 3500)),
        ("1e-3", (0.001, 0.001)),
        ("300 to 350", (300, 350)),
        ("0.55", (0.55, 0.55)),
        ("0", (0, 0)),
    ],
)
def test_numbers_and_ranges_are_read_as_people_write_them(text: str, expected: tuple[float, float]) -> None:
    found = parse_range(text, "--watts")
    assert (found.low, found.high) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("300-250", "upside down: write the lower number first, 250-300"),
        ("-5", "it must be at least 0"),
        ("cheap", "not a number"),
        ("nan", "not a number"),
        ("1e999", "not a number"),
        ("", "not a number"),
        ("0,30", "not a number"),
        ("$325", "not a number"),
    ],
)
def test_what_is_no_number_is_told(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_range(text, "--watts")


def test_a_price_of_nothing_is_refused_where_it_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        parse_range("0", "--hardware-price", above=True)


def test_the_inputs_that_matter_most_come_first() -> None:
    case = {name: exactly(value) for name, value in LOAD.items()} | {"resale": exactly(30.0)}
    names = [swing.name for swing in tornado(case, break_even_months, most=5)]
    assert set(names[:3]) == {"calls_per_day", "tokens_out", "api_output_price"}
    assert names[3:] == ["hardware_price", "resale"]


def test_an_input_known_as_a_range_is_moved_over_just_that_range() -> None:
    case = {name: exactly(value) for name, value in LOAD.items()} | {"hardware_price": between(2900, 3100)}
    (swing,) = [each for each in tornado(case, break_even_months, most=9) if each.name == "hardware_price"]
    assert (swing.low_input, swing.high_input) == (2900, 3100)
    assert swing.at_high / swing.at_low == pytest.approx(3100 / 2900)


def test_a_busy_hour_makes_calls_wait_and_an_overfull_one_for_ever() -> None:
    quiet, busy = peak(100, 10.0, 0.1), peak(10_000, 10.0, 0.1)
    assert quiet.busy == pytest.approx(100 * 0.1 * 10 / 3600)
    assert quiet.wait_high_s == pytest.approx(quiet.busy * 10 / (1 - quiet.busy))
    assert quiet.wait_low_s * 2 == quiet.wait_high_s
    assert busy.busy > 2
    assert busy.wait_low_s == math.inf
