"""A set-up's steps on this machine: which are done, and doing them one by one."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bakeoff.errors import BakeoffError
from bakeoff.units import bytes_text, plain_text

if TYPE_CHECKING:
    from bakeoff.planning.setup.steps import Setup, Step

CHECK_TIMEOUT_S = 10.0
TAIL_LINES = 5
_TAIL_BYTES = 4096
_LONGEST_LINE = 1 << 16
_ASK_EVERY_S = 0.1
State = Literal["done", "to do", "each time", "unknown"]
Answer = Literal["y", "n", "all", "quit"]


def state_of(setup: Setup, step: Step, timeout_s: float = CHECK_TIMEOUT_S) -> State:
    """Run a step's check, and nothing else; ``unknown`` where it does not end in time."""
    from bakeoff.planning.setup.script import fragment

    if not step.check:
        return "each time"
    checking = subprocess.Popen(
        ["bash", "-c", fragment(setup, step.check)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        return "done" if checking.wait(timeout_s) == 0 else "to do"
    except subprocess.TimeoutExpired:
        return "unknown"
    finally:
        if checking.returncode is None:
            os.killpg(checking.pid, signal.SIGKILL)
            checking.wait()


def show_states(setup: Setup) -> int:
    """Print what is done; the exit code: 0 where nothing is left but what is done anew each time."""
    click.echo(f"{setup.title}\n")
    left = 0
    for number, step in enumerate(setup.steps, 1):
        state = state_of(setup, step)
        left += state in ("to do", "unknown")
        click.echo(f"{state:<11}{number:>2}. {step.title}{_remarks(step) if state == 'to do' else ''}")
    click.echo(f"\nSteps to do: {left}." if left else "\nAll is done: ask it, and measure it.")
    return 1 if left else 0


def run_steps(setup: Setup, ask: Callable[[], Answer]) -> int:
    """Show each step that is not done, and run it if ``ask`` says so. Raises BakeoffError where one fails."""
    click.echo(setup.title)
    answer: Answer = "n"
    for number, step in enumerate(setup.steps, 1):
        click.echo(f"\n[{number}/{len(setup.steps)}] {step.title}{_remarks(step)}")
        if state_of(setup, step) == "done":
            click.echo("done already")
            continue
        click.echo("\n".join([step.why, *(f"    {line}" for line in step.lines)]))
        answer = answer if answer == "all" else ask()
        if answer == "quit":
            click.echo("Stopped: what is done stays done.")
            return 1
        if answer != "n":
            _run(setup, step, number)
    return 0


def _run(setup: Setup, step: Step, number: int) -> None:
    """Run one step, its output shown as it comes. Raises BakeoffError with its last lines where it fails.

    At a terminal the step has one too, so that downloads show how far they are.
    """
    from bakeoff.planning.setup.script import fragment

    ours, theirs = pty.openpty() if sys.stdout.isatty() else os.pipe()
    try:
        running = subprocess.Popen(
            ["bash", "-c", fragment(setup, "\n".join(step.lines))],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=_environment(),
        )
    finally:
        os.close(theirs)
    said = b""
    for data in _output(running, ours, whole_lines=not sys.stdout.isatty()):
        said = (said + data)[-_TAIL_BYTES:]
        click.echo(data if sys.stdout.isatty() else plain_text(data.decode("utf-8", "replace")), nl=False)
    if running.wait() != 0:
        lines = plain_text(said.decode("utf-8", "replace").replace("\r", "\n")).splitlines()
        words = " | ".join([line.strip() for line in lines if line.strip()][-TAIL_LINES:]).rstrip(".")
        raise BakeoffError(
            f"Step {number} ({step.title}) failed with exit status {running.returncode}: "
            f"{words or 'it said nothing'}. Mend it and run this again: what is done is left alone."
        )


def _output(running: subprocess.Popen[bytes], descriptor: int, whole_lines: bool) -> Iterator[bytes]:
    """What a program writes until it has ended; what it leaves running is not waited for, even if that holds on."""
    pending = b""
    with open(descriptor, "rb", buffering=0) as source:
        while True:
            if not select.select([source], [], [], _ASK_EVERY_S)[0]:
                if running.poll() is not None:
                    break
                continue
            try:
                data = source.read(_TAIL_BYTES)
            except OSError:  # how a terminal says that nobody is left at its other end
                break
            if not data:
                break
            pending += data
            until = pending.rfind(b"\n") + 1 if whole_lines and len(pending) < _LONGEST_LINE else len(pending)
            yield pending[:until]
            pending = pending[until:]
    yield pending


def _remarks(step: Step) -> str:
    words = [bytes_text(step.bytes)] if step.bytes else []
    words += ["may ask for your password"] if step.needs_root else []
    return f" ({', '.join(words)})" if words else ""


def _environment() -> dict[str, str]:
    """Ours, with this Bakeoff found where no other is on PATH."""
    ours = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), ours])}
