"""Joules of tokens and answers from hand-made readings; each figure worked out beside it."""

from __future__ import annotations

import io
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bakeoff.analysis.energy import (
    ENERGY_METRICS,
    by_hand_figure,
    energy_metrics,
    energy_summary,
    spent,
    ways_apart,
)
from bakeoff.analysis.summary import summarize
from bakeoff.measurement.meters.power import COUNTER, INTEGRAL
from bakeoff.report.document import run_document
from bakeoff.report.terminal import print_summary
from bakeoff.results.records import EngineTimings, Figure, Metered, Phase, Reading, Run, Scope, Trial, Usage, Window
from tests.hand_made import a_cell, a_run, a_trial


def energy(
    value: float | None, span_s: float = 2.0, *, scope: Scope = "gpu", phase: Phase = "trial", device: str = "GPU 0",
    way: str = COUNTER, **facts: Any,
) -> Reading:  # fmt: skip
    return Reading(
        meter="meter", scope=scope, quantity="energy_j", phase=phase, value=value, span_s=span_s, method=f"{way}: it",
        detail=device, **facts,
    )  # fmt: skip


def power(
    value: float, high: float | None = None, *, scope: Scope = "gpu", phase: Phase = "trial", device: str = "GPU 0"
) -> Reading:
    return Reading(
        meter="meter", scope=scope, quantity="power_w", phase=phase, value=value, high=high, span_s=2.0,
        method=f"{COUNTER}: it", detail=device,
    )  # fmt: skip


def trial(*readings: Reading, output: int = 100, cached: int = 0, **changes: Any) -> Trial:
    """A prompt of 40 tokens, and so many that were generated."""
    usage = Usage(prompt_tokens=40, cached_tokens=cached, output_tokens=output)
    return a_trial(readings=readings, usage=usage, engine=EngineTimings(), **changes)


def idle(level: float, device: str = "GPU 0", scope: Scope = "gpu") -> Metered:
    return Metered(meters=(), idle=(power(level, scope=scope, phase="idle", device=device),))


def point(figures: dict[str, dict[str, Figure | None]], name: str, scope: str = "gpu") -> float | None:
    figure = figures[name][scope]
    return None if figure is None else figure.point


TWO = [
    trial(energy(600), power(300, 380), energy(80, 0.5, phase="prefill"), energy(500, 1.5, phase="decode"), output=101),
    trial(
        energy(1000, 4.0), power(250, 420), energy(160, 1, phase="prefill"), energy(800, 3, phase="decode"), output=201
    ),
]


def test_joules_per_token_are_a_ratio_of_sums() -> None:
    figures = energy_metrics(TWO)
    assert point(figures, "energy_j_per_token") == pytest.approx(1600 / 302)
    assert point(figures, "tokens_per_joule") == pytest.approx(302 / 1600)


def test_prefill_is_per_prompt_token_and_decode_per_interval_between_tokens() -> None:
    figures = energy_metrics(TWO)
    assert point(figures, "prefill_energy_j_per_token") == pytest.approx(240 / 80)
    assert point(figures, "decode_energy_j_per_token") == pytest.approx(1300 / 300)


def test_an_answer_costs_the_mean_of_the_trials_and_power_is_energy_by_time() -> None:
    figures = energy_metrics(TWO)
    assert point(figures, "energy_j_per_answer") == pytest.approx(800)
    assert point(figures, "power_w") == pytest.approx(1600 / 6)
    assert point(figures, "peak_power_w") == pytest.approx(400)


def test_net_figures_leave_out_what_idling_would_have_taken_meanwhile() -> None:
    figures = energy_metrics(TWO, [idle(50)])
    assert point(figures, "idle_w") == pytest.approx(50)
    assert point(figures, "net_energy_j_per_token") == pytest.approx((1600 - 6 * 50) / 302)
    assert point(figures, "net_tokens_per_joule") == pytest.approx(302 / 1300)
    assert point(figures, "net_energy_j_per_answer") == pytest.approx((500 + 800) / 2)


def test_without_an_idle_level_there_are_gross_figures_alone() -> None:
    figures = energy_metrics(TWO)
    assert point(figures, "energy_j_per_token") is not None
    assert all(point(figures, name) is None for name in ENERGY_METRICS if name.startswith("net_") or name == "idle_w")


