"""Text that somebody wrote: a file read whole up to a size, or one of the package by its name; and TOML in it."""

from __future__ import annotations

import difflib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct

from bakeoff.errors import FileError, UsageError
from bakeoff.units import plain_text

LARGEST_BYTES = 1 << 20
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Shelf(Struct, frozen=True, kw_only=True):
    """Where the package keeps files of one kind, ``NAME.toml``; ``noun`` is what people call one."""

    package: str
    folder: str
    noun: str

    def names(self) -> list[str]:
        """Of the files in the package."""
        files = resources.files(self.package).joinpath(self.folder).iterdir()
        return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


class Found(Struct, frozen=True, kw_only=True):
    """A text, its name for people, and the folder of its file; None where it is of the package."""

    name: str
    text: str
    folder: Path | None


def named_or_file(given: str, shelf: Shelf) -> Found:
    """The text of that name in the package, else of that file. Raises UsageError, with a guess, and FileError."""
    if given in shelf.names():
        file = resources.files(shelf.package).joinpath(shelf.folder, f"{given}.toml")
        return Found(name=given, text=file.read_text(encoding="utf-8"), folder=None)
    shown = plain_text(given)[:200]
    try:
        path = Path(given).expanduser()
        if not given.strip():
            raise FileNotFoundError
        return Found(name=plain_text(path.name), text=read_bounded(path, shown, shelf.noun), folder=path.parent)
    except FileNotFoundError as error:
        near = difflib.get_close_matches(given, shelf.names(), 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"In the package: {', '.join(shelf.names())}."
        raise UsageError(
            f"There is no {shelf.noun} {shown or repr(given)}, in the package or as a file. {hint}"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise FileError(f"Cannot read the {shelf.noun} {shown}: {str(why).rstrip('.')}.") from error


def read_bounded(path: Path, shown: str, noun: str, largest: int = LARGEST_BYTES) -> str:
    """The text of a file of at most so many bytes, without a mark of byte order: a device or a pipe may never end.

    Raises FileError where there are more; OSError and UnicodeError as they come.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise FileError(f"{shown} is larger than {largest} bytes: not a {noun}.")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def read_toml(name: str, text: str, noun: str) -> dict[str, Any]:
    """What a text of TOML says. Raises UsageError, with line and column, where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _TOML_PLACE.search(str(error))
        end = (text.count("\n") + 1, len(text.split("\n")[-1]) + 1)
        line, column = (match[1], match[2]) if match and match[1] else end
        said = plain_text(_TOML_PLACE.sub("", str(error)))
        raise UsageError(
            f"{name}, line {line}, column {column}: this is not TOML: {said[:1].lower()}{said[1:200]}."
        ) from error
    except RecursionError as error:
        raise UsageError(f"{name} is nested too deeply for a {noun}.") from error
