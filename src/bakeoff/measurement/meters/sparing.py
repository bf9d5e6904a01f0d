"""Readings that cost much, made so seldom that they cost little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from bakeoff.clock import now_ns

_T = TypeVar("_T")

SHARE = 0.002
"""Of one core, for one kind of reading."""


class Sparing(Generic[_T]):
    """Asks ``read`` anew only when so long has passed that it takes at most ``SHARE`` of the time.

    Else the last answer stands, and ``fresh`` is False. What a reading costs is measured each time, by the clock: the
    processor's time is no more.
    """

    def __init__(self, read: Callable[[], _T], now: Callable[[], int] = now_ns) -> None:
        self._read, self._now = read, now
        self._next_ns = 0
        self._last: tuple[_T, ...] = ()
        self.fresh = False

    def __call__(self) -> _T:
        began = self._now()
        self.fresh = not self._last or began >= self._next_ns
        if self.fresh:
            self._last = (self._read(),)
            ended = self._now()
            self._next_ns = ended + round((ended - began) / SHARE)
        return self._last[0]
