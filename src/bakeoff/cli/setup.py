"""``bakeoff setup``: the steps from a bare machine to a first measurement, as a script."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bakeoff.cli.option_types import Tokens
from bakeoff.cli.plan import CONTEXT
from bakeoff.errors import FileError, UsageError
from bakeoff.units import GIB, listed

if TYPE_CHECKING:
    from bakeoff.cli.stepping import Answer
    from bakeoff.hardware.machine import Machine
    from bakeoff.planning.setup.steps import Setup, System


ENGINES = ("ollama", "llamacpp", "vllm", "mlx")


@click.command("setup", short_help="The exact steps to get there, as a script.")
@click.argument("model", metavar="MODEL[@QUANT]")
@click.option("--engine", type=click.Choice(ENGINES), help="What is to run it; 'bakeoff advise MODEL' names one.")
@click.option("--on", "hardware", metavar="HARDWARE", help="For this hardware, not this machine: rtx-4090, cpu, …")
@click.option("--context", type=Tokens(), metavar="N", default=CONTEXT, show_default=True, help="Context length.")
@click.option("--host-memory", type=click.FloatRange(1, 65_536), metavar="GB", help="Memory of a named GPU's host.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the script there.")
@click.option("--force", is_flag=True, help="With --save: overwrite the file.")
@click.option("--check", is_flag=True, help="Say which steps are done here; change nothing.")
@click.option("--run", is_flag=True, help="Show each step that is not done, and run it when confirmed.")
@click.option("--yes", is_flag=True, help="With --run: confirm every step.")
def command(model: str, **options: Any) -> int:
    """Write the script that brings MODEL to an answering engine and measures it: what the machine must have, what to
    install, the download, the server, a first question.

    \b
      bakeoff setup r1-14b --engine vllm --on rtx-4090
      bakeoff setup r1-70b@Q4_K_M --engine ollama --on m3-max-48gb --save setup.sh
      bakeoff setup r1-7b --engine llamacpp --check
      bakeoff setup r1-7b --engine llamacpp --run

    Where the model as asked for does not fit, the script takes a quantization that does, raises a limit or splits
    the layers, and says why. The script can be run again: what is done is left alone. --check exits 0 where nothing
    is left to do.
    """
    _check_options(options)
    setup, made_by = _setup(model, options)
    if options["check"]:
        from bakeoff.cli.stepping import show_states

        return show_states(setup)
    if options["run"]:
        from bakeoff.cli.stepping import run_steps

        return run_steps(setup, _always if options["yes"] else _ask)
    from bakeoff.planning.setup.script import script

    text = script(setup, made_by)
    if options["save"]:
        _save(options["save"], text, options["force"])
        click.echo(f"Saved: {options['save']}. Read it, then run it with: bash {shlex.quote(str(options['save']))}")
    else:
        click.echo(text, nl=False)
    return 0


def _check_options(options: dict[str, Any]) -> None:
    """Raise UsageError where options contradict each other, or cannot be met here."""
    if options["engine"] is None:
        names = listed(ENGINES, "or")
        raise UsageError(f"Which engine? Add --engine {names}: 'bakeoff advise MODEL' tells which suits it.")
    chosen = [f"--{name}" for name in ("save", "check", "run") if options[name]]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: leave one out.")
    if options["force"] and not options["save"]:
        raise UsageError("--force overwrites a file: name it with --save FILE.")
    if options["yes"] and not options["run"]:
        raise UsageError("--yes confirms what --run asks: add --run.")
    if options["host_memory"] and not options["hardware"]:
        raise UsageError("--host-memory is that of a named GPU's host: add --on HARDWARE.")
    if (options["check"] or options["run"]) and (sys.platform == "win32" or shutil.which("bash") is None):
        raise UsageError("The steps are for bash on Linux or macOS, which this is not. Write them with --save FILE.")
    if options["run"] and not options["yes"] and not sys.stdin.isatty():
        raise UsageError("--run asks before each step, and this is no terminal: add --yes to confirm all of them.")


def _setup(text: str, options: dict[str, Any]) -> tuple[Setup, str]:
    """The set-up, and the command that makes it again."""
    from bakeoff.planning.setup.make import make_setup

    model, at, quant = " ".join(text.split()).partition("@")
    machine, system = _machine(options)
    setup = make_setup(
        machine, options["engine"], model, quant=quant if at else None, context=options["context"], system=system
    )
    words = ["bakeoff", "setup", f"{model}{at}{quant}", "--engine", options["engine"]]
    if options["hardware"]:
        words += ["--on", " ".join(options["hardware"].split())]
    if options["host_memory"]:
        words += ["--host-memory", f"{options['host_memory']:g}"]
    if options["context"] != CONTEXT:
        words += ["--context", str(options["context"])]
    return setup, shlex.join(words)


def _machine(options: dict[str, Any]) -> tuple[Machine, System | None]:
    """The machine to set up, and its system where it is this one."""
    if options["hardware"]:
        from bakeoff.hardware.catalogue import find_machine

        memory = round(options["host_memory"] * GIB) if options["host_memory"] else None
        return find_machine(options["hardware"], memory), None
    if sys.platform == "win32":
        raise UsageError("The scripts are for Linux and macOS. Run this inside WSL 2, or name hardware with --on.")
    from bakeoff.hardware.detect import this_machine

    return this_machine(), "macos" if sys.platform == "darwin" else "linux"


def _save(path: Path, text: str, force: bool) -> None:
    """Write the script, executable. Raises FileError; a file that is there stays as it is without ``force``."""
    part = path.with_name(f"{path.name}.part")
    try:
        if path.exists() and not force:
            raise FileError(f"{path} exists. Name another file, or add --force to overwrite it.")
        part.write_text(text, encoding="utf-8")
        part.chmod(0o755)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileError(f"{path} could not be written ({error.strerror}). Name another file.") from error


def _ask() -> Answer:
    answer: Answer = click.prompt("Run it?", type=click.Choice(["y", "n", "all", "quit"]), default="y")
    return answer


def _always() -> Answer:
    return "all"
