"""``bakeoff compare``: which is faster, and are we sure?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from bakeoff.cli.compare_answers import of_answers, show
from bakeoff.cli.option_types import ShareType
from bakeoff.errors import BakeoffError, UsageError

if TYPE_CHECKING:
    from bakeoff.analysis.compare import Compared
    from bakeoff.analysis.gate import Gate
    from bakeoff.analysis.sides import Side

GATE_FAILED = 3
MOST_CELLS = 200


@click.command("compare")
@click.argument("runs", metavar="RUN…", nargs=-1, required=True)
@click.option("--reference", metavar="RUN|CELL", help="What the others are set against; else the first.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME",
              help="Compare this alone, by its name in --json; may be repeated.")  # fmt: skip
@click.option("--margin", type=ShareType(), default="3%", show_default=True,
              help="Speeds that differ by less are equivalent.")  # fmt: skip
@click.option("--fail-if-slower", "limit", type=ShareType(),
              help="Exit with 3 where something is shown to be slower by more than this share.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(
    runs: tuple[str, ...],
    reference: str | None,
    metrics: tuple[str, ...],
    margin: float,
    limit: float | None,
    as_json: bool,
) -> int:
    """Set runs side by side: the ratio of each figure, its interval, and in words what that shows.

    \b
      bakeoff compare last
      bakeoff compare before.jsonl after.jsonl --fail-if-slower 5%
      bakeoff compare 2026-11-24 "last#pp512" --metric prefill_tps

    RUN is an ID, the beginning of one, a file, or 'last'; RUN#CELL one cell of it, by its number from 0, its subject,
    or the name of its workload. The cells of a single run are set against each other. Runs of 'bakeoff quality' are
    compared task by task, where they were asked the same. Exit codes: 0, also where too few trials leave it open; 1
    where nothing can be judged; 3 where --fail-if-slower does not hold.
    """
    from bakeoff.analysis.compare import compare
    from bakeoff.analysis.gate import gate

    _check_metrics(metrics)
    answered = of_answers(runs)
    if answered:
        asked = click.get_current_context().get_parameter_source("margin") is not ParameterSource.DEFAULT
        speeds = bool(metrics) or limit is not None
        return show(answered, margin if asked else None, reference, speeds, as_json)
    sets, against = _sets(runs, reference)
    compared = compare(sets, reference=against, margin=margin, wanted=metrics)
    if not compared.pairs:
        raise UsageError("None of these cells was asked the same as one of the reference. Name two cells: RUN#CELL.")
    found = None if limit is None else gate(compared, limit)
    _show(compared, found, as_json)
    if found is not None and not found.judged:
        raise BakeoffError("--fail-if-slower can judge nothing: every speed is unlike, missing or without an interval.")
    if found is not None and found.slower:
        return GATE_FAILED
    return 0 if any(each.a or each.b for pair in compared.pairs for each in pair.comparisons) else 1


def _check_metrics(metrics: tuple[str, ...]) -> None:
    from bakeoff.analysis.sides import ASKABLE

    for name in metrics:
        if name not in ASKABLE:
            raise UsageError(f"There is no metric {name!r} to compare. Take one of: {', '.join(ASKABLE)}.")


def _sets(runs: tuple[str, ...], reference: str | None) -> tuple[list[list[Side]], Side | None]:
    """The cells of each RUN, the reference's first; of a single one, the cell that is its reference."""
    if len(set(runs)) < len(runs):
        raise UsageError("A run is named twice: what is compared with itself is the same.")
    if reference in runs:
        runs = (reference, *(run for run in runs if run != reference))
    elif reference is not None and len(runs) > 1:
        raise UsageError(f"--reference {reference!r} is none of the runs. Name one of them as you wrote it.")
    sets = [_cells(run) for run in runs]
    names = [side.name for each in sets for side in each]
    if len(set(names)) < len(names):
        raise UsageError("A cell is named twice: what is compared with itself is the same.")
    if len(names) < 2:
        raise UsageError("There is one cell only. Name another run to compare it with.")
    if len(names) > MOST_CELLS:
        raise UsageError(f"These are {len(names)} cells. Name {MOST_CELLS} at most: RUN#CELL is a single one.")
    single = reference is not None and reference not in runs
    return sets, _cell(runs[0], sets[0], str(reference).removeprefix("#")) if single else None


def _cells(run: str) -> list[Side]:
    """The cells of a RUN, or the one that it names."""
    from bakeoff.analysis.sides import sides
    from bakeoff.folders import runs_folder
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run

    try:
        return sides(read_run(find_run(runs_folder(), run)))
    except UsageError:
        text, mark, cell = run.rpartition("#")
        if not mark:
            raise
    return [_cell(text, sides(read_run(find_run(runs_folder(), text or None))), cell)]


def _cell(run: str, cells: list[Side], text: str) -> Side:
    """A cell by its number, its subject or its workload's name."""
    found = [side for side in cells if str(side.cell.opened.cell) == text]
    found = found or [side for side in cells if text in (side.cell.opened.subject.text, side.cell.opened.workload.name)]
    if not found:
        listed = "; ".join(
            f"{each.opened.cell} {each.opened.subject.text}, {each.opened.workload.name}"
            for each in (side.cell for side in cells[:10])
        )
        raise UsageError(f"{run} has no cell {text!r}. It has: {listed or 'none'}.")
    return found[0]


def _show(compared: Compared, found: Gate | None, as_json: bool) -> None:
    from bakeoff.cli.screen import screen
    from bakeoff.cli.show import json_text
    from bakeoff.report.compare import compare_document, gate_lines, names_of, print_compared

    if not as_json:
        print_compared(compared, screen(), found)
        return
    click.echo(json_text(compare_document(compared, found)), nl=False)
    for line in gate_lines(found, names_of(compared)) if found else ():
        click.echo(line, err=True)
