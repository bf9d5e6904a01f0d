"""Bakeoff's verbs. Each is one module, loaded when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from bakeoff.errors import BakeoffError, Interrupted, UsageError
from bakeoff.units import plain_text

VERBS = {
    "advise": "What do I take, and why: one paragraph, with its reasons.",
    "compare": "Which run is faster, and are we sure?",
    "config": "Your own prices, currency rates and defaults, in one file.",
    "cost": "When does the hardware pay off against an API?",
    "demo": "Measure a small real model and a synthetic R1 distill on this machine.",
    "doctor": "What is this machine, which engines are ready, what is missing?",
    "plan": "What fits, how fast, and which quantization do I take?",
    "quality": "Are the answers right, and does the quantization cost any?",
    "run": "How fast is it really, with how much memory and power?",
    "runs": "List, show, resume and export what was measured.",
    "setup": "The exact steps from a bare machine to a first measurement, as a script.",
    "suites": "List, show and check suites: what to measure, as a file.",
    "synth": "Write a model file of random weights in a real model's exact shape.",
    "verify": "Do published figures hold: against physics, the planner, your measurements?",
}


class Verbs(click.Group):
    """A group that lists its verbs without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"bakeoff.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"bakeoff {version('bakeoff')}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    is_eager=True,
    expose_value=False,
    help="Show the version.",
)
def cli() -> None:
    """Which reasoning model should I run on my own machine? Measured, with evidence.

    Start with 'bakeoff advise', which names one, or 'bakeoff demo', which measures two.
    """


def entry() -> None:
    """The command: one place turns errors into a line and an exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command. 0 done, 1 failed, 2 usage, 3 a gate did not hold, 130 interrupted."""
    try:
        _check_text(arguments)
        result = cli.main(arguments, prog_name="bakeoff", standalone_mode=False)
    except BakeoffError as error:
        mark = "" if isinstance(error, Interrupted) else "Error: "
        click.echo(f"{mark}{plain_text(str(error))}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except (BrokenPipeError, SystemExit):  # click and Rich end so where their output finds no reader
        _forget_output()
        return 0
    return result if isinstance(result, int) else 0


def _check_text(arguments: list[str]) -> None:
    """Raise UsageError where the shell passed bytes that are no text: no file could keep them."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError as error:
        raise UsageError("The command line is not UTF-8 text.") from error


def _forget_output() -> None:
    """Whoever read our output has gone (``| head``): nothing more can be said there."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