def test_a_machine_that_draws_no_more_than_when_idle_has_no_net_tokens_per_joule() -> None:
    figures = energy_metrics(TWO, [idle(300)])
    assert point(figures, "net_tokens_per_joule") is None
    net = point(figures, "net_energy_j_per_token")
    assert net is not None
    assert net < 0


def test_devices_of_one_scope_are_added_up_each_with_its_own_idle_level() -> None:
    both = [trial(energy(600), energy(200, device="GPU 1"), power(300, 380), power(100, 120, device="GPU 1"))]
    figures = energy_metrics(both, [idle(50), idle(40, device="GPU 1"), idle(70, device="GPU 2")])
    assert point(figures, "energy_j_per_token") == pytest.approx(8)
    assert point(figures, "idle_w") == pytest.approx(90)
    assert point(figures, "peak_power_w") == pytest.approx(500)


def test_scopes_are_never_added_up() -> None:
    figures = energy_metrics([trial(energy(600), energy(1500, scope="wall", device=""), energy(90, scope="package"))])
    assert {scope: point(figures, "energy_j_per_token", scope) for scope in figures["energy_j_per_token"]} == {
        "gpu": 6, "package": pytest.approx(0.9), "wall": 15,
    }  # fmt: skip


def test_of_a_counter_and_an_integral_only_the_first_counts() -> None:
    figures = energy_metrics([trial(energy(600), energy(630, way=INTEGRAL))])
    assert point(figures, "energy_j_per_token") == 6
    assert ways_apart([trial(energy(600), energy(630, way=INTEGRAL))], "gpu") == (600, 630)
    assert ways_apart([trial(energy(600))], "gpu") is None


def test_a_trial_without_its_energy_leaves_the_cell_without_a_figure_rather_than_with_some_of_it() -> None:
    figures = energy_metrics([*TWO, trial(energy(None, device="GPU 0; too short"))])
    assert {name: figures[name]["gpu"] for name in ENERGY_METRICS} == dict.fromkeys(ENERGY_METRICS)
    assert spent(trial(energy(600), energy(None, device="GPU 1; lost")), [], "gpu") is None


def test_a_phase_that_is_withheld_leaves_the_whole_trials_figures_alone() -> None:
    short = trial(energy(600), energy(None, phase="prefill", device="GPU 0; too short"), energy(500, phase="decode"))
    figures = energy_metrics([short])
    assert point(figures, "prefill_energy_j_per_token") is None
    assert point(figures, "energy_j_per_token") == 6


def test_a_prompt_that_came_from_the_cache_has_no_prefill_energy() -> None:
    cached = trial(energy(600), energy(50, phase="prefill"), cached=40)
    assert point(energy_metrics([cached]), "prefill_energy_j_per_token") is None


def test_without_readings_there_are_no_scopes() -> None:
    assert energy_metrics([trial()]) == {name: {} for name in ENERGY_METRICS}
    assert energy_metrics([]) == {name: {} for name in ENERGY_METRICS}


def test_the_interval_of_joules_per_token_covers_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(5)
    covered = 0
    for _ in range(400):
        trials = [
            trial(energy(3.0 * tokens * rng.gauss(1, 0.04)), output=tokens)
            for tokens in (rng.randint(80, 160) for _ in range(8))
        ]
        figure = energy_metrics(trials)["energy_j_per_token"]["gpu"]
        assert figure is not None
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 3.0 <= figure.high
    assert 0.92 <= covered / 400 <= 0.98


def window(index: int, joules: float | None, span_s: float = 10.0) -> Window:
    return Window(cell=0, index=index, purpose="timed", started="", span_ns=round(span_s * 1e9),
                  readings=(energy(joules, span_s), power(100)))  # fmt: skip


def test_under_load_the_power_of_a_window_is_that_of_its_steady_part() -> None:
    figures = energy_metrics([], [idle(20)], windows=[window(0, 1000), window(1, 2000)], totals=[(500, 8), (900, 6)])
    assert point(figures, "energy_j_per_token") == pytest.approx((100 * 8 + 200 * 6) / 1400)
    assert point(figures, "power_w") == pytest.approx((100 * 8 + 200 * 6) / 14)
    assert point(figures, "net_energy_j_per_token") == pytest.approx((80 * 8 + 180 * 6) / 1400)
    assert point(figures, "energy_j_per_answer") is None


