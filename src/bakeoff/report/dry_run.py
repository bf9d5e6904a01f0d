"""What a run would do, as a screen and as the one object that ``--json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from bakeoff.analysis.foreseen import Foreseen, ForeseenCell
from bakeoff.planning.speed import CONFIDENCE, Span
from bakeoff.units import bytes_text, plain_text, significant

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

SCHEMA = 1
MOST_ROWS = 80
_UNITS = (("days", 86_400.0), ("h", 3600.0), ("min", 60.0))
_STYLES = {"yes": "green", "yes_if": "yellow", "tight": "yellow", "split": "magenta", "no": "red"}


class DryRun(Struct, frozen=True, kw_only=True):
    """What would be done: ``what`` it is called, on which machine, within which time, and what the disk has free."""

    what: str
    machine: str
    starts: Sequence[Foreseen]
    time_budget_s: float | None
    free_bytes: int
    trials: str

    @property
    def done(self) -> list[Foreseen]:
        """What is not skipped."""
        return [start for start in self.starts if not start.skip]

    @property
    def seconds(self) -> Span | None:
        """Of all that is not skipped and can be foreseen, within the budget; None where nothing can."""
        known = [start.seconds for start in self.done if start.seconds is not None]
        if not known:
            return None
        total = sum(known, Span(0.0, 0.0, 0.0))
        most = self.time_budget_s
        return total if most is None else Span(min(total.point, most), min(total.low, most), min(total.high, most))

    @property
    def download_bytes(self) -> int:
        """Of all models that may have to be got, each once."""
        return sum({start.model: start.to_get_bytes for start in self.done}.values())

    @property
    def write_bytes(self) -> int:
        """Of all random weights to be written, each once."""
        return sum({start.model: start.to_write_bytes for start in self.done}.values())

    @property
    def unknown(self) -> int:
        """Cells that would be measured and of which no time is known."""
        return sum(len(start.cells) for start in self.done if start.seconds is None)


def dry_run_document(run: DryRun) -> dict[str, Any]:
    """Seconds, bytes, tokens per second; every cell, also those that are skipped, with the reason."""
    return {
        "schema": SCHEMA,
        "what": run.what,
        "machine": run.machine,
        "cells": [_cell(start, cell) for start in run.starts for cell in start.cells],
        "seconds": _range(run.seconds),
        "cells_of_unknown_time": run.unknown,
        "time_budget_s": run.time_budget_s,
        "download_bytes": run.download_bytes,
        "write_bytes": run.write_bytes,
        "free_bytes": run.free_bytes,
    }


def _cell(start: Foreseen, cell: ForeseenCell) -> dict[str, Any]:
    return {
        "subject": start.subject,
        "workload": cell.workload,
        "prompt_tokens": cell.prompt_tokens,
        "max_tokens": cell.max_tokens,
        "context": cell.context,
        "streams": cell.streams,
        "fits": start.fits,
        "reason": start.reason,
        "skipped": start.skip,
        "weights_bytes": start.weights_bytes,
        "decode_tps": msgspec.to_builtins(cell.decode_tps),
        "seconds": _range(cell.seconds),
    }


def _range(span: Span | None) -> dict[str, float] | None:
    return None if span is None else {"point": span.point, "low": span.low, "high": span.high}


def print_dry_run(run: DryRun, console: Console) -> None:
    """Write the whole screen."""
    from rich.console import Group

    console.print(Group(*_screen(run)))


def _screen(run: DryRun) -> Iterator[RenderableType]:
    from rich.text import Text

    cells = sum(len(start.cells) for start in run.starts)
    what = plain_text(run.what)
    yield Text(
        f"{what[:1].upper()}{what[1:]} on {plain_text(run.machine)}: {_count(cells, 'cell')}, {run.trials}", "bold"
    )
    yield _table(run.starts)
    yield Text()
    skipped = [start for start in run.starts if start.skip]
    for start in _unlike(skipped):
        yield Text(f"✗ {plain_text(start.subject)} is skipped: {plain_text(start.reason)}.", "red")
    if skipped:
        yield Text("  To try even so: --try-anyway. All cells, with their reasons: --json", "dim")
    for start in _unlike([start for start in run.done if start.reason]):
        yield Text(f"! {plain_text(start.subject)}: {plain_text(start.reason)}.", "yellow")
    yield from _sums(run)


def _table(starts: Sequence[Foreseen]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("fits", no_wrap=True)
    for head in ("tokens\nin + out", "tokens/s\npredicted", "takes\nabout"):
        table.add_column(head, justify="right", no_wrap=True)
    left = sum(len(start.cells) for start in starts)
    for start in starts:
        if table.row_count >= MOST_ROWS:
            break
        table.add_row(Text(plain_text(start.subject), "bold cyan"), _fits(start))
        for cell in start.cells[: MOST_ROWS - table.row_count]:
            prompt = "text" if cell.prompt_tokens is None else f"{cell.prompt_tokens:,}"
            rate = "–" if cell.decode_tps is None or cell.max_tokens < 2 else _rate(cell)
            took = "–" if cell.seconds is None or start.skip else range_text(cell.seconds)
            table.add_row(f"  {plain_text(cell.workload)}", "", f"{prompt} + {cell.max_tokens:,}", rate, took)
            left -= 1
    if left:
        table.add_row(Text(f"  … {_count(left, 'cell')} more", "dim"))
    return table


def _fits(start: Foreseen) -> Text:
    from rich.text import Text

    if start.fits is None:
        return Text("skipped" if start.skip else "unknown", "red" if start.skip else "dim")
    words = start.fits.replace("yes_if", "yes, if")
    return Text(f"{words}, skipped" if start.skip else words, "red" if start.skip else _STYLES[start.fits])


def _rate(cell: ForeseenCell) -> str:
    figure = cell.decode_tps
    assert figure is not None
    if figure.low is None or figure.high is None:
        return significant(figure.point, 2)
    return f"{significant(figure.low, 2)}–{significant(figure.high, 2)}"


def _unlike(starts: Sequence[Foreseen]) -> list[Foreseen]:
    """One for each subject and reason."""
    return list({(start.subject, start.reason): start for start in starts}.values())[:MOST_ROWS]


def _sums(run: DryRun) -> Iterator[Text]:
    from rich.text import Text

    span = run.seconds
    if span is not None:
        words = f"→ About {range_text(span)}"
        if run.time_budget_s is not None:
            words += f", within a budget of {_duration(run.time_budget_s)}"
        confidence = f"from predicted rates ({100 * CONFIDENCE:.0f} % intervals) and assumed times to load"
        yield Text(f"{words}; {confidence}.")
    if run.unknown:
        yield Text(f"→ Of {_count(run.unknown, 'cell')} nothing is known beforehand.")
    if run.download_bytes:
        yield Text(f"→ Up to {bytes_text(run.download_bytes)} to download, as far as they are not there already.")
    if run.write_bytes:
        yield Text(f"→ {bytes_text(run.write_bytes)} to write, of {bytes_text(run.free_bytes)} free.")


def range_text(span: Span) -> str:
    """A time from low to high, in one unit where that can be read: ``2–9 min``."""
    unit, scale = next(((unit, scale) for unit, scale in _UNITS if span.high >= 2 * scale), ("s", 1.0))
    low, high = span.low / scale, span.high / scale
    if low < 0.1 and unit != "s":
        return f"{_duration(span.low)} to {_duration(span.high)}"
    return f"{significant(low, 1 if low < 1 else 2)}–{significant(high, 2)} {unit}"


def _duration(seconds: float) -> str:
    for unit, scale in _UNITS:
        if seconds >= 2 * scale:
            return f"{significant(seconds / scale, 2)} {unit}"
    return f"{significant(seconds, 2)} s"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
