"""Showing one run: the screen, or the one JSON object."""

from __future__ import annotations

from pathlib import Path

import click


def show_run(path: Path, as_json: bool) -> int:
    """Show the run of this file; 0 where at least one cell has a figure, else 1."""
    from bakeoff.analysis.summary import summarize
    from bakeoff.results.runfile import read_run

    summary = summarize(read_run(path))
    if as_json:
        import msgspec

        from bakeoff.report.document import run_document

        click.echo(msgspec.json.encode(run_document(summary, str(path))).decode())
    else:
        from rich.console import Console

        from bakeoff.report.terminal import print_summary

        print_summary(summary, str(path), Console(highlight=False))
    return 0 if any(cell.trials.ok for cell in summary.cells) else 1
