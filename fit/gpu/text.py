"""Figures and tables as the page writes them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bakeoff.units import figure_text, significant

if TYPE_CHECKING:
    from bakeoff.results.records import Figure

NOTHING = "–"
WIDTH = 120


def prose(text: str, bullet: bool = False) -> str:
    """A paragraph in lines of the page's width; a bullet's further lines are set in."""
    return textwrap.fill(
        ("- " if bullet else "") + " ".join(text.split()),
        WIDTH,
        subsequent_indent="  " if bullet else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def shown(figure: Figure | None, scale: float = 1.0) -> str:
    """A figure with half of its interval, ``207 ±4``; a dash where there is none."""
    if figure is None:
        return NOTHING
    low, high = (None if bound is None else bound * scale for bound in (figure.low, figure.high))
    return figure_text(figure.point * scale, low, high)


def number(value: float | None, digits: int = 3) -> str:
    return NOTHING if value is None else significant(value, digits)


def span(low: float, point: float, high: float) -> str:
    """A prediction with its interval: ``283 (252–318)``."""
    return f"{significant(point)} ({significant(low)}–{significant(high)})"


def share(part: float, *, signed: bool = False, places: int = 0) -> str:
    """A share in per cent, with its sign where it is an error."""
    return f"{100 * part:{'+' if signed else ''}.{places}f} %"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.2f}"
