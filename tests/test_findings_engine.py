"""What the engine is, and what else it did."""

from __future__ import annotations

from bakeoff.analysis.findings import Check, engine, load
from bakeoff.results.records import EngineCounts
from tests.finding_cases import (
    Case,
    Cases,
    a_window,
    beside,
    cell,
    every_case,
    found,
    judge,
    timed,
)
from tests.hand_made import a_trial

CASES: Cases = {
    engine.scripted: [
        (cell(engine="scripted"), "severe", "a script invented these times", cell(engine="llamacpp")),
    ],
    engine.synthetic: [
        (cell(synthetic=True), "info", "random weights", cell(synthetic=False)),
    ],
    engine.preempted: [
        (
            cell([beside(preemptions=2), beside(preemptions=1), beside(preemptions=0)]), "severe",
            "in 2 of 3 trials .* threw out 3 requests", cell([beside(preemptions=0), beside(), a_trial()]),
        ),
    ],
    engine.queued: [
        (
            cell([a_trial(engine=timed(queue_s=0.006)), a_trial()]), "warning", "in 1 of 2 trials .* up to 6.00 ms",
            cell([a_trial(engine=timed(queue_s=0.004))]),
        ),
        (
            cell([beside(queue_s=0.02)]), "warning", "up to 20.0 ms",
            cell([a_trial(engine=timed(queue_s=0.0), engine_counts=EngineCounts(queue_s=0.02))]),
        ),
    ],
    engine.shared_engine: [
        (cell([beside(requests=2), beside(requests=1)]), "severe", "in 1 of 2", cell([beside(requests=1), a_trial()])),
        (cell([beside(requests=5)], concurrency=4), "severe", "1 of 1", cell([beside(requests=4)], concurrency=4)),
        (cell([beside(running=1), beside(waiting=1)]), "severe", "2 of 2", cell([beside(running=0, waiting=0)])),
    ],
    engine.reload: [
        (
            cell([a_trial(engine=timed(load_s=0.11)), a_trial(engine=timed(load_s=2.5)), a_trial()]),
            "severe", r"inside 2 of 3 trials, up to 2\.50 s",
            cell([a_trial(engine=timed(load_s=0.1))]),
        ),
        (
            cell([a_trial(engine=timed(load_s=0.11)), a_trial()]), "warning", "ready in 1 of 2 trials, up to 110 ms",
            cell([a_trial(engine=timed(load_s=0.1))]),
        ),
    ],
    engine.rate_limited: [
        (
            cell([a_trial(waited_s=2.0), a_trial(), a_trial(status="failed", error="429", waited_s=5.0)]),
            "info", "held 2 of 3 trials back, 7.00 s in all",
            cell([a_trial(waited_s=None)]),
        ),
        (cell([a_trial(waited_s=0.0)]), "info", "1 of 1 trials back, 0 ms", cell([a_trial()])),
    ],

    load.over_saturated: [
        (
            cell([a_trial()], requests=4, windows=[a_window(stopped="40 were waiting"), a_window()]), "severe",
            "^1 of 2 windows ended early: 40 were waiting$",
            cell([a_trial()], requests=4, windows=[a_window(), a_window()]),
        ),
    ],
    load.client_busy: [
        (
            cell([a_trial()], requests=4, windows=[a_window(client_cpu=0.81), a_window(client_cpu=0.95)]), "severe",
            "in 2 of 2 windows Bakeoff itself was busy for up to 95% of one core",
            cell([a_trial()], requests=4, windows=[a_window(client_cpu=0.8), a_window(client_cpu=None)]),
        ),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_advice_about_waiting_names_the_engines_own_setting() -> None:
    waits = [a_trial(engine=timed(queue_s=0.05))]
    assert "(OLLAMA_NUM_PARALLEL)" in found(engine.queued, cell(waits, engine="ollama")).advice
    assert "(llama-server -np)" in found(engine.queued, cell(waits, engine="llamacpp")).advice
    assert "at once." in found(engine.queued, cell(waits, engine="openai")).advice


def test_advice_about_a_full_cache_names_the_streams_that_there_were() -> None:
    full = [beside(preemptions=1)]
    assert "--memory-utilization, --concurrency below 8" in (
        found(engine.preempted, cell(full, engine="vllm", concurrency=8)).advice
    )
    assert "more memory, fewer streams" in found(engine.preempted, cell(full)).advice


def test_ollama_is_told_what_makes_it_reload() -> None:
    loads = [a_trial(engine=timed(load_s=2.5))]
    assert "another context" in found(engine.reload, cell(loads, engine="ollama")).advice
    assert "another context" not in found(engine.reload, cell(loads)).advice


def test_under_load_the_engine_is_watched_by_the_window() -> None:
    crowded = EngineCounts(requests=70, running=2, preemptions=3)
    ours = EngineCounts(requests=70, running=0, preemptions=0)
    loaded = cell([a_trial()] * 64, requests=64, windows=[a_window(engine_counts=crowded), a_window()])
    alone = cell([a_trial()] * 64, requests=64, windows=[a_window(engine_counts=ours), a_window()])
    assert "in 1 of 2 windows" in found(engine.shared_engine, loaded).evidence
    assert "in 1 of 2 windows" in found(engine.preempted, loaded).evidence
    assert engine.shared_engine(alone) is None, "requests that ended in the window are our own"


def test_advice_about_too_much_load_names_the_rate_that_was_asked_for() -> None:
    ended = [a_window(stopped="40 were waiting")]
    at_a_rate = cell([a_trial()], requests=4, arrival="poisson", rate_rps=2.5, windows=ended)
    assert "fewer than 2.5 requests a second" in found(load.over_saturated, at_a_rate).advice
    assert "less at once" in found(load.over_saturated, cell([a_trial()], requests=4, windows=ended)).advice
