"""docs/gpu.md is what its command makes of the runs in examples/h100, and these can be read by anyone."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from fit.gpu import speeds
from fit.gpu.__main__ import PAGE, README, page, readme
from fit.gpu.misses import in_groups, neighbours, two_numbers
from fit.gpu.runs import (
    EXAMPLES,
    FILES,
    QUALITY_FILE,
    SPLIT_FILE,
    TALK,
    examples,
    first,
    foreseen,
    on_gpu,
    rate,
    read,
    record,
    slots,
)

from bakeoff.analysis.quality import summarize_quality
from bakeoff.analysis.summary import summarize
from bakeoff.cli.main import cli
from bakeoff.results.runfile import read_run

RUNS = sorted(EXAMPLES.glob("*.jsonl"))
SYNTHETIC = [path for path in RUNS if path.stem != QUALITY_FILE]
OTHERS = [path for path in EXAMPLES.iterdir() if path.suffix != ".jsonl"]


def test_the_page_is_what_the_command_makes_of_the_examples() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_readmes_table_is_what_the_command_makes_of_the_examples() -> None:
    assert README.read_text(encoding="utf-8") == readme(README.read_text(encoding="utf-8"))
    assert "| R1 70B Q4_K_M |" in speeds.short()


def test_every_run_file_is_on_the_page() -> None:
    assert {*FILES, SPLIT_FILE, QUALITY_FILE} == {path.stem for path in RUNS}
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in text for path in RUNS)


@pytest.mark.parametrize("path", SYNTHETIC, ids=lambda path: path.stem)
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


def test_nothing_that_was_measured_before_had_a_part_in_what_the_runs_stored() -> None:
    for example in (*examples(), read(SPLIT_FILE)):
        for cell in example.cells:
            if (stored := cell.opened.predicted) is not None:
                assert stored.decode_tps.point == stored.plain_decode_tps
                assert stored.prefill_tps.point == stored.plain_prefill_tps


def test_what_was_predicted_of_decode_before_the_first_run_is_predicted_still() -> None:
    for example in examples():
        layers = "all" if "70b" in example.name else ""
        before = first()[example.name, TALK, layers, "decode_tps"].predicted
        assert before is not None
        assert foreseen(example.cell(TALK))[0] == pytest.approx(before, rel=1e-5)


def test_the_twins_rounds_give_the_ratios_that_stand_beside_them() -> None:
    told = record("twin.json")
    for measure, rounds in told["rounds"].items():
        ratio = sum(pair["real_s"] for pair in rounds) / sum(pair["synthetic_s"] for pair in rounds)
        assert told["ratios"][measure]["point"] == pytest.approx(ratio)
        assert told["ratios"][measure]["n"] == len(rounds)


def test_a_right_answers_joules_are_those_of_all_answers_over_the_right_ones() -> None:
    summary = summarize_quality(read(QUALITY_FILE).run)
    assert summary is not None
    (subject,) = summary.subjects
    joules = subject.per_correct.joules["gpu"]
    assert joules is not None
    seconds = sum((answer.end_ns or 0) / 1e9 for answer in summary.run.answers)
    watts = joules.point * subject.counts.right / seconds
    assert 70 < watts < 700, "between an idle card and its limit"


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


def test_no_slot_of_the_servers_log_answers_two_requests_at_once() -> None:
    by_slot: dict[float, list[dict[str, float]]] = defaultdict(list)
    for each in slots():
        by_slot[each["slot"]].append(each)
    assert len(by_slot) == 32
    for requests in by_slot.values():
        ordered = sorted(requests, key=lambda each: each["begun_s"])
        assert all(a["ended_s"] <= b["begun_s"] + 1e-3 for a, b in pairwise(ordered))


def test_a_request_is_never_in_more_groups_than_there_are_streams() -> None:
    active, groups, ms = neighbours()
    assert all(groups <= active + 1e-9)
    assert all(groups >= 1 - 1e-9)
    assert all(ms > 0)


def test_the_line_finds_the_two_numbers_that_times_are_made_of() -> None:
    a, b = two_numbers(examples()[:3], lambda each: each.layers() * 50e-6 + each.weights_on_gpu() / 2e12)
    assert math.isclose(a, 50e-6, rel_tol=1e-6)
    assert math.isclose(b, 1 / 2e12, rel_tol=1e-6)


@pytest.mark.parametrize("name", ["meters.json", "sampling.json", "host.json", "twin.json"])
def test_what_stands_beside_the_runs_is_json(name: str) -> None:
    assert msgspec.json.decode((EXAMPLES / name).read_bytes())
