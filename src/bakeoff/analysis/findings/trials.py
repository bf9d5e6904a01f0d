"""Whether the trials suffice for the figure made of them."""

from __future__ import annotations

import math

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.results.records import CellEnded

FEWEST_TRIALS = 5
WIDE_HALF_WIDTH = 0.1
HOPELESS_HALF_WIDTH = 0.5


def too_few_trials(cell: Cell) -> Finding | None:
    """Fewer than 5 trials succeeded."""
    if not cell.ok or len(cell.ok) >= FEWEST_TRIALS:
        return None
    return Finding(
        code="too_few_trials",
        severity="info",
        evidence=f"{len(cell.ok)} trial{'s' if len(cell.ok) != 1 else ''}",
        advice=f"The interval is wide for that. {_more_trials(cell)}",
    )


def _more_trials(cell: Cell) -> str:
    """How to get more, as a sentence that knows why there are so few."""
    asked = cell.asked
    if asked.runs is not None and asked.runs < FEWEST_TRIALS:
        return f"Take --runs auto, or at least {FEWEST_TRIALS}: it was {asked.runs}."
    if asked.unfinished is not None:
        return f"The run was cut short: 'bakeoff runs resume {asked.unfinished}' goes on with it."
    if cell.ended is not None and cell.ended.by == "budget":
        return f"The time was used up: give it more than {_budget(cell)}."
    return f"Take --runs auto, or at least {FEWEST_TRIALS}."


def wide_interval(cell: Cell) -> Finding | None:
    """The interval's half-width is over 10 % of the decode rate; severe over 50 %."""
    figure = cell.metrics["decode_tps"]
    if figure is None or figure.low is None or figure.high is None or not figure.point:
        return None
    half = (figure.high - figure.low) / 2 / figure.point
    if half <= WIDE_HALF_WIDTH:
        return None
    more = f"with --runs auto instead of {cell.asked.runs}, or" if cell.asked.runs is not None else "with"
    return Finding(
        code="wide_interval",
        severity="severe" if half > HOPELESS_HALF_WIDTH else "warning",
        evidence=f"the trials differ so much that the rate is known to ±{half:.0%} only",
        advice=f"Close what else runs here and run again, {more} longer answers (--max-tokens, "
        f"{cell.opened.workload.max_tokens} so far).",
    )


def constant_data(cell: Cell) -> Finding | None:
    """Every trial gave the same figure."""
    figure = cell.metrics["decode_tps"]
    if figure is None or figure.n < 2 or figure.low != figure.high:
        return None
    return Finding(
        code="constant_data",
        severity="info",
        evidence="every trial gave the same figure",
        advice="Real machines vary: this is a script, or a clock too coarse for the trial.",
    )


def warm_up_unsettled(cell: Cell) -> Finding | None:
    """The last two warm-up trials still differed when their limit was reached."""
    if cell.warmed is None or cell.warmed.agreed or cell.warmed.trials < 2:
        return None
    return Finding(
        code="warm_up_unsettled",
        severity="warning",
        evidence=f"after {cell.warmed.trials} warm-up trials, the last two still differed",
        advice="The first trials may be slower than the rest. Close what else runs here, or take longer answers "
        f"(--max-tokens, {cell.opened.workload.max_tokens} so far), which vary less.",
    )


def budget_cut(cell: Cell) -> Finding | None:
    """The time was used up before the interval was as narrow as it was to be."""
    ended = cell.ended
    if ended is None or ended.by != "budget":
        return None
    wanted = f" instead of ±{ended.wanted:.0%}" if ended.wanted is not None else ""
    known = "unknown" if ended.half_width is None else f"known to ±{ended.half_width:.1%}"
    return Finding(
        code="budget_cut",
        severity="warning",
        evidence=f"the time was used up after {len(cell.timed)} trials, when the rate was {known}{wanted}",
        advice=f"Give it more than {_budget(cell)}, or leave cells out.{_enough(ended)}",
    )


def _enough(ended: CellEnded) -> str:
    """The precision that the time did suffice for, as a sentence."""
    if ended.half_width is None or not 0 < ended.half_width < 1:
        return ""
    return f" --precision {math.ceil(100 * ended.half_width)}% would have been reached."


def _budget(cell: Cell) -> str:
    """The budget as it was asked for."""
    seconds = cell.asked.time_budget_s
    return f"--time-budget {seconds:.0f}s" if seconds is not None else "the --time-budget it had"
