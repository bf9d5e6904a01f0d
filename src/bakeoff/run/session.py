"""One invocation from its first line to its last: the run file, the contestants in turn, how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bakeoff.clock import utc_now
from bakeoff.errors import BakeoffError, EngineError, Interrupted
from bakeoff.results.records import SCHEMA, AnyRecord, Host, RunEnded, RunStarted
from bakeoff.results.runfile import RunWriter
from bakeoff.results.store import new_run_id, run_path
from bakeoff.run.plan import Protocol
from bakeoff.run.runner import Contestant, Observer, Runner

_T = TypeVar("_T")


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
    contestants: Sequence[Callable[[], Contestant]], protocol: Protocol, file: LazyRunFile, observer: Observer
) -> list[EngineError]:
    """Measure each contestant; give the errors of those that could not be.

    A contestant is made only when its turn comes. Raises Interrupted on Ctrl-C, with everything measured kept.
    """
    errors: list[EngineError] = []
    try:
        run_async(_run_all(contestants, Runner(protocol, _writes(file), observer), errors))
    except KeyboardInterrupt:
        _end(file, "interrupted")
        kept = f"What was measured is in {file.path}." if file.exists else "Nothing was measured yet."
        raise Interrupted(f"Interrupted. {kept}") from None
    except BakeoffError:
        _end(file, "failed")
        raise
    _end(file, "failed" if len(errors) == len(contestants) else "done")
    return errors


async def _run_all(contestants: Sequence[Callable[[], Contestant]], runner: Runner, errors: list[EngineError]) -> None:
    for make in contestants:
        try:
            await runner.measure(make())
        except EngineError as error:
            errors.append(error)


def _writes(file: LazyRunFile) -> Callable[[AnyRecord], None]:
    from bakeoff.results.records import CellFailed

    return lambda record: file.hold(record) if isinstance(record, CellFailed) else file.write(record)


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
