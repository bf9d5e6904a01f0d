"""Whether requests come faster than they are answered; pure. Nanoseconds.

A queue that grows without end has no steady state: every time in it says only how long one has waited so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

LOOKS = 4, 16
"""It is asked after so many arrivals at first, then whenever their number has grown by a share of one in so many."""
PARTS = 6
GROWTH, MORE = 2.0, 8.0
FEWEST_DUE = 20
LATENCIES = 6
MOST_WAITING = 1024
"""Requests that are due and not yet answered: the most that are ever let come together."""


def next_look(arrived: int) -> int:
    """After how many arrivals to ask again: often at first, and not so often that asking costs much."""
    least, share = LOOKS
    return arrived + max(least, arrived // share)


def overload(due_ns: Sequence[int], ended_ns: Sequence[int | None], begin: int, now_ns: int) -> str | None:
    """In words how the number of unanswered requests grows steadily; None where it does not.

    Request i was due at ``due_ns[i]``, in order, and ended at ``ended_ns[i]``, None: not yet. The time since request
    ``begin`` was due is cut into six equal parts. The number of requests that are due and unanswered grows steadily
    where its mean rises from each part to the next, and in the last is twice that of the first and eight more; with
    20 requests due, over six times the shortest answer.

    Simulated with one, four and 16 servers of equal service times and Poisson arrivals, and asked as a window asks,
    after every fourth arrival and then more rarely: of windows of 150 requests it stops at most 2 % at 80 % of what
    the servers can do, and 5 % at 90 %; with one or four servers it stops over 95 % at 150 %.
    """
    waiting = sum(ended is None for ended in ended_ns)
    if waiting >= MOST_WAITING:
        return f"{waiting:,} requests were due and unanswered"
    answers = [ended - due for due, ended in zip(due_ns, ended_ns, strict=True) if ended is not None]
    if begin >= len(due_ns) or len(due_ns) - begin < FEWEST_DUE or not answers:
        return None
    zero_ns = due_ns[begin]
    if now_ns - zero_ns < LATENCIES * min(answers):
        return None
    means = _means(due_ns, ended_ns, zero_ns, now_ns)
    rises = all(a < b for a, b in pairwise(means))
    if not rises or means[-1] < GROWTH * means[0] + MORE:
        return None
    return f"the requests that were due and unanswered grew steadily, from {means[0]:.0f} to {means[-1]:.0f}"


def _means(due_ns: Sequence[int], ended_ns: Sequence[int | None], zero_ns: int, now_ns: int) -> list[float]:
    """The mean number of unanswered requests in each part of the time."""
    span = (now_ns - zero_ns) / PARTS
    edges = [zero_ns + number * span for number in range(PARTS + 1)]
    areas = [0.0] * PARTS
    for due, end in zip(due_ns, ended_ns, strict=True):
        until = now_ns if end is None else end
        for part in range(PARTS):
            areas[part] += max(0.0, min(until, edges[part + 1]) - max(due, edges[part]))
    return [area / span for area in areas]
