"""``bakeoff compare`` of runs that hold answers and no speeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.results.records import Run


def of_answers(names: tuple[str, ...]) -> list[Run]:
    """The runs, where all of them hold answers alone; none where none does, or one is named twice.

    Raises UsageError where some do: answers and speeds do not compare.
    """
    from bakeoff.folders import runs_folder
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run

    if len(set(names)) < len(names):
        return []
    found: dict[str, Run] = {}
    for name in names:
        if "#" not in name:
            run = read_run(find_run(runs_folder(), name))
            if run.answering and not run.cells:
                found[name] = run
    if found and len(found) < len(names):
        raise UsageError(f"{next(iter(found))} holds answers and no speeds. Name runs that all do, or none.")
    return list(found.values())


def show(runs: list[Run], margin: float | None, reference: str | None, speeds: bool, as_json: bool) -> int:
    """Compare and show them. Raises UsageError where what was asked for is of speeds."""
    from bakeoff.analysis.quality_runs import compare_answers
    from bakeoff.cli.screen import screen
    from bakeoff.cli.show import json_text
    from bakeoff.report.quality_runs import answers_document, print_answers

    if speeds or reference is not None:
        raise UsageError(
            "These runs hold answers: --metric and --fail-if-slower are for speeds, and the first run is the reference."
        )
    compared = compare_answers(runs, margin)
    if as_json:
        click.echo(json_text(answers_document(compared)), nl=False)
    else:
        print_answers(compared, screen())
    return 0
