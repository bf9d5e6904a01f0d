"""Money in one currency: amounts with their marks, and rates in US dollars."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from bakeoff.economics.ranges import Range, parse_range
from bakeoff.errors import UsageError
from bakeoff.units import plain_text

SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_MARK = re.compile(r"[$€£¥]|(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])")


class Money(Struct, frozen=True):
    """An amount; ``currency`` is None where it was not marked, and so in that of the sum."""

    amount: Range
    currency: str | None = None


def parse_money(text: str, what: str, *, least: float = 0.0, above: bool = False, most: float = math.inf) -> Money:
    """``2.19``, ``$2,500-3,500`` or ``0.31 EUR``. Raises UsageError."""
    marks = {SIGNS.get(mark, mark.upper()) for mark in _MARK.findall(text)}
    if len(marks) > 1:
        raise UsageError(f"{what} {plain_text(text)[:60]!r} is in two currencies: give it in one.")
    amount = parse_range(_MARK.sub("", text), what, least=least, above=above, most=most, whole=text)
    return Money(amount, next(iter(marks), None))


class Rates(Struct, frozen=True):
    """What one unit of each currency is worth in US dollars."""

    dollars: Mapping[str, float] = {}

    def convert(self, money: Money, to: str, what: str) -> Range:
        """The amount in another currency. Raises UsageError where a rate is missing; ``what`` is the thing priced."""
        of = money.currency or to
        if of == to:
            return money.amount
        for code in (of, to):
            if code != "USD" and code not in self.dollars:
                raise UsageError(
                    f"{what} is in {of}, the sum in {to}, and there is no rate for {code}: give what one {code} is "
                    f"worth in US dollars with --rate {code}=DOLLARS, keep it with 'bakeoff config set rates.{code} "
                    f"DOLLARS', or sum in {of} with --currency {of}."
                )
        return money.amount.times(self.dollars.get(of, 1.0) / self.dollars.get(to, 1.0))

    def told(self, of: str, to: str) -> str:
        """How an amount comes from one currency into another: ``× 1.08 / 1.25``."""
        up, down = (self.dollars.get(code) if code != "USD" else None for code in (of, to))
        return (f" × {up:g}" if up else "") + (f" / {down:g}" if down else "")


def parse_rates(texts: Iterable[str]) -> dict[str, float]:
    """``EUR=1.08``: one euro is worth 1.08 US dollars. Raises UsageError."""
    found = {}
    for text in texts:
        code, equals, rate = text.partition("=")
        code = parse_currency(code, "--rate") if equals else ""
        if not equals:
            raise UsageError(f"--rate {plain_text(text)[:60]!r}: write it like EUR=1.08, one EUR in US dollars.")
        if code == "USD":
            raise UsageError("--rate: rates are in US dollars, so give those of the other currency, like EUR=1.08.")
        value = parse_range(rate, f"--rate {code}", above=True, most=1e9)
        if not value.certain:
            raise UsageError(f"--rate {code} is a range: give one number.")
        found[code] = value.point
    return found


def parse_currency(text: str, what: str = "--currency") -> str:
    """Three letters. Raises UsageError."""
    code = SIGNS.get(text.strip(), text.strip().upper())
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise UsageError(f"{what} {plain_text(text)[:60]!r} is no currency. Write its three letters, like EUR.")
    return code
