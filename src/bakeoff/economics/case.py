"""One machine under one load against one API: the formulas. Money in one currency, a month of 365.25 / 12 days.

api           calls × days × (tokens in × input price + tokens out × output price) / 10⁶, a month
busy          tokens in / prefill rate + tokens out / decode rate, seconds a call
electricity   days × (busy hours × watts + other hours × idle watts) / 1000 × price, a month
hardware      (price − resale) / life, a month
break-even    (price − resale) / (api − electricity), months; never where the API costs no more than electricity
full load     the machine busy all day: its cost a month over the tokens that it then generates

Tokens out are all that the model generates, the thinking with them: an API bills them, and a machine computes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from bakeoff.economics.queueing import Queue, peak
from bakeoff.economics.ranges import Range, extremes

DAYS_A_MONTH = 365.25 / 12
DAY_S = 86_400.0
MILLION = 1e6
Numbers = Mapping[str, float]

NAMES: dict[str, str] = {
    "hardware_price": "price of the hardware",
    "life_years": "years that it lasts",
    "resale": "resale value at their end",
    "electricity_price": "price of a kWh",
    "watts": "watts while it generates",
    "idle_watts": "watts while it waits",
    "tps": "tokens a second",
    "prefill_tps": "prompt tokens a second",
    "calls_per_day": "calls a day",
    "tokens_in": "tokens of a prompt",
    "tokens_out": "tokens generated a call, thinking included",
    "api_input_price": "API price of a million tokens in",
    "api_output_price": "API price of a million tokens out",
    "peak_hour_share": "share of the calls in the busiest hour",
}
"""Every input, by its name in files, in words."""


def api_cost_per_month(n: Numbers) -> float:
    """What the API bills for the load."""
    call = n.get("tokens_in", 0) * n.get("api_input_price", 0) + n["tokens_out"] * n["api_output_price"]
    return n["calls_per_day"] * DAYS_A_MONTH * call / MILLION


def busy_s(n: Numbers) -> float:
    """Seconds that one call keeps the machine busy; the prompt's part only where its rate is known."""
    prefill = n["tokens_in"] / n["prefill_tps"] if "prefill_tps" in n and "tokens_in" in n else 0.0
    return prefill + n["tokens_out"] / n["tps"]


def busy_share(n: Numbers) -> float:
    """Share of a day that the load keeps the machine busy; above 1 it cannot be done."""
    return n["calls_per_day"] * busy_s(n) / DAY_S


def electricity_per_month(n: Numbers) -> float:
    """Electricity at the load, the waiting between the calls with it where its watts are known."""
    return _electricity(n, min(1.0, busy_share(n)))


def electricity_at_full_load(n: Numbers) -> float:
    """Electricity of a machine that never waits."""
    return _electricity(n, 1.0)


def _electricity(n: Numbers, share: float) -> float:
    mean_watts = share * n["watts"] + (1 - share) * n.get("idle_watts", 0.0)
    return DAYS_A_MONTH * 24 * mean_watts / 1000 * n["electricity_price"]


def hardware_per_month(n: Numbers) -> float:
    """The hardware's price, less what it still fetches, spread over its life."""
    return _sunk(n) / (n["life_years"] * 12)


def break_even_months(n: Numbers) -> float:
    """Months until the hardware has cost less than the API; infinite where it never does."""
    electricity = electricity_per_month(n) if has(n, ELECTRICITY) else 0.0
    saved = api_cost_per_month(n) - electricity
    return _sunk(n) / saved if saved > 0 else math.inf


def break_even_without_electricity(n: Numbers) -> float:
    """The same, as if electricity cost nothing."""
    saved = api_cost_per_month(n)
    return _sunk(n) / saved if saved > 0 else math.inf


def local_cost_per_month(n: Numbers) -> float:
    """Electricity and hardware, as far as each is known."""
    electricity = electricity_per_month(n) if has(n, ELECTRICITY) else 0.0
    return electricity + (hardware_per_month(n) if has(n, HARDWARE) else 0.0)


def local_cost_per_million_tokens(n: Numbers) -> float:
    """That, over the tokens generated at the load."""
    return local_cost_per_month(n) / (n["calls_per_day"] * DAYS_A_MONTH * n["tokens_out"]) * MILLION


def full_load_cost_per_million_tokens(n: Numbers) -> float:
    """The same for a machine that is never idle, its calls of the same size."""
    electricity = electricity_at_full_load(n) if has(n, _POWER) else 0.0
    month = electricity + (hardware_per_month(n) if has(n, HARDWARE) else 0.0)
    return month / (DAYS_A_MONTH * DAY_S / busy_s(n) * n["tokens_out"]) * MILLION


def price_per_tps(n: Numbers) -> float:
    """Hardware price over the decode rate of one stream."""
    return n["hardware_price"] / n["tps"]


