"""Whether the speed of the first minute lasts."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.sustained import SMALLEST_CHANGE, sustained
from bakeoff.units import seconds_text, significant


def not_sustained(cell: Cell) -> Finding | None:
    """Run back to back with --sustained, it ended slower than its first minute, by 3 % or more whatever chance did."""
    course = sustained(cell.timed) if cell.asked.sustained_s is not None else None
    if course is None or course.first_tps is None or course.steady_tps is None:
        return None
    over = course.steady_over_first
    if over is None or over.high is None or over.high > 1 - SMALLEST_CHANGE:
        return None
    held = sum(each.throttled for each in course.bins)
    seen = f"; it was held back in {held} of {len(course.bins)} stretches" if held else ""
    return Finding(
        code="not_sustained",
        severity="warning",
        evidence=f"over {seconds_text(course.span_s)} its speed went from {significant(course.first_tps.point)} to "
        f"{significant(course.steady_tps.point)} tokens/s{seen}",
        advice="For long work count on the lower figure; better cooling may raise it.",
    )
