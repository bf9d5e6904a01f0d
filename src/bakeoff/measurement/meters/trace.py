"""What power meters have read, and the energy of any window made of it; pure but for what is kept.

A counter's energy is the difference of what it read at a window's edges, a straight line between readings. An
integral is that of straight lines between readings of power; from the edges to the readings nearest to them within,
power is taken to be theirs, since loads begin and end with their windows. Either knows the edges only to a resolution:
the time from one update of the instrument to the next, and those to the reading nearest to each edge, added up. Hence
an energy is known to ± resolution × mean power, and a window of fewer than ``LEAST_PERIODS`` resolutions has none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

LEAST_PERIODS = 10
"""A window's length in resolutions of its meter from which on its energy is given: to ± 10 %."""
_KEPT = 1 << 16
"""Readings: an hour and a half at 10 a second."""
_MOST_WATTS = 1e4
"""More than one processor can draw: a counter that would have grown faster did not wrap, but was reset."""


class Energy(Struct, frozen=True, kw_only=True):
    """Joules of one window and to what they are known; not ``fine``: the window is too short for them."""

    joules: float
    fine: bool
    half_width_j: float
    resolution_s: float
    samples: int


class Counter:
    """Readings of an energy counter that grows. Those at which it had not grown since the last are of no account.

    ``wraps_at_j``: it starts again at 0 there. Any other fall is a reset: no window across one has an energy.
    ``quantum_j`` is its smallest step.
    """

    def __init__(self, *, wraps_at_j: float | None = None, period_s: float = 0.0, quantum_j: float = 0.0) -> None:
        self._wraps_at_j, self._period_s, self._quantum_j = wraps_at_j, period_s, quantum_j
        self._points: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._reads: deque[int] = deque(maxlen=_KEPT)
        self._resets: deque[int] = deque(maxlen=_KEPT)
        self._raw: float | None = None
        self._total = 0.0

    def add(self, at_ns: int, joules: float) -> None:
        """A reading, later than those before."""
        if self._raw is not None:
            grown = joules - self._raw
            if grown < 0:
                grown = self._over_the_end(at_ns, grown)
            self._total += grown
        self._reads.append(at_ns)
        if joules != self._raw:
            self._points.append((at_ns, self._total))
        self._raw = joules

    def _over_the_end(self, at_ns: int, grown: float) -> float:
        """What it grew by where it wrapped round; 0 at a reset, which is noted."""
        wrapped = grown + self._wraps_at_j if self._wraps_at_j else -1.0
        last_ns = self._points[-1][0]
        if 0 <= wrapped <= _MOST_WATTS * max(1e-3, (at_ns - last_ns) / 1e9):
            return wrapped
        self._resets.append(at_ns)
        return 0.0

    def was_reset(self, start_ns: int, end_ns: int) -> bool:
        """Whether it fell within a window, or where its edges are told from."""
        points = _copy(self._points)
        low = max(0, bisect_right(points, start_ns, key=_at) - 1)
        high = min(len(points) - 1, bisect_left(points, end_ns, key=_at))
        return bool(points) and any(points[low][0] < at_ns <= points[high][0] for at_ns in self._resets)

    def energy(self, start_ns: int, end_ns: int) -> Energy | None:
        """Of a window; None where it never grew, or the window holds a reset."""
        points = _copy(self._points)
        if end_ns <= start_ns or len(points) < 2 or self.was_reset(start_ns, end_ns):
            return None
        span_s = (end_ns - start_ns) / 1e9
        joules = _on_line(points, end_ns) - _on_line(points, start_ns)
        resolution_s = self._period_s + sum(self._unknown_s(points, at_ns) for at_ns in (start_ns, end_ns))
        half_width_j = max(joules * resolution_s / span_s, self._quantum_j)
        fine = span_s >= LEAST_PERIODS * resolution_s and half_width_j <= abs(joules) / LEAST_PERIODS * (1 + 1e-9)
        return Energy(
            joules=joules,
            fine=fine and joules > 0,
            half_width_j=half_width_j,
            resolution_s=resolution_s,
            samples=len(_within(points, start_ns, end_ns)),
        )

    def _unknown_s(self, points: Sequence[tuple[int, float]], at_ns: int) -> float:
        """To the nearest reading; where the counter stood still for longer than it should, to its nearest growth."""
        grown_s = _nearest_s(points, at_ns)
        read_s = _nearest_time_s(list(self._reads.copy()), at_ns)
        return max(read_s, grown_s - self._period_s)


