"""When a cell is warm, and when it has enough; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bakeoff.measurement.metrics import client_decode_parts, ttft_s
from bakeoff.results.records import EndedBy, Trial
from bakeoff.run.plan import Protocol
from bakeoff.stats.intervals import mean_interval, ratio_of_sums

FAILURES_IN_A_ROW = 3
AGREEMENT = 0.05
"""Two warm-ups agree where neither their decode rates nor their times to first token differ by a larger share."""
SLACK_S = 0.005
"""By so much two times to first token may differ in any case: a few turns of a busy system's scheduler."""


def agree(a: Trial, b: Trial) -> bool:
    """Whether two trials show the same speed."""
    if a.status != "ok" or b.status != "ok":
        return False
    return _near(_rate(a), _rate(b)) and _near(ttft_s(a), ttft_s(b), SLACK_S)


def _rate(trial: Trial) -> float | None:
    parts = client_decode_parts(trial)
    return parts[0] / parts[1] if parts else None


def _near(a: float | None, b: float | None, slack: float = 0.0) -> bool:
    """Also where one of them has no such figure: then nothing speaks against it."""
    return a is None or b is None or abs(a - b) <= max(slack, AGREEMENT * max(abs(a), abs(b)))


def half_width(trials: Sequence[Trial]) -> float:
    """Of the interval of what a cell is about, as a share of it: the decode rate, else the time to first token.

    Infinity where there is no interval.
    """
    ok = [trial for trial in trials if trial.status == "ok"]
    parts = [part for trial in ok if (part := client_decode_parts(trial))]
    if parts:
        return ratio_of_sums([p[0] for p in parts], [p[1] for p in parts]).relative_half_width
    firsts = [first for trial in ok if (first := ttft_s(trial)) is not None]
    return mean_interval(firsts).relative_half_width if firsts else math.inf


def enough(trials: Sequence[Trial], protocol: Protocol) -> EndedBy | None:
    """Why a cell with these timed trials gets no more of them; None: it does. Time is another matter."""
    last = trials[-FAILURES_IN_A_ROW:]
    if len(last) == FAILURES_IN_A_ROW and all(trial.status != "ok" for trial in last):
        return "failures"
    if len(trials) >= protocol.most_trials:
        return "number"
    ok = sum(trial.status == "ok" for trial in trials)
    if protocol.runs is None and ok >= protocol.fewest and half_width(trials) <= protocol.precision:
        return "precision"
    return None
