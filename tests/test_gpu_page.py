"""docs/gpu.md is what its command makes of the runs in examples/h100, and these can be read by anyone."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from fit.gpu.__main__ import PAGE, page
from fit.gpu.misses import in_groups, neighbours, two_numbers
from fit.gpu.runs import EXAMPLES, FILES, TALK, Example, examples, foreseen, on_gpu, rate, slots

from bakeoff.analysis.summary import summarize
from bakeoff.cli.main import cli
from bakeoff.results.runfile import read_run

RUNS = sorted(EXAMPLES.glob("*.jsonl"))
OTHERS = [path for path in EXAMPLES.iterdir() if path.suffix != ".jsonl"]


def test_the_page_is_what_the_command_makes_of_the_examples() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_run_file_is_on_the_page() -> None:
    assert sorted(FILES) == [path.stem for path in RUNS]
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in text for path in RUNS)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_an_example_is_a_run_that_can_be_read_and_calls_its_weights_synthetic(path: Path) -> None:
    summary = summarize(read_run(path))
    assert summary.cells
    for cell in summary.cells:
        model = cell.opened.subject.model
        assert model.synthetic
        assert model.name.startswith("synthetic ")
        assert "synthetic" in {finding.code for finding in cell.findings}
        assert (cell.trials.failed, cell.trials.truncated) == (0, 0)


@pytest.mark.parametrize("path", [*RUNS, *OTHERS], ids=lambda path: path.name)
def test_an_example_names_no_folder_and_no_address_of_the_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?:/(?:tmp|root|home|work|usr|mnt|var)/|https?://|\d+\.\d+\.\d+\.\d+:\d)[^\s\"]*", text)


def test_an_example_is_shown_from_where_it_lies() -> None:
    shown = CliRunner().invoke(cli, ["runs", "show", str(RUNS[0])])
    assert shown.exit_code == 0
    assert "synthetic" in shown.output


def test_the_files_are_named_after_what_they_measured() -> None:
    for name, example in zip(FILES, examples(), strict=True):
        assert name == example.name.lower().replace(" ", "-")


def test_what_the_runs_stored_is_the_planners_own_where_nothing_was_learned() -> None:
    first = examples()[0].cell(TALK)
    stored = first.opened.predicted
    assert stored is not None
    (low, point, high), _ = foreseen(first)
    assert (low, point, high) == (stored.decode_tps.low, stored.decode_tps.point, stored.decode_tps.high)


def test_an_interval_that_was_spoiled_is_the_planners_share_around_its_own_figure() -> None:
    later = examples()[1].cell(TALK)
    stored = later.opened.predicted
    assert stored is not None
    assert stored.decode_tps.point != stored.plain_decode_tps
    shares = []
    for cell in (later, examples()[0].cell(TALK)):
        low, point, high = foreseen(cell)[0]
        shares.append((low / point, high / point))
    assert foreseen(later)[0][1] == stored.plain_decode_tps
    assert shares[0] == pytest.approx(shares[1])


def test_no_figure_of_this_card_was_fitted_on() -> None:
    speeds = (EXAMPLES.parent.parent / "fit" / "speeds.csv").read_text(encoding="utf-8")
    assert "H100 SXM" not in speeds
    assert "H100 PCIe" in speeds


def test_decode_of_one_stream_stays_under_the_bandwidth_limit() -> None:
    for example in examples():
        stored = example.cell(TALK).opened.predicted
        assert stored is not None
        assert rate(example.cell(TALK)) < stored.limit_tps


def test_the_driver_accounts_more_to_a_process_than_its_engine_does() -> None:
    for example in examples():
        told = example.cell(TALK).peak_memory_bytes["gpu"]
        assert told is not None
        assert 0 < told.point - on_gpu(example.cell(TALK)) < 1e9


def test_slots_that_are_neighbours_are_one_group() -> None:
    assert in_groups([]) == 0
    assert in_groups([5]) == 1
    assert in_groups([7, 5, 6]) == 1
    assert in_groups([1, 3, 4, 9]) == 3


def test_every_answer_of_64_tokens_in_the_run_stands_in_the_servers_log_with_its_times() -> None:
    logged = {(round(each["prefill_s"], 4), round(each["decode_s"], 4)) for each in slots()}
    told = [trial.engine for trial in examples()[0].run.trials if trial.usage.output_tokens == 64]
    assert len(told) > 700
    for engine in told:
        times = [round(float(seconds or 0), 4) for seconds in (engine.prefill_s, engine.decode_s)]
        near = {(round(times[0] + a, 4), round(times[1] + b, 4)) for a in (-1e-4, 0, 1e-4) for b in (-1e-4, 0, 1e-4)}
        assert near & logged


def test_a_request_is_never_in_more_groups_than_there_are_streams() -> None:
    active, groups, ms = neighbours()
    assert all(groups <= active + 1e-9)
    assert all(groups >= 1 - 1e-9)
    assert all(ms > 0)


def test_the_line_finds_the_two_numbers_that_times_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(examples()[:3])
    monkeypatch.setattr(Example, "seconds", lambda each: each.layers() * 50e-6 + each.weights_on_gpu() / 2e12)
    a, b = two_numbers(found)
    assert math.isclose(a, 50e-6, rel_tol=1e-6)
    assert math.isclose(b, 1 / 2e12, rel_tol=1e-6)


@pytest.mark.parametrize("name", ["meters.json", "sampling.json"])
def test_what_stands_beside_the_runs_is_json(name: str) -> None:
    assert msgspec.json.decode((EXAMPLES / name).read_bytes())