class Watts:
    """Readings of power, each an average over ``period_s`` at most."""

    def __init__(self, *, period_s: float = 0.0) -> None:
        self._period_s = period_s
        self._points: deque[tuple[int, float]] = deque(maxlen=_KEPT)

    def add(self, at_ns: int, watts: float) -> None:
        """A reading, later than those before."""
        self._points.append((at_ns, watts))

    def within(self, start_ns: int, end_ns: int) -> list[float]:
        """What was read in a window."""
        return [watts for _, watts in _within(_copy(self._points), start_ns, end_ns)]

    def energy(self, start_ns: int, end_ns: int) -> Energy | None:
        """The integral over a window; None where nothing was read in it, or next to it."""
        points = _copy(self._points)
        if end_ns <= start_ns or not points:
            return None
        span_s = (end_ns - start_ns) / 1e9
        inside = _within(points, start_ns, end_ns)
        first, last = (inside[0][1], inside[-1][1]) if inside else (_held(points, start_ns), _held(points, end_ns))
        path = [(start_ns, first), *inside, (end_ns, last)]
        joules = sum((b - a) / 1e9 * (p + q) / 2 for (a, p), (b, q) in pairwise(path))
        longest_s = max(((b - a) / 2e9 for (a, _), (b, _) in pairwise(inside)), default=0.0)
        edges_s = _nearest_s(points, start_ns) + _nearest_s(points, end_ns)
        resolution_s = max(self._period_s, longest_s) + edges_s
        return Energy(
            joules=joules,
            fine=span_s >= LEAST_PERIODS * resolution_s,
            half_width_j=joules * resolution_s / span_s,
            resolution_s=resolution_s,
            samples=len(inside),
        )


def _copy(points: deque[tuple[int, float]]) -> list[tuple[int, float]]:
    """At one moment, since another thread may be adding to them."""
    return list(points.copy())


def _at(point: tuple[int, float]) -> int:
    return point[0]


def _within(points: Sequence[tuple[int, float]], start_ns: int, end_ns: int) -> Sequence[tuple[int, float]]:
    return points[bisect_left(points, start_ns, key=_at) : bisect_right(points, end_ns, key=_at)]


def _nearest_s(points: Sequence[tuple[int, float]], at_ns: int) -> float:
    """How far the nearest reading is."""
    index = bisect_left(points, at_ns, key=_at)
    return min(abs(at - at_ns) for at, _ in points[max(0, index - 1) : index + 1]) / 1e9


def _nearest_time_s(times: Sequence[int], at_ns: int) -> float:
    index = bisect_left(times, at_ns)
    return min(abs(at - at_ns) for at in times[max(0, index - 1) : index + 1]) / 1e9


def _on_line(points: Sequence[tuple[int, float]], at_ns: int) -> float:
    """A straight line between the readings around an instant; beyond the first and the last, as the line went."""
    index = min(max(1, bisect_left(points, at_ns, key=_at)), len(points) - 1)
    (a, low), (b, high) = points[index - 1], points[index]
    return low if b == a else low + (high - low) * (at_ns - a) / (b - a)


def _held(points: Sequence[tuple[int, float]], at_ns: int) -> float:
    """The same, but beyond the first and the last as they are."""
    if at_ns <= points[0][0]:
        return points[0][1]
    return points[-1][1] if at_ns >= points[-1][0] else _on_line(points, at_ns)
