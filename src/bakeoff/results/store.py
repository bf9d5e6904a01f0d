"""The folder of runs: names, listing, finding one by what the user typed."""

from __future__ import annotations

import secrets
from pathlib import Path

from bakeoff.errors import FileError, UsageError
from bakeoff.results.records import Run
from bakeoff.results.runfile import SUFFIX, read_run


def new_run_id(now: str) -> str:
    """A name that sorts by time and does not collide: ``2026-11-24-101502-7f3a``."""
    date, _, clock = now.partition("T")
    return f"{date}-{clock[:8].replace(':', '')}-{secrets.token_hex(2)}"


def run_path(folder: Path, run_id: str) -> Path:
    """Where the run of this name lives."""
    return folder / f"{run_id}{SUFFIX}"


def run_files(folder: Path) -> list[Path]:
    """All run files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def find_run(folder: Path, text: str | None) -> Path:
    """The file of a run named by path, by ID, by a beginning of it, or (None or ``last``) the newest.

    Raises UsageError where nothing or more than one thing matches.
    """
    files = run_files(folder)
    if text is None or text == "last":
        if not files:
            raise UsageError("There are no runs yet. Make one with: bakeoff run")
        return files[-1]
    if not text.strip():
        raise UsageError("The name of the run is empty. List your runs with: bakeoff runs list")
    path = Path(text)
    if path.suffix == SUFFIX or _is_file(path):
        if not _is_file(path):
            raise UsageError(f"There is no run file {text}. List your runs with: bakeoff runs list")
        return path
    matches = [file for file in files if file.stem.startswith(text)]
    exact = [file for file in matches if file.stem == text]
    if len(exact or matches) != 1:
        what = "No run is" if not matches else f"{len(matches)} runs are"
        raise UsageError(f"{what} named {text!r}. List your runs with: bakeoff runs list")
    return (exact or matches)[0]


def _is_file(path: Path) -> bool:
    """False also where it cannot be asked: a name too long, a folder that is closed to us."""
    try:
        return path.is_file()
    except OSError:
        return False


def readable_runs(folder: Path) -> tuple[list[tuple[Path, Run]], list[str]]:
    """Every run that can be read, oldest first, and a sentence for each file that cannot."""
    runs, problems = [], []
    for path in run_files(folder):
        try:
            runs.append((path, read_run(path)))
        except FileError as error:
            problems.append(str(error))
    return runs, problems
