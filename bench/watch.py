"""Running a program and watching the processor time of it and of all that it starts."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psutil

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE_S, LOOK_S = 0.02, 0.5
"""How often the processor time is read, and how often new processes are looked for."""
LAST_LINES = 400


@dataclass(frozen=True)
class Watched:
    """When it was launched, its standard output, and the processor time of its tree at each time, in ns and s."""

    launched_ns: int
    output: str
    times_ns: tuple[int, ...]
    cpu_s: tuple[float, ...]

    def cpu_between(self, begin_ns: int, end_ns: int) -> float:
        """Seconds of processor time from then to then, between readings in proportion."""
        before, after = np.interp([begin_ns, end_ns], self.times_ns, self.cpu_s)
        return float(after - before)


async def watch(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Watched:
    """Run a program to its end. Raises BakeoffError where it fails or takes longer; then nothing of it is left."""
    launched_ns = time.perf_counter_ns()
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    tree, readings = _Tree(process.pid), [(launched_ns, 0.0)]
    said = asyncio.create_task(process.communicate())
    try:
        while not said.done():
            readings.append((time.perf_counter_ns(), tree.cpu_s()))
            if readings[-1][0] - launched_ns > timeout_s * 1e9:
                raise BakeoffError(f"{command[0]} was not done after {timeout_s:g} s")
            await asyncio.wait({said}, timeout=SAMPLE_S)
    finally:
        with suppress(ProcessLookupError):  # it and what it left behind: they are one group
            os.killpg(process.pid, signal.SIGKILL)
        output, errors = await said
    if process.returncode != 0:
        reason = (errors or output).decode(errors="replace").strip()[-LAST_LINES:]
        raise BakeoffError(f"{command[0]} ended with status {process.returncode}: {reason}")
    times, cpu = zip(*readings, strict=True)
    return Watched(launched_ns, output.decode(errors="replace"), times, cpu)


class _Tree:
    """A process and all that it starts. Of one that has ended, what it was last seen to have used counts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used: dict[int, float] = {pid: 0.0}
        self._looked_s = time.perf_counter()

    def cpu_s(self) -> float:
        """Processor time so far."""
        if time.perf_counter() - self._looked_s > LOOK_S:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self._pid).children(recursive=True):
                    self._used.setdefault(child.pid, 0.0)
            self._looked_s = time.perf_counter()
        for pid, used in self._used.items():
            with suppress(OSError, psutil.Error):
                self._used[pid] = max(used, _cpu_s(pid))
        return sum(self._used.values())


def _cpu_s(pid: int) -> float:
    """Of one process; on Linux by its own clock, which the kernel numbers so, and which counts nanoseconds."""
    if psutil.LINUX:
        return time.clock_gettime(~pid << 3 | 2)
    user, system, *_ = psutil.Process(pid).cpu_times()
    return float(user + system)
