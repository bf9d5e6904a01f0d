"""When a cell is warm, and when it has enough; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bakeoff.analysis.sustained import elapsed_s
from bakeoff.measurement.metrics import client_decode_parts, ttft_s
from bakeoff.results.records import EndedBy, Trial
from bakeoff.run.plan import Protocol
from bakeoff.stats.intervals import ratio_of_sums

FAILURES_IN_A_ROW = 3
AGREEMENT = 0.05
"""Two warm-ups agree where neither their decode rates nor their times to first token differ by a larger share."""
SLACK_S = 0.005
"""By so much two times to first token may differ in any case: a few turns of a busy system's scheduler."""
FEWEST_WINDOWS = 3
"""Each holds many requests."""

Parts = tuple[float, float]
"""Of a rate: what is counted, and the seconds."""


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
        return _width_of(parts)
    return _width_of([(first, 1.0) for trial in ok if (first := ttft_s(trial)) is not None])


def load_half_width(parts: Sequence[Parts | None]) -> float:
    """The same of windows of load, by their tokens and seconds."""
    return _width_of([part for part in parts if part is not None])


def _width_of(parts: Sequence[Parts]) -> float:
    return ratio_of_sums([p[0] for p in parts], [p[1] for p in parts]).relative_half_width if parts else math.inf


def enough(trials: Sequence[Trial], protocol: Protocol) -> EndedBy | None:
    """Why a cell with these timed trials gets no more of them; None: it does. Time is another matter."""
    ok = [trial.status == "ok" for trial in trials]
    if protocol.sustained_s is not None:
        by = _failures(ok)
        return "number" if by is None and elapsed_s(trials) >= protocol.sustained_s else by
    return _enough(ok, lambda: half_width(trials), protocol, protocol.fewest)


def enough_windows(parts: Sequence[Parts | None], *, stopped: bool, protocol: Protocol) -> EndedBy | None:
    """The same of windows of load. ``parts`` None: nothing came of that one; ``stopped``: the last was, as too much."""
    if stopped:
        return "overload"
    fewest = min(FEWEST_WINDOWS, protocol.fewest)
    return _enough([part is not None for part in parts], lambda: load_half_width(parts), protocol, fewest)


def _enough(ok: Sequence[bool], width: Callable[[], float], protocol: Protocol, fewest: int) -> EndedBy | None:
    if _failures(ok):
        return "failures"
    if len(ok) >= protocol.most_trials:
        return "number"
    if protocol.runs is None and sum(ok) >= fewest and width() <= protocol.precision:
        return "precision"
    return None


def _failures(ok: Sequence[bool]) -> EndedBy | None:
    last = ok[-FAILURES_IN_A_ROW:]
    return "failures" if len(last) == FAILURES_IN_A_ROW and not any(last) else None
