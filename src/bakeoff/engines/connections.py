"""Connections to one server: opened ahead of the requests that will use them, and used again under load.

Requests one by one each get a connection of their own, as they always did. Only where ``ready`` was called are
connections kept, so that no request of a busy stream waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bakeoff.clock import now_ns
from bakeoff.engines.transport import Connection

FRESH_NS = 1_000_000_000
"""How long an idle connection is trusted: servers close idle ones, the hastiest after 5 s, and may just be doing so."""


class Connections:
    """To the server of ``url``; closed with ``close``. Raises as ``Connection.open`` does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept = 0
        self._idle: list[tuple[Connection, int]] = []

    async def ready(self, count: int) -> None:
        """Have ``count`` connections idle, and keep as many from now on; 0 closes them and keeps none."""
        self._kept = count
        await self._close_stale()
        missing = range(count - len(self._idle))
        opened = await asyncio.gather(*(self._open() for _ in missing), return_exceptions=True)
        for failure in filter(None, opened):
            raise failure

    async def _open(self) -> None:
        self._idle.append((await Connection.open(self._url), now_ns()))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """A connection for one exchange: the idle one that was used last, else a new one."""
        await self._close_stale()
        connection = self._idle.pop()[0] if self._idle else await Connection.open(self._url)
        try:
            yield connection
        finally:
            if connection.usable and len(self._idle) < self._kept:
                self._idle.append((connection, now_ns()))
            else:
                await connection.close()

    async def _close_stale(self) -> None:
        """Close what is too old or too many, since some servers hold a thread for each, and what the server closed."""
        oldest_ns = now_ns() - FRESH_NS
        fresh = [(each, at_ns) for each, at_ns in self._idle if each.usable and at_ns >= oldest_ns]
        kept = fresh[max(0, len(fresh) - self._kept) :]
        stale = [each for each, at_ns in self._idle if (each, at_ns) not in kept]
        self._idle = kept
        for each in stale:
            await each.close()

    async def close(self) -> None:
        """Close all that is idle; a second time does nothing."""
        await self.ready(0)
