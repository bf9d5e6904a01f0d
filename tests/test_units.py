"""What people read: no digit that was not earned, and nothing that a terminal would obey."""

from __future__ import annotations

import math
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.units import bytes_text, figure_text, listed, one_line, plain_text, seconds_text, significant

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""All characters with the Unicode property Bidi_Control."""
pieces = st.text() | st.sampled_from(
    ["\x1b", "[", "]", "\x9b", "\x9d", "31m", "0;x", "\x07", "\x1b\\", "\x9c", "\r", "P", "\x7f", *BIDI_CONTROLS]
)


@given(st.lists(pieces).map("".join))
def test_plain_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    plain = plain_text(text)
    assert not [c for c in plain if unicodedata.category(c) == "Cc" and c not in "\t\n"]
    assert not [c for c in plain if c in BIDI_CONTROLS]
    assert plain_text(plain) == plain


@given(st.lists(pieces | st.sampled_from(["\n", "\u2028", "\u2029", "\x85"])).map("".join))
def test_a_name_stays_on_its_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert one_line(text) == " ".join(plain_text(text).split())
    assert one_line(one_line(text)) == one_line(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"])))
def test_text_without_controls_is_left_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("hostile", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b[38;2;255;0;0mtrue colour", "true colour"),
        ("\x1b]8;;http://example.com\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;a new title\x1b\\text", "text"),
        ("\x9d0;a new title\x9ctext", "text"),
        ("\x1bP+q544e\x1b\\text", "text"),
        ("before\x1b]52;c;Y2xpcGJvYXJk", "before"),
        ("\x1bcreset", "reset"),
        ("\x1b(0lines", "lines"),
        ("a\x1b", "a"),
        ("\x1b[\x1b[31mred", "red"),
        ("over\rwritten", "overwritten"),
        ("line\r\nline\tend", "line\nline\tend"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("👩\u200d🚀 می\u200cخواهم", "👩\u200d🚀 می\u200cخواهم"),  # these joiners are part of the words
    ],
)
def test_sequences_go_and_the_words_stay(hostile: str, plain: str) -> None:
    assert plain_text(hostile) == plain


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "0.0123"), (4.57, "4.57"), (103, "103"), (4.5678, "4.57"), (9.996, "10.0"), (999.6, "1000"),
     (12345, "12300"), (0.00099996, "0.00100"), (-4.5678, "-4.57"), (0, "0"), (1e-7, "0.000000100"),
     (math.inf, "–"), (math.nan, "–")],
)  # fmt: skip
def test_a_number_has_three_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert significant(value) == text


@given(st.floats(1e-9, 1e15), st.integers(1, 6))
def test_significant_digits_are_as_many_as_asked_for_and_true(value: float, digits: int) -> None:
    text = significant(value, digits)
    assert re.fullmatch(r"\d+(\.\d+)?", text)
    assert float(text) == pytest.approx(value, rel=0.5000001 * 10 ** (1 - digits))
    if "." in text:
        assert len(text.replace(".", "").lstrip("0")) == digits


@pytest.mark.parametrize(
    ("point", "half", "text"),
    [(93.6, 0.6, "93.6 ±0.6"), (93.648, 0.554, "93.6 ±0.6"), (93.648, 0.12, "93.65 ±0.12"), (93.648, 3.4, "93.6 ±3.4"),
     (93.648, 3.6, "94 ±4"), (211.7, 12.2, "212 ±12"), (4321, 54, "4320 ±50"), (12345, 1234, "12300 ±1200"),
     (0.012347, 0.000123, "0.01235 ±0.00012")],
)  # fmt: skip
def test_an_interval_earns_the_digits_that_it_does_not_blur(point: float, half: float, text: str) -> None:
    assert figure_text(point, point - half, point + half) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e6))
def test_rounding_costs_a_seventh_of_the_half_width_at_most_and_keeps_no_third_digit_of_it(
    point: float, half: float
) -> None:
    shown, width = figure_text(point, point - half, point + half).split(" ±")
    assert len(shown.partition(".")[2]) == len(width.partition(".")[2])
    assert abs(float(shown) - point) <= half / 7
    assert abs(float(width) - half) <= half / 7
    assert len((width.replace(".", "") if "." in width else width.rstrip("0")).lstrip("0")) <= 2


@pytest.mark.parametrize(("low", "high"), [(None, None), (100.0, 100.0), (None, 101.0), (-math.inf, math.inf)])
def test_a_figure_without_an_interval_has_three_digits(low: float | None, high: float | None) -> None:
    assert figure_text(100.0, low, high) == "100"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.00 kB"), (98_362_432, "98.4 MB"), (1_114_469_184, "1.11 GB"),
     (1.5e12, "1.50 TB")],
)  # fmt: skip
def test_bytes_are_counted_in_decimal_units(size: float, text: str) -> None:
    assert bytes_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.00031, "0.310 ms"), (0.085, "85.0 ms"), (2.4, "2.40 s"), (59.96, "60.0 s"), (99.4, "99.4 s"),
     (100, "1 min 40 s"), (200, "3 min 20 s"), (3599.7, "60 min 00 s")],
)  # fmt: skip
def test_times_carry_the_unit_that_keeps_them_readable(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_listed_with_and_before_the_last(words: list[str], text: str) -> None:
    assert listed(words) == text


def test_a_time_without_end_is_no_time() -> None:
    assert seconds_text(math.inf) == seconds_text(-math.inf).split()[0] == seconds_text(math.nan) == "–"


def test_times_may_be_rounded_to_fewer_digits() -> None:
    assert seconds_text(5.2356, 2) == "5.2 s"
