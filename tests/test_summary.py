"""A run's records become figures by the documented names, each cell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.analysis.summary import CellSummary, Counts, summarize
from bakeoff.measurement.metrics import METRICS
from bakeoff.results.records import Figure
from bakeoff.results.runfile import read_run
from tests.hand_made import a_cell, a_run, a_trial

GOLDEN = Path(__file__).parent / "data" / "run-v1.jsonl"


def points(cell: CellSummary) -> dict[str, float | None]:
    return {name: None if figure is None else figure.point for name, figure in cell.metrics.items()}


def test_the_first_run_file_says_what_it_always_said() -> None:
    thinker, synthetic = summarize(read_run(GOLDEN)).cells
    assert points(thinker) == pytest.approx(
        {
            "ttft_s": (0.25 + 0.26 + 0.24) / 3,
            "ttfa_s": (0.29 + 0.31 + 0.30) / 3,
            "decode_tps": (3 + 3 + 3) / (0.04 + 0.05 + 0.06),
            "engine_decode_tps": (3 + 3 + 3) / (0.04 + 0.05 + 0.06),
            "prefill_tps": 3 * 58 / (0.25 + 0.26 + 0.23),
            "itl_s": (0.04 + 0.05 + 0.06) / 9,
            "tpot_s": (0.04 + 0.05 + 0.06) / 3 / 3,
            "latency_s": (0.295 + 0.315 + 0.305) / 3,
            "load_s": None,
            "output_tps": 12 / (0.295 + 0.315 + 0.305),
        }
    )
    assert thinker.trials == Counts(ok=3, failed=1, truncated=1)
    assert {"failed_trials", "too_few_trials"} <= {finding.code for finding in thinker.findings}
    assert points(synthetic)["decode_tps"] == pytest.approx(3 / 0.02)
    assert points(synthetic)["tpot_s"] == pytest.approx(0.02 / (4 - 2)), "its first chunk held two tokens"
    assert synthetic.trials == Counts(ok=1, failed=0, truncated=0)
    assert "synthetic" in {finding.code for finding in synthetic.findings}


def test_only_timed_trials_that_succeeded_enter_the_figures() -> None:
    trials = [
        a_trial((100, 110, 120)),
        a_trial((900, 1900, 2900), purpose="warm-up"),
        a_trial((900, 1900, 2900), status="failed", error="x"),
        a_trial((900, 1900, 2900), status="truncated", error="x"),
    ]
    (cell,) = summarize(a_run([a_cell()], trials)).cells
    assert points(cell)["decode_tps"] == pytest.approx(100)
    assert cell.metrics["ttft_s"] == Figure(point=0.1, n=1)
    assert cell.trials == Counts(ok=1, failed=1, truncated=1)


def test_each_cell_has_its_own_trials_whatever_their_order() -> None:
    trials = [a_trial((100, 110), cell=1), a_trial((300, 310), cell=0), a_trial((200, 210), cell=1)]
    first, second = summarize(a_run([a_cell(0), a_cell(1)], trials)).cells
    assert points(first)["ttft_s"] == pytest.approx(0.3)
    assert points(second)["ttft_s"] == pytest.approx(0.15)
    assert (first.opened.cell, second.opened.cell) == (0, 1)


def test_peak_memory_is_the_highest_of_the_trials_and_names_its_scope() -> None:
    trials = [
        a_trial(memory_peak_bytes=200),
        a_trial(memory_peak_bytes=300),
        a_trial(memory_peak_bytes=900, purpose="warm-up"),
        a_trial(memory_peak_bytes=900, status="failed"),
    ]
    (cell,) = summarize(a_run([a_cell()], trials)).cells
    assert cell.peak_memory_bytes == {"process": Figure(point=300, low=None, high=None, n=2)}


def test_memory_that_nobody_could_read_is_none() -> None:
    (cell,) = summarize(a_run([a_cell()], [a_trial()])).cells
    assert cell.peak_memory_bytes == {"process": None}


def test_a_cell_whose_trials_all_failed_has_counts_and_a_finding_and_no_figures() -> None:
    (cell,) = summarize(a_run([a_cell()], [a_trial(status="failed", error="out of memory")] * 3)).cells
    assert points(cell) == dict.fromkeys(METRICS)
    assert cell.trials == Counts(ok=0, failed=3, truncated=0)
    assert [finding.severity for finding in cell.findings if finding.code == "failed_trials"] == ["severe"]


def test_a_run_without_cells_is_summed_up_too() -> None:
    assert summarize(a_run()).cells == ()
