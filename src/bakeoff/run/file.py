"""The file of the run that is being made, or gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from bakeoff.clock import utc_now
from bakeoff.results.records import SCHEMA, AnyRecord, Host, RunEnded, RunResumed, RunStarted
from bakeoff.results.runfile import RunWriter, check_writable
from bakeoff.results.store import new_run_id, run_path
from bakeoff.run.plan import Plan


class RunFile:
    """Written from the first record worth keeping on: a mistyped model leaves no file, and no mark in an old one."""

    def __init__(self, path: Path, first: AnyRecord, writer: RunWriter | None = None) -> None:
        self.path = path
        self.is_old = writer is not None
        self.written = False
        self._held: list[AnyRecord] = [first]
        self._writer = writer

    @classmethod
    def new(cls, folder: Path, command: str, plan: Plan, host: Host) -> Self:
        """A new run's. Raises UsageError where the plan holds a secret."""
        started = utc_now()
        run_id = new_run_id(started)
        first = RunStarted(
            schema=SCHEMA,
            id=run_id,
            started=started,
            command=command,
            seed=plan.protocol.seed,
            host=host,
            plan=plan.as_record(),
        )
        return cls(run_path(folder, run_id), first)

    @classmethod
    def old(cls, path: Path, host: Host) -> Self:
        """One to go on with, kept from other writers. Raises FileError where it cannot be written."""
        writer = RunWriter(path, append=True)
        return cls(path, RunResumed(resumed=utc_now(), bakeoff=host.bakeoff), writer)

    def check(self) -> None:
        """Raise FileError where the run could not be kept, before anything is measured."""
        if self._writer is None:
            check_writable(self.path)

    def hold(self, record: AnyRecord) -> None:
        """Write it together with the first record that counts, or at once if that was written."""
        self._held.append(record)
        if self.written:
            self._flush()

    def write(self, record: AnyRecord) -> None:
        """Write it, behind all that was held."""
        self._held.append(record)
        self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = RunWriter(self.path)
        self.written = True
        while self._held:
            self._writer.write(self._held[0])
            del self._held[0]

    def end(self, status: Literal["done", "interrupted", "failed"]) -> None:
        """Write the last line, where there is any other or an old run turns out to be done, and close."""
        try:
            if self.written or (self.is_old and status == "done"):
                self._held.clear()
                self.write(RunEnded(ended=utc_now(), status=status))
        finally:
            if self._writer is not None:
                self._writer.close()
