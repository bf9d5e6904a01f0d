"""When a cell under load has enough windows; pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from bakeoff.measurement.load_metrics import Steady, steady
from bakeoff.results.records import EndedBy, Trial, Window
from bakeoff.run.plan import Protocol
from bakeoff.run.rules import FAILURES_IN_A_ROW
from bakeoff.stats.intervals import ratio_of_sums

FEWEST_WINDOWS = 3
"""Each holds many requests."""


def half_width(windows: Sequence[Window], requests: Sequence[Trial]) -> float:
    """Of the interval of the total rate, as a share of it. Infinity where there is none."""
    parts = [part for part in _parts(windows, requests) if part is not None]
    if not parts:
        return math.inf
    return ratio_of_sums([part.tokens for part in parts], [part.span_s for part in parts]).relative_half_width


def enough_windows(windows: Sequence[Window], requests: Sequence[Trial], protocol: Protocol) -> EndedBy | None:
    """Why a cell with these windows gets no more of them; None: it does. Time is another matter.

    One that was stopped shows that no other would fare better.
    """
    if windows and windows[-1].stopped is not None:
        return "overload"
    parts = _parts(windows, requests)
    last = parts[-FAILURES_IN_A_ROW:]
    if len(last) == FAILURES_IN_A_ROW and not any(last):
        return "failures"
    if len(windows) >= protocol.most_trials:
        return "number"
    enough = sum(part is not None for part in parts) >= min(FEWEST_WINDOWS, protocol.fewest)
    if protocol.runs is None and enough and half_width(windows, requests) <= protocol.precision:
        return "precision"
    return None


def _parts(windows: Sequence[Window], requests: Sequence[Trial]) -> list[Steady | None]:
    """What came of each; None: not one token."""
    by_window: defaultdict[int | None, list[Trial]] = defaultdict(list)
    for trial in requests:
        by_window[trial.window].append(trial)
    found = [steady(window, by_window[window.index], None) for window in windows]
    return [part if part is not None and part.tokens else None for part in found]
