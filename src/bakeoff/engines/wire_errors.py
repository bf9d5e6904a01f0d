"""What a server says went wrong, as one safe line."""

from __future__ import annotations

import contextlib

import msgspec

from bakeoff.units import plain_text

_LONGEST = 300


def error_text(body: bytes) -> str:
    """The message in an error body: JSON of the usual shapes, else its first characters; never control codes."""
    text = body.decode("utf-8", "replace").strip()
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = _message(msgspec.json.decode(body)) or text
    line = " ".join(plain_text(text).split())
    if len(line) > _LONGEST:
        line = line[:_LONGEST] + "…"
    return line or "(no message)"


def _message(value: object) -> str | None:
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and key in value:
            value = value[key]
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, dict) else str(value)
