"""A child process that speaks JSON lines on its standard input and output, its errors in a log.

It ends when its standard input closes, hence also when we are killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import msgspec

from bakeoff.engines.launch import Cause, find_cause
from bakeoff.units import plain_text

MAX_LINE_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = 64_000
_GOING_S, _STOPPING_S = 0.5, 5.0


class Piped:
    """One such process, in a session of its own, so that Ctrl-C reaches us alone."""

    def __init__(self, process: asyncio.subprocess.Process, log: IO[bytes], causes: Sequence[Cause]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input, self._output = process.stdin, process.stdout
        self._log = log
        self._causes = causes

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        causes: Sequence[Cause] = (),
    ) -> Self:
        """Start the command; ``environment`` is added to ours. Raises OSError where it cannot be run."""
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        file: IO[bytes] = log.open("ab+") if log else tempfile.TemporaryFile(prefix="bakeoff-")  # noqa: SIM115
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                limit=MAX_LINE_BYTES,
            )
        except BaseException:
            file.close()
            raise
        return cls(process, file, causes)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._process.returncode

    def send(self, message: Any) -> None:
        """Hand over one line; nothing happens where the process has gone, which the next read tells."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._input.write(msgspec.json.encode(message) + b"\n")

    async def sent(self) -> None:
        """Return when all that was handed over has left."""
        with contextlib.suppress(ConnectionError):
            await self._input.drain()

    async def line(self) -> bytes:
        """The next line; nothing where the process has closed its output, or sent a line without end."""
        try:
            return await self._output.readline()
        except (ValueError, ConnectionError):
            return b""

    async def ended(self) -> bool:
        """Whether it is gone, or goes within a moment of closing its output."""
        try:
            async with asyncio.timeout(_GOING_S):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def reason(self) -> str:
        """What its log says went wrong, for a bracket in a sentence: the line of a known cause, else its last."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        text = plain_text(self._log.read().decode("utf-8", "replace"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        found = find_cause(self._causes, lines)
        if found is not None:
            return f" ({found[1][:200]}). {found[0].advice}"
        return f" ({lines[-1][:200]})." if lines else "."

    async def stop(self) -> None:
        """End it; a second time does nothing."""
        if self._process.returncode is None:
            self._input.close()
            try:
                async with asyncio.timeout(_STOPPING_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._log.close()
