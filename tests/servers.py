"""A server for tests that sends exactly the bytes it is told to, in exactly the pieces it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Received(Struct):
    """One request as the server read it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[Received]]]:
    """Serve on a free loopback port; give its address and the requests it has had. Closes what it opened."""
    seen: list[Received] = []
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while (request := await _read(reader)) is not None:
                seen.append(request)
                await answer(request, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}", seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    """A whole reply in chunked encoding, one chunk a piece."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


def sized(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole reply with its length."""
    return b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def saying(*pieces: bytes, close: bool = False) -> Answer:
    """Answer every request with these bytes, each flushed on its own, with a turn of the loop in between."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            for _turn in range(3):
                await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


class Loops:
    """Which event loop ``run`` takes; None is asyncio's own."""

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on the loop that ``Loops`` says."""
    with asyncio.Runner(loop_factory=Loops.factory) as runner:
        return runner.run(main)
