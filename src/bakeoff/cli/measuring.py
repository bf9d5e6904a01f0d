"""Doing a plan, or what an interrupted run left of one, and showing what came out."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bakeoff.cli.live import LiveProgress
    from bakeoff.results.records import Host, Run
    from bakeoff.run.file import RunFile
    from bakeoff.run.plan import Plan
    from bakeoff.run.quality import Answerer
    from bakeoff.run.quality_plan import Quality


def measure(plan: Plan, as_json: bool, left_out: Sequence[tuple[str, str]] = ()) -> int:
    """Measure all that is in a plan and show it; the exit code. ``left_out``: what it does not hold, and why."""
    from bakeoff.folders import runs_folder
    from bakeoff.hardware.host import this_host
    from bakeoff.results.records import CellFailed, EntrantEnded
    from bakeoff.run.file import RunFile

    host = this_host()
    command_line = shlex.join(["bakeoff", *sys.argv[1:]])
    file = RunFile.new(runs_folder(), command_line, plan, host)
    for number, (subject, why) in enumerate(left_out, len(plan.entrants)):
        file.hold(CellFailed(subject=subject, error=why, entrant=number))
        file.hold(EntrantEnded(entrant=number))
    return _do(plan, file, host, as_json)


def resume(path: Path, as_json: bool) -> int:
    """Measure what is missing in a run and show the whole; the exit code. Raises UsageError and FileError."""
    from bakeoff.hardware.host import this_host
    from bakeoff.results.runfile import read_run
    from bakeoff.run.file import RunFile
    from bakeoff.run.resume import plan_to_resume

    host = this_host()
    plan_to_resume(read_run(path), host)
    file = RunFile.old(path, host)  # from here on nobody else writes it
    before = read_run(path, to_resume=True)
    return _do(plan_to_resume(before, host), file, host, as_json, before)


def _do(plan: Plan, file: RunFile, host: Host, as_json: bool, before: Run | None = None) -> int:
    from bakeoff.cli.engine_options import with_logs
    from bakeoff.cli.history import learned_here
    from bakeoff.cli.live import LiveProgress
    from bakeoff.cli.show import show_run
    from bakeoff.hardware.detect import this_machine
    from bakeoff.run.contestants import contestant
    from bakeoff.run.foretelling import agreement_of
    from bakeoff.run.metering import Metering
    from bakeoff.run.predicting import Predictor
    from bakeoff.run.session import run_all

    predictor = Predictor(this_machine(), learned_here(host))
    with LiveProgress() as live:
        answerer = _answerer(plan.quality, live, before) if plan.quality is not None else None
        errors = run_all(
            plan,
            lambda entrant: contestant(entrant.subject, with_logs(entrant.options, file.path), live.bytes_done),
            file,
            live,
            predictor,
            before,
            Metering(plan.meters, ask=partial(_ask, live) if sys.stdin.isatty() else None),
            answerer,
            agreement_of(plan, answerer.tasks, before) if answerer is not None else None,
        )
    if errors and not file.written:
        for error in errors[:-1]:
            click.echo(f"Error: {error}", err=True)
        raise errors[-1]
    code = show_run(file.path, as_json)
    return 1 if errors else code


def _answerer(quality: Quality, live: LiveProgress, before: Run | None) -> Answerer:
    """Who puts the tasks: those that the run's file holds already, else those of the sets."""
    from bakeoff.quality.grading.grade import graders
    from bakeoff.quality.sandbox.choose import best_sandbox
    from bakeoff.run.quality import Answerer
    from bakeoff.run.quality_plan import lines_left_out, task_set, tasks_of

    sandbox = best_sandbox()
    held = before.task_sets[0] if before is not None and before.task_sets else None
    asked = held or task_set(quality, tasks_of(quality), sandbox.name, lines_left_out(quality))
    return Answerer(asked, graders(sandbox), live.answered, before)


def _ask(live: LiveProgress, question: str) -> str:
    """Put a question to the user, the bars out of the way meanwhile; Ctrl-C ends the run."""
    live.__exit__(None, None, None)
    try:
        return str(click.prompt(question, err=True))
    except click.Abort:
        raise KeyboardInterrupt from None
    finally:
        live.__enter__()
