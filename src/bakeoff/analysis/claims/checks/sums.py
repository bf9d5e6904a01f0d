"""Arithmetic that a publication does, done again: sums, ratios, break-even, and differences finer than their sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from bakeoff.analysis.claims.checks.inputs import of_plan
from bakeoff.analysis.claims.checks.inputs import stated as in_file
from bakeoff.analysis.claims.claim import Claim, Stated
from bakeoff.analysis.claims.expression import evaluate, names, parse_expression, show_number, worked_out
from bakeoff.analysis.claims.quantity import Quantity, in_unit
from bakeoff.analysis.claims.subject import depth, engine_of, placed, work_of
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict
from bakeoff.economics.case import DAYS_A_MONTH, ELECTRICITY, NAMES, break_even_months, electricity_per_month, has
from bakeoff.economics.ranges import Range, between, exactly, extremes
from bakeoff.errors import UsageError
from bakeoff.planning.speed import decode_tps
from bakeoff.units import significant

BREAK_EVEN = "(price − resale) / (calls × days × tokens × API price / 10⁶ − electricity)"
SIGNIFICANCE = 0.05
MOST_STEPS = 100
"""More possible differences than that need not be counted."""


def total(claim: Claim, claimed: Quantity, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """A sum over claims and constants, in the units they were published in."""
    assert claim.expression is not None
    node = parse_expression(claim.expression)
    values = {name: _range(value, stated) for name, value in _inputs(claim, stated).items()}
    try:
        found = evaluate(node, values)
    except UsageError as error:
        yield Evidence(source="arithmetic", words=str(error))
        return
    unit = "×" if claimed.unit == "x" else f" {claimed.unit}"
    words = f"{worked_out(node, values)} = {_shown(found)}{unit}"
    yield _against(claimed, found, words, claim.expression, _given(claim, stated))


def ratio(claim: Claim, claimed: Quantity, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """The first claim over the second; of two speeds also as they are planned."""
    upper, lower = (stated[name] for name in claim.of)
    over, under = _own_range(upper), _own_range(lower)
    if under.low <= 0:
        yield Evidence(source="arithmetic", words=f"nothing can be divided by {lower.claim.id}, which may be zero")
        return
    assert upper.figure is not None
    assert lower.figure is not None
    scale = upper.figure.scale / lower.figure.scale
    found = extremes({"a": over, "b": under}, lambda n: n["a"] / n["b"] * scale)
    found = Range(found.low, found.high, over.point / under.point * scale)
    words = f"{_plain(over)} {upper.figure.unit} / {_plain(under)} {lower.figure.unit} = {_shown(found)}×"
    yield _against(claimed, found, words, f"{claim.of[0]} / {claim.of[1]}", _given(claim, stated))
    if upper.claim.metric == lower.claim.metric == "decode":
        yield _planned_ratio(claimed, upper.claim, lower.claim)


def _planned_ratio(claimed: Quantity, upper: Claim, lower: Claim) -> Evidence:
    a, b = (decode_tps(work_of(each), placed(each), depth(each), engine_of(each)) for each in (upper, lower))
    low, high = (a.low or a.point) / (b.high or b.point), (a.high or a.point) / (b.low or b.point)
    point = a.point / b.point
    inside = claimed.least <= high and low <= claimed.most
    return Evidence(
        source="predicted",
        words=f"planned {show_number(a.point)} / {show_number(b.point)} tok/s = {show_number(point)}× "
        f"({show_number(low)}–{show_number(high)})",
        verdict="holds" if inside else None,
        low=low,
        point=point,
        high=high,
        formula="the one's planned rate / the other's; bounds: the one's lower / the other's upper, and the reverse",
        given=tuple(given for each in (upper, lower) for given in of_plan(each, work_of(each), placed(each))),
    )


def _against(claimed: Quantity, found: Range, words: str, formula: str, given: tuple[Given, ...]) -> Evidence:
    """What follows from the middles of ranges holds; what no values in them give cannot; between it is open."""
    scale = claimed.scale
    verdict: Verdict = "holds"
    if not claimed.covers(found.point * scale):
        verdict = "cannot_check" if claimed.meets(found.low * scale, found.high * scale) else "impossible"
        words += _not_so(claimed) if verdict == "impossible" else ", which the ranges leave open"
    elif found.low != found.high and not (claimed.covers(found.low * scale) and claimed.covers(found.high * scale)):
        words += ": at the middles, though the ranges allow more"
    return Evidence(
        source="arithmetic",
        words=words,
        verdict=verdict,
        low=found.low * scale,
        point=found.point * scale,
        high=found.high * scale,
        formula=formula,
        given=given,
    )


def _not_so(claimed: Quantity) -> str:
    if claimed.relation == "!=":
        return ", just what it is said not to be"
    return f", not {claimed_text(claimed)}"


def claimed_text(claimed: Quantity) -> str:
    """The figure as the claim has it, without its tolerance."""
    scale = claimed.scale
    if claimed.is_range:
        return f"{show_number(claimed.low)} to {in_unit(claimed.high * scale, claimed.unit)}"
    words = {">=": "at least ", ">": "above ", "<=": "at most ", "<": "below "}
    sign = words.get(claimed.relation, "")
    return f"{sign}{in_unit(claimed.middle * scale, claimed.unit)}"


def break_even(claim: Claim, claimed: Quantity, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """Months, by economics/case.py; then with what ``also`` adds, which the publication left out."""
    values = {name: _range(value, stated) for name, value in claim.where.items()}
    given = values | {name: _range(value, stated) for name, value in claim.also.items()}
    found = extremes(values, break_even_months)
    words = f"{_break_even_sum(values)} = {_months(found)}"
    yield _against(claimed, found, words, BREAK_EVEN, _given(claim, stated))
    if not claim.also:
        return
    longer = extremes(given, break_even_months)
    power = extremes(given, electricity_per_month) if has(given, ELECTRICITY) else None
    added = ", ".join(f"{NAMES[name]} {_plain(value)}" for name, value in given.items() if name not in values)
    electricity = "" if power is None else f"electricity is {_shown(power)} USD/month while it computes, and "
    yield Evidence(
        source="arithmetic",
        words=f"left out: {added}. With them {electricity}it takes {_months(longer)}",
        low=longer.low,
        point=longer.point,
        high=longer.high,
        formula=f"{BREAK_EVEN}; electricity: calls × days × tokens / rate × watts × price of a kWh",
        given=_inputs_given({**claim.where, **claim.also}, stated),
    )


def _break_even_sum(values: Mapping[str, Range]) -> str:
    """``3,000 / (500 × 30.4375 days × 1,000 × 2.19 / 10⁶)``; what else is in it in words."""
    shown = {name: _plain(value) for name, value in values.items()}
    call = f"{shown['tokens_out']} × {shown['api_output_price']}"
    if "tokens_in" in shown and "api_input_price" in shown:
        call = f"({shown['tokens_in']} × {shown['api_input_price']} + {call})"
    price = f"({shown['hardware_price']} - {shown['resale']})" if "resale" in shown else shown["hardware_price"]
    less = " - electricity" if has(values, ELECTRICITY) else ""
    return f"{price} / ({shown['calls_per_day']} × {DAYS_A_MONTH:g} days × {call} / 10⁶{less})"


def _months(value: Range) -> str:
    point, low, high = (in_unit(each, "months") for each in (value.point, value.low, value.high))
    return point if value.certain else f"{point} ({low.removesuffix(' months')} to {high})"


def accuracy_difference(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Whether so many answers can differ by that much; and what no difference among them would have shown."""
    assert claim.items is not None
    assert claim.samples is not None
    answers = claim.items * claim.samples
    step = 1 / answers
    first, last = math.floor(max(0.0, claimed.least) * answers), math.ceil(min(1.0, claimed.most) * answers)
    steps = range(first, min(last, first + MOST_STEPS) + 1)
    possible = [count * step for count in steps if claimed.covers(count * step)]
    bound = 1 - SIGNIFICANCE**step
    counted = f"{claim.items:,} items × {claim.samples:,} samples = {answers:,} answers a side"
    yield Evidence(
        source="arithmetic",
        words=f"{counted}: accuracies differ in steps of {significant(100 * step)} points, "
        f"{_possible(possible, claimed)}. No difference in {answers:,} answers leaves one of up to "
        f"{100 * bound:.0f} points open",
        verdict="cannot_check" if possible else "impossible",
        point=step,
        high=bound,
        formula="1 / answers; left open: 1 − 0.05^(1 / answers), the exact 95 % bound where none of them differs",
        given=(
            in_file("items", f"{claim.items:,}"),
            in_file("samples of each", f"{claim.samples:,}"),
        ),
    )


