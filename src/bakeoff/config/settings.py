"""The user's configuration, read whole and checked whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bakeoff.config.keys import KEY, Place, Value, check, dotted, leaves, parse_key
from bakeoff.errors import FileError, UsageError
from bakeoff.folders import config_folder
from bakeoff.texts import read_bounded, read_toml

NOUN = "configuration"
_HEADER_LINE = re.compile(rf"[ \t]*\[[ \t]*({KEY})[ \t]*\]")
KEY_LINE = re.compile(rf"([ \t]*({KEY})[ \t]*=[ \t]*)" r"""("(?:\\.|[^"\\])*"|'[^']*'|[^#\s]*)(.*)""")


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
        return read_bounded(path, str(path), NOUN)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        raise FileError(f"Cannot read {path}: it is not UTF-8 text.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


def checked(text: str) -> Settings:
    """The settings in a text, every one checked. Raises UsageError at the first that is none."""
    content = read_toml(str(config_path()), text, NOUN)
    lines = lines_of(text)
    values: dict[Place, Value] = {}
    for place, value in leaves(content):
        try:
            if place in values:
                raise UsageError(f"{dotted(place)} is there twice: take one of them out.")
            values[place] = check(place, value)
        except UsageError as error:
            line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
            raise UsageError(f"{config_path()}, line {line}: {error}") from error
    return Settings(values)


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of each key and each table."""
    found: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER_LINE.match(line):
            table = parse_key(header[1])
            found[table] = number
        elif pair := KEY_LINE.match(line):
            found.setdefault(parse_key(f"{dotted(table)}.{pair[2]}" if table else pair[2]), number)
    return found
