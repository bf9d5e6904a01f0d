"""Suites read from TOML: those in the package by name, others by file. Every error names its line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from bakeoff.errors import UsageError
from bakeoff.texts import Shelf, named_or_file, read_toml
from bakeoff.workload.suite import Suite
from bakeoff.workload.suite_errors import told
from bakeoff.workload.toml_places import Path as Place
from bakeoff.workload.toml_places import Places

SHELF = Shelf(package="bakeoff.workload", folder="suites", noun="suite")


class SuiteFile:
    """A suite and where in its text everything stands."""

    def __init__(self, name: str, text: str, folder: Path | None = None) -> None:
        """Raises UsageError where the text is no suite; ``folder`` is where the files that it names are looked for."""
        self.name = name
        self.text = text
        self.folder = folder
        content = read_toml(name, text, SHELF.noun)
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
    return SHELF.names()


def read_suite(text: str) -> SuiteFile:
    """The suite of that name in the package, else in that file. Raises UsageError and FileError."""
    found = named_or_file(text, SHELF)
    return SuiteFile(found.name if found.folder else f"{found.name}.toml", found.text, found.folder)


def schema() -> dict[str, Any]:
    """The JSON Schema of a suite, for editors."""
    return msgspec.json.schema(Suite)
