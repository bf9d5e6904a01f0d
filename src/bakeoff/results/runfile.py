"""The run file: JSON Lines, one record a line, on disk before the next trial starts.

A killed run loses at most the trial in flight: the line that it tore is dropped on reading, and cut off before
anything is appended.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self, get_args

import msgspec

from bakeoff.errors import FileError
from bakeoff.results.answers import Answer, Answering, Foretold, ReferenceAnswer, TaskSet
from bakeoff.results.records import (
    INTERRUPTED,
    SCHEMA,
    AnyRecord,
    CellEnded,
    CellFailed,
    CellOpened,
    CooledDown,
    EntrantEnded,
    Int64,
    Metered,
    Run,
    RunEnded,
    RunResumed,
    RunStarted,
    Trial,
    Warmed,
    Window,
)
from bakeoff.units import one_line

SUFFIX = ".jsonl"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes: many times the longest trial. Neither written nor read beyond it."""
_LONGEST_REASON = 300
_BLOCK = 1 << 16
_decoder = msgspec.json.Decoder(AnyRecord)
_encoder = msgspec.json.Encoder()
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RunWriter:
    """Appends records to one run file; each is flushed to the disk before ``write`` returns.

    The file must not be there yet, unless ``append`` says that it is to go on; then a torn last line is cut off.
    Raises FileError where it cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer: what a full disk did not take would be written later, in the wrong place.
            self._file = path.open("r+b" if append else "xb", buffering=0)
        except OSError as error:
            raise _cannot_write(path, error, _ELSEWHERE) from error
        try:
            _lock(self._file, path)
            if append:
                self._mend()
        except BaseException:
            self._file.close()
            raise

    def write(self, record: AnyRecord) -> None:
        """Add one line. Raises FileError where the disk does not take it; what was written stays whole."""
        line = _encoder.encode(record) + b"\n"
        if len(line) > LONGEST_LINE:
            raise FileError(f"A record of {len(line)} bytes is too long for {self.path}; what came before it is kept.")
        before = self._file.tell()
        try:
            self._append(line)
        except OSError as error:
            self._cut(before)
            raise _cannot_write(self.path, error, _KEPT) from error
        except BaseException:
            self._cut(before)
            raise

    def _append(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) :]
        os.fsync(self._file.fileno())

    def _cut(self, size: int) -> None:
        """Take back what a failed write left; where even that fails, reading drops a torn last line."""
        with suppress(OSError):
            self._file.seek(size)
            self._file.truncate()

    def _mend(self) -> None:
        """Cut off a torn last line; end one that lacks nothing but its end, which readers take for a record."""
        whole = _whole_lines_end(self._file)
        self._file.seek(whole)
        rest = self._file.read(LONGEST_LINE)
        try:
            if rest:
                _decoder.decode(rest)
        except _UNDECODABLE:
            self._cut(whole)
            return
        if rest:
            self._append(b"\n")

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        try:
            self._file.close()
        except OSError as error:
            raise _cannot_write(self.path, error, _KEPT) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep other writers out until the file is closed or we end, however we end. Where there are no locks, nothing."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileError(
            f"{path.name} is being written by another Bakeoff: it is not unfinished, but running."
        ) from error
    except OSError:
        return  # a file system without locks


def _whole_lines_end(file: IO[bytes]) -> int:
    """Where the last whole line ends; what is behind it was torn."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def check_writable(path: Path) -> None:
    """Make the folder of a file yet to come. Raises FileError where none can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _cannot_write(path, error, _ELSEWHERE) from error


def read_run(path: Path, *, to_resume: bool = False) -> Run:
    """Read a whole run file. Raises FileError where it is not one, or one from a later version.

    ``to_resume``: as it will be once a RunResumed stands behind it.
    """
    records = _records(path)
    started = next(records, None)
    if not isinstance(started, RunStarted):
        raise FileError(f"{path.name} is not a Bakeoff run file: its first line is not a run record.")
    found: dict[type[AnyRecord], list[Any]] = {kind: [] for kind in get_args(AnyRecord)}
    ended: RunEnded | None = None
    for record in records:
        if isinstance(record, RunStarted):
            raise FileError(f"{path.name} is not one Bakeoff run: it has two beginnings.")
        if isinstance(record, RunResumed):
            _forget_what_is_done_again(found)
        found[type(record)].append(record)
        ended = record if isinstance(record, RunEnded) else None
    if to_resume:
        _forget_what_is_done_again(found)
    cells = found[CellOpened]
    numbers = {cell.cell for cell in cells}
    of_cells = (record for kind in _OF_A_CELL for record in found[kind])
    if len(numbers) != len(cells) or any(record.cell not in numbers for record in of_cells):
        raise FileError(f"{path.name} is damaged: its trials and cells do not belong together.")
    _check_answers(path, found)
    lists = {name: tuple(found[kind]) for name, kind in _LISTS.items()}
    return Run(started=started, ended=ended, **lists)


def _check_answers(path: Path, found: dict[type[AnyRecord], list[Any]]) -> None:
    """Raise FileError where answers are of no task or of no subject of the run, or twice of the same."""
    asked = {record.entrant for record in found[Answering]}
    items = {item.id for tasks in found[TaskSet] for item in tasks.items}
    places = [(answer.entrant, answer.item, answer.sample) for answer in found[Answer]]
    kept = len(set(places)) == len(places) and len(asked) == len(found[Answering]) and len(found[TaskSet]) < 2
    if not kept or any(entrant not in asked or item not in items for entrant, item, _ in places):
        raise FileError(f"{path.name} is damaged: its answers and tasks do not belong together.")
    _check_foretold(path, items, found[ReferenceAnswer], found[Foretold])


def _check_foretold(path: Path, items: set[str], references: list[ReferenceAnswer], foretold: list[Foretold]) -> None:
    """Raise FileError where what was foretold is of no answer of the one reference, or not at all of its places."""
    by_item = {record.item: record for record in references}
    whole = len({record.entrant for record in references}) < 2 and len(by_item) == len(references)
    whole = whole and by_item.keys() <= items and len({(r.entrant, r.item) for r in foretold}) == len(foretold)
    whole = whole and all(
        len(record.written) == len(record.places) and all(place < len(record.answer) for place in record.places)
        for record in references
    )
    if not whole or any(r.item not in by_item or len(r.at) != len(by_item[r.item].places) for r in foretold):
        raise FileError(f"{path.name} is damaged: its reference's answers and what is foretold do not belong together.")


_OF_A_CELL: tuple[type[AnyRecord], ...] = (Trial, Window, Warmed, CooledDown, CellEnded)
_LISTS: dict[str, type[AnyRecord]] = {
    "resumed": RunResumed,
    "metered": Metered,
    "cells": CellOpened,
    "warmed": Warmed,
    "cooled": CooledDown,
    "trials": Trial,
    "windows": Window,
    "cell_ends": CellEnded,
    "entrant_ends": EntrantEnded,
    "failures": CellFailed,
    "task_sets": TaskSet,
    "answering": Answering,
    "answers": Answer,
    "reference_answers": ReferenceAnswer,
    "foretold": Foretold,
}


def _forget_what_is_done_again(found: dict[type[AnyRecord], list[Any]]) -> None:
    """Leave out what a resumption repeats: whatever was in flight, and what the unfinished failed of."""
    whole = {(window.cell, window.index) for window in found[Window]}
    found[Trial] = [
        trial
        for trial in found[Trial]
        if trial.error != INTERRUPTED and (trial.window is None or (trial.cell, trial.window) in whole)
    ]
    found[Answer] = [answer for answer in found[Answer] if answer.verdict != "failed"]
    done = {record.entrant for record in found[EntrantEnded]}
    found[CellFailed] = [failure for failure in found[CellFailed] if failure.entrant in done]


def _records(path: Path) -> Iterator[AnyRecord]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise FileError(f"{path.name}, line {number}, is too long for a Bakeoff run file.")
                torn = not line.endswith(b"\n")
                try:
                    if number == 1:
                        _check_version(path, line)
                    yield _decoder.decode(line)
                except _UNDECODABLE as error:
                    if torn and number > 1:
                        return
                    reason = one_line(str(error))[:_LONGEST_REASON]
                    raise FileError(f"{path.name}, line {number}, is not a Bakeoff record: {reason}.") from error
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


class _Version(msgspec.Struct):
    type: str
    schema: Int64


def _check_version(path: Path, line: bytes) -> None:
    try:
        version = msgspec.json.decode(line, type=_Version)
    except _UNDECODABLE as error:
        raise FileError(f"{path.name} is not a Bakeoff run file.") from error
    if version.type != "run" or version.schema < 1:
        raise FileError(f"{path.name} is not a Bakeoff run file: its first line is not a run record.")
    if version.schema > SCHEMA:
        raise FileError(
            f"{path.name} has run-file version {version.schema}; this Bakeoff reads up to {SCHEMA}. "
            "Update Bakeoff to read it."
        )


def _cannot_write(path: Path, error: OSError, advice: str) -> FileError:
    return FileError(f"Cannot write {path}: {error.strerror or error}. {advice}")


_ELSEWHERE = "Set BAKEOFF_HOME to a folder that can be written."
_KEPT = "What was measured so far is kept; free some space or set BAKEOFF_HOME to a folder on another disk."
