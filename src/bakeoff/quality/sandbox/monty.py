"""The sandbox of everywhere else: the program is run by Monty, an interpreter of a part of Python without any I/O.

What Monty cannot run is *lacking*, never the program's failure; see ``monty_inside`` for how the two are told apart.
It takes a generator expression for a list, which CPython does not. Monty is driven from a process of its own, since a
value that is small in the sandbox can be beyond memory outside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from bakeoff.quality.sandbox.base import MEMORY_BYTES, WALL_S, Call, Outcome
from bakeoff.quality.sandbox.exchange import exchange


class Monty:
    """Runs each program in a worker process made anew; a start takes some 0.1 s."""

    name = "monty"

    def __init__(self, wall_s: float = WALL_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._wall_s, self._memory_bytes = wall_s, memory_bytes

    def missing(self) -> str | None:
        """Why this machine cannot do it, found by trying; None where it can."""
        if find_spec("pydantic_monty") is None:
            return "pydantic-monty is not installed."
        [outcome] = self.run("def trial(x):\n    return [x, 2]\n", [Call("trial", (1,))])
        return None if outcome.value == [1, 2] else f"pydantic-monty does not work here ({outcome.note})."

    def run(self, source: str, calls: Sequence[Call]) -> tuple[Outcome, ...]:
        """See ``Sandbox``. The wall time counts from the process's start."""
        command = [sys.executable, "-m", "bakeoff.quality.sandbox.monty_inside"]
        limits = {"memory_bytes": self._memory_bytes}
        return exchange(command, source, calls, limits, wall_s=self._wall_s)
