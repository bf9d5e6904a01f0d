"""The user's own prices and defaults: one TOML file, read whole and checked whole. It holds no secret.

``config.toml`` lies in the platform's configuration folder, or in ``BAKEOFF_HOME``. ``KEYS`` is all that it may hold;
``*`` stands for a name of the user's choice. Nothing in it is needed.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from bakeoff.errors import FileError, UsageError
from bakeoff.folders import config_folder
from bakeoff.units import plain_text

Kind = Literal["price", "cost", "currency", "date", "text", "address"]
Place = tuple[str, ...]
Value = str | float
LARGEST_BYTES = 1 << 20
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
    "price": "a number above 0",
    "cost": "a number, 0 or more",
    "currency": 'a currency of three letters, like "EUR"',
    "date": 'a date like "2026-05-31"',
    "text": "a text",
    "address": 'an address like "http://127.0.0.1:8080"',
}
_SECRET_KEY = re.compile(r"(?i)token|secret|passw|credential|api[_-]?key|bearer")
_SECRET = re.compile(r"(?i)^(?:sk-|hf_|gh[pousr]_|xox[a-z]-|eyJ|Bearer )|^[a-z]+://[^/@\s]*@")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER_LINE = re.compile(rf"[ \t]*\[[ \t]*({_KEY})[ \t]*\]")
_KEY_LINE = re.compile(rf"([ \t]*({_KEY})[ \t]*=[ \t]*)" r"""("(?:\\.|[^"\\])*"|'[^']*'|[^#\s]*)(.*)""")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Settings(Struct, frozen=True):
    """What the file says: its values by their keys. Without a file there are none."""

    values: Mapping[Place, Value] = {}

    def number(self, *place: str) -> float | None:
        value = self.values.get(place)
        return value if isinstance(value, float) else None

    def text(self, *place: str) -> str | None:
        value = self.values.get(place)
        return value if isinstance(value, str) else None

    def named(self, table: str) -> list[str]:
        """The names in a table of the user's: ``named("hardware")``."""
        return list(dict.fromkeys(place[1] for place in self.values if place[0] == table and len(place) > 1))

    @property
    def currency(self) -> str:
        return self.text("currency") or "USD"


def config_path() -> Path:
    """Where the file is, or would be."""
    return config_folder() / "config.toml"


def read_settings() -> Settings:
    """The user's settings. Raises UsageError, with the line, on what is no setting, and FileError."""
    return checked(read_text())


def read_text() -> str:
    """The file's text; empty where there is none."""
    path = config_path()
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise FileError(f"{path} is larger than {LARGEST_BYTES} bytes: not a configuration.")
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        raise FileError(f"Cannot read {path}: it is not UTF-8 text.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


def checked(text: str) -> Settings:
    """The settings in a text, every one checked. Raises UsageError at the first that is none."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(_no_toml(text, str(error))) from error
    lines = _lines(text)
    values: dict[Place, Value] = {}
    for place, value in _leaves(content):
        try:
            values[place] = check(place, value)
        except UsageError as error:
            line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
            raise UsageError(f"{config_path()}, line {line}: {error}") from error
    return Settings(values)


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
            if pattern == "rates.*" and not _is("currency", place[1]):
                return None
            return kind
    return None


def parse_key(text: str) -> Place:
    """``hardware.rtx-4090.price`` or ``api."a:b".input_price`` in its parts. Raises UsageError."""
    if not re.fullmatch(_KEY, text.strip()):
        raise UsageError(f"{plain_text(text)[:100]!r} is not a key. Write it like electricity.price, names with other "
                         'signs in quotes: api."deepseek:deepseek-reasoner".input_price.')  # fmt: skip
    ((place, _),) = _leaves(tomllib.loads(f"{text.strip()} = 0"))
    return place


def parse_value(place: Place, text: str) -> Value:
    """A value from the command line, as the key wants it. Raises UsageError."""
    if kind_of(place) in ("price", "cost"):
        try:
            return check(place, float(text))
        except ValueError:
            return check(place, text)
    return check(place, text)


def with_value(text: str, place: Place, value: Value) -> str:
    """The text with a value set: its line replaced, else a line added to its table. The rest stays as it is."""
    lines, numbers = text.splitlines(), _lines(text)
    written = _written(value)
    at = numbers.get(place)
    match = _KEY_LINE.match(lines[at - 1]) if at else None
    if at and match:
        lines[at - 1] = f"{match[1]}{written}{match[4]}"
    elif len(place) == 1:
        lines.insert(0, f"{_quoted(place[0])} = {written}")
    elif place[:-1] in numbers:
        lines.insert(numbers[place[:-1]], f"{_quoted(place[-1])} = {written}")
    else:
        table = ".".join(map(_quoted, place[:-1]))
        lines += [*([""] if lines else []), f"[{table}]", f"{_quoted(place[-1])} = {written}"]
    return _verified(lines, {**checked(text).values, place: value})


def without_value(text: str, place: Place) -> str:
    """The text without the line of that key. Raises UsageError where it is not set."""
    values = dict(checked(text).values)
    if values.pop(place, None) is None:
        raise UsageError(f"{dotted(place)} is not set. See what is: bakeoff config list")
    lines = text.splitlines()
    at = _lines(text).get(place)
    if at:
        del lines[at - 1]
    return _verified(lines, values)


def dotted(place: Place) -> str:
    """A key as it is written."""
    return ".".join(map(_quoted, place))


def _verified(lines: list[str], wanted: Mapping[Place, Value]) -> str:
    """The lines as a text that says just that; UsageError where they do not."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        if checked(text).values == wanted:
            return text
    except UsageError:
        pass
    raise UsageError(f"{config_path()} is written in a way that cannot be changed from here: edit it by hand.")


def _written(value: Value) -> str:
    if isinstance(value, str):
        import msgspec

        return msgspec.json.encode(value).decode()
    return repr(int(value)) if value.is_integer() else repr(value)


def _quoted(part: str) -> str:
    return part if _BARE.fullmatch(part) else _written(part)


def _leaves(table: Mapping[str, Any], above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value with its key; a table where its key takes a value is one too."""
    for name, value in table.items():
        place = (*above, name)
        if isinstance(value, dict) and kind_of(place) is None:
            yield from _leaves(value, place)
        else:
            yield place, value


def _lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each key and each table."""
    found: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER_LINE.match(line):
            table = parse_key(header[1])
            found[table] = number
        elif pair := _KEY_LINE.match(line):
            found.setdefault((*table, *parse_key(pair[2])), number)
    return found


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
        return f"{name}: a currency has three letters, like rates.EUR."
    known = {
        ".".join(part if step == "*" else step for step, part in zip(steps, place, strict=True)): pattern
        for pattern in KEYS
        if len(steps := pattern.split(".")) == len(place)
    }
    near = difflib.get_close_matches(".".join(place), known, 1, 0.6)
    hint = f"Did you mean {near[0]}?" if near else "See all of them: bakeoff config list"
    return f"there is no key {name}. {hint}"


def _no_toml(text: str, message: str) -> str:
    match = _TOML_PLACE.search(message)
    line = match[1] if match and match[1] else str(max(1, len(text.splitlines())))
    what = plain_text(_TOML_PLACE.sub("", message))[:200]
    return f"{config_path()}, line {line}: this is not TOML: {what[:1].lower()}{what[1:]}."
