"""Figures and foreign text as people read them. Inside Bakeoff: seconds, bytes, watts, joules, tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MIB, GIB = 2**20, 2**30
NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)"
"""A number as people type it, without its sign: a comma parts thousands, and never decimals."""
_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|\Z)"  # OSC and the other strings
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]",
    re.DOTALL,
)


def plain_text(text: str) -> str:
    """Foreign text without terminal control sequences and invisible direction marks; tabs and newlines stay."""
    return _CONTROL.sub("", text)


def one_line(text: str) -> str:
    """The same without line breaks and with single spaces: a name cannot pass for lines of ours."""
    return " ".join(plain_text(text).split())


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def significant(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, never in exponent form: 0.0123, 4.57, 103, 12300."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    rounded = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    places = digits - 1 - math.floor(math.log10(abs(rounded)))  # 9.996 has become 10.0
    return f"{rounded:.{max(0, places)}f}"


def figure_text(point: float, low: float | None, high: float | None) -> str:
    """A figure and half the width of its interval, with as many digits as that earns: ``93.6 ±0.6``.

    Two digits of the half-width where they are below 36, else one (Particle Data Group, Review, section 5.3).
    """
    half = math.nan if low is None or high is None else (high - low) / 2
    if not 0 < half < math.inf:
        return significant(point)
    places = math.ceil(-math.log10(half / 3.55))
    rounded, width = (f"{round(value, places):.{max(0, places)}f}" for value in (point, half))
    return f"{rounded} ±{width}"


def bytes_text(size: float) -> str:
    """Bytes in decimal units, as disks and model pages count: ``1.11 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(size) >= scale:
            return f"{significant(size / scale)} {unit}"
    return f"{size:.0f} bytes"


def seconds_text(seconds: float, digits: int = 3) -> str:
    """A time with the unit that keeps it readable: ``0.31 ms``, ``85 ms``, ``2.4 s``, ``3 min 20 s``."""
    if seconds < 1:
        return f"{significant(seconds * 1000, digits)} ms"
    if seconds < 100:
        return f"{significant(seconds, digits)} s"
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
