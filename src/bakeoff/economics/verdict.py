"""A whole sum: its figures, whether the machine can do the load, whether it pays off, and what that hangs on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct

from bakeoff.economics.case import API, BUSY, ELECTRICITY, FIGURES, HARDWARE, figures, has, inputs_of
from bakeoff.economics.inputs import INPUTS, Case, check
from bakeoff.economics.ranges import Range
from bakeoff.economics.sensitivity import Swing, tornado
from bakeoff.errors import UsageError

Verdict = Literal["pays_off", "not_within_life", "open", "if_it_lasts", "never", "cannot_do_the_load", "no_break_even"]
"""Whether the hardware has cost less than the API before its life ends. *open*: the intervals do not decide it;
*if it lasts*: nobody said how long it does; *no break-even*: the API's or the hardware's price is not known."""

CanDo = Literal["yes", "perhaps", "not_in_the_busiest_hour", "no", "unknown"]


class LeftOut(Struct, frozen=True):
    """What is not in the sums: in words, and the options that would bring it in."""

    what: str
    options: tuple[str, ...]


class Answer(Struct, frozen=True, kw_only=True):
    """What came of it. ``swings`` are of the figure ``swung``."""

    currency: str
    case: Case
    figures: Mapping[str, Range | None]
    can_do: CanDo
    verdict: Verdict
    left_out: tuple[LeftOut, ...]
    swung: str | None
    swings: tuple[Swing, ...]

    @property
    def values(self) -> dict[str, Range]:
        """The inputs' numbers."""
        return {name: given.value for name, given in self.case.items()}


def answer(case: Case, currency: str, contained: Collection[str] = ()) -> Answer:
    """All that follows from what is known. Raises UsageError where nothing does, or where numbers contradict.

    ``contained`` are inputs that are not missing, since another has them in it.
    """
    values = {name: given.value for name, given in case.items()}
    check(values)
    found = figures(values)
    can_do = _can_do(found["busy_share"], found["peak_busy_share"])
    if can_do == "no":
        found |= dict.fromkeys(_OF_THE_LOAD)
    if all(found[name] is None for name in FIGURES):
        raise UsageError(
            "Nothing follows from so few numbers. Give a load (--calls-per-day, --tokens-out) and what it is billed at "
            "(--api-output-price, or --api PROVIDER:MODEL), and --hardware-price for a break-even."
        )
    swung = next((name for name in _SWUNG if found[name] is not None and _swings(name, values)), None)
    return Answer(
        currency=currency,
        case=case,
        figures=found,
        can_do=can_do,
        verdict=_verdict(found["break_even_months"], values.get("life_years"), can_do),
        left_out=tuple(_left_out({*values, *contained})),
        swung=swung,
        swings=tuple(_swings(swung, values)) if swung else (),
    )


_OF_THE_LOAD = ("break_even_months", "break_even_months_without_electricity", "local_cost_per_million_tokens")
"""Figures of a load that is done: there are none of one that cannot be."""
_SWUNG = (
    "break_even_months", "local_cost_per_million_tokens", "full_load_cost_per_million_tokens", "api_cost_per_month"
)  # fmt: skip
"""What is asked which inputs matter most to: the first of these that there is."""


def _swings(name: str, values: Mapping[str, Range]) -> list[Swing]:
    return tornado(inputs_of(name, values), FIGURES[name].of)


def _can_do(busy: Range | None, peak: Range | None) -> CanDo:
    if busy is None:
        return "unknown"
    if busy.low > 1:
        return "no"
    if busy.high > 1:
        return "perhaps"
    if peak is not None and peak.low >= 1:
        return "not_in_the_busiest_hour"
    return "perhaps" if peak is not None and peak.high >= 1 else "yes"


def _verdict(months: Range | None, life_years: Range | None, can_do: CanDo) -> Verdict:
    if can_do == "no":
        return "cannot_do_the_load"
    if months is None:
        return "no_break_even"
    if months.low == float("inf"):
        return "never"
    if life_years is None:
        return "if_it_lasts"
    if months.high <= life_years.low * 12:
        return "pays_off"
    return "not_within_life" if months.low > life_years.high * 12 else "open"


def _left_out(values: Collection[str]) -> list[LeftOut]:
    """What nobody gave, each with what it would have changed."""
    found = []

    def missing(what: str, *names: str) -> None:
        lacking = tuple(INPUTS[name].option for name in names if name not in values)
        if lacking:
            found.append(LeftOut(what, lacking))

    missing("the API's bill, and with it the break-even", *API)
    if has(values, API):
        missing("the prompts, which the API bills", "tokens_in", "api_input_price")
    missing("the price of the hardware, and with it the break-even", "hardware_price")
    missing("electricity", *(name for name in ELECTRICITY if name not in API))
    if has(values, ("watts", "electricity_price")):
        missing("what the machine draws while it waits", "idle_watts")
    if has(values, BUSY):
        missing("the time to read prompts", "tokens_in", "prefill_tps")
    else:
        missing("whether the machine can do the load at all", *BUSY)
    if "hardware_price" in values:
        missing("the hardware's cost a month, and whether it lasts until the break-even", *HARDWARE)
        missing("what the hardware still fetches at the end", "resale")
    return found
