"""Showing one run: the screen, or the one JSON object."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bakeoff.analysis.quality import QualitySummary
    from bakeoff.analysis.summary import Summary

_OBEYED = re.compile(r"[\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def json_text(document: object, indent: int = -1) -> str:
    """A document as JSON in which nothing is left raw that a terminal would obey; one line unless indented."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(document), indent=indent).decode()
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def show_run(path: Path, as_json: bool) -> int:
    """Show the run of this file; 0 where at least one cell has a figure or a subject an answer, else 1."""
    from bakeoff.analysis.quality import summarize_quality
    from bakeoff.analysis.summary import summarize
    from bakeoff.results.runfile import read_run

    run = read_run(path)
    answers = summarize_quality(run)
    measured = None if answers is not None and not run.cells else summarize(run)
    if as_json:
        click.echo(json_text(_document(measured, answers, str(path))), nl=False)
    else:
        _print(measured, answers, str(path))
    answered = answers is not None and any(each.counts.answers > each.counts.failed for each in answers.subjects)
    return 0 if answered or (measured and any(cell.trials.ok for cell in measured.cells)) else 1


def _document(measured: Summary | None, answers: QualitySummary | None, path: str) -> dict[str, Any]:
    """What was measured, with what was answered under *quality*; where there are answers alone, these."""
    from bakeoff.report.document import run_document
    from bakeoff.report.quality import quality_document

    if answers is None:
        assert measured is not None
        return run_document(measured, path)
    found = quality_document(answers, path)
    return found if measured is None else {**run_document(measured, path), "quality": found}


def _print(measured: Summary | None, answers: QualitySummary | None, path: str) -> None:
    from bakeoff.cli.screen import screen
    from bakeoff.report.quality import print_quality
    from bakeoff.report.terminal import print_summary

    console = screen()
    if measured is not None:
        print_summary(measured, path, console)
    if answers is not None:
        print_quality(answers, path, console)
