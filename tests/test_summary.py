"""A run's records become figures by the documented names, each cell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis import summary
from bakeoff.analysis.findings import Cell, Finding
from bakeoff.analysis.summary import CellSummary, Counts, summarize
from bakeoff.measurement.metrics import METRICS
from bakeoff.results.records import CellEnded, CooledDown, Figure, Run, Trial, Warmed, Window
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


# What a cell's checks look at


def seen(monkeypatch: pytest.MonkeyPatch, run: Run) -> list[Cell]:
    """The cells as the checks get them."""
    cells: list[Cell] = []

    def look(cell: Cell) -> list[Finding]:
        cells.append(cell)
        return []

    monkeypatch.setattr(summary, "findings_of", look)
    summarize(run)
    return cells


def test_each_cell_is_looked_at_with_all_that_the_run_tells_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(cell: int) -> dict[str, Any]:
        window = Window(cell=cell, index=0, purpose="timed", started="", span_ns=1)
        return {
            "windows": window,
            "warmed": Warmed(cell=cell, trials=4, agreed=False),
            "cell_ends": CellEnded(cell=cell, by="number"),
            "cooled": CooledDown(cell=cell, purpose="timed", index=0, reason="", waited_s=1.0, recovered=True),
        }

    first, second = of(0), of(1)
    run = a_run([a_cell(0), a_cell(1), a_cell(2)], **{name: (second[name], first[name]) for name in first})
    one, two, three = seen(monkeypatch, run)
    for cell, own in ((one, first), (two, second)):
        assert (cell.windows, cell.cooled) == ([own["windows"]], [own["cooled"]])
        assert (cell.warmed, cell.ended) == (own["warmed"], own["cell_ends"])
    assert (three.windows, three.cooled, three.warmed, three.ended) == ([], [], None, None)


def test_anchors_are_parted_by_the_trials_that_ran_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [structs.replace(a_cell(number), entrant=entrant) for number, entrant in enumerate((0, 0, 1, 2))]

    def anchor(index: int, cell: int, status: str = "ok") -> Trial:
        return a_trial(index=index, cell=cell, purpose="anchor", status=status)

    def timed(cell: int) -> Trial:
        return a_trial(cell=cell)

    warm_up = a_trial(purpose="warm-up", cell=0)
    trials = [
        warm_up, anchor(0, 0), anchor(1, 0), timed(1), timed(0), anchor(2, 0), anchor(3, 0, "failed"),
        timed(2), anchor(6, 2), timed(3), warm_up, anchor(4, 0), anchor(5, 0),
    ]  # fmt: skip
    found = seen(monkeypatch, a_run(cells, trials))
    groups = [[[trial.index for trial in group] for group in cell.anchors] for cell in found]
    assert groups[0] == groups[1] == [[0, 1], [2], [4, 5]]
    assert groups[2] == [[6]], "an entrant's own go before those of the first"
    assert groups[3] == groups[0], "and where it has none, the first one's are around it"


def test_under_load_the_peak_is_that_of_the_windows() -> None:
    windows = [Window(cell=0, index=i, purpose="timed", started="", span_ns=1, memory_peak_bytes=i) for i in (7, 5)]
    run = a_run([a_cell(requests=1)], [a_trial(window=0), a_trial(window=1)], windows=tuple(windows))
    (cell,) = summarize(run).cells
    assert cell.peak_memory_bytes["process"] == Figure(point=7, n=2)


def test_many_cells_do_not_each_look_at_all_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run([a_cell(number) for number in range(50)], [a_trial(cell=number) for number in range(50)])
    monkeypatch.setattr(Run, "trials_of", None)
    assert [len(cell.timed) for cell in seen(monkeypatch, run)] == [1] * 50
