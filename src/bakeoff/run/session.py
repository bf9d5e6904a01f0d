"""One invocation from its first line to its last: the run file, the contestants in turn, how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from bakeoff.clock import utc_now
from bakeoff.errors import BakeoffError, EngineError, Interrupted, UsageError
from bakeoff.results.records import SCHEMA, AnyRecord, CellFailed, Host, RunEnded, RunStarted
from bakeoff.results.runfile import RunWriter
from bakeoff.results.store import new_run_id, run_path
from bakeoff.run.plan import Protocol
from bakeoff.run.predicting import Predictor
from bakeoff.run.runner import Contestant, Observer, Runner

_T = TypeVar("_T")


class Entrant(Struct, frozen=True):
    """A subject as it was written, and how to make it ready; that is done only when its turn comes."""

    text: str
    make: Callable[[], Contestant]


class LazyRunFile:
    """A run file that exists from the first record worth keeping on: a mistyped model leaves no file."""

    def __init__(self, folder: Path, command: str, seed: int, host: Host) -> None:
        started = utc_now()
        run_id = new_run_id(started)
        self.path = run_path(folder, run_id)
        self._held: list[AnyRecord] = [
            RunStarted(schema=SCHEMA, id=run_id, started=started, command=command, seed=seed, host=host)
        ]
        self._writer: RunWriter | None = None

    @property
    def exists(self) -> bool:
        return self._writer is not None

    def hold(self, record: AnyRecord) -> None:
        """Write it together with the first record that counts, or at once if the file is there."""
        if self._writer is None:
            self._held.append(record)
        else:
            self._writer.write(record)

    def write(self, record: AnyRecord) -> None:
        if self._writer is None:
            self._writer = RunWriter(self.path)
            for held in self._held:
                self._writer.write(held)
        self._writer.write(record)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def run_all(
    entrants: Sequence[Entrant],
    protocol: Protocol,
    file: LazyRunFile,
    observer: Observer,
    predictor: Predictor | None = None,
) -> list[BakeoffError]:
    """Measure each entrant; give the errors of those that could not be, which the file holds as well.

    Raises Interrupted on Ctrl-C and FileError where the file cannot be written; everything measured is kept.
    """
    errors: list[BakeoffError] = []
    try:
        run_async(_run_all(entrants, Runner(protocol, file.write, observer, predictor), file, errors))
    except KeyboardInterrupt:
        _end(file, "interrupted")
        kept = f"What was measured is in {file.path}." if file.exists else "Nothing was measured yet."
        raise Interrupted(f"Interrupted. {kept}") from None
    except BakeoffError:
        _end(file, "failed")
        raise
    _end(file, "failed" if len(errors) == len(entrants) else "done")
    return errors


async def _run_all(entrants: Sequence[Entrant], runner: Runner, file: LazyRunFile, errors: list[BakeoffError]) -> None:
    for entrant in entrants:
        error = await _error_of(entrant, runner)
        if error is not None:
            errors.append(error)
            file.hold(CellFailed(subject=entrant.text, error=str(error)))


async def _error_of(entrant: Entrant, runner: Runner) -> BakeoffError | None:
    """Why an entrant was not measured to the end; an error of the run file is raised instead."""
    try:
        contestant = entrant.make()
    except BakeoffError as error:
        return error
    try:
        await runner.measure(contestant)
    except (EngineError, UsageError) as error:
        return error
    return None


def _end(file: LazyRunFile, status: Any) -> None:
    if file.exists:
        try:
            file.write(RunEnded(ended=utc_now(), status=status))
        finally:
            file.close()


def run_async(main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
