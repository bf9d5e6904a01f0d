"""A published figure as it was written: ``90-110 tok/s``, ``~14 GB``, ``>=300 GB``, ``$1,600-2,000``.

A figure stands for everything that rounds to it: 14 GB is 13.5 to 14.5. ``~`` (*about*, *roughly*) allows
``ABOUT`` either way, if that is more; ``=`` (*exactly*) nothing. ``>=``, ``>``, ``<=``, ``<`` and ``!=`` leave a side,
or all but one value, open.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import Literal

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import significant

ABOUT = 0.05
"""How far off *about* may be, either way."""

LARGEST = 1e15
"""No published figure is larger, in whatever unit."""

Relation = Literal["", "~", "=", ">=", ">", "<=", "<", "!="]

UNITS: dict[str, tuple[str, float]] = {
    "tok/s": ("rate", 1.0),
    "ms": ("time", 1e-3),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "months": ("months", 1.0),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "TB": ("bytes", 1e12),
    "MiB": ("bytes", 2.0**20),
    "GiB": ("bytes", 2.0**30),
    "GB/s": ("bandwidth", 1e9),
    "TB/s": ("bandwidth", 1e12),
    "W": ("power", 1.0),
    "J": ("energy", 1.0),
    "Wh": ("energy", 3600.0),
    "kWh": ("energy", 3.6e6),
    "tok/J": ("efficiency", 1.0),
    "J/tok": ("energy a token", 1.0),
    "x": ("ratio", 1.0),
    "%": ("ratio", 0.01),
    "pp": ("points", 0.01),
    "bits": ("bits", 1.0),
    "tokens": ("tokens", 1.0),
    "cores": ("cores", 1.0),
    "M": ("parameters", 1e6),
    "B": ("parameters", 1e9),
    "km": ("distance", 1.0),
    "km/h": ("speed", 1.0),
    "USD": ("money", 1.0),
    "USD/day": ("money a day", 1.0),
    "USD/month": ("money a month", 1.0),
    "USD/h": ("money an hour", 1.0),
    "USD/kWh": ("money a joule", 1 / 3.6e6),
    "USD/Mtok": ("money a million tokens", 1.0),
}
"""Every unit: what it measures, and how many base units it is."""

_OTHERWISE = {"×": "x", "tps": "tok/s", "t/s": "tok/s", "tokens/s": "tok/s", "percentage points": "pp", "GBps": "GB/s",
              "J/token": "J/tok", "tok/sec": "tok/s", "tokens/sec": "tok/s", "tokens/J": "tok/J"}  # fmt: skip
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_OTHER_MONEY = re.compile(r"[€£¥]|\b(?:EUR|GBP|CHF|JPY|CNY|RMB|CAD|AUD|INR)\b")
_FIGURE = re.compile(
    rf"(?P<relation>~|=|>=|<=|>|<|!=)?\s*(?P<dollar>\$)?\s*(?P<low>{_NUMBER})"
    rf"(?:\s*(?:-|–|to)\s*\$?(?P<high>{_NUMBER}))?\s*(?P<unit>[^\d.,].*)?"
)
_MIXED = re.compile(rf"(?:~|[<>=!]+)?\s*{_NUMBER}\s*[A-Za-z%×/]+\s*(?:-|–|to)\s*{_NUMBER}\s*[A-Za-z%×/]+")


class Quantity(Struct, frozen=True, kw_only=True):
    """A figure or a range in its published unit; an open side is infinite. ``slack`` is what each end may be off."""

    low: float
    high: float
    unit: str
    relation: Relation
    slack: tuple[float, float]

    @property
    def dimension(self) -> str:
        """What it measures: ``rate``, ``bytes``, …"""
        return UNITS[self.unit][0]

    @property
    def scale(self) -> float:
        """Base units (seconds, bytes, …) in one of its unit."""
        return UNITS[self.unit][1]

    @property
    def least(self) -> float:
        """The lowest value that the words still cover, in base units."""
        return (self.low - self.slack[0]) * self.scale

    @property
    def most(self) -> float:
        """The highest value that the words still cover, in base units."""
        return (self.high + self.slack[1]) * self.scale

    @property
    def is_range(self) -> bool:
        return self.low != self.high and math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def middle(self) -> float:
        """The middle of a range, or the figure, in its own unit; of an open one its given side."""
        if math.isinf(self.high):
            return self.low
        return self.high if math.isinf(self.low) else (self.low + self.high) / 2

    def covers(self, value: float) -> bool:
        """Whether a value in base units is one that the words mean."""
        if self.relation == "!=":
            return not math.isclose(value, self.low * self.scale, rel_tol=1e-9, abs_tol=1e-12)
        if self.relation in ("<", ">") and math.isclose(value, self.middle * self.scale, rel_tol=1e-9):
            return False
        if math.isinf(value):
            return value == (self.high if value > 0 else self.low)
        edge = 1e-9 * max(abs(value), abs(self.middle * self.scale))
        return self.least - edge <= value <= self.most + edge

    def meets(self, low: float, high: float) -> bool:
        """Whether any value between these two, in base units, is one that the words mean."""
        if self.relation == "!=":
            return self.covers(low) or self.covers(high)
        return self.covers(low) or self.covers(high) or low <= self.middle * self.scale <= high

    def shown(self, value: float, digits: int = 3) -> str:
        """A value in base units, in this unit: ``42.5 GB``."""
        return in_unit(value, self.unit, digits)


def in_unit(value: float, unit: str, digits: int = 3) -> str:
    """A value in base units, written in a unit."""
    scaled = value / UNITS[unit][1]
    if math.isinf(scaled):
        return "never" if unit == "months" else "–"
    number = f"{scaled:,.0f}" if abs(scaled) >= 1000 else significant(scaled, digits)
    if "." in number and abs(scaled) >= 1:
        number = number.rstrip("0").rstrip(".")
    if unit == "x":
        return f"{number}×"
    return f"{number} {unit}"


def parse_quantity(text: str) -> Quantity:
    """The figure that a text means. Raises UsageError: no number, no unit, an unknown one, two, or upside down."""
    text = text.strip()
    if _OTHER_MONEY.search(text):
        raise UsageError(f"Money is told in USD: bring {text[:60]!r} into it, and keep the rate in a note.")
    match = _FIGURE.fullmatch(text)
    if match is None:
        raise UsageError(f"{text[:60]!r} is not a figure. Write it like '90-110 tok/s', '~14 GB' or '>=300 GB'.")
    if _MIXED.fullmatch(text):
        raise UsageError(f"{text[:60]!r} has two units. Write both ends in one, and the unit behind them.")
    unit = _unit(match["unit"], bool(match["dollar"]), text)
    first, second = match["low"], match["high"] or match["low"]
    low, high = (float(number.replace(",", "")) for number in (first, second))
    if max(low, high) > LARGEST:
        raise UsageError(f"{text[:20]!r}… is too large to be a figure.")
    if low > high:
        raise UsageError(f"{text[:60]!r} is upside down: write the lower number first, {high:g}-{low:g} {unit}.")
    relation: Relation = match["relation"] or ""  # type: ignore[assignment]  # one of those that the pattern lists
    if relation in (">=", ">", "<=", "<", "!=") and match["high"]:
        raise UsageError(f"{text[:60]!r} has a sign and a range. Write one or the other.")
    slack = (_slack(first, relation), _slack(second, relation))
    return Quantity(
        low=-math.inf if relation in ("<=", "<") else low,
        high=math.inf if relation in (">=", ">") else high,
        unit=unit,
        relation=relation,
        slack=slack,
    )


def _unit(found: str | None, dollar: bool, text: str) -> str:
    unit = (found or "").strip()
    if dollar:
        unit = f"USD{unit}" if unit.startswith("/") or not unit else unit
    if not unit:
        raise UsageError(f"{text[:60]!r} has no unit. Known: {', '.join(UNITS)}.")
    unit = _OTHERWISE.get(unit, unit)
    if unit in UNITS:
        return unit
    near = [known for known in UNITS if known.lower() == unit.lower()] or difflib.get_close_matches(unit, UNITS, 1, 0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(UNITS)}."
    raise UsageError(f"There is no unit {unit[:30]!r}. {hint}")


def _slack(number: str, relation: Relation) -> float:
    """Half of the last digit written, or the share that *about* allows."""
    if relation in ("=", ">=", ">", "<=", "<", "!="):
        return 0.0
    half: float = 0.5 / 10 ** len(number.partition(".")[2])
    return max(half, ABOUT * float(number.replace(",", ""))) if relation == "~" else half
