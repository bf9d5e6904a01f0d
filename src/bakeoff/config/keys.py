"""What the user's configuration may hold: every key, of which kind its value is, and how both are written."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal

from bakeoff.errors import UsageError
from bakeoff.units import plain_text

Kind = Literal["price", "cost", "currency", "date", "text", "address"]
Place = tuple[str, ...]
Value = str | float
MOST = 1e9

KEYS: dict[str, tuple[Kind, str]] = {
    "currency": ("currency", "currency that sums are made in; else USD"),
    "rates.*": ("price", "what one unit of a currency is worth in US dollars: rates.EUR = 1.08"),
    "electricity.price": ("cost", "price of a kWh"),
    "electricity.currency": ("currency", "its currency; else that of the sums"),
    "electricity.country": ("text", "country whose household price is taken where no price is given"),
    "electricity.date": ("date", "when you looked the price up"),
    "hardware.*.price": ("price", "price of that hardware, the whole computer: hardware.rtx-4090.price = 2600"),
    "hardware.*.currency": ("currency", "its currency; else that of the sums"),
    "hardware.*.date": ("date", "when you looked the price up"),
    "hardware.*.bandwidth_gb_s": ("price", "memory bandwidth of that chip, 10^9 bytes a second, in place of ours"),
    "api.*.input_price": ("cost", 'price of a million tokens in: api."deepseek:deepseek-reasoner".input_price = 0.55'),
    "api.*.output_price": ("cost", "price of a million tokens out"),
    "api.*.currency": ("currency", "their currency; else that of the sums"),
    "api.*.date": ("date", "when you looked the prices up"),
    "engine.url": ("address", "address of the server that openai: subjects are asked of, where --url is not given"),
    "meter.wall": ("text", "wall meter that runs read, as --wall takes it"),
}
"""Every key, what it holds, and what it is for. *price*: a number above 0; *cost*: 0 or more."""

_KINDS: dict[Kind, str] = {
    "price": "a number above 0, up to a billion",
    "cost": "a number, 0 or more, up to a billion",
    "currency": 'a currency of three letters, like "EUR"',
    "date": 'a date like "2026-05-31"',
    "text": "a text",
    "address": 'an address like "http://127.0.0.1:8080"',
}
_SECRET_KEY = re.compile(r"(?i)token|secret|passw|credential|api[_-]?key|bearer")
_SECRET = re.compile(r"(?i)^(?:sk-|hf_|gh[pousr]_|xox[a-z]-|eyJ|Bearer )|^[a-z]+://[^/@\s]*@")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"


def check(place: Place, value: object) -> Value:
    """A value as its key wants it. Raises UsageError where there is no such key, or the value is of another kind."""
    name = plain_text(dotted(place))[:100]
    _refuse_secret(place, name, value)
    kind = kind_of(place)
    if kind is None:
        raise UsageError(_unknown(place, name))
    if isinstance(value, dict):
        raise UsageError(f"{name} has to be {_KINDS[kind]}, not a table.")
    if kind in ("price", "cost"):
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not (0 < number <= MOST or (kind == "cost" and number == 0)):
            raise UsageError(f"{name} has to be {_KINDS[kind]}.")
        return number
    if kind == "date" and isinstance(value, date):
        return value.isoformat()[:10]
    if not isinstance(value, str) or not _is(kind, value):
        raise UsageError(f"{name} has to be {_KINDS[kind]}.")
    return value.upper() if kind == "currency" else value


def kind_of(place: Place) -> Kind | None:
    """What a key holds; None where there is no such key."""
    for pattern, (kind, _) in KEYS.items():
        steps = pattern.split(".")
        if len(steps) == len(place) and all(step in ("*", part) for step, part in zip(steps, place, strict=True)):
            if pattern == "rates.*" and (not _is("currency", place[1]) or place[1].upper() == "USD"):
                return None
            return kind
    return None


def parse_key(text: str) -> Place:
    """``hardware.rtx-4090.price`` or ``api."a:b".input_price`` in its parts. Raises UsageError."""
    if not re.fullmatch(KEY, text.strip()):
        raise UsageError(f"{plain_text(text)[:100]!r} is not a key. Write it like electricity.price, names with other "
                         'signs in quotes: api."deepseek:deepseek-reasoner".input_price.')  # fmt: skip
    ((place, _),) = leaves(tomllib.loads(f"{text.strip()} = 0"))
    return place


def parse_value(place: Place, text: str) -> Value:
    """A value from the command line, as the key wants it. Raises UsageError."""
    if kind_of(place) in ("price", "cost"):
        try:
            return check(place, float(text))
        except ValueError:
            return check(place, text)
    return check(place, text)


def dotted(place: Place) -> str:
    """A key as it is written."""
    return ".".join(map(quoted, place))


def leaves(table: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value with its key; a table where its key takes a value is one too."""
    for name, value in table.items():
        place = _proper((*above, name))
        if isinstance(value, dict) and kind_of(place) is None:
            yield from leaves(value, place)
        else:
            yield place, value


def _proper(place: Place) -> Place:
    """The key with a currency in capitals: ``rates.eur`` is ``rates.EUR``."""
    return (place[0], place[1].upper()) if place[0] == "rates" and len(place) == 2 else place


def written(value: Value) -> str:
    """A value as TOML has it."""
    if isinstance(value, str):
        import msgspec

        return msgspec.json.encode(value).decode()
    return repr(int(value)) if value.is_integer() else repr(value)


def quoted(part: str) -> str:
    """A part of a key as TOML has it."""
    return part if _BARE.fullmatch(part) else written(part)


def _is(kind: Kind, text: str) -> bool:
    if kind == "currency":
        return re.fullmatch(r"[A-Za-z]{3}", text) is not None
    if kind == "date":
        try:
            return date.fromisoformat(text).isoformat() == text
        except ValueError:
            return False
    if kind == "address":
        return re.fullmatch(r"(?i)https?://[^\s/@]+(?:/\S*)?", text) is not None
    return bool(text.strip()) and len(text) <= 500 and plain_text(text) == text


def _refuse_secret(place: Place, name: str, value: object) -> None:
    looks = any(_SECRET_KEY.search(part) for part in place) or (isinstance(value, str) and _SECRET.search(value))
    if looks:
        raise UsageError(
            f"{name} looks like a secret, and Bakeoff keeps none in its file. Put it into the environment: "
            "OPENAI_API_KEY for servers, HASS_TOKEN for Home Assistant."
        )


def _unknown(place: Place, name: str) -> str:
    """There is no such key, and which was probably meant."""
    below = [pattern for pattern in KEYS if pattern.startswith(f"{place[0]}.") and len(place) < pattern.count(".") + 1]
    if below and all(step in ("*", part) for step, part in zip(below[0].split("."), place, strict=False)):
        return f"{name} is a table, of: {', '.join(below)}."
    if place[0] == "rates" and len(place) == 2:
        return f"{name}: a rate is of a currency of three letters in US dollars, like rates.EUR."
    known = {
        ".".join(part if step == "*" else step for step, part in zip(steps, place, strict=True)): pattern
        for pattern in KEYS
        if len(steps := pattern.split(".")) == len(place)
    }
    near = difflib.get_close_matches(".".join(place), known, 1, 0.6)
    hint = f"Did you mean {near[0]}?" if near else "See all of them: bakeoff config list"
    return f"there is no key {name}. {hint}"
