"""How long ``bakeoff --help`` takes, beside an empty click program's, taking turns in the same run."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bakeoff.errors import BakeoffError
from bench.targets import Target, number, progress, table

# Both are started the way an installed console script starts: import the entry point, call it.
EMPTY = "import click; click.command()(lambda: None)()"
BAKEOFF = "from bakeoff.cli.main import entry; entry()"
LIMIT = 1.5


@dataclass(frozen=True)
class Result:
    """Median wall time of each in ms, and the ratio of the two medians."""

    empty_ms: float
    bakeoff_ms: float
    rounds: int

    @property
    def ratio(self) -> float:
        return self.bakeoff_ms / self.empty_ms

    def targets(self) -> list[Target]:
        return [Target("bakeoff --help, of an empty click program's", "", self.ratio, LIMIT)]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}

    def text(self) -> str:
        rows = [
            ("program", "--help, ms", "ratio"),
            ("an empty click program", number(self.empty_ms), "1"),
            ("bakeoff", number(self.bakeoff_ms), number(self.ratio)),
        ]
        return f"Start: median of {self.rounds} each, in turns\n\n{table(rows)}"


def run(quick: bool) -> Result:
    """Time both; about 5 seconds."""
    rounds = 20 if quick else 40
    programs = {"empty": EMPTY, "bakeoff": BAKEOFF}
    times_ms: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        _help_ms(program)  # the first start of each reads files that the others find in memory
    for round_ in range(rounds):
        progress(f"start · {round_ + 1} of {rounds}")
        for name in programs if round_ % 2 == 0 else reversed(programs):
            times_ms[name].append(_help_ms(programs[name]))
    return Result(median(times_ms["empty"]), median(times_ms["bakeoff"]), rounds)


def _help_ms(program: str) -> float:
    start_ns = time.perf_counter_ns()
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, check=False)
    took_ms = (time.perf_counter_ns() - start_ns) / 1e6
    if done.returncode != 0:
        raise BakeoffError(f"{program!r} ended with status {done.returncode}: {done.stderr.decode()}")
    return took_ms
