"""What a sum is made of: every number with its source, and what numbers may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from bakeoff.economics.case import DAY_S
from bakeoff.economics.currency import Money, parse_money
from bakeoff.economics.ranges import Range, exactly, parse_range
from bakeoff.errors import UsageError

Unit = Literal["money", "years", "W", "tokens/s", "calls", "tokens", "share"]

MOST_TOKENS_PER_S = 1e6
"""Tokens a second, on average over a day, beyond which no load is one machine's: far more than any serves."""


class Known(Struct, frozen=True):
    """An input: its option, its unit, and between what it may lie. ``above``: not at the least itself."""

    option: str
    unit: Unit
    most: float
    above: bool = True
    least: float = 0.0


INPUTS: dict[str, Known] = {
    "hardware_price": Known("--hardware-price", "money", 1e9),
    "life_years": Known("--life-years", "years", 100),
    "resale": Known("--resale", "money", 1e9, above=False),
    "electricity_price": Known("--electricity-price", "money", 1e4, above=False),
    "watts": Known("--watts", "W", 1e6),
    "idle_watts": Known("--idle-watts", "W", 1e6, above=False),
    "tps": Known("--tps", "tokens/s", 1e7),
    "prefill_tps": Known("--prefill-tps", "tokens/s", 1e9),
    "calls_per_day": Known("--calls-per-day", "calls", 1e9),
    "tokens_in": Known("--tokens-in", "tokens", 1e8, above=False),
    "tokens_out": Known("--tokens-out", "tokens", 1e8),
    "api_input_price": Known("--api-input-price", "money", 1e6, above=False),
    "api_output_price": Known("--api-output-price", "money", 1e6, above=False),
    "peak_hour_share": Known("--peak-hour-share", "share", 1, least=1 / 24),
}
"""Every input, by its name in files; ``case.NAMES`` has them in words."""


class Input(Struct, frozen=True, kw_only=True):
    """A number as it goes into the sum, in the sum's currency; where it is from, and of what date."""

    value: Range
    source: str
    date: str | None = None


Case = Mapping[str, Input]


def read_number(name: str, text: str) -> Range:
    """What an option says that is no money. Raises UsageError."""
    known = INPUTS[name]
    if known.unit == "share":
        return _share(text, known)
    return parse_range(text, known.option, least=known.least, above=known.above, most=known.most)


def read_money(name: str, text: str) -> Money:
    """What an option of money says. Raises UsageError."""
    known = INPUTS[name]
    return parse_money(text, known.option, least=known.least, above=known.above, most=known.most)


def _share(text: str, known: Known) -> Range:
    """``0.2`` or ``20%``; no hour has less than the mean of the day."""
    percent = text.strip().endswith("%")
    value = parse_range(text.strip().removesuffix("%"), known.option)
    value = value.times(0.01) if percent else value
    if not known.least <= value.low <= value.high <= known.most:
        raise UsageError(f"{known.option} {text.strip()!r} is not between 1/24, an even day, and 1. Write it like 15%.")
    return value


def check(values: Mapping[str, Range]) -> None:
    """Raise UsageError where numbers contradict each other, or where no machine could do the load."""
    zero, no_bound = exactly(0.0), exactly(float("inf"))
    price, resale = values.get("hardware_price", no_bound), values.get("resale", zero)
    if resale.high >= price.low:
        raise UsageError(
            f"--resale {resale.high:.12g} is not below the hardware's price, {price.low:.12g}: who gets back what was "
            "paid has no cost to earn back."
        )
    watts, idle = values.get("watts", no_bound), values.get("idle_watts", zero)
    if idle.low > watts.high:
        raise UsageError(f"--idle-watts {idle.low:.12g} are above --watts {watts.high:.12g}: are the two swapped?")
    rate = values.get("calls_per_day", zero).low * values.get("tokens_out", zero).low / DAY_S
    if rate > MOST_TOKENS_PER_S:
        raise UsageError(
            f"This load is {rate:,.0f} tokens a second, day and night: no one machine could do it. Check "
            "--calls-per-day (calls of one day) and --tokens-out (tokens of one call)."
        )
