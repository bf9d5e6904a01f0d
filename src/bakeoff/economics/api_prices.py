"""What an API bills, by its name: the user's configuration, else the table of genai-prices (extra ``prices``).

Prices may depend on the hour and on the size of a call. Without a time the price is the mean of a day, its range the
cheapest and the dearest half hour. Cached prompts and batches, which some bill at less, are left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bakeoff.clock import utc_now
from bakeoff.config import Settings
from bakeoff.economics.ranges import Range, between, exactly
from bakeoff.errors import UsageError
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

MILLION = 1_000_000


class ApiPrice(Struct, frozen=True, kw_only=True):
    """Prices of a million tokens; ``input`` is None where it is not known. ``hours`` says how they hang on the hour."""

    output: Range
    input: Range | None
    currency: str
    source: str
    date: str | None = None
    hours: str | None = None


def parse_api(text: str) -> tuple[str, str]:
    """``PROVIDER:MODEL``. Raises UsageError."""
    provider, colon, model = text.strip().partition(":")
    if not (provider and colon and model):
        raise UsageError(f"--api {plain_text(text)[:60]!r}: write it like deepseek:deepseek-reasoner, PROVIDER:MODEL.")
    return provider.lower(), model


def parse_time(text: str) -> datetime:
    """``2026-11-25T12:00``, or ``12:00`` of today; in UTC unless it says otherwise. Raises UsageError."""
    plain = text.strip()
    if re.fullmatch(r"\d{1,2}:\d\d", plain):
        plain = f"{utc_now()[:10]}T{plain:0>5}"
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise UsageError(
            f"--at {plain_text(text)[:60]!r} is no time. Write it like 12:00 or 2026-11-25T12:00, in UTC."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def api_price(text: str, settings: Settings, *, tokens: tuple[float, float], at: datetime | None = None) -> ApiPrice:
    """The price of ``PROVIDER:MODEL`` for calls of so many tokens in and out. Raises UsageError, with a guess."""
    provider, model = parse_api(text)
    own = _configured(text.strip(), settings)
    return own or _listed(provider, model, tokens, at)


def _configured(text: str, settings: Settings) -> ApiPrice | None:
    out, into = settings.number("api", text, "output_price"), settings.number("api", text, "input_price")
    if out is None:
        return None
    return ApiPrice(
        output=exactly(out),
        input=None if into is None else exactly(into),
        currency=settings.text("api", text, "currency") or settings.currency,
        source=f"{text}, your configuration",
        date=settings.text("api", text, "date"),
    )


def _listed(provider_id: str, model_ref: str, tokens: tuple[float, float], at: datetime | None) -> ApiPrice:
    try:
        from importlib.metadata import version

        from genai_prices.data import providers
    except ImportError:
        raise UsageError(
            "Prices of APIs by name need the extra 'prices': pip install 'bakeoff[prices]', or give them with "
            "--api-input-price and --api-output-price."
        ) from None
    provider, model = _found(providers, provider_id, model_ref)
    moments = [at] if at is not None else _half_hours(utc_now())
    billed = [_billed(provider, model, moment, tokens) for moment in moments]
    into, out = (_over_the_day([each[n] for each in billed]) for n in (0, 1))
    return ApiPrice(
        input=into,
        output=out,
        currency="USD",
        source=f"{provider.id}:{model.id}, genai-prices {version('genai-prices')}"
        + (f" at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""),
        date=_newest(providers),
        hours=None if out.certain and into.certain else _hours(into, out),
    )


def _found(providers: Iterable[Provider], provider_id: str, model_ref: str) -> tuple[Provider, ModelInfo]:
    by_id = {provider.id: provider for provider in providers}
    provider = by_id.get(provider_id)
    if provider is None:
        near = difflib.get_close_matches(provider_id, by_id, 1, 0.6)
        hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(by_id)}."
        raise UsageError(f"--api: genai-prices has no provider {plain_text(provider_id)[:60]!r}. {hint}")
    model = provider.find_model(model_ref)
    if model is None:
        ids = [each.id for each in provider.models]
        near = difflib.get_close_matches(model_ref, ids, 3, 0.4)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"For example: {', '.join(ids[:5])}."
        raise UsageError(f"--api: genai-prices has no model {plain_text(model_ref)[:60]!r} of {provider.id}. {hint}")
    return provider, model


def _billed(provider: Provider, model: ModelInfo, moment: datetime, tokens: tuple[float, float]) -> tuple[float, float]:
    """What a million tokens in and out cost in such a call at that time."""
    from genai_prices import Usage

    into, out = (max(1, round(count)) for count in tokens)
    try:
        bill = model.calc_price(Usage(input_tokens=into, output_tokens=out), provider, genai_request_timestamp=moment)
    except (ValueError, LookupError) as error:
        raise UsageError(f"--api: {provider.id}:{model.id} is not billed by tokens in and out ({error}).") from error
    if getattr(bill.model_price, "output_mtok", None) is None:
        raise UsageError(f"--api: genai-prices has no price of tokens out for {provider.id}:{model.id}.")
    return float(bill.input_price * MILLION / into), float(bill.output_price * MILLION / out)


def _half_hours(today: str) -> list[datetime]:
    start = datetime.fromisoformat(f"{today[:10]}T00:00+00:00")
    return [start + timedelta(minutes=30 * n) for n in range(48)]


def _over_the_day(prices: list[float]) -> Range:
    low, high = min(prices), max(prices)
    return exactly(low) if low == high else between(low, high, sum(prices) / len(prices))


def _hours(into: Range, out: Range) -> str:
    return (
        f"The API's price depends on the hour: USD {into.low:g} to {into.high:g} a million tokens in, {out.low:g} to "
        f"{out.high:g} out. The mean of a day is taken; --at 12:00 takes one time (UTC)."
    )


def _newest(providers: Iterable[Provider]) -> str | None:
    """The newest date in the table that has come: the table is not older, and carries no other date."""
    today = utc_now()[:10]
    days = [day for provider in providers for model in provider.models for day in _days(model.prices) if day <= today]
    return max(days, default=None)


def _days(prices: Any) -> Iterable[str]:
    for price in prices if isinstance(prices, list) else ():
        start = getattr(price.constraint, "start_date", None)
        if start is not None:
            yield start.isoformat()
