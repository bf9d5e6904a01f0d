"""Cells that differ in the load alone: what more streams gain, and where that ends."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from bakeoff.analysis.load import LoadSummary
from bakeoff.results.records import CellOpened, Figure
from bakeoff.stats.ratios import quotient

PAYING = 0.10
"""A doubling of the streams pays where it raises the total rate by this share or more."""
_LARGEST_LOG = 700.0

_Point = tuple[int, Sequence[tuple[float, float]]]
"""A number of streams, and the tokens and seconds of each window."""
Verdict = Literal["pays", "does_not_pay", "cannot_tell"]


class Step(Struct, frozen=True, kw_only=True):
    """From one number of streams to the next: the gain of the total rate, as a ratio, brought to one doubling.

    It pays where the whole interval is at or above 1.10, and does not where the whole interval is below.
    """

    streams: int
    to: int
    gain: Figure
    verdict: Verdict


class Sweep(Struct, frozen=True, kw_only=True):
    """Cells that differ in the load alone, from the lightest to the heaviest, with what each step gains.

    ``knee`` is the number of streams beyond which the next doubling does not pay, where every step before it does.
    ``knee_from`` and ``knee_to`` are between which numbers it lies, as far as that can be told; ``knee_to`` None: it
    may lie beyond the last.
    """

    cells: tuple[CellOpened, ...]
    loads: tuple[LoadSummary, ...]
    steps: tuple[Step, ...] = ()
    knee: int | None = None
    knee_from: int | None = None
    knee_to: int | None = None


def sweeps(cells: Iterable[tuple[CellOpened, LoadSummary]]) -> list[Sweep]:
    """Cells under load in groups: one for each start of a subject, workload, and way of arriving."""
    groups: defaultdict[tuple[object, ...], list[tuple[CellOpened, LoadSummary]]] = defaultdict(list)
    for opened, load in cells:
        groups[_likeness(opened)].append((opened, load))
    return [_sweep(group) for group in groups.values()]


def _likeness(opened: CellOpened) -> tuple[object, ...]:
    """What cells of one sweep have in common: all but the load, and the name, which may tell it."""
    work = opened.workload
    asked = (work.prompt, work.prompt_tokens, work.shape, work.max_tokens, work.context, work.temperature, work.cache)
    return (opened.entrant, opened.subject.text, work.arrival, *asked)


def _sweep(group: Sequence[tuple[CellOpened, LoadSummary]]) -> Sweep:
    ordered = sorted(group, key=lambda each: (each[0].workload.concurrency, each[0].workload.rate_rps or 0.0))
    points = [
        (opened.workload.concurrency, load.totals)
        for opened, load in ordered
        if opened.workload.arrival == "closed" and sum(tokens for tokens, _ in load.totals) > 0
    ]
    steps = tuple(_step(a, b) for a, b in pairwise(points) if 0 < a[0] < b[0])
    return Sweep(
        cells=tuple(opened for opened, _ in ordered),
        loads=tuple(load for _, load in ordered),
        steps=steps,
        **_knee(steps),
    )


def _step(a: _Point, b: _Point) -> Step:
    ratio, doublings = quotient(a[1], b[1]), math.log2(b[0] / a[0])
    point, low, high = (_root(value, doublings) for value in (ratio.point, ratio.low, ratio.high))
    gain = Figure(point=point or 0.0, low=low, high=high, n=ratio.n)
    return Step(streams=a[0], to=b[0], gain=gain, verdict=_verdict(gain))


def _root(value: float | None, degree: float) -> float | None:
    """0 of what is not positive: no rate is lost more than wholly."""
    if value is None:
        return None
    return math.exp(min(_LARGEST_LOG, math.log(value) / degree)) if value > 0 else 0.0


def _verdict(gain: Figure) -> Verdict:
    if gain.low is None or gain.high is None:
        return "cannot_tell"
    if gain.low >= 1 + PAYING:
        return "pays"
    return "does_not_pay" if gain.high < 1 + PAYING else "cannot_tell"


def _knee(steps: Sequence[Step]) -> dict[str, int | None]:
    """By the first step that does not pay, and the first that may not."""
    stop = next((step.streams for step in steps if step.verdict == "does_not_pay"), None)
    doubt = next((step.streams for step in steps if step.verdict != "pays"), None)
    if not steps:
        return {}
    earliest = doubt if doubt is not None else steps[-1].to
    return {"knee": stop if stop == doubt else None, "knee_from": earliest, "knee_to": stop}
