"""The only file that reads the time.

All instants are nanoseconds of ``time.perf_counter_ns``, the monotonic clock. Wall-clock time names runs and
maps the kernel's receive times (CLOCK_REALTIME) onto the monotonic clock.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

now_ns = time.perf_counter_ns
cpu_s = time.process_time
"""Processor time of this process so far, all threads together."""
thread_cpu_s = time.thread_time
"""Processor time of the calling thread so far."""
CLOSE_S = 0.001
"""Event loops wake to the millisecond; what is left is passed by letting others run."""


class Clock(Protocol):
    """Tells the time, and waits for it."""

    def now_ns(self) -> int: ...

    async def until(self, at_ns: int) -> None:
        """Return at that time, not before; at once where it has passed."""
        ...


class WallClock:
    """Real time."""

    def now_ns(self) -> int:
        return now_ns()

    async def until(self, at_ns: int) -> None:
        """Exact to the time that the event loop's other work takes, not to the millisecond of its timers."""
        while (left_s := (at_ns - now_ns()) / 1e9) > 0:  # noqa: ASYNC110 (time is no event)
            await asyncio.sleep(left_s - CLOSE_S if left_s > 2 * CLOSE_S else 0)


def utc_now() -> str:
    """Date and time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def realtime_offset_ns(samples: int = 7) -> int:
    """CLOCK_REALTIME minus the monotonic clock, by the tightest of several bracketed readings.

    The error is at most half of the tightest bracket, well under a microsecond on an idle machine.
    """
    best_width, best_offset = None, 0
    for _ in range(samples):
        before = time.perf_counter_ns()
        real = time.time_ns()
        after = time.perf_counter_ns()
        if best_width is None or after - before < best_width:
            best_width, best_offset = after - before, real - (before + after) // 2
    return best_offset
