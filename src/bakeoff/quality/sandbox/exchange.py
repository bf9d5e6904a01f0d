"""One request to a process that runs a program, and what it reports; the process is killed, whatever happens."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bakeoff.clock import now_ns
from bakeoff.quality.sandbox.base import OUTPUT_BYTES, Call, Outcome
from bakeoff.quality.sandbox.reports import outcomes
from bakeoff.quality.sandbox.wire import encode_argument
from bakeoff.units import plain_text


def exchange(
    command: Sequence[str],
    source: str,
    calls: Sequence[Call],
    limits: Mapping[str, int],
    *,
    wall_s: float,
    pass_fds: Sequence[int] = (),
) -> tuple[Outcome, ...]:
    """One outcome a call, read from the command's standard output for at most ``wall_s`` seconds.

    The request goes as a file on standard input, so that nothing waits for the process to read it.
    """
    nonce = secrets.token_hex(16)
    wanted = [(call.function, [encode_argument(argument) for argument in call.arguments]) for call in calls]
    request = {"nonce": nonce, "source": source, "limits": dict(limits), "calls": wanted}
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        process = subprocess.Popen(
            command,
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=said,
            pass_fds=pass_fds,
            cwd="/",
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            written, absent = _read(process.stdout.fileno(), wall_s)
        finally:
            _kill(process)
        said.seek(0)
        return outcomes(written, nonce, len(calls), absent or _ended(said.read(300)))


def _read(descriptor: int, wall_s: float) -> tuple[bytes, Outcome | None]:
    """What was written, and what a call without a report came to; None where the process closed the descriptor."""
    until = now_ns() + int(wall_s * 1e9)
    written = bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(descriptor, selectors.EVENT_READ)
        while (left := until - now_ns()) > 0 and waiting.select(left / 1e9):
            part = os.read(descriptor, 1 << 16)
            if not part:
                return bytes(written), None
            written += part
            if len(written) > OUTPUT_BYTES:
                return bytes(written), Outcome(how="not_data", note="It returned more than is allowed.")
    return bytes(written), Outcome(how="timed_out", note=f"It ran for longer than {wall_s:g} s.")


def _ended(said: bytes) -> Outcome:
    words = plain_text(said.decode(errors="replace")).strip()
    return Outcome(how="ended", note=f"The process ended: {words}" if words else "The process ended.")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all of its group; it was begun as the leader of one of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def limits(memory_bytes: int, wall_s: float, file_bytes: int) -> dict[str, Any]:
    """The resource limits that a process sets itself before it loads a program, by their names in ``resource``."""
    return {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CPU": int(wall_s) + 1,
        "RLIMIT_FSIZE": file_bytes,
        "RLIMIT_NOFILE": 32,
        "RLIMIT_NPROC": 64,
        "RLIMIT_CORE": 0,
    }
