"""What the user asked for, so that advice can name their options and the values to give them."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import Any

from msgspec import Struct

from bakeoff.results.records import Run

LONGEST_COMMAND = 100_000


class Asked(Struct, frozen=True, kw_only=True):
    """``options`` are those of the command line by their names, the last of each, empty where it has no value.

    ``runs`` is how many trials a cell was to have, None for as many as it takes. ``unfinished`` is the run's ID where
    it can be resumed.
    """

    options: dict[str, str] = {}
    runs: int | None = None
    unfinished: str | None = None

    def take(self, option: str, value: object) -> str:
        """What to write to get that value: ``--runs auto``, or the key where a suite said it."""
        if "--suite" in self.options and option not in self.options:
            key = option.removeprefix("--").replace("-", "_")
            return f"{key} = {value!r} in the suite".replace("'", '"')
        return f"{option} {value}"


def asked(run: Run) -> Asked:
    """By the run's plan and its command line, neither of which is trusted to be what Bakeoff writes."""
    options = options_of(run.started.command)
    over = run.started.plan is None or (run.ended is not None and run.ended.status == "done")
    return Asked(options=options, runs=_runs(run.started.plan, options), unfinished=None if over else run.started.id)


def options_of(command: str) -> dict[str, str]:
    """The options of a command line: ``--runs 3`` and ``--runs=3`` alike."""
    try:
        words = shlex.split(command[:LONGEST_COMMAND])
    except ValueError:
        return {}
    options: dict[str, str] = {}
    for word, following in pairwise([*words, ""]):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            options[name] = value if equals else "" if following.startswith("--") else following
    return options


def _runs(plan: dict[str, Any] | None, options: dict[str, str]) -> int | None:
    protocol = (plan or {}).get("protocol")
    runs = protocol.get("runs") if isinstance(protocol, dict) else options.get("--runs")
    if isinstance(runs, str) and runs.isdecimal() and len(runs) < 10:
        return int(runs)
    return runs if isinstance(runs, int) and not isinstance(runs, bool) else None
