"""The timing transport: one HTTP/1.1 connection that stamps bytes as they arrive, before anything is parsed.

On Linux and plain TCP the stamp is the kernel's receive time (``SO_TIMESTAMPNS``), mapped onto the monotonic
clock; elsewhere, and under TLS, it is the monotonic clock at the read. A read that holds several messages gives
them one stamp: the arrival of its last segment.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Self

from msgspec import Struct

from bakeoff.engines.address import Address
from bakeoff.engines.framing import FramingName, framing
from bakeoff.engines.reply import Ended, Message, Reply, Timeouts
from bakeoff.engines.stamping import stamps
from bakeoff.engines.wire_errors import unreachable
from bakeoff.engines.wires import KernelWire, StreamWire, Wire
from bakeoff.errors import BrokenReply, ServerUnreachable


class HttpRequest(Struct, frozen=True):
    """What is sent: a body of bytes is always JSON here."""

    path: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = {}


class Sent(Struct, frozen=True):
    """The request has left: its last byte was taken by the operating system."""

    at_ns: int


class Connection:
    """One connection to one server; one exchange at a time.

    Raises from ``open``: ServerUnreachable. From ``exchange``: ServerRefused (an error status), BrokenReply
    (cut short, not HTTP, wrong framing), ServerSilent (a time-out).
    """

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        self._address = address
        self._timeouts = timeouts
        self._wire: Wire | None = None
        self._reply: Reply | None = None

    @classmethod
    async def open(cls, url: str, *, kernel_time: bool = True, timeouts: Timeouts | None = None) -> Self:
        """Connect to the server of ``url``; ``kernel_time=False`` takes the portable path everywhere."""
        connection = cls(Address.parse(url), timeouts or Timeouts())
        await connection._connect(kernel_time)
        return connection

    async def _connect(self, kernel_time: bool) -> None:
        address = self._address
        try:
            async with asyncio.timeout(self._timeouts.connect_s):
                if kernel_time and not address.tls and await stamps():
                    self._wire = await KernelWire.connect(address.host, address.port, self._arrived)
                else:
                    context = ssl.create_default_context() if address.tls else None
                    self._wire = await StreamWire.connect(address.host, address.port, context, self._arrived)
        except TimeoutError as error:
            raise ServerUnreachable(
                f"No answer from {address.url} within {self._timeouts.connect_s:g} s. "
                "Check the address and the network, or name another with --url."
            ) from error
        except OSError as error:
            raise unreachable(address.url, error) from error

    @property
    def usable(self) -> bool:
        """Whether another exchange can be sent on it."""
        return self._wire is not None and self._wire.is_open and self._reply is None

    def _arrived(self, data: bytes | memoryview, real_ns: int | None, error: Exception | None) -> None:
        """Take what the wire read; no bytes mean that the other side has closed."""
        if self._reply is not None:
            self._reply.arrived(data, real_ns, error)
        elif not data and self._wire is not None:
            self._wire.close()

    async def exchange(self, request: HttpRequest, messages: FramingName) -> AsyncIterator[Sent | Message | Ended]:
        """Send a request; give ``Sent``, each message of the reply as it arrives, then ``Ended``."""
        if self._wire is None or not self.usable:
            raise BrokenReply(f"The connection to {self._address.url} is closed or busy.")
        reply = self._reply = Reply(framing(messages), self._address, self._timeouts)
        complete = False
        try:
            try:
                sent_ns = await self._wire.send(_head(request, self._address) + request.body)
            except OSError as error:
                raise BrokenReply(f"The server at {self._address.url} closed the connection: {error}.") from error
            reply.watch_from(sent_ns)
            yield Sent(sent_ns)
            async for message in reply:
                yield message
            complete = reply.keep_alive
            yield reply.ended()
        finally:
            reply.stop()
            self._reply = None
            if not complete:
                self._wire.close()

    async def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._wire is not None:
            self._wire.close()


def _head(request: HttpRequest, address: Address) -> bytes:
    headers = {
        "host": address.authority,
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        **request.headers,
    }
    lines = [f"{request.method} {address.path}{request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
