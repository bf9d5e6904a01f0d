"""The token server: built on demand, started, and read out when it has ended."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TIMES = ("sent_ns", "done_ns", "begun_ns", "asked_ns", "ended_ns")
RECORD = np.dtype([("stream", "u4"), ("token", "u4"), *((name, "i8") for name in (*TIMES, "seed"))])
"""Of one token: when it was sent (just before its ``send``, and just after), when the first and the last bytes of its
request came, when its answer's end was sent (0 but for the last token), and the request's seed (-1: it named none).
"""


@dataclass
class Server:
    """A running token server; ``log`` holds its records once it has ended."""

    port: int
    log: np.ndarray[Any, np.dtype[Any]] = field(default_factory=lambda: np.empty(0, RECORD))


@contextmanager
def serve(capacity: int, query: str = "") -> Iterator[Server]:
    """Run a token server whose log can hold ``capacity`` tokens; it ends with the block.

    ``query`` is what it takes requests to ask for that do not say; see tokenserver.c.
    """
    process = subprocess.Popen([_build(), str(capacity), query], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    server = Server(port=int(process.stdout.readline() or 0))
    try:
        yield server
    finally:
        # The server writes its log when its standard input closes, which communicate() does.
        written, _ = process.communicate(timeout=10)
    if process.returncode != 0:
        raise BakeoffError(f"the token server ended with status {process.returncode}; its reason stands above")
    server.log = np.frombuffer(written, RECORD)


def _build() -> Path:
    """Compile the server unless the binary is newer than its source."""
    source, binary = HERE / "tokenserver.c", HERE / "build" / "tokenserver"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BakeoffError("no C compiler found to build bench/tokenserver.c; install one, or name one with CC=…")
    binary.parent.mkdir(exist_ok=True)
    done = subprocess.run([compiler, "-O2", "-o", binary, source, "-lm"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BakeoffError(f"{compiler} could not build {source.name}:\n{done.stderr}")
    return binary
