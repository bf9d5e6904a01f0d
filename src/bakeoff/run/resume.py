"""Which interrupted runs can be gone on with, here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bakeoff.errors import FileError
from bakeoff.results.records import Host, Run
from bakeoff.run.plan import Plan

MEMORY_TOLERANCE = 0.02
"""What a system counts as its memory differs a little from one kernel to the next."""


def is_finished(run: Run) -> bool:
    """Whether a run came to its end."""
    return run.ended is not None and run.ended.status == "done"


def same_machine(a: Host, b: Host) -> bool:
    """Whether two runs were made on the same hardware, as far as it can be told."""
    return (
        (a.cpu, a.cores_physical, a.cores_logical, a.arch) == (b.cpu, b.cores_physical, b.cores_logical, b.arch)
        and abs(a.memory_bytes - b.memory_bytes) <= MEMORY_TOLERANCE * max(a.memory_bytes, b.memory_bytes)
        and [(gpu.name, gpu.memory_bytes) for gpu in a.gpus] == [(gpu.name, gpu.memory_bytes) for gpu in b.gpus]
    )


def newest_unfinished(runs: Iterable[tuple[Path, Run]], host: Host) -> Path | None:
    """Of runs from old to new, the last that this machine began, did not end, and can go on with."""
    found = [
        path
        for path, run in runs
        if not is_finished(run) and run.started.plan is not None and same_machine(run.started.host, host)
    ]
    return found[-1] if found else None


def plan_to_resume(run: Run, host: Host) -> Plan:
    """What the run was to do. Raises FileError where that is not known, or was begun on another machine."""
    if run.started.plan is None:
        raise FileError(
            f"Run {run.started.id} is of an older Bakeoff, which did not keep what it had still to do: measure anew "
            "with: bakeoff run"
        )
    if not same_machine(run.started.host, host):
        raise FileError(
            f"Run {run.started.id} was begun on another machine ({run.started.host.cpu}): resume it there, or measure "
            "anew here with: bakeoff run"
        )
    return Plan.from_record(run.started.plan)
