"""Suites read from TOML: those in the package by name, others by file. Every error names its line and column."""

from __future__ import annotations

import difflib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.errors import FileError, UsageError
from bakeoff.units import plain_text
from bakeoff.workload.suite import Suite
from bakeoff.workload.suite_errors import told
from bakeoff.workload.toml_places import Path as Place
from bakeoff.workload.toml_places import Places

LARGEST_BYTES = 1 << 20
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class SuiteFile:
    """A suite and where in its text everything stands."""

    def __init__(self, name: str, text: str, folder: Path | None = None) -> None:
        """Raises UsageError where the text is no suite; ``folder`` is where the files that it names are looked for."""
        self.name = name
        self.text = text
        self.folder = folder
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(_no_toml(name, text, str(error))) from error
        except RecursionError as error:
            raise UsageError(f"{name} is nested too deeply for a suite.") from error
        self._places = Places(text)
        try:
            self.suite = msgspec.convert(content, Suite)
        except msgspec.ValidationError as error:
            raise self.wrong(*told(str(error))) from error

    def wrong(self, path: Place, sentence: str, key: bool = False) -> UsageError:
        """An error at a key, or at its value."""
        line, column = self._places.key(path) if key else self._places.value(path)
        return UsageError(f"{self.name}, line {line}, column {column}: {sentence}")


def built_in() -> list[str]:
    """The names of the suites in the package."""
    folder = resources.files("bakeoff.workload").joinpath("suites")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read_suite(text: str) -> SuiteFile:
    """The suite of that name in the package, else in that file. Raises UsageError and FileError."""
    if text in built_in():
        file = resources.files("bakeoff.workload").joinpath("suites", f"{text}.toml")
        return SuiteFile(f"{text}.toml", file.read_text(encoding="utf-8"))
    shown = plain_text(text)[:200]
    try:
        path = Path(text).expanduser()
        if path.stat().st_size > LARGEST_BYTES:
            raise FileError(f"{shown} is larger than {LARGEST_BYTES} bytes: not a suite.")
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        near = difflib.get_close_matches(text, built_in(), 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"In the package: {', '.join(built_in())}."
        raise UsageError(f"There is no suite and no file {shown}. {hint}") from error
    except (OSError, ValueError, RuntimeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise FileError(f"Cannot read the suite {shown}: {why}.") from error
    return SuiteFile(plain_text(path.name), content, path.parent)


def schema() -> dict[str, Any]:
    """The JSON Schema of a suite, for editors."""
    return msgspec.json.schema(Suite)


def _no_toml(name: str, text: str, message: str) -> str:
    match = _TOML_PLACE.search(message)
    line, column = (match[1], match[2]) if match and match[1] else (text.count("\n") + 1, len(text.split("\n")[-1]) + 1)
    what = plain_text(_TOML_PLACE.sub("", message))
    return f"{name}, line {line}, column {column}: this is not TOML: {what[:1].lower()}{what[1:200]}."