def _possible(differences: list[float], claimed: Quantity) -> str:
    """Which of the differences that there can be are of the claimed size."""
    if not differences:
        return f"so never by {claimed_text(claimed)}"
    if differences == [0]:
        return "and are so near only where they are equal"
    listed = dict.fromkeys(significant(100 * each) for each in differences[:4])
    return f"and by {', '.join(listed)} among others"


def _inputs(claim: Claim, stated: Mapping[str, Stated]) -> dict[str, float | str]:
    """Every name that the sum may use: constants, and claims by their id."""
    return {**{name: name for name, each in stated.items() if each.figure is not None}, **claim.where}


def _range(value: float | str, stated: Mapping[str, Stated]) -> Range:
    return exactly(float(value)) if isinstance(value, (int, float)) else _own_range(stated[value])


def _own_range(one: Stated) -> Range:
    """A claim's figure in its published unit."""
    assert one.figure is not None
    figure = one.figure
    return exactly(figure.low) if figure.low == figure.high else between(figure.low, figure.high, figure.middle)


def _plain(value: Range) -> str:
    return show_number(value.point) if value.certain else f"{show_number(value.low)}–{show_number(value.high)}"


def _shown(value: Range) -> str:
    """A result; of ranges the middles' and, in brackets, how far they reach."""
    if value.certain:
        return show_number(value.point)
    return f"{show_number(value.point)} ({show_number(value.low)}–{show_number(value.high)})"


def _given(claim: Claim, stated: Mapping[str, Stated]) -> tuple[Given, ...]:
    over: dict[str, float | str] = {name: name for name in claim.of}
    if claim.expression is not None:
        over |= {name: name for name in sorted(names(parse_expression(claim.expression)) - claim.where.keys())}
    return _inputs_given(over | claim.where, stated) or (in_file("numbers", claim.expression or ""),)


def _inputs_given(inputs: Mapping[str, float | str], stated: Mapping[str, Stated]) -> tuple[Given, ...]:
    """Each number with its source: another claim, or the constants of this one."""
    return tuple(
        Given(name=name if name == value else f"{name}, {value}", value=stated[value].claim.claimed,
              source="claim of the same file") if isinstance(value, str) else in_file(name, f"{value:g}")
        for name, value in inputs.items()
    )  # fmt: skip
