"""What this machine's runs so far teach the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.planning.learned import Correction, DeviceKind
    from bakeoff.results.records import Host, Run

NEWEST_RUNS = 30
LARGEST_BYTES = 4 << 20
"""Runs that hold more are left out, so that a plan does not wait for them."""


def learned_here(host: Host) -> dict[DeviceKind, Correction]:
    """From the newest runs in the data folder."""
    runs = recent_runs()
    if not runs:
        return {}
    from bakeoff.analysis.predicted import learned

    return learned(runs, host)


def recent_runs() -> list[Run]:
    """The newest runs in the data folder, oldest first; what cannot be read is passed over."""
    from bakeoff.folders import runs_folder
    from bakeoff.results.store import run_files

    files = [path for path in run_files(runs_folder()) if path.stat().st_size <= LARGEST_BYTES][-NEWEST_RUNS:]
    if not files:
        return []
    from bakeoff.errors import FileError
    from bakeoff.results.runfile import read_run

    runs = []
    for path in files:
        try:
            runs.append(read_run(path))
        except FileError:
            continue
    return runs
