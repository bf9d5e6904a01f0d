"""What limits the figures of many requests together."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from bakeoff.analysis.findings import Check, load
from bakeoff.analysis.load import LoadSummary
from bakeoff.results.records import EngineTimings, Figure
from tests.finding_cases import Case, Cases, cell, every_case, found, judge
from tests.hand_made import a_trial

SUMMARY = LoadSummary(
    windows=3, requests=60, lost=0, span_s=30.0, totals=(), output_tps=None, output_tps_per_stream=None,
    offered_rps=None, achieved_rps=None, goodput_rps=None, ttft_s={}, tpot_s={}, itl_s={}, latency_s={}, at_once=4,
    client_cpu=None, stopped=None,
)  # fmt: skip


def summed_up(**changes: Any) -> LoadSummary:
    return structs.replace(SUMMARY, **changes)


def at_a_rate(due: float, answered: float, **changes: Any) -> LoadSummary:
    return summed_up(offered_rps=Figure(point=due), achieved_rps=Figure(point=answered), **changes)


POISSON: dict[str, Any] = {"requests": 20, "arrival": "poisson", "rate_rps": 2.0}
FOUR: dict[str, Any] = {"requests": 16, "concurrency": 4}

CASES: Cases = {
    load.fell_behind: [
        (
            cell(load=at_a_rate(2.0, 1.6), **POISSON), "warning",
            r"^2\.00 requests a second came due, and 1\.60 were answered$", cell(load=at_a_rate(2.0, 1.8), **POISSON),
        ),
        (
            cell(load=at_a_rate(2.0, 1.5), **POISSON), "warning", "1.50 were answered",
            cell(load=at_a_rate(2.0, 1.5, span_s=15.9), **POISSON),
        ),
        (
            cell(load=at_a_rate(2.0, 1.5), **POISSON), "warning", "1.50 were answered",
            cell(load=at_a_rate(2.0, 1.5, stopped="too much"), **POISSON),
        ),
    ],
    load.streams_queued: [
        (
            cell(load=summed_up(at_once=1), **FOUR), "warning", "^at most 1 of 4 streams were answered at a time$",
            cell(load=summed_up(at_once=4), **FOUR),
        ),
        (
            cell(load=summed_up(at_once=3), **FOUR), "warning", "at most 3 of 4 streams",
            cell(load=summed_up(at_once=0), **FOUR),
        ),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_what_to_do_about_a_queue_names_the_engines_own_setting() -> None:
    queue = summed_up(at_once=1)
    assert "(OLLAMA_NUM_PARALLEL)" in found(load.streams_queued, cell(load=queue, engine="ollama", **FOUR)).advice
    assert "(llama-server -np)" in found(load.streams_queued, cell(load=queue, engine="llamacpp", **FOUR)).advice
    assert "at once, or ask" in found(load.streams_queued, cell(load=queue, engine="openai", **FOUR)).advice


def test_an_engine_that_does_not_tell_when_it_read_a_prompt_may_have_been_at_it() -> None:
    queue = summed_up(at_once=1)
    told, untold = a_trial(engine=EngineTimings(prefill_s=0.1)), a_trial(engine=EngineTimings())
    assert "this measures a queue" in found(load.streams_queued, cell([told], load=queue, **FOUR)).advice
    assert (
        "or for their prompts to be read" in found(load.streams_queued, cell([told, untold], load=queue, **FOUR)).advice
    )


def test_requests_at_a_rate_are_no_streams() -> None:
    assert load.streams_queued(cell(load=at_a_rate(2.0, 2.0, at_once=1), **POISSON)) is None
