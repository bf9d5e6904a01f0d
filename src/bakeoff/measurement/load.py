"""What else the processor did while we measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bakeoff.measurement.process_tree import process_tree


class CpuTimes(Struct, frozen=True):
    """Processor time so far in seconds: of the whole machine, of it idle, and of us and the engine."""

    total_s: float
    idle_s: float
    ours_s: float


def cpu_times(pids: Sequence[int]) -> CpuTimes | None:
    """A reading; ``pids`` are the engine's. None where the engine is not known to be a process of this machine."""
    if not pids:
        return None
    import psutil

    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # Linux counts them in user and nice too
    idle = times.idle + getattr(times, "iowait", 0.0)
    ours = sum(_process_s(psutil, pid) for pid in [os.getpid(), *process_tree(pids)])
    return CpuTimes(sum(times) - guests, idle, ours)


def others_share(before: CpuTimes | None, after: CpuTimes | None) -> float | None:
    """Share of the machine's processor time, 0 to 1, that others had in between, time stolen by a host included."""
    if before is None or after is None or after.total_s <= before.total_s:
        return None
    busy = (after.total_s - after.idle_s) - (before.total_s - before.idle_s)
    others = busy - (after.ours_s - before.ours_s)
    return min(1.0, max(0.0, others / (after.total_s - before.total_s)))


def _process_s(psutil: Any, pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
