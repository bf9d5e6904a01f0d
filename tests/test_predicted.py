"""Predicted against measured, and what a machine's own runs teach the planner."""

from __future__ import annotations

import io
import math

import pytest
from msgspec import structs
from rich.console import Console

from bakeoff.analysis.predicted import decode_miss, learned
from bakeoff.analysis.summary import summarize
from bakeoff.hardware.catalogue import find_machine
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.planning.choice import Needs
from bakeoff.planning.learned import Correction, corrected, correction
from bakeoff.planning.rows import Asked, plan
from bakeoff.planning.sources import sources_of
from bakeoff.planning.speed import placement, predict, work
from bakeoff.report.terminal import print_summary
from bakeoff.results.records import EngineTimings, Figure, Prediction, Run, Trial
from tests.hand_made import a_cell, a_run, a_trial


def prediction(decode: float = 100.0) -> Prediction:
    return Prediction(
        device="cpu",
        decode_tps=Figure(point=decode, low=decode * 0.8, high=decode * 1.2, confidence=0.8),
        prefill_tps=Figure(point=1000.0, low=800.0, high=1200.0, confidence=0.8),
        plain_decode_tps=decode,
        plain_prefill_tps=1000.0,
        limit_tps=1e6,
        memory_bytes=1,
    )


def measured(tps: float, index: int) -> Trial:
    """A trial whose 101 tokens came evenly at about that rate, no two of them alike."""
    gap_ms = 1000 / tps * (1 + index / 10_000)
    engine = EngineTimings(prefill_tokens=40, prefill_s=0.04, decode_s=gap_ms / 10)
    return a_trial([gap_ms * (1 + token) for token in range(101)], index=index, engine=engine)


def run_of(tps: float, *, decode: float = 100.0, quant: str = "Q4_K_M", others: float = 0.0) -> Run:
    opened = structs.replace(a_cell(quant=quant, max_tokens=101), predicted=prediction(decode))
    trials = [structs.replace(measured(tps, index), others_cpu=others) for index in range(5)]
    return a_run(cells=[opened], trials=trials)


def test_a_miss_is_measured_over_predicted_less_one() -> None:
    (cell,) = summarize(run_of(110.0)).cells
    miss = decode_miss(cell)
    assert miss is not None
    assert miss.off == pytest.approx(0.10, abs=1e-3)
    assert miss.inside
    (cell,) = summarize(run_of(150.0)).cells
    miss = decode_miss(cell)
    assert miss is not None
    assert not miss.inside


@pytest.mark.parametrize("bound", [True, False])
def test_the_screen_says_where_the_processors_cores_set_the_pace(bound: bool) -> None:
    run, out = run_of(110.0), io.StringIO()
    (opened,) = run.cells
    assert opened.predicted is not None
    opened = structs.replace(opened, predicted=structs.replace(opened.predicted, cores_bound=bound))
    print_summary(summarize(structs.replace(run, cells=(opened,))), "FILE", Console(file=out, width=200))
    assert "Predicted for the" in out.getvalue()
    assert ("The processor's cores set the pace, not its memory." in out.getvalue()) is bound


def test_without_a_prediction_there_is_no_miss() -> None:
    run = run_of(100.0)
    (opened,) = run.cells
    (cell,) = summarize(structs.replace(run, cells=(structs.replace(opened, predicted=None),))).cells
    assert decode_miss(cell) is None


def test_the_newest_run_of_each_model_and_quantization_teaches_by_the_median() -> None:
    runs = [run_of(50.0), run_of(120.0), run_of(130.0, quant="Q8_0"), run_of(140.0, quant="F16")]
    found = learned(runs, runs[0].started.host)["cpu"]
    assert found.n == 3
    assert found.decode == pytest.approx(1.3, rel=1e-3)


def test_another_machine_and_a_busy_one_teach_nothing() -> None:
    run = run_of(50.0)
    other = structs.replace(run.started.host, cpu="Another CPU")
    assert learned([run], other) == {}
    assert learned([run_of(50.0, others=0.9)], run.started.host) == {}


def test_many_streams_at_once_and_answers_of_one_token_do_not_spoil_what_one_stream_taught() -> None:
    run = run_of(110.0)
    (alone,) = run.cells
    crowded = structs.replace(
        alone, cell=1, workload=structs.replace(alone.workload, name="streams", requests=24, concurrency=8)
    )
    one_token = structs.replace(alone, cell=2, workload=structs.replace(alone.workload, name="pp512", max_tokens=1))
    trials = [
        *run.trials,
        *(structs.replace(measured(10.0, index), cell=1) for index in range(5)),
        *(structs.replace(a_trial([20.0 + index], index=index), cell=2) for index in range(5)),
    ]
    both = a_run(cells=[alone, crowded, one_token], trials=trials)
    assert learned([both], both.started.host)["cpu"].decode == learned([run], run.started.host)["cpu"].decode


def test_a_factor_moves_the_figures_and_narrows_their_intervals() -> None:
    machine, arch = find_machine("cpu"), find("r1-7b")
    plain = predict(work(arch, tensors(arch, "Q4_K_M")), placement(machine))
    by = Correction(decode=1.2, decode_width=math.log(1.1), prefill=3.0, prefill_width=math.log(1.1), n=4)
    taught = corrected(plain, by)
    assert taught.decode.point == pytest.approx(1.2 * plain.decode.point)
    assert taught.decode.high == pytest.approx(1.1 * taught.decode.point)
    assert taught.ttft.point == pytest.approx(plain.ttft.point / 3)


def test_no_lesson_passes_the_bandwidth_limit() -> None:
    machine, arch = find_machine("cpu"), find("r1-7b")
    plain = predict(work(arch, tensors(arch, "Q4_K_M")), placement(machine))
    taught = corrected(plain, Correction(decode=100.0, decode_width=0.1, prefill=1.0, prefill_width=math.inf, n=1))
    assert taught.decode.high == plain.limit_tps
    assert taught.prefill == plain.prefill


def test_few_measurements_leave_a_wide_interval_and_many_their_own_spread() -> None:
    few, many = correction([1.1], []), correction([1.1, 1.101, 1.099, 1.1], [])
    assert few is not None
    assert many is not None
    assert many.decode_width < few.decode_width
    assert correction([], [1.0]) is None


def test_the_plan_of_this_machine_alone_follows_what_was_learned() -> None:
    machine, sources = find_machine("cpu"), sources_of("r1-7b", ("Q4_K_M",))
    by = {"cpu": Correction(decode=1.5, decode_width=0.1, prefill=1.0, prefill_width=0.1, n=3)}
    (plain,) = plan(machine, sources, Asked(), Needs())
    (taught,) = plan(machine, sources, Asked(), Needs(), by)  # type: ignore[arg-type]
    assert taught.speed.decode.point == pytest.approx(1.5 * plain.speed.decode.point)
    assert (plain.measurements, taught.measurements) == (0, 3)
    (gpu,) = plan(find_machine("rtx-4090"), sources, Asked(), Needs(), by)  # type: ignore[arg-type]
    assert gpu.measurements == 0
