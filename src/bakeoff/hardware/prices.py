"""What hardware cost, each price with its date and source: old as soon as it is written, so all can be replaced."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from importlib import resources

from msgspec import Struct

from bakeoff.errors import UsageError

REST_OF_COMPUTER_USD = 1000.0
"""What a GPU needs around it; an assumption, within the $900 to 1,500 by which a system with an RTX 4090 cost more."""


class Price(Struct, frozen=True, kw_only=True):
    """``usd`` is for the whole computer, the rest of it assumed where only the GPU's price is known."""

    hardware: str
    usd: float
    date: str | None
    source: str

    @property
    def described(self) -> str:
        """``rtx-4090, $2,800 (2025-03)``."""
        return f"{self.hardware}, ${self.usd:,.0f} ({self.date[:7] if self.date else 'your price'})"


def prices(own: Iterable[str] = ()) -> list[Price]:
    """All prices, cheapest first. ``own`` are ``HARDWARE=USD`` for whole computers, in place of or beside ours.

    Raises UsageError on anything else.
    """
    known = {price.hardware: price for price in _listed()}
    for text in own:
        price = _own(text)
        known[price.hardware] = price
    return sorted(known.values(), key=lambda price: price.usd)


def _listed() -> Iterable[Price]:
    text = resources.files("bakeoff.hardware").joinpath("prices.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        rest = 0.0 if row["whole_computer"] == "1" else REST_OF_COMPUTER_USD
        yield Price(hardware=row["hardware"], usd=float(row["usd"]) + rest, date=row["date"], source=row["source"])


def _own(text: str) -> Price:
    name, equals, amount = text.partition("=")
    try:
        usd = float(amount.replace(",", "").removeprefix("$"))
    except ValueError:
        usd = -1.0
    if not equals or not name.strip() or not 0 < usd < 1e9:
        raise UsageError(f"--price {text!r} is not a price. Write it like --price rtx-4090=2600, in US dollars.")
    return Price(hardware=name.strip().lower(), usd=usd, date=None, source="your own")
