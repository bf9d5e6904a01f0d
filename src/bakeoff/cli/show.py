"""Showing one run: the screen, or the one JSON object."""

from __future__ import annotations

import re
from pathlib import Path

import click

_OBEYED = re.compile(r"[\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def json_text(document: object, indent: int = -1) -> str:
    """A document as JSON in which nothing is left raw that a terminal would obey; one line unless indented."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(document), indent=indent).decode()
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def show_run(path: Path, as_json: bool) -> int:
    """Show the run of this file; 0 where at least one cell has a figure, else 1."""
    from bakeoff.analysis.summary import summarize
    from bakeoff.results.runfile import read_run

    summary = summarize(read_run(path))
    if as_json:
        from bakeoff.report.document import run_document

        click.echo(json_text(run_document(summary, str(path))), nl=False)
    else:
        from rich.console import Console

        from bakeoff.report.terminal import print_summary

        print_summary(summary, str(path), Console(highlight=False))
    return 0 if any(cell.trials.ok for cell in summary.cells) else 1
