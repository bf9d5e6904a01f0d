"""A byte stream cut into messages: server-sent events and JSON lines.

Bytes in, whole messages out, wherever the network cut them, so a UTF-8 character that was split across reads
is whole again before anything decodes it.
"""

from __future__ import annotations

from typing import Literal, Protocol

from bakeoff.errors import BrokenReply

FramingName = Literal["sse", "ndjson"]
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class Framing(Protocol):
    """Cuts one response body; ``feed`` gives the messages that these bytes completed."""

    def feed(self, data: bytes) -> list[bytes]: ...

    def finish(self) -> list[bytes]:
        """Give what a body that ended properly left unterminated."""
        ...


class _Lines:
    """What both framings share: the bytes that do not yet end a message, and a bound on them."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self._rest = b""

    def _cut(self, data: bytes) -> list[bytes]:
        parts = (self._rest + data).split(self._end)
        self._rest = parts.pop()
        if len(self._rest) > MAX_MESSAGE_BYTES:
            raise BrokenReply(f"The server sent over {MAX_MESSAGE_BYTES} bytes without ending a message.")
        return parts


class JsonLines(_Lines):
    """One message a line; blank lines are skipped."""

    def __init__(self) -> None:
        super().__init__(b"\n")

    def feed(self, data: bytes) -> list[bytes]:
        return [line for part in self._cut(data) if (line := part.strip())]

    def finish(self) -> list[bytes]:
        return self.feed(b"\n")


class ServerSentEvents(_Lines):
    """The data of each event, by the rules of the HTML standard.

    Lines may end in LF, CRLF or CR; comments and unknown fields are skipped; several ``data`` lines join with a
    line feed. The ``error`` field, which llama.cpp uses in the place of ``data``, counts as data.
    """

    def __init__(self) -> None:
        super().__init__(b"\n\n")
        self._skip_line_feed = False
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        if self._at_start and data:
            self._at_start = False
            data = data.removeprefix(b"\xef\xbb\xbf")
        if self._skip_line_feed and data:
            self._skip_line_feed = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_line_feed = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return [message for part in self._cut(data) if (message := _event_data(part)) is not None]

    def finish(self) -> list[bytes]:
        return self.feed(b"\n\n")


def _event_data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    values = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field in (b"data", b"error"):
            values.append(value.removeprefix(b" "))
    return b"\n".join(values) if values else None


def framing(name: FramingName) -> Framing:
    """A fresh cutter for one response body."""
    return ServerSentEvents() if name == "sse" else JsonLines()