def busiest_hour(n: Numbers) -> Queue:
    """The queue of the busiest hour."""
    return peak(n["calls_per_day"], busy_s(n), n["peak_hour_share"])


def _sunk(n: Numbers) -> float:
    return n["hardware_price"] - n.get("resale", 0.0)


LOAD = ("calls_per_day", "tokens_out")
API = (*LOAD, "api_output_price")
_POWER = ("watts", "electricity_price")
ELECTRICITY = (*LOAD, "tps", *_POWER)
HARDWARE = ("hardware_price", "life_years")
BUSY = (*LOAD, "tps")
PEAK = (*BUSY, "peak_hour_share")
_CALL = ("tokens_in", "prefill_tps")
_SPENT = (*ELECTRICITY, "idle_watts", *_CALL)


class Formula(Struct, frozen=True):
    """A figure: its function, the inputs without which there is none, those that it uses where known, and in words."""

    of: Callable[[Numbers], float]
    needed: tuple[str, ...]
    words: str
    used: tuple[str, ...] = ()
    local: bool = False
    """Only where electricity or hardware is known."""


FIGURES: dict[str, Formula] = {
    "break_even_months": Formula(
        break_even_months,
        ("hardware_price", *API),
        "(price − resale) / (API a month − electricity a month)",
        ("resale", "tokens_in", "api_input_price", *_SPENT),
    ),
    "break_even_months_without_electricity": Formula(
        break_even_without_electricity,
        ("hardware_price", *API),
        "(price − resale) / API a month",
        ("resale", "tokens_in", "api_input_price"),
    ),
    "api_cost_per_month": Formula(
        api_cost_per_month,
        API,
        "calls × 30.4375 days × (tokens in × price in + tokens out × price out) / 10⁶",
        ("tokens_in", "api_input_price"),
    ),
    "local_cost_per_month": Formula(
        local_cost_per_month, (), "electricity a month + hardware a month", (*HARDWARE, "resale", *_SPENT), local=True
    ),
    "electricity_cost_per_month": Formula(
        electricity_per_month,
        ELECTRICITY,
        "30.4375 days × 24 h × (busy share × watts + rest × idle watts) / 1000 × price of a kWh",
        ("idle_watts", *_CALL),
    ),
    "hardware_cost_per_month": Formula(hardware_per_month, HARDWARE, "(price − resale) / (12 × years)", ("resale",)),
    "local_cost_per_million_tokens": Formula(
        local_cost_per_million_tokens,
        LOAD,
        "local cost a month / (calls × 30.4375 days × tokens out) × 10⁶",
        (*HARDWARE, "resale", *_SPENT),
        local=True,
    ),
    "full_load_cost_per_million_tokens": Formula(
        full_load_cost_per_million_tokens,
        ("tokens_out", "tps"),
        "(electricity of a month without pause + hardware a month) / tokens of such a month × 10⁶",
        (*HARDWARE, "resale", *_POWER, *_CALL),
        local=True,
    ),
    "cost_per_tps": Formula(price_per_tps, ("hardware_price", "tps"), "price of the hardware / tokens a second"),
    "busy_share": Formula(busy_share, BUSY, "calls × (tokens in / prompt rate + tokens out / rate) / 86,400 s", _CALL),
    "peak_busy_share": Formula(
        lambda n: busiest_hour(n).busy,
        PEAK,
        "calls × share of the busiest hour × (tokens in / prompt rate + tokens out / rate) / 3,600 s",
        _CALL,
    ),
    "peak_wait_s": Formula(
        lambda n: busiest_hour(n).wait_high_s,
        PEAK,
        "busy × seconds a call / (1 − busy), for calls of unlike lengths",
        _CALL,
    ),
}
"""Each figure, by its name in files."""


def has(given: Collection[str], needed: Sequence[str]) -> bool:
    """Whether every input that is needed was given."""
    return all(name in given for name in needed)


def figures(given: Mapping[str, Range]) -> dict[str, Range | None]:
    """Every figure with its bounds; None where an input that it needs was not given."""
    return {name: figure(name, given) for name in FIGURES}


def figure(name: str, given: Mapping[str, Range]) -> Range | None:
    """One of them, from the inputs that it needs and uses."""
    formula = FIGURES[name]
    if not has(given, formula.needed):
        return None
    power = has(given, ELECTRICITY) or (name.startswith("full_load") and has(given, _POWER))
    if formula.local and not (power or has(given, HARDWARE)):
        return None
    return extremes(inputs_of(name, given), formula.of)


def inputs_of(name: str, given: Mapping[str, Range]) -> dict[str, Range]:
    """What was given of the inputs that a figure needs or uses."""
    formula = FIGURES[name]
    return {each: given[each] for each in dict.fromkeys((*formula.needed, *formula.used)) if each in given}
