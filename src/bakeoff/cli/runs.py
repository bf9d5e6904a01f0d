"""``bakeoff runs``: list, show, resume, export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from bakeoff.results.records import Run


@click.group("runs")
def command() -> None:
    """List, show, resume and export what was measured.

    RUN is an ID, the beginning of one, a file, or 'last'.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def list_runs(as_json: bool) -> None:
    """List the runs on this machine, oldest first."""
    from bakeoff.cli.show import json_text
    from bakeoff.folders import runs_folder
    from bakeoff.results.store import readable_runs
    from bakeoff.units import plain_text

    runs, problems = readable_runs(runs_folder())
    if as_json:
        rows = [
            {
                "run": run.started.id,
                "file": str(path),
                "started": run.started.started,
                "status": run.ended.status if run.ended else "unfinished",
                "subjects": sorted(set(_subjects(run))),
                "trials": sum(trial.purpose == "timed" for trial in run.trials),
                "answers": len(run.answers),
            }
            for path, run in runs
        ]
        click.echo(json_text({"runs": rows, "unreadable": problems}), nl=False)
        return
    if not runs and not problems:
        click.echo("There are no runs yet. Make one with: bakeoff run")
    for _, run in runs:
        _print_row(run)
    for problem in problems:
        click.echo(f"! {plain_text(problem)}", err=True)


def _subjects(run: Run) -> list[str]:
    """Those that were measured, then those that answered."""
    return [cell.subject.text for cell in run.cells] + [opened.subject.text for opened in run.answering]


def _print_row(run: Run) -> None:
    from bakeoff.units import plain_text

    status = run.ended.status if run.ended else "unfinished"
    subjects = ", ".join(dict.fromkeys(_subjects(run)))
    trials = sum(trial.purpose == "timed" for trial in run.trials)
    answers = f"  {len(run.answers)} answers" if run.answering else ""
    click.echo(f"{run.started.id}  {status:<11}  {trials:>3} trials{answers}  {plain_text(subjects)}")


@command.command("show")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def show(run: str | None, as_json: bool) -> int:
    """Show one run, the newest if none is named."""
    from bakeoff.cli.show import show_run
    from bakeoff.folders import runs_folder
    from bakeoff.results.store import find_run

    return show_run(find_run(runs_folder(), run), as_json)


@command.command("resume", short_help="Measure what an interrupted run left out.")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def resume(run: str | None, as_json: bool) -> int:
    """Measure what an interrupted run left out; of this machine's newest one, if none is named.

    It goes on under the same seed, in the same file. Where nothing is left to do, the run is shown.
    """
    from bakeoff.cli.measuring import resume
    from bakeoff.cli.show import show_run
    from bakeoff.folders import runs_folder
    from bakeoff.hardware.host import this_host
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run, readable_runs
    from bakeoff.run.resume import is_finished, newest_unfinished

    folder = runs_folder()
    if run is None:
        path = newest_unfinished(readable_runs(folder)[0], this_host())
        if path is None:
            show_run(find_run(folder, None), as_json)
            return 0
        return resume(path, as_json)
    path = find_run(folder, run)
    return show_run(path, as_json) if is_finished(read_run(path)) else resume(path, as_json)


@command.command("export")
@click.argument("run", required=False)
@click.option("--format", "form", type=click.Choice(["json", "csv", "svg"]), default="json", show_default=True,
              help="json: figures and findings; csv: a table; svg: a picture of the screen.")  # fmt: skip
@click.option("--rows", type=click.Choice(["trials", "loads"]),
              help="Of a csv: one a trial, or one a load that was measured, for a chart.  [default: loads where there "
              "are any]")  # fmt: skip
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write to this file, not to standard output.")
def export(run: str | None, form: str, rows: str | None, output: str | None) -> None:
    """Export one run, the newest if none is named."""
    if rows is not None and form != "csv":
        raise UsageError("--rows is for --format csv.")
    from pathlib import Path

    from bakeoff.folders import runs_folder
    from bakeoff.results.files import write_text
    from bakeoff.results.store import find_run

    text = _exported(find_run(runs_folder(), run), form, rows)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(Path(output), text)


def _exported(path: Path, form: str, rows: str | None) -> str:
    from bakeoff.analysis.summary import summarize
    from bakeoff.cli.show import json_text
    from bakeoff.results.runfile import read_run

    record = read_run(path)
    if form == "csv":
        from bakeoff.report.export import trials_csv
        from bakeoff.report.sweeps import loads_csv

        if rows == "loads" or (rows is None and record.windows):
            return loads_csv(record.started.id, summarize(record).cells)
        return trials_csv(record)
    if form == "svg":
        from bakeoff.report.terminal import screen_svg

        return screen_svg(summarize(record), path.name, record.started.command)
    from bakeoff.report.document import run_document

    return json_text(run_document(summarize(record), str(path)), indent=2)
