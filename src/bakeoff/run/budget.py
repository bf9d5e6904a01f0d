"""A run's time, dealt out fairly; pure. Seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from bakeoff.results.records import Run

_K = TypeVar("_K")


def share_s(left_s: float, here: int, in_all: int) -> float:
    """What a subject with ``here`` cells may take of the time left, where ``in_all`` cells are still to come."""
    return left_s * here / max(here, in_all)


def that_fit(next_s: Mapping[_K, float], left_s: float) -> set[_K]:
    """Which cells may have another trial: those whose next one fits into an equal share of the time that is left.

    ``next_s`` holds how long the next trial of each cell that wants one will take. A cell that must wait because its
    trials are long gets what the others leave. Empty: the time is used up.
    """
    if not next_s:
        return set()
    each_s = left_s / len(next_s)
    return {cell for cell, seconds in next_s.items() if seconds <= each_s}


def left_s(until_ns: int | None, now_ns: int) -> float:
    """Seconds until then; infinity where there is no end."""
    return math.inf if until_ns is None else (until_ns - now_ns) / 1e9


def spent_s(run: Run) -> float:
    """What an interrupted run has used of its time: in each part of it, from its beginning to its last trial's end."""
    begins = [run.started.started, *(resumed.resumed for resumed in run.resumed)]
    spent = 0.0
    for begin, until in zip(begins, [*begins[1:], "~"], strict=True):
        last = max((t for t in run.trials if begin <= t.started < until), key=lambda t: t.started, default=None)
        if last is not None:
            span = datetime.fromisoformat(last.started) - datetime.fromisoformat(begin)
            spent += span.total_seconds() + (last.end_ns or 0) / 1e9
    return spent
