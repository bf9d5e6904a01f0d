"""What went wrong between us and a server, as one safe line."""

from __future__ import annotations

import contextlib
import html
import os
import re
import socket
import ssl

import msgspec

from bakeoff.errors import ServerUnreachable
from bakeoff.units import plain_text

KEY_VARIABLE = "OPENAI_API_KEY"
NO_SUCH_QUESTION = (404, 405, 501)
"""How a server of another kind answers: it has no such page, or not in that way."""
_LONGEST = 300
_TITLE = re.compile(r"<title[^>]{0,100}>([^<]{0,200})", re.IGNORECASE)
_WRAPPINGS = 2
"""Ollama hands on the whole JSON error of its runner as the text of its own."""


def error_text(body: bytes) -> str:
    """The message in an error body as a sentence: JSON of the usual shapes, else its first characters.

    Never control codes, and never the user's key, which some servers repeat.
    """
    text = body.decode("utf-8", "replace").strip()
    for _ in range(_WRAPPINGS):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = _message(msgspec.json.decode(text)) or text
    line = " ".join(plain_text(_page(text) or text).split())
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if key:
        line = line.replace(key, "[key]")
    if len(line) > _LONGEST:
        line = line[:_LONGEST] + "…"
    line = line or "(no message)"
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _page(text: str) -> str | None:
    """A web page in words, by its title; None where it is none."""
    if not text[:15].lower().startswith(("<!doctype html", "<html")):
        return None
    title = _TITLE.search(text)
    words = html.unescape(title[1]).strip() if title else ""
    return f"a web page ({words})" if words else "a web page"


def _message(value: object) -> str | None:
    for key in ("error", "message", "detail"):
        if isinstance(value, dict) and key in value:
            value = value[key]
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, dict) else str(value)


def unreachable(where: str, error: OSError, name: str = "server", start: str = "Start it") -> ServerUnreachable:
    """No connection, for the operating system's reason; ``start`` is what to do."""
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or str(error)).replace("_", " ").lower()
        return ServerUnreachable(f"No secure connection to {where} ({reason}). Check its certificate, or --url.")
    if isinstance(error, socket.gaierror) or not error.errno:
        reason = (error.strerror or str(error)).lower()
    else:
        reason = os.strerror(error.errno).lower()  # asyncio and uvloop each wrap its words in their own way
    return ServerUnreachable(f"No {name} at {where} ({reason}). {start}, or name another address with --url.")
