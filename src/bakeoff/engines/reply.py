"""One reply while it arrives: cut into messages, each dated, or failed; a watchdog looks for silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

import httptools
from msgspec import Struct

from bakeoff.clock import now_ns, realtime_offset_ns
from bakeoff.engines.address import Address
from bakeoff.engines.framing import Framing
from bakeoff.engines.rate import asked_wait_s
from bakeoff.engines.wire_errors import error_text
from bakeoff.errors import BrokenReply, EngineError, RateLimited, ServerRefused, ServerSilent

MAX_ERROR_BODY_BYTES = 64 * 1024
HELD_S = 0.1
"""How long messages wait, already dated, to be handed over together: to wake a task for each costs more CPU than all
else that is done for it."""


class Timeouts(Struct, frozen=True):
    """Longest waits in seconds: for the connection, the first byte of a reply, and between two reads."""

    connect_s: float = 10.0
    first_byte_s: float = 600.0
    silence_s: float = 120.0


class Message(Struct, frozen=True, gc=False):
    """One whole message of the body and when its read arrived."""

    at_ns: int
    data: bytes


class Ended(Struct, frozen=True):
    """The reply ended properly.

    ``clock`` says what dated its reads: ``kernel``, ``user``, or ``mixed``. ``clock_step_ns`` is by how much the
    system's real-time clock moved against the monotonic one in between.
    """

    at_ns: int
    clock: str
    clock_step_ns: int


class Reply:
    """The parser's state, the messages not yet taken, the watchdog. Iterated it gives the messages, or raises."""

    def __init__(self, cutter: Framing, address: Address, timeouts: Timeouts) -> None:
        self._cutter = cutter
        self._address = address
        self._timeouts = timeouts
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._offset_ns = realtime_offset_ns()
        self._messages: deque[Message] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._handover: asyncio.TimerHandle | None = None
        self._at_ns = self._sent_ns = 0
        self._kernel_reads = self._user_reads = 0
        self._headers: dict[bytes, bytes] = {}
        self._error_body = b""
        self._failure: Exception | None = None
        self._done = False
        self.keep_alive = False

    # What the wire calls.

    def arrived(self, data: bytes | memoryview, real_ns: int | None, error: Exception | None) -> None:
        if self._done:
            return
        if not self._kernel_reads + self._user_reads:
            self._watch(self._timeouts.silence_s)
        if real_ns is None:
            self._user_reads += 1
            self._at_ns = now_ns()
        else:
            self._kernel_reads += 1
            self._at_ns = real_ns - self._offset_ns
        try:
            if data:
                self._parser.feed_data(data)
            else:
                self._closed_by_server(error)
        except httptools.HttpParserCallbackError as wrapped:
            self._fail(_cause(wrapped))
        except httptools.HttpParserError as wrong:
            self._fail(BrokenReply(f"What {self._address.url} sent is not HTTP/1.1 ({wrong})."))
        except EngineError as wrong:
            self._fail(wrong)
        self._wake()

    def _closed_by_server(self, error: Exception | None) -> None:
        if error is None and self._headers and not self._length_is_stated():
            self.on_message_complete()
            return
        what = "before it answered" if not self._headers else "in the middle of the reply"
        detail = f" ({error})" if error else ""
        self._fail(BrokenReply(f"The server at {self._address.url} closed the connection {what}{detail}."))

    def _length_is_stated(self) -> bool:
        return b"content-length" in self._headers or b"chunked" in self._headers.get(b"transfer-encoding", b"")

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value.lower()

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() != 200:
            self._error_body = (self._error_body + body)[:MAX_ERROR_BODY_BYTES]
            return
        at_ns = self._at_ns
        for data in self._cutter.feed(body):
            self._messages.append(Message(at_ns, data))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._headers.clear()
            return
        if status != 200:
            self._fail(_refusal(status, self._error_body, self._headers, self._address))
            return
        self._messages.extend(Message(self._at_ns, data) for data in self._cutter.finish())
        self.keep_alive = self._length_is_stated() and self._parser.should_keep_alive()
        self._done = True

    # What the exchange calls.

    async def __aiter__(self) -> AsyncIterator[Message]:
        messages = self._messages
        while True:
            while messages:
                yield messages.popleft()
            if self._failure is not None:
                raise self._failure
            if self._done:
                return
            self._waiter = self._loop.create_future()
            await self._waiter
            self._waiter = None

    def ended(self) -> Ended:
        clock = "user" if not self._kernel_reads else "mixed" if self._user_reads else "kernel"
        return Ended(self._at_ns, clock, realtime_offset_ns() - self._offset_ns)

    def watch_from(self, at_ns: int) -> None:
        """Start the watchdog: one timer that looks when it fires, so that a read costs nothing."""
        self._sent_ns = at_ns
        if self._watchdog is None:
            self._watch(self._timeouts.first_byte_s)

    def _watch(self, for_s: float) -> None:
        self.stop_watching()
        self._watchdog = self._loop.call_later(for_s, self._look)

    def _look(self) -> None:
        reads = self._kernel_reads + self._user_reads
        limit_s = self._timeouts.silence_s if reads else self._timeouts.first_byte_s
        left_s = limit_s - (now_ns() - max(self._at_ns, self._sent_ns)) / 1e9
        if left_s > 0:
            self._watch(left_s)
        elif not self._done:
            since = "its last byte" if reads else "the request"
            self._fail(ServerSilent(f"Nothing came from {self._address.url} for {limit_s:g} s after {since}."))
            self._wake()

    def stop_watching(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()

    def stop(self) -> None:
        """Nobody reads on."""
        self.stop_watching()
        if self._handover is not None:
            self._handover.cancel()

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._done = True

    def _wake(self) -> None:
        if self._waiter is None:
            return
        if self._done:
            self._hand_over()
        elif self._messages and self._handover is None:
            self._handover = self._loop.call_later(HELD_S, self._hand_over)

    def _hand_over(self) -> None:
        if self._handover is not None:
            self._handover.cancel()
            self._handover = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _refusal(status: int, body: bytes, headers: Mapping[bytes, bytes], address: Address) -> ServerRefused:
    if 300 <= status < 400:
        target = headers.get(b"location", b"elsewhere").decode("latin-1")
        return ServerRefused(f"{address.url} redirects to {target}. Name that address with --url.", status)
    message = f"{address.url} answered {status}: {error_text(body)}"
    if status == 429:
        asked, date = (headers.get(name, b"").decode("latin-1") or None for name in (b"retry-after", b"date"))
        return RateLimited(message, asked_wait_s(asked, date))
    return ServerRefused(message, status)


def _cause(wrapped: httptools.HttpParserCallbackError) -> Exception:
    cause = wrapped.__context__ or wrapped.__cause__
    return cause if isinstance(cause, EngineError) else wrapped
