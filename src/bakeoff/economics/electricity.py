"""What households pay for a kWh, by country: few countries, each price with its date and source."""

from __future__ import annotations

import csv
import difflib
from functools import cache
from importlib import resources

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import plain_text


class Household(Struct, frozen=True, kw_only=True):
    """The price of a kWh in a country, in its own currency."""

    country: str
    name: str
    price: float
    currency: str
    date: str
    source: str


def household_price(text: str) -> Household:
    """Of a country by its two letters or its English name. Raises UsageError, with a guess."""
    known = _by_name()
    key = text.strip().casefold()
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, 1, 0.6) if len(key) > 2 else []
    listed = ", ".join(row.country for row in households())
    hint = f"Did you mean {known[near[0]].name}?" if near else f"There are: {listed}."
    raise UsageError(f"No household price is known for {plain_text(text)[:60]!r}. {hint} Give one with "
                     "--electricity-price.")  # fmt: skip


@cache
def households() -> tuple[Household, ...]:
    """All of them, by country."""
    return tuple(row for row, _ in _rows())


@cache
def _by_name() -> dict[str, Household]:
    return {name.casefold(): row for row, names in _rows() for name in names}


def _rows() -> list[tuple[Household, tuple[str, ...]]]:
    text = resources.files("bakeoff.economics").joinpath("electricity.csv").read_text("utf-8")
    found = []
    for row in csv.DictReader(text.splitlines()):
        household = Household(
            country=row["country"],
            name=row["name"],
            price=float(row["price"]),
            currency=row["currency"],
            date=row["date"],
            source=row["source"],
        )
        found.append((household, (row["country"], row["name"], *filter(None, row["aliases"].split(";")))))
    return found
