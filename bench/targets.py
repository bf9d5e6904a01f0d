"""What the benchmarks promise, and whether it held."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Target:
    """One figure beside its limit; None where it could not be measured, which is never a pass."""

    what: str
    unit: str
    figure: float | None
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.figure is None:
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Lines of aligned columns, the first row a heading: text to the left, the other columns to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def report(targets: list[Target]) -> str:
    """The closing table: each target, its figure, and ✓ or ✗."""
    rows = [("target", "limit", "measured", "")]
    for target in targets:
        sign = "≥" if target.at_least else "≤"
        figure = "none" if target.figure is None else f"{number(target.figure)} {target.unit}".rstrip()
        limit = f"{sign} {number(target.limit)} {target.unit}".rstrip()
        rows.append((target.what, limit, figure, "✓" if target.met else "✗"))
    return table(rows)


def progress(text: str) -> None:
    """Show what is being measured: one line that is written over, and only where someone is looking."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def number(value: float) -> str:
    """Three significant digits; whole numbers from 100 on, in groups of three."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    return "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)])
