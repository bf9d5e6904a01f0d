"""Whether one machine can serve a load: not on the mean of the day, but in its busiest hour.

Calls come at random (Poisson) and are answered one by one. With calls of one length the mean wait is
ρ S / (2 (1 − ρ)), with lengths that vary as an exponential's do ρ S / (1 − ρ) (Pollaczek and Khinchine's formula);
real calls lie between the two. S is the time of one call, ρ the share of the hour that is busy.
"""

from __future__ import annotations

import math

from msgspec import Struct

HOUR_S = 3_600.0
PEAK_HOUR_SHARE = 0.15
"""Share of a day's calls in its busiest hour: an assumption, for calls made in about one working day."""


class Queue(Struct, frozen=True, kw_only=True):
    """The busiest hour. ``wait_low_s`` is for calls of one length, ``wait_high_s`` for unlike ones."""

    busy: float
    wait_low_s: float
    wait_high_s: float


def peak(calls_per_day: float, call_s: float, peak_hour_share: float = PEAK_HOUR_SHARE) -> Queue:
    """The queue of the busiest hour; waits are infinite where more comes than can be answered."""
    busy = calls_per_day * peak_hour_share * call_s / HOUR_S
    if busy >= 1:
        return Queue(busy=busy, wait_low_s=math.inf, wait_high_s=math.inf)
    wait = busy * call_s / (1 - busy)
    return Queue(busy=busy, wait_low_s=wait / 2, wait_high_s=wait)
