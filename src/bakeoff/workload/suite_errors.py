"""What is wrong with a suite, or another TOML file, as a sentence: which key, what it has to be, what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from bakeoff.units import plain_text
from bakeoff.workload.suite import Suite
from bakeoff.workload.toml_places import Path as Place

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_PLACE = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `([^`]*)`)?")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "a table",
    "bool": "true or false",
    "null": "",
    "date": "a date",
    "datetime": "a time",
    "time": "a time",
}


def near(word: str, known: Sequence[str]) -> str:
    """``Did you mean …?`` for the nearest known word, else all of them."""
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def told(message: str, root: type = Suite, noun: str = "suite") -> tuple[Place, str, bool]:
    """Where msgspec found something wrong, what, as a sentence, and whether it is the key that is wrong.

    ``root`` is what was read, ``noun`` what people call it.
    """
    match = _PLACE.fullmatch(message)
    assert match is not None
    what, path = match[1], _path(match[2] or "")
    named = ("an entry of " if "[...]" in (match[2] or "") else "") + _named(path, noun)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        word = plain_text(unknown[1])[:60]
        hint = near(word, _keys_at(path, root))
        return (*path, unknown[1]), f"there is no key {word!r} {_in(path, noun)}. {hint}", True
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return path, f"the key {missing[1]!r} is missing {_in(path, noun)}.", False
    if chosen := re.fullmatch(r"Invalid enum value '(.*)'", what, re.DOTALL):
        word = plain_text(chosen[1])[:60]
        return path, f"{named} cannot be {word!r}. {near(word, _words_at(path, root))}", False
    if expected := _EXPECTED.fullmatch(what):
        return path, f"{named} has to be {_kind(expected[1], expected[2])}{_but(expected[3])}.", False
    return path, f"{named}: {plain_text(what)[:200]}.", False


def _path(text: str) -> Place:
    """``.a[0].b`` as steps; what lies behind a key that is not told is left out."""
    steps: list[str | int] = []
    for match in _STEP.finditer(text):
        if match[0] == "[...]":
            break
        steps.append(match[1] or int(match[2]))
    return tuple(steps)


def _named(path: Place, noun: str) -> str:
    """``settings.context``, ``subjects number 2``: a place as a person would say it."""
    words = ""
    for step in path:
        words += f" number {step + 1}" if isinstance(step, int) else f"{'.' if words else ''}{step}"
    return words or f"the {noun}"


def _in(path: Place, noun: str) -> str:
    return f"in {_named(path, noun)}" if path else f"in a {noun}"


def _kind(types: str, bound: str) -> str:
    words = [_TYPES.get(kind, kind) for kind in types.split(" | ")]
    bound = bound.replace("of length", "with a length").replace(">=", "of at least").replace("<=", "of at most")
    bound = bound.replace("length of", "length of").replace(">", "above").replace("<", "below")
    return " or ".join(word for word in words if word) + bound


def _but(kind: str | None) -> str:
    return f", not {_TYPES.get(kind, kind)}" if kind else ""


def _types_at(path: Place, root: type) -> list[Any]:
    """What may stand at a place, by the definition of what was read."""
    found: list[Any] = [msgspec.inspect.type_info(root)]
    for step in path:
        found = [inner for kind in found for inner in _step_into(kind, step)]
    return found


def _step_into(kind: Any, step: str | int) -> list[Any]:
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        return [inner for each in kind.types for inner in _step_into(each, step)]
    if isinstance(kind, inspect.StructType) and isinstance(step, str):
        return [field.type for field in kind.fields if field.encode_name == step]
    if isinstance(kind, inspect.ListType) and isinstance(step, int):
        return [kind.item_type]
    return [kind.value_type] if isinstance(kind, inspect.DictType) else []


def _flat(path: Place, root: type) -> list[Any]:
    return [
        each
        for kind in _types_at(path, root)
        for each in (kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,))
    ]


def _keys_at(path: Place, root: type) -> list[str]:
    return [
        field.encode_name
        for kind in _flat(path, root)
        if isinstance(kind, msgspec.inspect.StructType)
        for field in kind.fields
    ]


def _words_at(path: Place, root: type) -> list[str]:
    literals = [kind for kind in _flat(path, root) if isinstance(kind, msgspec.inspect.LiteralType)]
    return [str(word) for kind in literals for word in kind.values]
