"""What hardware cost, each price with its date and source: old as soon as it is written, so all can be replaced."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from importlib import resources

from msgspec import Struct

from bakeoff.config import Settings, read_settings
from bakeoff.errors import UsageError
from bakeoff.hardware.naming import parse_name
from bakeoff.units import NUMBER, plain_text

REST_OF_COMPUTER_USD = 1000.0
"""What a GPU needs around it; an assumption, within the $900 to 1,500 by which a system with an RTX 4090 cost more."""


class Price(Struct, frozen=True, kw_only=True):
    """``amount`` is for the whole computer; where only the GPU's price is known it has ``assumed`` for the rest in it.

    ``rate`` is what one unit of the currency is worth in US dollars, None where nobody said.
    """

    hardware: str
    amount: float
    currency: str = "USD"
    rate: float | None = 1.0
    assumed: float = 0.0
    date: str | None
    source: str

    @property
    def usd(self) -> float:
        """In US dollars. Raises UsageError where the currency has no rate."""
        if self.rate is None:
            raise UsageError(
                f"Your price of {self.hardware} is in {self.currency}, and there is no rate for it: bakeoff config set "
                f"rates.{self.currency} DOLLARS, what one {self.currency} is worth in US dollars."
            )
        return self.amount * self.rate

    @property
    def described(self) -> str:
        """``rtx-4090, $2,800 (2025-03)``."""
        return f"{self.hardware}, ${self.usd:,.0f} ({self.date[:7] if self.date else 'your price'})"


def prices(own: Iterable[str] = ()) -> list[Price]:
    """All prices, cheapest first. ``own`` are ``HARDWARE=USD`` for whole computers, in place of or beside ours.

    Those of the configuration replace ours as well. Raises UsageError on anything else.
    """
    known = {parse_name(price.hardware): price for price in (*_listed(), *_configured(read_settings()))}
    for text in own:
        price = _own(text)
        known[parse_name(price.hardware)] = price
    return sorted(known.values(), key=lambda price: price.usd)


def price_of(name: str) -> Price | None:
    """The price of the hardware that a name means, of just that memory size; None where none is known."""
    wanted = parse_name(name)
    for price in (*_configured(read_settings()), *_listed()):
        own = parse_name(price.hardware)
        if (own.key, own.memory_gb) == (wanted.key, wanted.memory_gb) and own.cores in (None, wanted.cores):
            return price
    return None


def _listed() -> Iterable[Price]:
    text = resources.files("bakeoff.hardware").joinpath("prices.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        rest = 0.0 if row["whole_computer"] == "1" else REST_OF_COMPUTER_USD
        yield Price(
            hardware=row["hardware"],
            amount=float(row["usd"]) + rest,
            assumed=rest,
            date=row["date"],
            source=row["source"],
        )


def _configured(settings: Settings) -> Iterable[Price]:
    for name in settings.named("hardware"):
        amount = settings.number("hardware", name, "price")
        if amount is None:
            continue
        currency = settings.text("hardware", name, "currency") or settings.currency
        yield Price(
            hardware=name.lower(),
            amount=amount,
            currency=currency,
            rate=1.0 if currency == "USD" else settings.number("rates", currency),
            date=settings.text("hardware", name, "date"),
            source="your configuration",
        )


def _own(text: str) -> Price:
    name, _, amount = text.partition("=")
    match = re.fullmatch(rf"\$?({NUMBER})", amount.strip())
    usd = float(match[1].replace(",", "")) if match else 0.0
    if not name.strip() or not 0 < usd < 1e9:
        raise UsageError(
            f"--price {plain_text(text)[:60]!r} is not a price. Write it like --price rtx-4090=2600, in US dollars."
        )
    return Price(hardware=name.strip().lower(), amount=usd, date=None, source="your own")
