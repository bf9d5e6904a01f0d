"""What limits the figures of many requests together."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding

CLIENT_SHARE = 0.8


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