@pytest.mark.parametrize(
    "windows", [[window(0, 1000), window(1, None)], [window(0, 1000), window(1, 500), window(2, 5)]]
)
def test_a_window_without_its_part_leaves_the_cell_without_a_figure(windows: list[Window]) -> None:
    figures = energy_metrics([], windows=windows, totals=[(500, 8), (900, 6)])
    assert point(figures, "energy_j_per_token") is None


def by_hand(value: float | None = 7200.0) -> Metered:
    return Metered(
        meters=(),
        idle=(Reading(meter="by hand", scope="wall", quantity="energy_j", phase="run", value=value, low=3600.0,
                      high=10800.0, span_s=600.0, method="read by hand"),),
    )  # fmt: skip


def test_a_wall_meter_read_by_hand_is_shared_out_over_all_tokens_of_the_run() -> None:
    trials = [trial(output=100, purpose="warm-up"), trial(output=300)]
    summary = energy_summary(trials[1:], [by_hand()], of_the_run=trials)
    figure = summary.figures["energy_j_per_token"]["wall"]
    assert figure == Figure(point=18, low=9, high=27, confidence=1.0, n=1)
    assert "whole run" in summary.methods["wall"]


def test_over_several_cells_or_where_it_is_too_coarse_a_reading_by_hand_makes_no_figure() -> None:
    assert energy_summary([trial()], [by_hand()]).figures["energy_j_per_token"] == {}
    assert by_hand_figure(by_hand(None).idle[0], 100) is None


def test_a_runs_document_has_every_energy_figure_by_scope_and_how_it_came_about() -> None:
    run = a_run([a_cell()], TWO, metered=(idle(50),))
    (cell,) = run_document(summarize(run), "FILE")["cells"]
    assert {name for name in ENERGY_METRICS if name in cell["metrics"]} == set(ENERGY_METRICS)
    figure = cell["metrics"]["energy_j_per_token"]["gpu"]
    assert figure["point"] == pytest.approx(1600 / 302)
    assert (figure["confidence"], figure["n"]) == (0.95, 2)
    assert cell["energy_methods"] == {"gpu": f"{COUNTER}: it"}


numbers = st.none() | st.floats(allow_nan=False) | st.sampled_from([0.0, -1.0, 1e308, 1e-308, float("inf")])
anything = st.builds(
    Reading,
    meter=st.sampled_from(["a", "b"]),
    scope=st.sampled_from(["gpu", "wall"]),
    quantity=st.sampled_from(["energy_j", "power_w"]),
    phase=st.sampled_from(["trial", "prefill", "decode", "idle", "run"]),
    value=numbers, low=numbers, high=numbers, span_s=numbers,
    method=st.sampled_from([COUNTER, INTEGRAL]), detail=st.sampled_from(["", "GPU 0", "GPU 1; gone"]),
)  # fmt: skip


@given(st.lists(anything, max_size=6), st.lists(anything, max_size=4), st.integers(0, 2**63 - 1))
def test_whatever_a_file_claims_makes_finite_figures_or_none(
    readings: list[Reading], before: list[Reading], tokens: int
) -> None:
    trials = [trial(*readings, output=tokens), trial(*readings)]
    run = a_run([a_cell()], trials, metered=(Metered(meters=(), idle=tuple(before)),))
    (cell,) = summarize(run).cells
    for by_scope in cell.energy.figures.values():
        for figure in by_scope.values():
            assert figure is None or math.isfinite(figure.point)
    assert screen(run)


def screen(run: Run) -> str:
    console = Console(width=80, file=io.StringIO(), highlight=False)
    print_summary(summarize(run), "FILE", console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_screen_shows_energy_by_scope_with_its_interval_and_what_a_kilowatt_hour_makes() -> None:
    lines = screen(a_run([a_cell()], TWO, metered=(idle(50),))).splitlines()
    (row,) = [line for line in lines if " gpu " in line and "train problem" in line]
    assert row.split() == ["train", "problem", "gpu", "5", "±5", "4", "±5", "800", "±2500", "270", "±280", "50.0"]
    assert "0.189 tokens per joule at scope gpu: a kilowatt-hour makes 680000 tokens" in " ".join(lines)


def test_a_run_without_meters_of_power_shows_nothing_of_energy() -> None:
    assert "energy" not in screen(a_run([a_cell()], [trial(), trial()]))
