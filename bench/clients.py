"""Streaming clients doing the same work: S streams, each token's text decoded, its receive time noted.

``python -m bench.clients NAME PORT LOAD`` runs one of them in this process and writes an ``Outcome``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP = 1_000_000  # stream numbers from here on belong to the warm-up
WARM_UP_TOKENS = 10
BODY = b'{"model":"m","messages":[{"role":"user","content":"count"}],"stream":true}'
HEADERS = {"content-type": "application/json"}


class Load(msgspec.Struct, frozen=True):
    """``streams`` answers at once, each ``tokens`` long at ``rate`` tokens per second."""

    streams: int
    rate: float
    tokens: int
    aligned: bool = False

    def path(self, stream: int) -> str:
        query = f"stream={stream}&tokens={self.tokens}&rate={self.rate}&aligned={self.aligned:d}&delay=300"
        return f"/v1/chat/completions?{query}"


class Outcome(msgspec.Struct, frozen=True):
    """CPU seconds of the process while the streams ran; each token's text and when it was received."""

    cpu_s: float
    received: list[tuple[str, int]]


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


# One decoder for all clients, so that the difference between them is the client's own.
decode = msgspec.json.Decoder(Chunk).decode


class Log:
    """Where every client reports an event's data and when it came."""

    def __init__(self) -> None:
        self.received: list[tuple[str, int]] = []

    def note(self, data: bytes | str, at_ns: int) -> None:
        choices = decode(data).choices
        if choices and choices[0].delta.content:
            self.received.append((choices[0].delta.content, at_ns))


class Client(Protocol):
    """One connection that answers are streamed over, one after the other.

    Each stream has a client of its own, so that none pays for a pool that looks through all its connections.
    """

    async def open(self) -> None: ...
    async def stream(self, path: str, log: Log) -> None: ...
    async def close(self) -> None: ...


class Httpx:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        import httpx

        # verify=False saves loading certificates; the address is plain HTTP.
        self._client = httpx.AsyncClient(base_url=self._url, timeout=60, trust_env=False, verify=False)

    async def stream(self, path: str, log: Log) -> None:
        async with self._client.stream("POST", path, content=BODY, headers=HEADERS) as response:
            async for line in response.aiter_lines():
                at_ns = time.perf_counter_ns()
                if line.startswith("data: {"):
                    log.note(line[6:], at_ns)

    async def close(self) -> None:
        await self._client.aclose()


class Aiohttp:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(self._url)

    async def stream(self, path: str, log: Log) -> None:
        rest = b""
        async with self._session.post(path, data=BODY, headers=HEADERS) as response:
            async for read in response.content.iter_any():
                at_ns = time.perf_counter_ns()
                *events, rest = (rest + read).split(b"\n\n")
                for event in events:
                    if event.startswith(b"data: {"):
                        log.note(event[6:], at_ns)

    async def close(self) -> None:
        await self._session.close()


class Bakeoff:
    """Bakeoff's own transport, by the kernel's receive time or without it."""

    def __init__(self, url: str, kernel_time: bool) -> None:
        self._url = url
        self._kernel_time = kernel_time

    async def open(self) -> None:
        from bakeoff.engines.transport import Connection

        self._connection = await Connection.open(self._url, kernel_time=self._kernel_time)

    async def stream(self, path: str, log: Log) -> None:
        from bakeoff.engines.reply import Message
        from bakeoff.engines.transport import HttpRequest

        async for event in self._connection.exchange(HttpRequest(path, BODY), messages="sse"):
            if isinstance(event, Message) and event.data.startswith(b"{"):
                log.note(event.data, event.at_ns)

    async def close(self) -> None:
        await self._connection.close()


CLIENTS: dict[str, Callable[[str], Client]] = {
    "bakeoff-kernel": partial(Bakeoff, kernel_time=True),
    "bakeoff-portable": partial(Bakeoff, kernel_time=False),
    "aiohttp": Aiohttp,
    "httpx": Httpx,
}


async def _run(clients: list[Client], load: Load) -> Outcome:
    for client in clients:
        await client.open()
    await _stream_all(clients, Load(load.streams, rate=50, tokens=WARM_UP_TOKENS), first=WARM_UP)
    gc.collect()
    cpu_s = time.process_time()
    received = await _stream_all(clients, load, first=0)
    cpu_s = time.process_time() - cpu_s
    for client in clients:
        await client.close()
    return Outcome(cpu_s, received)


async def _stream_all(clients: list[Client], load: Load, first: int) -> list[tuple[str, int]]:
    """All streams at once, numbered from ``first``."""
    log = Log()
    await asyncio.gather(*(client.stream(load.path(first + i), log) for i, client in enumerate(clients)))
    return log.received


def main() -> None:
    name, port, encoded = sys.argv[1:]
    name, _, loop = name.partition("/")
    load = msgspec.json.decode(encoded, type=Load)
    clients = [CLIENTS[name](f"http://127.0.0.1:{port}") for _ in range(load.streams)]
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        outcome = runner.run(_run(clients, load))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


def _loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop that Bakeoff itself would take, unless it is named."""
    if loop == "asyncio" or find_spec("uvloop") is None:
        return None
    import uvloop

    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


if __name__ == "__main__":
    main()
