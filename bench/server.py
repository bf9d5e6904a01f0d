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
RECORD = np.dtype([("stream", np.uint32), ("token", np.uint32), ("sent_ns", np.int64)])


@dataclass
class Server:
    """A running token server; ``log`` holds its records once it has ended."""

    port: int
    log: np.ndarray[Any, np.dtype[Any]] = field(default_factory=lambda: np.empty(0, RECORD))


@contextmanager
def serve(capacity: int) -> Iterator[Server]:
    """Run a token server whose log can hold ``capacity`` tokens; it ends with the block."""
    process = subprocess.Popen([_build(), str(capacity)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
