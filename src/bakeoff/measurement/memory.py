"""Peak memory of an engine's process tree, by the kernel's own high-water mark."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs: reset the peak resident set size


def reset_peak(pids: Sequence[int]) -> None:
    """Start a new window: the high-water mark falls to what is resident now. Linux only; else nothing."""
    if sys.platform != "linux":
        return
    for pid in process_tree(pids):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)
        except OSError:
            continue  # the process is gone, or not ours: its mark then covers its whole life


def can_reset_peak(pid: int) -> bool:
    """Whether a window can be started for this process: Linux with that right."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak_bytes(pids: Sequence[int]) -> int | None:
    """Sum of VmHWM over the process tree since ``reset_peak``; None where the system does not tell."""
    marks = [mark for pid in process_tree(pids) if (mark := _high_water(pid)) is not None]
    return sum(marks) if marks else None


def process_tree(pids: Sequence[int]) -> list[int]:
    """These processes and all that they have started."""
    if not pids:
        return []
    import psutil

    tree = list(pids)
    for pid in pids:
        try:
            tree += [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            continue
    return tree


def _high_water(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
