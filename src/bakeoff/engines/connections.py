"""Connections to one server: opened ahead of the requests that will use them, and used again where that is safe.

Requests one by one each get a connection of their own. Only where ``ready`` was called are connections kept, so that
no request of a busy stream waits for one. Some servers promise to keep a connection and close it behind each answer
(llama-server, behind streamed ones), just as the next request arrives: so one is only used again once another was
seen to stay open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from bakeoff.clock import now_ns
from bakeoff.engines.transport import Connection

IDLE_NS = 4_000_000_000
"""Servers close idle connections, the hastiest after 5 s: one that is closed sooner was closed behind its answer."""
FRESH_NS = 1_000_000_000
"""How long an idle connection is trusted: its server may just be closing it."""
STAYED_NS = 50_000_000
"""A connection that is open for so long after an answer was not closed behind it."""


class _Idle(Struct, frozen=True, eq=False):
    connection: Connection
    since_ns: int
    used: bool


class Connections:
    """To the server of ``url``; closed with ``close``. Raises as ``Connection.open`` does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted = 0
        self._idle: list[_Idle] = []
        self._opening = 0
        self._stay_open: bool | None = None

    async def ready(self, count: int) -> None:
        """Have ``count`` connections that the next requests can use, and keep as many; 0 closes them."""
        self._wanted = count
        await self._look()
        missing = range(count - sum(self._usable(idle) for idle in self._idle) - self._opening)
        self._opening += len(missing)
        opened = await asyncio.gather(*(self._open() for _ in missing), return_exceptions=True)
        for failure in filter(None, opened):
            raise failure

    async def _open(self) -> None:
        try:
            connection = await Connection.open(self._url)  # before the list is looked up, which may be another by then
            self._idle.append(_Idle(connection, now_ns(), used=False))
        finally:
            self._opening -= 1

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """A connection for one exchange: an idle one, else a new one."""
        await self._look()
        found = next((idle for idle in reversed(self._idle) if self._usable(idle)), None)
        if found is not None:
            self._idle.remove(found)
        connection = found.connection if found is not None else await Connection.open(self._url)
        try:
            yield connection
        finally:
            if connection.usable and self._stay_open is not False and len(self._idle) < self._wanted:
                self._idle.append(_Idle(connection, now_ns(), used=True))
            else:
                await connection.close()

    def _usable(self, idle: _Idle) -> bool:
        return not idle.used or self._stay_open is True

    async def _look(self) -> None:
        """Learn from the idle ones whether they stay open; close the stale and those too many.

        Some servers hold a thread for each.
        """
        now = now_ns()
        for idle in self._idle:
            age_ns = now - idle.since_ns
            if idle.used and not idle.connection.usable and age_ns < IDLE_NS:
                self._stay_open = False
            elif idle.used and idle.connection.usable and age_ns >= STAYED_NS and self._stay_open is None:
                self._stay_open = True
        fresh = [idle for idle in self._idle if idle.connection.usable and now - idle.since_ns < FRESH_NS]
        kept = fresh[max(0, len(fresh) - self._wanted) :]
        stale = [idle for idle in self._idle if idle not in kept]
        self._idle = kept
        for idle in stale:
            await idle.connection.close()

    async def close(self) -> None:
        """Close all that is idle; a second time does nothing."""
        await self.ready(0)
