"""What limits the figures of many requests together."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.findings.servers import more_at_once

CLIENT_SHARE = 0.8
BEHIND_SHARE, FEWEST_BEHIND = 0.1, 8


def over_saturated(cell: Cell) -> Finding | None:
    """A window of load was ended early, since the server could not keep up with what was due."""
    ended = [window.stopped for window in cell.windows if window.stopped]
    if not ended:
        return None
    workload = cell.opened.workload
    rate = workload.rate_rps
    less = f"fewer than {rate:g} requests a second" if rate is not None else "less at once"
    return Finding(
        code="over_saturated",
        severity="severe",
        evidence=f"{cell.of(ended)} ended early: {ended[0]}",
        advice=f"Waiting times would have grown for as long as it went on: they say nothing. Ask for {less}.",
    )


def fell_behind(cell: Cell) -> Finding | None:
    """Over 10 % of what came due in windows that were not stopped was not answered in their time, and 8 or more."""
    load = cell.load
    if load is None or load.stopped is not None or load.offered_rps is None or load.achieved_rps is None:
        return None
    due, answered = load.offered_rps.point, load.achieved_rps.point
    missing = (due - answered) * load.span_s
    if missing <= BEHIND_SHARE * due * load.span_s or missing < FEWEST_BEHIND:
        return None
    return Finding(
        code="fell_behind",
        severity="warning",
        evidence=f"{due:.2f} requests a second came due, and {answered:.2f} were answered",
        advice="The server cannot keep up: times would go on growing. Ask for a lower --rate, or for more --requests "
        "to see where they end.",
    )


def streams_queued(cell: Cell) -> Finding | None:
    """The engine was never at as many requests at a time as there were streams."""
    load, streams = cell.load, cell.opened.workload.concurrency
    if load is None or cell.opened.workload.rate_rps is not None or not 0 < load.at_once < streams:
        return None
    told = all(trial.engine.prefill_s is not None for trial in cell.ok)
    why = ": this measures a queue" if told else ", or for their prompts to be read: this engine does not tell which"
    return Finding(
        code="streams_queued",
        severity="warning",
        evidence=f"at most {load.at_once} of {streams} streams were answered at a time",
        advice=f"The others waited for their turn{why}. Let the engine answer more at "
        f"once{more_at_once(cell)}, or ask for fewer streams.",
    )


def client_busy(cell: Cell) -> Finding | None:
    """Our own client took over 80 % of a core in a window of load."""
    busy = [share for window in cell.windows if (share := window.client_cpu) is not None and share > CLIENT_SHARE]
    if not busy:
        return None
    return Finding(
        code="client_busy",
        severity="severe",
        evidence=f"in {cell.of(busy)} Bakeoff itself was busy for up to {max(busy):.0%} of one core's time",
        advice="Times between tokens may be its own. Ask for fewer streams, or install its extra 'fast'.",
    )
