"""Starting an engine's server ourselves: a free port, a log, readiness found by asking, and a sure end.

Only what was started here is ever stopped.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct

from bakeoff.clock import now_ns
from bakeoff.engines import guard
from bakeoff.errors import EngineCrashed, EngineError, ServerSilent
from bakeoff.units import plain_text

ASK_EVERY_S = 0.1
_TAIL_BYTES = 64_000
_SHOWN_LINES = 3
_STAMP = re.compile(r"^\d[\d.]* [A-Z] +")  # llama.cpp's time and level


class Cause(Struct, frozen=True):
    """A sign of what went wrong, as engines write it into their logs, and what to do about it."""

    sign: str
    advice: str


def find_cause(causes: Sequence[Cause], lines: Sequence[str]) -> tuple[Cause, str] | None:
    """The first of which a line speaks, and that line."""
    return next(((cause, line) for cause in causes for line in lines if cause.sign.lower() in line.lower()), None)


def free_port() -> int:
    """A loopback port that is free now. Another may take it before the engine does: then the launch fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Launched:
    """One program that we started, in a process group of its own, its output in a log.

    ``start`` raises EngineCrashed (it ended before it was ready, with the log's last words and the likely cause)
    or ServerSilent (not ready in time); in both cases it has been stopped.
    """

    def __init__(self, name: str, log: Path, causes: Sequence[Cause]) -> None:
        self._name = name
        self._log = log
        self._causes = causes
        self._guard: asyncio.subprocess.Process | None = None
        self.pid: int | None = None
        self.ready_s = 0.0
        """Seconds from the start to readiness."""

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        ready: Callable[[], Awaitable[bool]],
        *,
        log: Path | None = None,
        environment: Mapping[str, str | None] | None = None,
        causes: Sequence[Cause] = (),
        timeout_s: float = 900.0,
    ) -> Self:
        """Start the command and wait until ``ready`` says so. ``environment`` is added to ours; None takes one away."""
        launched = cls(name, log or _temporary_log(name), causes)
        try:
            await launched._start(command, environment or {})
            await launched._wait(ready, timeout_s)
        except BaseException:
            await launched.stop()
            raise
        return launched

    async def _start(self, command: Sequence[str], environment: Mapping[str, str | None]) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._guard = await asyncio.create_subprocess_exec(
            sys.executable,
            "-IS",
            guard.__file__,
            str(self._log),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        line = await self._guard.stdout.readline()
        if not line:
            raise EngineError(f"{self._name} could not be started{self.last_words()}.")
        self.pid = int(line)

    async def _wait(self, ready: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
        began_ns = now_ns()
        try:
            async with asyncio.timeout(timeout_s):
                while not await ready():
                    if not self.running:
                        raise EngineCrashed(f"{self._name} ended while it was starting{self.last_words()}")
                    await asyncio.sleep(ASK_EVERY_S)
        except TimeoutError as error:
            raise ServerSilent(
                f"{self._name} was not ready within {timeout_s:g} s{self.last_words()} Its log is {self._log}."
            ) from error
        self.ready_s = (now_ns() - began_ns) / 1e9

    @property
    def running(self) -> bool:
        """Whether the program is still there."""
        return self._guard is not None and self._guard.returncode is None

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self._log

    def log_text(self) -> str:
        """The end of the log, without control sequences."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return plain_text(file.read().decode("utf-8", "replace"))
        except OSError:
            return ""

    def last_words(self) -> str:
        """What the log says went wrong, for the end of a sentence: the cause where it is known, else its last lines."""
        lines = [_STAMP.sub("", line.strip()) for line in self.log_text().splitlines() if line.strip()]
        found = find_cause(self._causes, lines)
        if found is not None:
            return f": {found[1][:200]}. {found[0].advice}"
        return (
            f": {' | '.join(lines[-_SHOWN_LINES:])[:400]}."
            if lines
            else ", and said nothing: is that the right program?"
        )

    async def ended(self, within_s: float = 0.5) -> bool:
        """Whether it has ended, or does within a moment of closing its connections."""
        if self._guard is None:
            return True
        try:
            async with asyncio.timeout(within_s):
                await self._guard.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End it and all that it started; a second time does nothing."""
        process, self._guard = self._guard, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(guard.GRACE_S + 5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _temporary_log(name: str) -> Path:
    handle, path = tempfile.mkstemp(prefix=f"bakeoff-{name}-", suffix=".log")
    os.close(handle)
    return Path(path)
