"""A set-up as a bash script that says what it does, and does only what is not done."""

from __future__ import annotations

import shlex
import textwrap

from bakeoff.planning.setup.steps import Setup, Step

STRICT = "set -euo pipefail"
_WIDTH = 100


def script(setup: Setup, command: str) -> str:
    """The whole script; ``command`` is what made it. It runs in bash from 3.2 on, which macOS has."""
    lines = ["#!/usr/bin/env bash", f"# {setup.title}.", "#"]
    wide = max(len(name) for name, _ in setup.facts) + 2
    for name, text in setup.facts:
        lines += textwrap.wrap(text, _WIDTH, initial_indent=f"# {name:<{wide}}", subsequent_indent="# " + " " * wide)
    lines += ["#", f"# Made by: {command}", "# Run it as often as you like: what is done is left alone.", STRICT, ""]
    lines += setup.definitions
    for number, step in enumerate(setup.steps, 1):
        lines += ["", *_step(step, f"[{number}/{len(setup.steps)}]")]
    return "\n".join([*lines, "", *setup.closing, ""])


def fragment(setup: Setup, body: str) -> str:
    """One check or one step's lines as a script of its own."""
    return "\n".join([STRICT, *setup.definitions, body, ""])


def _step(step: Step, number: str) -> list[str]:
    head = [
        f"echo {shlex.quote(f'{number} {step.title}')}",
        *textwrap.wrap(step.why, _WIDTH, initial_indent="# ", subsequent_indent="# "),
    ]
    if not step.check:
        return [*head, *step.lines]
    return [
        *head,
        *f"if {step.check}; then".splitlines(),
        "  echo '      done already'",
        "else",
        *(f"  {line}" for line in step.lines),
        "fi",
    ]
