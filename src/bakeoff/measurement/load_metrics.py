"""The formulas of a window of load, from its requests' records; pure. Seconds, tokens, requests a second.

steady     from when every stream was at its first counted request (at a rate: from when the first counted one was
           due) until the last counted one ended: all the time under the full load, which uncounted requests keep up
tokens     those whose chunk arrived within the steady part, of whatever request; a chunk of several counts as a whole
ended      requests that ended well within the steady part, of whatever kind but the lead-ins
TTFT       due → first chunk with text, reasoning or answer
latency    due → last byte
TPOT, ITL  as of any trial
served     the requests of ``ended`` that kept every limit
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from bakeoff.measurement import metrics
from bakeoff.results.records import Slo, Trial, Window

CUT = "cut off when its window ended"
"""The error of a request that was only sent to keep the load up."""
_S = 1e9


class Steady(Struct, frozen=True, kw_only=True):
    """What came of the steady part of one window.

    ``due`` is how many requests came due in it, ``lost`` how many failed or were truncated, ``at_once`` the most
    requests that the engine was at, at a time.
    """

    span_s: float
    tokens: float
    due: int
    ended: int
    lost: int
    served: int
    at_once: int


def steady(window: Window, trials: Sequence[Trial], slo: Slo | None) -> Steady | None:
    """Of a window and all of its requests, counted or not; None where there is no such part, or nothing came of it."""
    part = steady_part(window, trials)
    if part is None:
        return None
    begin, end = part
    per_chunk = _tokens_per_chunk(trials)
    ended = [trial for trial in trials if begin < _end_ns(trial) <= end and trial.error != CUT]
    ok = [trial for trial in ended if trial.status == "ok"]
    return Steady(
        span_s=(end - begin) / _S,
        tokens=sum(tokens_within(trial, begin, end, per_chunk) for trial in trials),
        due=sum(begin <= (trial.due_ns or 0) < end for trial in trials),
        ended=len(ok),
        lost=len(ended) - len(ok),
        served=sum(slo is not None and keeps(trial, slo) for trial in ok),
        at_once=most_at_once(trials, begin, end),
    )


def steady_part(window: Window, trials: Sequence[Trial]) -> tuple[int, int] | None:
    """Its begin and end, in ns since the window's; of a window that was stopped, up to the stop."""
    counted = [trial for trial in trials if trial.purpose == "timed" and trial.due_ns is not None]
    if not counted:
        return None
    firsts: dict[int | None, int] = {}
    for trial in counted:
        due = trial.due_ns or 0
        firsts[trial.stream] = min(due, firsts.get(trial.stream, due))
    begin = max(firsts.values())
    end = window.span_ns if window.stopped is not None else max(map(_end_ns, counted))
    return (begin, end) if end > begin else None


def _end_ns(trial: Trial) -> int:
    """When it ended, or as far as it is known to have come, since the window began."""
    begun = trial.begun_ns if trial.begun_ns is not None else trial.due_ns or 0
    at = trial.timeline.at_ns
    return begun + (trial.end_ns if trial.end_ns is not None else at[-1] if at else 0)


def _tokens_per_chunk(trials: Sequence[Trial]) -> float:
    """On average, for requests whose own chunks do not say."""
    whole = [trial for trial in trials if trial.status == "ok" and trial.usage.output_tokens is not None]
    chunks = sum(len(trial.timeline.at_ns) for trial in whole)
    return sum(trial.usage.output_tokens or 0 for trial in whole) / chunks if chunks else 1.0


def tokens_within(trial: Trial, begin_ns: int, end_ns: int, per_chunk: float = 1.0) -> float:
    """Tokens that arrived after ``begin_ns`` and up to ``end_ns``.

    By the stream's running count; without one, a request's tokens are spread evenly over its chunks, and those of one
    that was cut off are taken to be as many as elsewhere.
    """
    timeline, begun = trial.timeline, trial.begun_ns or 0
    inside = [number for number, at in enumerate(timeline.at_ns) if begin_ns < begun + at <= end_ns]
    if not inside:
        return 0.0
    if timeline.tokens is not None:
        before = timeline.tokens[inside[0] - 1] if inside[0] else 0
        return timeline.tokens[inside[-1]] - before
    if trial.usage.output_tokens is not None:
        per_chunk = trial.usage.output_tokens / len(timeline.at_ns)
    return len(inside) * per_chunk


def most_at_once(trials: Sequence[Trial], begin_ns: int, end_ns: int) -> int:
    """The most requests that the engine was at, at one time within this part.

    From when it began to read the prompt, by its own account, until the last chunk. Where it gives none, from the
    first chunk: what came before may have been reading or waiting.
    """
    events: list[tuple[int, int]] = []
    for trial in trials:
        at, begun = trial.timeline.at_ns, trial.begun_ns or 0
        if not at:
            continue
        read_ns = round(min(at[0], max(0.0, (trial.engine.prefill_s or 0.0) * _S)))
        first, last = begun + at[0] - read_ns, begun + at[-1]
        if last > begin_ns and first < end_ns:
            events += [(first, 1), (last, -1)]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most


def ttft_s(trial: Trial) -> float | None:
    """From when it was due."""
    return _since_due(trial, trial.timeline.at_ns[0] if trial.timeline.at_ns else None)


def latency_s(trial: Trial) -> float | None:
    """From when it was due."""
    return _since_due(trial, trial.end_ns)


def _since_due(trial: Trial, at_ns: int | None) -> float | None:
    if at_ns is None or trial.begun_ns is None or trial.due_ns is None:
        return None
    return (trial.begun_ns + at_ns - trial.due_ns) / _S


def longest_itl_s(trial: Trial) -> float | None:
    """The longest gap between two tokens, a gap of several tokens shared out among them."""
    gaps = metrics.itl_gaps(trial)
    return max((seconds / tokens for seconds, tokens in gaps if tokens > 0), default=None) if gaps else None


TIMES: dict[str, Callable[[Trial], float | None]] = {
    "ttft_s": ttft_s,
    "tpot_s": metrics.tpot_s,
    "latency_s": latency_s,
}
"""One figure a request."""


def keeps(trial: Trial, slo: Slo) -> bool:
    """Whether it kept every limit; ``itl`` with every gap. A time that is not known keeps none."""
    told = {"ttft_s": ttft_s, "tpot_s": metrics.tpot_s, "itl_s": longest_itl_s, "latency_s": latency_s}
    for name, of in told.items():
        limit = getattr(slo, name)
        if limit is not None and ((value := of(trial)) is None or value > limit):
            return False
    return True


def itl_s(trials: Sequence[Trial]) -> list[tuple[float, int]] | None:
    """(seconds, tokens) of every gap of these requests, the seconds shared out among its tokens.

    None where the tokens of some request's chunks are not known.
    """
    found: list[tuple[float, int]] = []
    for trial in trials:
        gaps = metrics.itl_gaps(trial)
        if gaps is None:
            return None
        found += [(seconds / tokens, tokens) for seconds, tokens in gaps if tokens > 0]
    return found or None
