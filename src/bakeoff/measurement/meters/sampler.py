"""The thread that samples meters beside a trial, sparingly; those that may have to wait have one each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from bakeoff.clock import now_ns, thread_cpu_s
from bakeoff.measurement.meters.base import Running
from bakeoff.units import one_line

MOST_SHARE = 0.01
"""Of one core, for all meters together."""
PATIENCE_S = 1.0
"""So long a meter on this machine may take; then the others go on without it."""
_MOMENT_S = 0.2
MOST_FAILURES = 5
"""In a row; then a meter is left alone."""


class Lane:
    """One thread's meters, each read when it is due. ``cost_s`` is the processor time that this took so far.

    Where reading them all as often as they want would take more than ``share`` of a core, all are read more seldom.
    """

    def __init__(
        self,
        meters: Sequence[Running],
        share: float = MOST_SHARE,
        now: Callable[[], int] = now_ns,
        cpu_s: Callable[[], float] = thread_cpu_s,
    ) -> None:
        self.meters = list(meters)
        self.failures: dict[int, list[str]] = {}
        self.busy: tuple[Running, int] | None = None
        self.cost_s = 0.0
        self.abandoned = False
        self.thread: threading.Thread | None = None
        self._share, self._now, self._cpu_s = share, now, cpu_s
        self._read_ns: dict[int, int] = {}
        self._costs = {id(meter): 0.0 for meter in self.meters}
        self._wake = threading.Event()
        self.locks = {id(meter): threading.Lock() for meter in self.meters}

    def wait_s(self) -> float | None:
        """Until the next one is due; None where none is left."""
        live = [self._due_ns(meter) for meter in self.meters if self._alive(meter)]
        return max(0.0, (min(live) - self._now()) / 1e9) if live else None

    def turn(self) -> None:
        """Read those that are due."""
        before = self._cpu_s()
        for meter in self.meters:
            if self._alive(meter) and self._now() >= self._due_ns(meter) and not self.abandoned:
                self._read(meter)
        self.cost_s += self._cpu_s() - before

    def failed(self, meter: Running) -> str | None:
        """Why a meter is left alone."""
        words = self.failures.get(id(meter), [])
        return words[-1] if len(words) >= MOST_FAILURES else None

    def period_s(self, meter: Running) -> float:
        """From one reading of it to the next: what it wants, stretched so that all together cost their share."""
        wanted = sum(self._costs[id(each)] * (each.state.rate_hz or 0.0) for each in self.meters if self._alive(each))
        return max(1.0, wanted / self._share) / (meter.state.rate_hz or 1.0)

    def run(self) -> None:
        """The thread's life."""
        while not self._wake.is_set() and (wait_s := self.wait_s()) is not None and not self.abandoned:
            if not self._wake.wait(wait_s):
                self.turn()

    def stop(self) -> None:
        self._wake.set()

    def _alive(self, meter: Running) -> bool:
        return self.failed(meter) is None

    def _due_ns(self, meter: Running) -> int:
        last = self._read_ns.get(id(meter))
        return 0 if last is None else last + round(self.period_s(meter) * 1e9)

    def _read(self, meter: Running) -> None:
        self.busy = (meter, self._now())
        before = self._cpu_s()
        try:
            with self.locks[id(meter)]:
                meter.sample()
            self.failures.pop(id(meter), None)
        except Exception as error:
            self.failures.setdefault(id(meter), []).append(one_line(str(error))[:200] or type(error).__name__)
        cost = self._cpu_s() - before
        self.busy = None
        known = self._costs[id(meter)]
        self._costs[id(meter)] = cost if not known else known + (cost - known) / 8
        self._read_ns[id(meter)] = self._now()


class Sampler:
    """Samples the meters that want it until it is closed."""

    def __init__(self, meters: Sequence[Running], now: Callable[[], int] = now_ns) -> None:
        self._now = now
        sampled = [meter for meter in meters if meter.state.rate_hz]
        near = [meter for meter in sampled if not meter.remote]
        self._lanes = [Lane(group, now=now) for group in ([near] if near else [])]
        self._lanes += [Lane([meter], now=now) for meter in sampled if meter.remote]
        self._stuck: dict[int, str] = {}

    @property
    def cost_s(self) -> float:
        """Processor time of all its threads so far."""
        return sum(lane.cost_s for lane in self._lanes)

    def open(self) -> None:
        for lane in self._lanes:
            _start(lane)

    def close(self) -> None:
        """Ends the threads; one that waits in a meter for longer than a moment ends when it is let go."""
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            if lane.thread is not None:
                lane.thread.join(_MOMENT_S)

    def is_in(self, meter: Running) -> bool:
        """Whether a thread is still in this meter, so that it cannot be let go."""
        return any(lane.busy is not None and lane.busy[0] is meter for lane in self._lanes)

    def failed(self, meter: Running) -> str | None:
        """Why a meter is not read any more."""
        told = [self._stuck.get(id(meter)), *(lane.failed(meter) for lane in self._lanes)]
        return next((words for words in told if words), None)

    @contextmanager
    def holding(self, meter: Running) -> Iterator[bool]:
        """Keep the sampler away from a meter of this machine meanwhile; False where it hangs in it."""
        lock = next((lane.locks[id(meter)] for lane in self._lanes if id(meter) in lane.locks), None)
        if meter.remote or lock is None:
            yield self.failed(meter) is None
            return
        if self.failed(meter) is not None or not lock.acquire(timeout=PATIENCE_S):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def mend(self) -> None:
        """Where a meter of this machine hangs, let a new thread go on with the others."""
        for index, lane in enumerate(self._lanes):
            busy = lane.busy
            if busy is None or busy[0].remote or (self._now() - busy[1]) / 1e9 <= PATIENCE_S:
                continue
            stuck, _ = busy
            lane.abandoned = True
            self._stuck[id(stuck)] = f"it did not answer for {PATIENCE_S:.0f} s"
            fresh = Lane([meter for meter in lane.meters if meter is not stuck], now=self._now)
            fresh.cost_s = lane.cost_s
            self._lanes[index] = fresh
            _start(fresh)


def _start(lane: Lane) -> None:
    thread = threading.Thread(target=lane.run, name="meters", daemon=True)
    with suppress(RuntimeError):  # no more threads: then nothing is sampled, and the readings say so
        thread.start()
        lane.thread = thread
