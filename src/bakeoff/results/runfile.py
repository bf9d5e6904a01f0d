"""The run file: JSON Lines, one record a line, on disk before the next trial starts.

A killed run loses at most the trial in flight: the line that it tore is dropped on reading, and cut off before
anything is appended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from bakeoff.errors import FileError
from bakeoff.results.records import (
    SCHEMA,
    AnyRecord,
    CellFailed,
    CellOpened,
    Run,
    RunEnded,
    RunStarted,
    Trial,
)

SUFFIX = ".jsonl"
_decoder = msgspec.json.Decoder(AnyRecord)
_encoder = msgspec.json.Encoder()


class RunWriter:
    """Appends records to one run file; each is flushed to the disk before ``write`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except OSError as error:
            raise _cannot_write(path, error) from error

    def write(self, record: AnyRecord) -> None:
        """Add one line. Raises FileError where the disk does not take it; what was written stays whole."""
        line = _encoder.encode(record) + b"\n"
        before = self._file.tell()
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._cut(before)
            raise _cannot_write(self.path, error) from error

    def _cut(self, size: int) -> None:
        try:
            os.truncate(self.path, size)
        except OSError:
            return  # reading drops a torn line

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        try:
            self._file.close()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_run(path: Path) -> Run:
    """Read a whole run file. Raises FileError where it is not one, or one from a later version."""
    records = _records(path)
    started = next(records, None)
    if not isinstance(started, RunStarted):
        raise FileError(f"{path.name} is not a Bakeoff run file: its first line is not a run record.")
    cells: list[CellOpened] = []
    trials: list[Trial] = []
    failures: list[CellFailed] = []
    ended: RunEnded | None = None
    for record in records:
        match record:
            case CellOpened():
                cells.append(record)
            case Trial():
                trials.append(record)
            case CellFailed():
                failures.append(record)
            case RunEnded():
                ended = record
            case RunStarted():
                raise FileError(f"{path.name} is not one Bakeoff run: it has two beginnings.")
    numbers = [cell.cell for cell in cells]
    if len(set(numbers)) != len(numbers) or any(trial.cell not in set(numbers) for trial in trials):
        raise FileError(f"{path.name} is damaged: its trials and cells do not belong together.")
    return Run(started=started, cells=tuple(cells), trials=tuple(trials), failures=tuple(failures), ended=ended)


def _records(path: Path) -> Iterator[AnyRecord]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                torn = not line.endswith(b"\n")
                try:
                    if number == 1:
                        _check_version(path, line)
                    yield _decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    if torn and number > 1:
                        return
                    raise FileError(f"{path.name}, line {number}, is not a Bakeoff record: {error}.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


class _Version(msgspec.Struct):
    type: str
    schema: int


def _check_version(path: Path, line: bytes) -> None:
    try:
        version = msgspec.json.decode(line, type=_Version)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{path.name} is not a Bakeoff run file.") from error
    if version.type != "run":
        raise FileError(f"{path.name} is not a Bakeoff run file: its first line is not a run record.")
    if version.schema > SCHEMA or version.schema < 1:
        raise FileError(
            f"{path.name} has run-file version {version.schema}; this Bakeoff reads up to {SCHEMA}. "
            "Update Bakeoff to read it."
        )


def _cannot_write(path: Path, error: OSError) -> FileError:
    return FileError(
        f"Cannot write {path}: {error.strerror or error}. What was measured so far is kept; "
        "free some space or set BAKEOFF_HOME to a folder on another disk."
    )
