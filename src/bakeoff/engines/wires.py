"""Two ways to move bytes and to say when they came: through the kernel's own receive time, or portably.

A wire calls ``arrived(data, real_ns, error)`` for each read: ``real_ns`` is the kernel's receive time
(CLOCK_REALTIME), or None where there is none; empty ``data`` means that the other side has closed.
The data is only valid during the call.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, Self, cast

from bakeoff.clock import now_ns
from bakeoff.engines.stamping import ANCILLARY_BYTES, SO_TIMESTAMPNS, receive_time_ns

Arrived = Callable[[bytes | memoryview, int | None, Exception | None], None]

_READ_BYTES = 64 * 1024


class Wire(Protocol):
    """What the connection needs of a wire."""

    @property
    def is_open(self) -> bool: ...

    async def send(self, data: bytes) -> int:
        """Return when the operating system has taken the last byte; OSError where it does not.

        Give the time at which the last byte was handed over: not after that, since a server may have answered
        before we run again.
        """
        ...

    def close(self) -> None: ...


class KernelWire:
    """A plain TCP socket read with ``recvmsg``, each read dated by the kernel."""

    def __init__(self, sock: socket.socket, arrived: Arrived) -> None:
        self._socket = sock
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(_READ_BYTES)
        self._view = memoryview(self._buffer)
        self.is_open = True
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    async def connect(cls, host: str, port: int, arrived: Arrived) -> Self:
        loop = asyncio.get_running_loop()
        problem: OSError | None = None
        for family, kind, proto, _, where in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, proto)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                await loop.sock_connect(sock, where)
            except OSError as error:
                sock.close()
                problem = problem or error
            except BaseException:
                sock.close()
                raise
            else:
                return cls(sock, arrived)
        raise problem or OSError(f"{host} has no address")

    def _readable(self) -> None:
        try:
            size, ancillary, _, _ = self._socket.recvmsg_into([self._buffer], ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close()
            self._arrived(b"", None, error)
            return
        if not size:
            self.close()
        self._arrived(self._view[:size], receive_time_ns(ancillary), None)

    async def send(self, data: bytes) -> int:
        at_ns = now_ns()
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(data):
            await self._loop.sock_sendall(self._socket, data[sent:])
            at_ns = now_ns()
        return at_ns

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()


class StreamWire(asyncio.Protocol):
    """asyncio's own transport, plain or under TLS, dated by whoever receives."""

    def __init__(self, arrived: Arrived) -> None:
        self._arrived = arrived
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def connect(cls, host: str, port: int, context: ssl.SSLContext | None, arrived: Arrived) -> Self:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: cls(arrived), host, port, ssl=context)
        return wire

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        self._arrived(data, None, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self._arrived(b"", None, exc)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, data: bytes) -> int:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        at_ns = now_ns()
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()
            at_ns = now_ns()
        return at_ns

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
