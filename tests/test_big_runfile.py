"""A run file may be long: what is read of it stays whole, and small enough for any machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bench import scale

from bakeoff.analysis.summary import summarize
from bakeoff.results.records import CellFailed, Timeline, Trial, Usage
from bakeoff.results.runfile import read_run
from tests.hand_made import MS, a_cell, a_run, a_trial

FIRST = msgspec.json.encode(a_run().started) + b"\n"
CELL = msgspec.json.encode(a_cell()) + b"\n"


def of_chunks(count: int) -> Trial:
    """A trial of so many tokens, one a chunk, 10 ms apart."""
    timeline = Timeline(
        at_ns=tuple(range(100 * MS, (100 + 10 * count) * MS, 10 * MS)),
        kinds="a" * count,
        tokens=tuple(range(1, count + 1)),
    )
    usage = Usage(prompt_tokens=40, cached_tokens=0, output_tokens=count)
    return msgspec.structs.replace(
        a_trial(), timeline=timeline, usage=usage, end_ns=(100 + 10 * count) * MS, text="word " * count
    )


@pytest.mark.parametrize(("trials", "chunks"), [(20, 50_000), (2000, 500)], ids=["long answers", "many answers"])
def test_a_million_chunks_are_read_whole_and_summed_up_in_half_a_gigabyte(
    tmp_path: Path, trials: int, chunks: int
) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(FIRST + CELL + (msgspec.json.encode(of_chunks(chunks)) + b"\n") * trials)
    done = subprocess.run(
        [sys.executable, "-c", scale.READER, str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert not done.stderr
    *_, peak, found = map(float, done.stdout.split())
    assert found == 1_000_000
    assert peak < scale.MOST_MB * 1e6


def test_the_benchmarks_files_are_what_it_says(tmp_path: Path) -> None:
    shape = scale.Shape("small", cells=2, trials=12, windows=3, chunks_in_all=2400)
    scale.write(tmp_path / "small.jsonl", shape)
    run = read_run(tmp_path / "small.jsonl")
    assert len(run.cells) == 2
    assert {(trial.cell, trial.window) for trial in run.trials} == {(c, w) for c in (0, 1) for w in (0, 1, 2)}
    assert sum(len(trial.timeline.at_ns) for trial in run.trials) == 2 * 12 * shape.chunks
    for cell in summarize(run).cells:
        rate = cell.metrics["decode_tps"]
        assert rate is not None
        assert rate.point == pytest.approx(100, rel=0.02)
        assert not [finding.code for finding in cell.findings if finding.severity == "severe"]


def test_many_short_lines_are_read_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    failure = msgspec.json.encode(CellFailed(subject="openai:absent", error="No server.")) + b"\n"
    path.write_bytes(FIRST + failure * 100_000)
    assert len(read_run(path).failures) == 100_000


def test_a_cell_of_many_trials_is_not_compared_trial_with_trial(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_bytes(FIRST + CELL + (msgspec.json.encode(a_trial()) + b"\n") * 20_000)
    (cell,) = summarize(read_run(path)).cells
    assert cell.trials.ok == 20_000
    figure = cell.metrics["decode_tps"]
    assert figure is not None
    assert (figure.point, figure.n) == (100, 20_000)
