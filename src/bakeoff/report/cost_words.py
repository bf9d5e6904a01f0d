"""Amounts of money and months in words, and the sentence that answers."""

from __future__ import annotations

import math
from collections.abc import Callable

from bakeoff.economics.ranges import Range
from bakeoff.economics.verdict import Answer
from bakeoff.units import listed, seconds_text, significant

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_MONTHS = ("break_even_months", "break_even_months_without_electricity")
_SHARES = ("busy_share", "peak_busy_share")
LONG_MONTHS = 24
"""From here on months are said in years, too."""


def money(value: float, currency: str) -> str:
    """``$33.3``, ``€1,240``, ``CHF 0.277``: three digits, all of them from a hundred on."""
    digits = f"{value:,.0f}" if abs(value) >= 100 else significant(value)
    return f"{_SIGNS[currency]}{digits}" if currency in _SIGNS else f"{currency} {digits}"


def months(value: float) -> str:
    """``90``, ``4.5``, ``never``."""
    if math.isinf(value):
        return "never"
    return f"{value:,.0f}" if value >= 10 else significant(value, 2)


def amount(value: float) -> str:
    """An input as it was given, without noise: ``0.3835``, ``1,200``."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def figure_value(name: str, value: float, currency: str) -> str:
    """One value of a figure, with its unit."""
    if name in _MONTHS:
        return months(value)
    if name in _SHARES:
        return f"{significant(100 * value)} %"
    if name == "peak_wait_s":
        return seconds_text(value) if math.isfinite(value) else "for ever"
    return money(value, currency)


def within(name: str, value: Range, currency: str) -> str:
    """The bounds of a figure; nothing where it is known exactly."""
    if value.certain:
        return ""
    low, high = (figure_value(name, bound, currency) for bound in (value.low, value.high))
    return "" if low == high else f"{low} – {high}"


def answer_line(came: Answer) -> str:
    """The sentence that answers: does it pay off, and when? Then what stands in the way of it."""
    return f"{_main(came)}{_electricity(came)}{_load(came)}"


def _main(came: Answer) -> str:
    found, verdict = came.figures, came.verdict
    value, life = found["break_even_months"], came.values.get("life_years")
    lasts = "" if life is None else _span(life.times(12))
    if verdict == "cannot_do_the_load" and (busy := found["busy_share"]) is not None:
        hours = _bounds(busy.times(24), significant)
        return f"This machine cannot do this load: it would have to work {hours} hours a day."
    if value is None:
        return _without(came)
    after = _after(value)
    if verdict == "never":
        return f"The API is cheaper at this load, and stays so: the hardware never pays off{_why(came)}."
    if verdict == "not_within_life":
        return f"The API is cheaper at this load: {after}, longer than the {lasts} that the hardware lasts."
    if verdict == "pays_off":
        return f"The hardware pays off at this load: {after}, of the {lasts} that it lasts."
    if verdict == "open":
        return f"Which is cheaper is open: {after}, and the hardware lasts {lasts}."
    return f"{after[0].upper()}{after[1:]}{_years(value)}, if the hardware lasts that long: --life-years says it."


def _after(value: Range) -> str:
    """*break-even after 90 months (70–110)*."""
    if math.isinf(value.point):
        return f"break-even never, or at the best after {months(value.low)} months"
    return f"break-even after {_span(value)} months"


def _span(value: Range) -> str:
    return _bounds(value, months)


def _bounds(value: Range, words: Callable[[float], str]) -> str:
    point, low, high = (words(each) for each in (value.point, value.low, value.high))
    return point if low == high else f"{point} ({low} to {high})"


def _years(value: Range) -> str:
    if not math.isfinite(value.point) or value.point < LONG_MONTHS:
        return ""
    return f" ({significant(value.point / 12, 2)} years)"


def _why(came: Answer) -> str:
    api, electricity = came.figures["api_cost_per_month"], came.figures["electricity_cost_per_month"]
    if api is None or electricity is None:
        return ", since the API costs nothing"
    here, there = (money(each.point, came.currency) for each in (electricity, api))
    return f", since its electricity alone costs {here} a month, and the API {there}"


_NEEDED = {
    "api_output_price": "an API's price",
    "hardware_price": "the hardware's price",
    "calls_per_day": "the calls of a day",
    "tokens_out": "the tokens of a call",
}


def _electricity(came: Answer) -> str:
    """What leaving electricity out would have said."""
    value, bare = (came.figures[name] for name in _MONTHS)
    if value is None or bare is None or months(value.point) == months(bare.point):
        return ""
    return f" Without electricity it would be {months(bare.point)} months."


def _without(came: Answer) -> str:
    """What can be said where there is no break-even."""
    found, currency = came.figures, came.currency
    api, local = found["api_cost_per_month"], found["local_cost_per_million_tokens"]
    lacks = listed([words for name, words in _NEEDED.items() if name not in came.case])
    if local is not None and api is None:
        return (
            f"A million tokens cost {money(local.point, currency)} here at this load; without {lacks}, no break-even."
        )
    electricity = found["electricity_cost_per_month"]
    if api is not None and electricity is not None:
        here, there = (money(each.point, currency) for each in (electricity, api))
        return f"A month costs {here} of electricity here, and {there} by the API; without {lacks}, no break-even."
    if api is not None:
        return f"The API costs {money(api.point, currency)} a month at this load; without {lacks}, no break-even."
    return f"Without {lacks}, no break-even; what follows from the rest:"


def _load(came: Answer) -> str:
    """What the load does to the machine, where it is not simply done."""
    peak = came.figures["peak_busy_share"]
    if came.can_do == "not_in_the_busiest_hour" and peak is not None:
        return f" In the busiest hour it cannot keep up: {significant(peak.point, 2)} hours of work come in one."
    if came.can_do == "perhaps":
        return " Whether the machine can do this load is not sure."
    return ""
