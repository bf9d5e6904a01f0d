"""Whether the clock can be believed, ours and the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.measurement import metrics
from bakeoff.results.records import Trial
from bakeoff.units import seconds_text

DISAGREEMENT = 0.05
SHORTEST_COMPARED = 32
CLOCK_STEP_NS = 1_000_000
COARSE_SHARE = 0.05


def impossible_times(cell: Cell) -> Finding | None:
    """Chunks before the request, out of order by over 1 ms, after the end or decades late, or a count that falls."""
    odd = [t for t in cell.ok if not _in_order(t)]
    if not odd:
        return None
    return Finding(
        code="impossible_times",
        severity="severe",
        evidence=f"{len(odd)} of {len(cell.ok)} trials have times or counts that run backwards",
        advice="Nothing measured gives such a trial: the file was changed, or the clock was. Run again.",
    )


def _in_order(trial: Trial) -> bool:
    at, counts = trial.timeline.at_ns, trial.timeline.tokens or ()
    ends = (0, *at, trial.end_ns if trial.end_ns is not None else (at[-1] if at else 0))
    first = not at or at[0] >= 0
    return first and _rises(ends, CLOCK_STEP_NS) and _rises((0, *counts)) and ends[-1] <= metrics.LONGEST_NS


def _rises(values: Sequence[int], slack: int = 0) -> bool:
    """Whether none is smaller than the one before, but for the slack between a user's clock and the kernel's."""
    return all(a - b <= slack for a, b in pairwise(values))


def clock_step(cell: Cell) -> Finding | None:
    """The system's clock was set within a trial that it timed, by over 1 ms."""
    steps = [abs(t.clock_step_ns) for t in cell.ok if t.clock in ("kernel", "mixed")]
    if not steps or max(steps) <= CLOCK_STEP_NS:
        return None
    return Finding(
        code="clock_step",
        severity="severe",
        evidence=f"the system's clock moved by {seconds_text(max(steps) / 1e9)} within a trial",
        advice="Something set the time. Run again.",
    )


def disagreement(cell: Cell) -> Finding | None:
    """Our decode rate and the engine's own differ by over 5 %, in answers of 32 tokens or more."""
    client, engine = cell.metrics["decode_tps"], cell.metrics["engine_decode_tps"]
    if client is None or engine is None:
        return None
    if min(metrics.output_tokens(t) or 0 for t in cell.ok) < SHORTEST_COMPARED:
        return None
    off = client.point / engine.point - 1
    if abs(off) <= DISAGREEMENT:
        return None
    return Finding(
        code="engine_and_client_disagree",
        severity="warning",
        evidence=f"decode by our clock is {abs(off):.0%} {'above' if off > 0 else 'below'} the engine's own figure",
        advice="Its first tokens were held back and came faster than they were made: go round what gathers the stream."
        if off > 0
        else "The stream is slower than the engine: a proxy or a busy network, or the engine leaves out a part of its "
        "work. What a user sees is our figure.",
    )


def coarse_timing(cell: Cell) -> Finding | None:
    """Over 5 % of the chunks arrived in one read with the chunk before."""
    chunks = sum(len(t.timeline.at_ns) for t in cell.ok)
    coarse = sum(metrics.coarse_chunks(t) for t in cell.ok)
    if not chunks or coarse / chunks <= COARSE_SHARE:
        return None
    return Finding(
        code="coarse_timing",
        severity="info",
        evidence=f"{coarse / chunks:.0%} of the chunks arrived together with the one before",
        advice="Times between tokens are smeared; rates over the whole answer are not. A server on this machine, "
        "without TLS and proxy between, sends them one by one.",
    )
