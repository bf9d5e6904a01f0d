"""A clock without real time: it jumps to what is waited for next, once all who could go on have gone on."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count

TURNS = 16
"""So many turns of the event loop without anyone coming to wait mean that all are waiting."""


class InventedTime:
    """Begins at 0. Who waits is woken one at a time, in the order of the times, then of coming."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._quiet = 0
        self._ticking: asyncio.AbstractEventLoop | None = None

    def now_ns(self) -> int:
        return self._now_ns

    def jump(self, to_ns: int) -> None:
        """Go there at once, whoever waits; never back."""
        self._now_ns = max(self._now_ns, to_ns)

    async def until(self, at_ns: int) -> None:
        """Wait for that time; at once where it has passed."""
        if at_ns <= self._now_ns:
            return
        loop = asyncio.get_running_loop()
        if self._ticking is not loop:  # none is, or one that has ended with all who waited there
            self._ticking = loop
            self._waiting.clear()
            loop.call_soon(self._tick, loop)
        woken: asyncio.Future[None] = loop.create_future()
        heappush(self._waiting, (at_ns, next(self._order), woken))
        self._quiet = 0
        await woken

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quiet += 1
        if self._quiet > TURNS:
            self._quiet = 0
            while self._waiting and self._waiting[0][2].done():
                heappop(self._waiting)
            if not self._waiting:
                self._ticking = None
                return
            at_ns, _, woken = heappop(self._waiting)
            self.jump(at_ns)
            woken.set_result(None)
        loop.call_soon(self._tick, loop)
