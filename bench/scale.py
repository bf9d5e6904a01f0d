"""How long a run file with a million chunks takes to be read and summed up, and how much memory."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.errors import BakeoffError
from bakeoff.results.records import (
    SCHEMA,
    AnyRecord,
    CellOpened,
    EngineTimings,
    Host,
    Model,
    RunStarted,
    Subject,
    Timeline,
    Trial,
    Usage,
    Window,
    Workload,
)
from bench.targets import Target, number, progress, table

CHUNKS = 1_000_000
MOST_S, MOST_MB = 5.0, 500.0
STARTED = "2026-11-24T10:15:02+00:00"

# A process of its own: its peak memory is then that of the reading alone, and its start is counted too.
READER = """
import resource, sys, time
from pathlib import Path
from bakeoff.analysis.summary import summarize
from bakeoff.results.runfile import read_run
start = time.perf_counter()
run = read_run(Path(sys.argv[1]))
read = time.perf_counter()
summary = summarize(run)
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
chunks = sum(len(trial.timeline.at_ns) for trial in summary.run.trials)
assert all(cell.metrics["decode_tps"] for cell in summary.cells)
print(read - start, done - read, peak, chunks)
"""


@dataclass(frozen=True)
class Shape:
    """A run: ``windows`` of load in each cell, or trials one by one where there are none."""

    name: str
    cells: int
    trials: int
    windows: int
    chunks_in_all: int = CHUNKS

    @property
    def chunks(self) -> int:
        """Of one trial."""
        return self.chunks_in_all // (self.cells * self.trials)


SHAPES = (
    Shape("long answers one by one", cells=8, trials=20, windows=0),
    Shape("load of 256 streams", cells=4, trials=1280, windows=5),
)


@dataclass(frozen=True)
class Reading:
    """One shape's file: seconds to read and to sum up, the process's peak memory."""

    shape: str
    file_mb: float
    read_s: float
    summarize_s: float
    peak_mb: float
    chunks: int


@dataclass(frozen=True)
class Result:
    """Of each shape the median of several readings by time."""

    readings: tuple[Reading, ...]

    def targets(self) -> list[Target]:
        slowest = max(reading.read_s + reading.summarize_s for reading in self.readings)
        return [
            Target("a million chunks read and summed up", "s", slowest, MOST_S),
            Target("memory that it takes", "MB", max(reading.peak_mb for reading in self.readings), MOST_MB),
        ]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        rows: list[tuple[str, ...]] = [("run file", "chunks", "MB", "read, s", "summed up, s", "peak, MB")]
        rows.extend(
            (r.shape, f"{r.chunks:,}", *map(number, (r.file_mb, r.read_s, r.summarize_s, r.peak_mb)))
            for r in self.readings
        )
        return f"Scale: a run file of a million chunks\n\n{table(rows)}"


def run(quick: bool) -> Result:
    """Write each file, read it; about 20 seconds."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            progress(f"scale · {shape.name}")
            path = Path(folder) / f"{shape.name.replace(' ', '-')}.jsonl"
            write(path, shape)
            readings = [_read(path, shape) for _ in range(1 if quick else 3)]
            found.append(sorted(readings, key=lambda r: r.read_s + r.summarize_s)[len(readings) // 2])
    return Result(tuple(found))


def write(path: Path, shape: Shape) -> None:
    """The file, as Bakeoff would write it; not flushed to the disk after every line."""
    with path.open("wb") as file:
        for record in records(shape):
            file.write(msgspec.json.encode(record) + b"\n")


def records(shape: Shape) -> Iterator[AnyRecord]:
    """A run of that shape: chunks of one token at jittered times, counted by the stream."""
    rng = random.Random(7)
    yield RunStarted(schema=SCHEMA, id="scale", started=STARTED, command="bakeoff run", seed=0, host=_host())
    for cell in range(shape.cells):
        requests = shape.trials // shape.windows if shape.windows else None
        streams = 256 if shape.windows else 1
        workload = Workload(
            name=f"prompt {cell}",
            prompt="A train leaves …",
            max_tokens=shape.chunks,
            concurrency=streams,
            requests=requests,
        )
        yield CellOpened(cell=cell, subject=_subject(), workload=workload)
        for index in range(shape.trials):
            window = index // requests if requests else None
            yield _trial(rng, cell, index, window, shape.chunks)
        for index in range(shape.windows):
            yield Window(cell=cell, index=index, purpose="timed", started=STARTED, span_ns=60 * 10**9)


def _trial(rng: random.Random, cell: int, index: int, window: int | None, chunks: int) -> Trial:
    gap_ns = round(rng.gauss(10e6, 2e5))
    at_ns = tuple(250_000_000 + i * gap_ns + rng.randrange(500_000) for i in range(chunks))
    return Trial(
        cell=cell,
        index=index,
        purpose="timed",
        status="ok",
        started=STARTED,
        seed=index,
        timeline=Timeline(at_ns=at_ns, kinds="r" * (chunks // 2) + "a" * (chunks - chunks // 2),
                          tokens=tuple(range(1, chunks + 1))),
        end_ns=at_ns[-1] + 1_000_000,
        finish="length",
        usage=Usage(prompt_tokens=64, cached_tokens=0, output_tokens=chunks),
        engine=EngineTimings(prefill_tokens=64, prefill_s=0.2, decode_s=chunks * gap_ns / 1e9, load_s=0.0),
        clock="kernel",
        window=window,
        due_ns=None if window is None else index * 1_000_000,
        begun_ns=None if window is None else index * 1_000_000,
        text="word " * chunks,
    )  # fmt: skip


def _subject() -> Subject:
    model = Model(name="some model", quant="Q4_K_M", size_bytes=4_683_075_271)
    return Subject(text="llamacpp:x.gguf", engine="llamacpp", engine_version="1", model=model, attached=False)


def _host() -> Host:
    return Host(
        cpu="some CPU", cores_physical=8, cores_logical=16, memory_bytes=64 << 30, os="Linux", arch="x86_64",
        python="3.11", bakeoff="0", power_source="mains",
    )  # fmt: skip


def _read(path: Path, shape: Shape) -> Reading:
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BakeoffError(f"Reading {shape.name} ended with status {done.returncode}: {done.stderr}")
    read_s, summarize_s, peak, chunks = map(float, done.stdout.split())
    return Reading(shape.name, path.stat().st_size / 1e6, read_s, summarize_s, peak / 1e6, int(chunks))
