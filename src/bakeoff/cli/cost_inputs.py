"""Where the numbers of a sum come from: what was given, else a run or a plan, else tables and the configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bakeoff.economics.currency import Money
from bakeoff.economics.inputs import INPUTS, Input, read_money, read_number
from bakeoff.economics.ranges import Range, exactly, parse_range
from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.config import Settings
    from bakeoff.hardware.dated import Dated

GIVEN = "given"


class Gathered(Struct, frozen=True, kw_only=True):
    """All that is known. ``contained`` are inputs that another has in it; ``notes`` what the reader must know."""

    case: Mapping[str, Input]
    currency: str
    contained: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Purse:
    """Brings money into the sum's currency, and keeps what has to be said of it."""

    def __init__(self, options: Mapping[str, Any], settings: Settings) -> None:
        from bakeoff.economics.currency import Rates, parse_currency, parse_rates

        self.settings = settings
        self.currency = parse_currency(options["currency"]) if options["currency"] else settings.currency
        own = {code: rate for code in settings.named("rates") if (rate := settings.number("rates", code)) is not None}
        self._rates = Rates({**own, **parse_rates(options["rates"])})

    def paid(self, money: Money, what: str, source: str, date: str | None = None) -> Input:
        """An input from money. Raises UsageError where a rate is missing."""
        value = self._rates.convert(money, self.currency, what)
        if money.currency not in (None, self.currency):
            source = f"{source}, {_amount(money)}{self._rates.told(money.currency, self.currency)} by the rates given"
        return Input(value=value, source=source, date=date)


def gathered(options: Mapping[str, Any]) -> Gathered:
    """All inputs, each from the first place that has it. Raises UsageError."""
    from bakeoff.config import read_settings

    settings = read_settings()
    purse, notes = Purse(options, settings), list[str]()
    case: dict[str, Input] = {}
    contained: tuple[str, ...] = ()
    hardware = options["on"]
    _check(options)
    if options["run"]:
        from bakeoff.cli.cost_from_run import from_run

        measured = from_run(options["run"])
        case |= measured.case
        notes += measured.notes
        contained = measured.contained
        hardware = hardware or measured.hardware
    case |= dict(_given(options, purse))
    dated: list[Dated] = []
    if hardware or options["model"]:
        from bakeoff.cli.cost_from_plan import from_plan

        planned = from_plan(options["model"], options["on"], hardware, case, purse)
        case = {**planned.case, **case}
        notes += planned.notes
        dated += planned.dated
    case = {**dict(_electricity(options, purse)), **dict(_api(options, case, purse, notes)), **case}
    if "calls_per_day" in case and "peak_hour_share" not in case:
        from bakeoff.economics.queueing import PEAK_HOUR_SHARE

        case["peak_hour_share"] = Input(value=exactly(PEAK_HOUR_SHARE), source="assumed, as of one working day")
    notes += _old(case, dated)
    ordered = {name: case[name] for name in INPUTS if name in case}
    return Gathered(case=ordered, currency=purse.currency, contained=contained, notes=tuple(dict.fromkeys(notes)))


def _check(options: Mapping[str, Any]) -> None:
    """Raise UsageError where options contradict each other."""
    for a, b in (("run", "model"), ("electricity", "electricity_price"), ("tokens_out", "answer_tokens"),
                 ("tokens_out", "thinking_tokens")):  # fmt: skip
        if options[a] is not None and options[b] is not None:
            raise UsageError(f"--{a.replace('_', '-')} and --{b.replace('_', '-')} say the same: leave one out.")
    if options["at"] is not None and options["api"] is None:
        raise UsageError("--at is the time of an API's prices: name one with --api PROVIDER:MODEL.")


def _given(options: Mapping[str, Any], purse: Purse) -> Iterator[tuple[str, Input]]:
    for name, known in INPUTS.items():
        text = options.get(name)
        if text is None:
            continue
        if known.unit == "money":
            yield name, purse.paid(read_money(name, text), known.option, GIVEN)
        else:
            yield name, Input(value=read_number(name, text), source=GIVEN)
    parts = {name: options[f"{name}_tokens"] for name in ("answer", "thinking")}
    known_parts = {name: _tokens(name, text) for name, text in parts.items() if text is not None}
    if known_parts:
        words = " + ".join(f"{name} {value.point:g}" for name, value in known_parts.items())
        first, *rest = known_parts.values()
        total = first + rest[0] if rest else first
        if total.low <= 0:
            raise UsageError("--answer-tokens and --thinking-tokens are nothing together: a call generates some.")
        yield "tokens_out", Input(value=total, source=f"{GIVEN}: {words}")


def _tokens(name: str, text: str) -> Range:
    return parse_range(text, f"--{name}-tokens", most=INPUTS["tokens_out"].most)


def _electricity(options: Mapping[str, Any], purse: Purse) -> Iterator[tuple[str, Input]]:
    """The price of a kWh: of the country named, else of the configuration."""
    from bakeoff.economics.electricity import household_price

    settings = purse.settings
    own, country = settings.number("electricity", "price"), options["electricity"]
    if options["electricity_price"] is not None:
        return
    if country is None and own is not None:
        currency = settings.text("electricity", "currency")
        date = settings.text("electricity", "date")
        money = Money(exactly(own), currency or settings.currency)
        yield "electricity_price", purse.paid(money, "Your price of a kWh", "your configuration", date)
        return
    country = country or settings.text("electricity", "country")
    if country is not None:
        row = household_price(country)
        what = f"The price of a kWh in {row.name}"
        money = Money(exactly(row.price), row.currency)
        yield "electricity_price", purse.paid(money, what, f"{row.name}: {row.source}", row.date)


def _api(
    options: Mapping[str, Any], case: Mapping[str, Input], purse: Purse, notes: list[str]
) -> Iterator[tuple[str, Input]]:
    from bakeoff.economics.api_prices import api_price, parse_time

    if options["api"] is None:
        return
    at = parse_time(options["at"]) if options["at"] is not None else None
    tokens = [case[name].value.point if name in case else 1000.0 for name in ("tokens_in", "tokens_out")]
    price = api_price(options["api"], purse.settings, tokens=(tokens[0], tokens[1]), at=at)
    for name, amount in (("api_input_price", price.input), ("api_output_price", price.output)):
        if amount is not None and name not in case:
            money = Money(amount, price.currency)
            yield name, purse.paid(money, f"The price of {options['api']}", price.source, price.date)
    if price.hours is not None:
        notes.append(price.hours)


def _old(case: Mapping[str, Input], dated: list[Dated]) -> list[str]:
    from bakeoff.economics.case import NAMES
    from bakeoff.hardware.dated import Dated, old_note

    prices = [Dated("price", NAMES[name].removeprefix("price of "), given.date) for name, given in case.items()]
    note = old_note([*prices, *dated])
    return [note] if note else []


def _amount(money: Money) -> str:
    low, high = money.amount.low, money.amount.high
    return f"{money.currency} {low:.6g}" if low == high else f"{money.currency} {low:.6g} to {high:.6g}"
