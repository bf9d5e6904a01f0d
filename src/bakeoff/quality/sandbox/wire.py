"""Plain data as JSON, both ways, tuples and sets kept; the standard library alone, since the sandbox reads this too.

JSON has no tuple, set, bytes, nor a dict with other keys than text: they go as an object with one key that begins
with ``!``.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 50


def encode(value: Any, depth: int = 0) -> Any:
    """What ``json`` can write of plain data; TypeError for anything else, or nested more than 50 deep."""
    if depth > DEEPEST:
        raise TypeError("nested too deeply")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = [encode(item, depth + 1) for item in value]
        tag = "" if isinstance(value, list) else "!tuple" if isinstance(value, tuple) else "!set"
        return {tag: items} if tag else items
    if isinstance(value, dict):
        if all(type(key) is str and not key.startswith("!") for key in value):
            return {key: encode(item, depth + 1) for key, item in value.items()}
        return {"!dict": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()]}
    if isinstance(value, bytes):
        return {"!bytes": value.hex()}
    raise TypeError(f"{type(value).__name__} is not plain data")


def decode(value: Any, depth: int = 0) -> Any:
    """Plain data from what ``json`` has read; ValueError or TypeError where it is not what ``encode`` writes."""
    if depth > DEEPEST:
        raise TypeError("nested too deeply")
    if isinstance(value, list):
        return [decode(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        tag, content = next(iter(value.items()))
        if tag == "!bytes":
            return bytes.fromhex(content)
        if tag == "!dict":
            return {decode(key, depth + 1): decode(item, depth + 1) for key, item in content}
        if tag in ("!tuple", "!set"):
            items = [decode(item, depth + 1) for item in content]
            return tuple(items) if tag == "!tuple" else set(items)
    return {key: decode(item, depth + 1) for key, item in value.items()}


def encode_argument(value: Any) -> Any:
    """As ``encode``; a ``range`` goes as its three numbers, so that a long list need not be sent."""
    return {"!range": [value.start, value.stop, value.step]} if isinstance(value, range) else encode(value)


def decode_argument(value: Any) -> Any:
    """As ``decode``; a ``range`` arrives as a list."""
    numbers = range_of(value)
    return decode(value) if numbers is None else list(range(*numbers))


def range_of(value: Any) -> list[int] | None:
    """The three numbers of an argument that went as a ``range``, else None."""
    return value["!range"] if isinstance(value, dict) and "!range" in value else None
