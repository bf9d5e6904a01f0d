"""The kernel's receive times: asked for, and kept on for as long as this process lives."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Iterable

SO_TIMESTAMPNS = 35  # Linux: the option, and the type of its control message
_TIMESPEC = struct.Struct("@ll")
ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) if hasattr(socket, "CMSG_SPACE") else 0
_TRIES = 200

_kept: list[socket.socket] = []
_found: list[bool] = []


def receive_time_ns(ancillary: Iterable[tuple[int, int, bytes]]) -> int | None:
    """CLOCK_REALTIME of the last segment of a read, from its control messages; None where there is none."""
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(payload)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return None


def may_stamp() -> bool:
    """Whether the system is one that can date what a TCP socket receives."""
    return sys.platform == "linux" and _TIMESPEC.size == 16


async def stamps() -> bool:
    """Whether this kernel really does, found out once by trying.

    Linux starts to date packets a moment after the first socket asks for it, and stops when the last one that
    asked is closed: a pair of our own is kept open, and is listened to until a date comes.
    """
    if not _found:
        _found.append(may_stamp() and await _try())
    return _found[0]


async def _try() -> bool:
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sender = socket.create_connection(listener.getsockname(), timeout=5)
            receiver, _ = listener.accept()
        _kept.extend((sender, receiver))
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for _ in range(_TRIES):
            sender.sendall(b"?")
            _, ancillary, _, _ = receiver.recvmsg(1, ANCILLARY_BYTES)
            if receive_time_ns(ancillary) is not None:
                return True
            await asyncio.sleep(0.001)
    except OSError:
        return False
    return False
