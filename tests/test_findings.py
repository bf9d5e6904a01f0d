"""Every check has a case that provokes it and the nearest one that does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.analysis import findings
from bakeoff.analysis.findings import CHECKS, Cell, Severity, findings_of
from bakeoff.measurement.metrics import METRICS, cell_metrics
from bakeoff.results.records import EngineCounts, EngineTimings, Trial, Usage
from tests.hand_made import MS, a_cell, a_host, a_trial


def cell(
    trials: Sequence[Trial] = (), *, template_tokens: int | None = None, power: str = "mains", **opened: Any
) -> Cell:
    ok = [trial for trial in trials if trial.status == "ok"]
    return Cell(
        opened=a_cell(template_tokens=template_tokens, **opened),
        host=a_host(power_source=power),
        timed=list(trials),
        ok=ok,
        metrics=cell_metrics(ok),
    )


def counted(output: int | None = 3, prompt: int | None = 40, cached: int | None = 0) -> Usage:
    return Usage(prompt_tokens=prompt, cached_tokens=cached, output_tokens=output)


def timed(**changes: float | None) -> EngineTimings:
    facts: dict[str, Any] = {"prefill_tokens": 40, "prefill_s": 0.08, "decode_s": 0.02, "load_s": 0.0}
    return EngineTimings(**facts | changes)


def of_length(n: int, span_ms: float, engine_s: float) -> Trial:
    """``n`` tokens in two chunks so many milliseconds apart; the engine says so many seconds."""
    return a_trial((100, 100 + span_ms), usage=counted(n), engine=timed(decode_s=engine_s))


def beside(**counts: Any) -> Trial:
    """A trial around which the engine counted this."""
    return a_trial(engine_counts=EngineCounts(**counts))


lost = a_trial(status="failed", error="The server broke off")
cut = a_trial(status="truncated", error="interrupted by the user")

Case = tuple[Cell, Severity, str, Cell]
CASES: dict[Any, list[Case]] = {
    findings.scripted: [
        (cell(engine="scripted"), "severe", "a script invented these times", cell(engine="llamacpp")),
    ],
    findings.synthetic: [
        (cell(synthetic=True), "info", "random weights", cell(synthetic=False)),
    ],
    findings.no_trials: [
        (cell(), "severe", "the run ended before a trial", cell([a_trial()])),
    ],
    findings.failed_trials: [
        (cell([a_trial(), lost, cut]), "warning", "2 of 3 trials .*: The server broke off", cell([a_trial()])),
        (cell([lost, cut]), "severe", "2 of 2 trials", cell()),
    ],
    findings.cache_hit: [
        (
            cell([a_trial(usage=counted(cached=9)), a_trial(usage=counted(cached=6)), a_trial()], template_tokens=5),
            "severe", "2 of 3 trials took up to 9 of 40 prompt tokens",
            cell([a_trial(usage=counted(cached=5))], template_tokens=5),
        ),
        (cell([a_trial(usage=counted(cached=1))]), "severe", "1 of 1", cell([a_trial(usage=counted(cached=0))])),
        (cell([a_trial(usage=counted(cached=39))], cache="warm"), "info", "39 of 40", cell([a_trial()], cache="warm")),
        (cell([a_trial(usage=counted(prompt=None, cached=39))]), "severe", "up to 39 prompt tokens", cell([lost])),
    ],
    findings.preempted: [
        (
            cell([beside(preemptions=2), beside(preemptions=1), beside(preemptions=0)]), "severe",
            "in 2 of 3 trials .* threw out 3 requests", cell([beside(preemptions=0), beside(), a_trial()]),
        ),
    ],
    findings.queued: [
        (
            cell([a_trial(engine=timed(queue_s=0.006)), a_trial()]), "warning", "in 1 of 2 trials .* up to 6.00 ms",
            cell([a_trial(engine=timed(queue_s=0.004))]),
        ),
        (
            cell([beside(queue_s=0.02)]), "warning", "up to 20.0 ms",
            cell([a_trial(engine=timed(queue_s=0.0), engine_counts=EngineCounts(queue_s=0.02))]),
        ),
    ],
    findings.shared_engine: [
        (cell([beside(requests=2), beside(requests=1)]), "severe", "in 1 of 2", cell([beside(requests=1), a_trial()])),
        (cell([beside(requests=5)], concurrency=4), "severe", "1 of 1", cell([beside(requests=4)], concurrency=4)),
        (cell([beside(running=1), beside(waiting=1)]), "severe", "2 of 2", cell([beside(running=0, waiting=0)])),
    ],
    findings.memory_preallocated: [
        (
            cell([a_trial(memory_peak_bytes=1)], settings={"memory_utilization": 0.9}), "info", "took 90% of its",
            cell([a_trial(memory_peak_bytes=1)], settings={}),
        ),
        (
            cell([a_trial(memory_peak_bytes=1)], settings={"kv_cache_bytes": 4 * 10**9}), "info", "4.00 GB for its KV",
            cell([a_trial()], settings={"kv_cache_bytes": 4 * 10**9}),
        ),
    ],
    findings.cache_unproven: [
        (cell([a_trial(), a_trial(usage=counted(cached=None))]), "info", "does not say", cell([a_trial()])),
        (cell([a_trial(usage=counted(cached=None))], cache="warm"), "info", "does not say", cell([lost])),
    ],
    findings.reload: [
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
    findings.prompt_truncated: [
        (
            cell([a_trial(usage=counted(prompt=2047)), a_trial(usage=counted(prompt=2048))], context=2048),
            "severe", "in 1 of 2 trials: the prompt filled the context of 2048 tokens",
            cell([a_trial(usage=counted(prompt=2049))], context=2048),  # the server has a context of its own
        ),
        (
            cell([a_trial(usage=counted(prompt=99), status="failed")], prompt="word " * 100),
            "severe", "in 1 of 1 trials: 99 prompt tokens were counted of a text of 100 words",
            cell([a_trial(usage=counted(prompt=100))], prompt="word " * 100),
        ),
        (  # a server that counts only what it evaluates counts little of a repeated prompt
            cell([a_trial(usage=counted(prompt=1, cached=0))], prompt="word " * 100, cache="warm"),
            "severe", "1 prompt tokens",
            cell([a_trial(usage=counted(prompt=1, cached=None))], prompt="word " * 100, cache="warm"),
        ),
    ],
    findings.other_models: [
        (
            cell([a_trial()], settings={"other_models_loaded": 2}), "warning", "held 2 other models in",
            cell([a_trial()]),
        ),
    ],
    findings.partly_on_gpu: [
        (
            cell([a_trial()], settings={"gpu_share": 0.62}), "info", "^62% of the model's memory was on the GPU",
            cell([a_trial()], settings={"gpu_share": 1.0}),
        ),
        (
            cell([a_trial()], settings={"gpu_share": 0.01}), "info", "^1% of",
            cell([a_trial()], settings={"gpu_share": 0.0}),
        ),
    ],
    findings.rate_limited: [
        (
            cell([a_trial(waited_s=2.0), a_trial(), a_trial(status="failed", error="429", waited_s=5.0)]),
            "info", "held 2 of 3 trials back, 7.00 s in all",
            cell([a_trial(waited_s=None)]),
        ),
        (cell([a_trial(waited_s=0.0)]), "info", "1 of 1 trials back, 0 ms", cell([a_trial()])),
    ],
    findings.early_stop: [
        (
            cell([a_trial(usage=counted(63)), a_trial(usage=counted(40)), a_trial(usage=counted(64))], max_tokens=64),
            "warning", "2 of 3 answers ended before 64 tokens, the shortest after 40",
            cell([a_trial(usage=counted(64))], max_tokens=64),
        ),
        (  # a chunk may hold several tokens, so only the engine's reason tells
            cell([a_trial(usage=Usage(), finish="stop")], max_tokens=64),
            "warning", "1 of 1 answers ended before 64 tokens$",
            cell([a_trial(usage=Usage(), finish="length")], max_tokens=64),
        ),
    ],
    findings.chunk_counted: [
        (cell([a_trial(), a_trial(usage=Usage())]), "severe", "no token counts", cell([a_trial()])),
        (cell([a_trial(usage=Usage())]), "severe", "no token counts", cell([a_trial(counts=(1, 2, 3), usage=Usage())])),
    ],
    findings.one_piece: [
        (cell([a_trial((100,), usage=counted(64))]), "severe", "1 of 1 answers", cell([a_trial((100, 110))])),
        (cell([a_trial(), a_trial((100, 100))]), "severe", "1 of 2 answers", cell([a_trial((100, 100, 101))])),
        (cell([a_trial((100, 110), usage=counted(1))]), "severe", "1 of 1 answers", cell([lost])),
    ],
    findings.disagreement: [
        (cell([of_length(32, 310, 0.33)]), "warning", "6% above the engine's", cell([of_length(32, 310, 0.325)])),
        (cell([of_length(32, 310, 0.29)]), "warning", "6% below the engine's", cell([of_length(32, 310, 0.295)])),
        (cell([of_length(32, 310, 0.62)]), "warning", "100% above", cell([of_length(31, 310, 0.62)])),
    ],
    findings.coarse_timing: [
        (
            cell([a_trial((0, 10, 10, *range(20, 90, 5)))]), "info", "6% of the chunks",
            cell([a_trial((0, 10, 10, *range(20, 105, 5)))]),
        ),
    ],
    findings.itl_unknown: [
        (cell([a_trial(usage=counted(5))]), "info", "unknown number of tokens", cell([a_trial(usage=counted(3))])),
    ],
    findings.prefill_lower_bound: [
        (cell([a_trial(engine=EngineTimings())]), "info", "does not tell its prefill time", cell([a_trial()])),
        (
            cell([a_trial(engine=EngineTimings())]), "info", "does not tell its prefill time",
            cell([a_trial(usage=counted(prompt=None), engine=EngineTimings())]),  # no prefill rate at all
        ),
    ],
    findings.thinking_cut: [
        (
            cell([a_trial((1, 2, 3), "-rr"), a_trial((1, 2, 3), "rra")], max_tokens=3),
            "info", "1 of 2 answers still thought at 3 tokens",
            cell([a_trial((1, 2, 3), "rra")], max_tokens=3),
        ),
        (cell([a_trial((1, 2), "--")]), "info", "1 of 1", cell([a_trial((1, 2), "rr")], synthetic=True)),
    ],
    findings.clock_step: [
        (
            cell([a_trial(clock="kernel", clock_step_ns=-1_000_001)]), "severe", "moved by 1.00 ms",
            cell([a_trial(clock="kernel", clock_step_ns=1_000_000)]),
        ),
        (
            cell([a_trial(clock="mixed", clock_step_ns=3600 * 10**9)]), "severe", "moved by 60 min",
            cell([a_trial(clock="user", clock_step_ns=3600 * 10**9)]),  # that clock does not follow the system's
        ),
    ],
    findings.too_few_trials: [
        (cell([a_trial()] * 4), "info", "4 trials", cell([a_trial()] * 5)),
        (cell([a_trial()] + [lost] * 4), "info", "1 trial$", cell([lost])),
    ],
    findings.wide_interval: [
        (
            cell([a_trial((100, 110, 120)), a_trial((100, 111, 122))]), "severe", "known to ±61% only",
            cell([a_trial((100, 110, 120))]),
        ),
        (
            cell([a_trial((0, 100, 200 + 10.5 * i)) for i in (-2, -1, 0, 1, 2)]), "warning", "known to ±10% only",
            cell([a_trial((0, 100, 200 + 10.0 * i)) for i in (-2, -1, 0, 1, 2)]),
        ),
    ],
    findings.busy_host: [
        (
            cell([a_trial(others_cpu=0.11), a_trial(others_cpu=0.5), a_trial(others_cpu=None)]),
            "warning", "in 2 of 3 trials .* up to 50%",
            cell([a_trial(others_cpu=0.1)]),
        ),
    ],
    findings.on_battery: [
        (cell(power="battery"), "warning", "on battery", cell(power="mains")),
        (cell(power="battery"), "warning", "on battery", cell(power="unknown")),
    ],
    findings.constant_data: [
        (
            cell([a_trial((100, 110, 120)), a_trial((300, 310, 320))]), "info", "every trial gave the same figure",
            cell([a_trial((100, 110, 120)), a_trial((100, 110, 120.001))]),
        ),
        (cell([a_trial()] * 2), "info", "the same figure", cell([a_trial()])),
    ],
    findings.context_exceeds_training: [
        (
            cell(context=8193, context_trained=8192), "warning", "context 8193, but .* trained to 8192",
            cell(context=8192, context_trained=8192),
        ),
        (cell(context=8193, context_trained=8192), "warning", "8193", cell(context=8193, context_trained=None)),
        (cell(context=8193, context_trained=8192), "warning", "8193", cell(context=None, context_trained=8192)),
    ],
    findings.not_reported: [
        (
            cell([a_trial(), a_trial(engine=EngineTimings(), memory_peak_bytes=1)]),
            "info", ": the engine's own decode time, model loads$",
            cell([a_trial(memory_peak_bytes=1)]),
        ),
        (cell([a_trial()]), "info", ": the memory of its process$", cell([lost])),
        (
            cell([a_trial(usage=counted(prompt=None), engine=timed(prefill_tokens=None), memory_peak_bytes=1)]),
            "info", ": prompt tokens$",
            cell([a_trial(usage=counted(cached=40), engine=timed(prefill_tokens=0), memory_peak_bytes=1)]),
        ),
    ],
}  # fmt: skip


def test_every_check_has_its_cases_and_every_case_a_check() -> None:
    assert set(CASES) == set(CHECKS)
    assert len(set(CHECKS)) == len(CHECKS)


@pytest.mark.parametrize(
    ("check", "case"), [pytest.param(check, case, id=check.__name__) for check in CASES for case in CASES[check]]
)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Any, case: Case) -> None:
    provokes, severity, evidence, spares = case
    finding = check(provokes)
    assert finding is not None
    assert finding.severity == severity
    assert re.search(evidence, finding.evidence), finding.evidence
    assert check(spares) is None


def test_every_finding_has_a_code_of_its_own_and_says_what_to_do() -> None:
    found = [finding for check in CHECKS if (finding := check(CASES[check][0][0])) is not None]
    assert len({finding.code for finding in found}) == len(CHECKS)
    for finding in found:
        assert re.fullmatch(r"[a-z_]+", finding.code)
        assert finding.advice.endswith(".")
        assert not finding.evidence.endswith(".")


def test_findings_come_in_the_order_of_the_checks() -> None:
    codes = [finding.code for finding in findings_of(cell([a_trial(), lost], engine="scripted", synthetic=True))]
    assert codes[:3] == ["scripted", "synthetic", "failed_trials"]
    assert codes[-1] == "not_reported"


def test_a_sound_cell_has_no_findings() -> None:
    trials = [a_trial((100, 110, 120 + 0.1 * i), memory_peak_bytes=10**8) for i in range(5)]
    assert findings_of(cell(trials)) == []


def test_advice_for_repeated_prompts_does_not_claim_that_they_were_unique() -> None:
    unproven = [a_trial(usage=counted(cached=None))]
    cold, warm = (findings.cache_unproven(cell(unproven, cache=kind)) for kind in ("cold", "warm"))
    assert cold is not None
    assert warm is not None
    assert "unique" in cold.advice
    assert "unique" not in warm.advice


WHY_MISSING = {
    "ttfa_s": {"thinking_cut"},
    "decode_tps": {"one_piece"},
    "engine_decode_tps": {"one_piece", "not_reported"},
    "prefill_tps": {"cache_hit", "not_reported"},
    "itl_s": {"itl_unknown"},
    "tpot_s": {"one_piece"},
    "load_s": {"not_reported"},
    "output_tps": {"one_piece"},
}
"""Where a trial succeeded; the other figures need no more than that."""


@st.composite
def trials_of_any_engine(draw: st.DrawFn) -> Trial:
    n = draw(st.integers(1, 4))
    at_ms = sorted(draw(st.lists(st.integers(1, 50), min_size=n, max_size=n)))
    maybe = st.none() | st.integers(0, 6)
    return a_trial(
        at_ms,
        "".join(draw(st.sampled_from("ra-")) for _ in at_ms),
        usage=counted(draw(maybe), draw(maybe), draw(maybe)),
        engine=EngineTimings(
            prefill_tokens=draw(maybe), prefill_s=draw(st.none() | st.just(0.1)),
            decode_s=draw(st.none() | st.just(0.02)), load_s=draw(st.none() | st.just(0.0)),
        ),
        status=draw(st.sampled_from(["ok", "ok", "failed"])),
        end_ns=60 * MS,
    )  # fmt: skip


@given(st.lists(trials_of_any_engine(), max_size=3))
def test_a_missing_figure_has_a_finding_that_says_why(trials: list[Trial]) -> None:
    measured = cell(trials)
    found = findings_of(measured)
    codes = {finding.code for finding in found}
    for name in METRICS:
        if measured.metrics[name] is None:
            assert codes & (WHY_MISSING[name] if measured.ok else {"no_trials", "failed_trials"}), name
    assert not [finding for finding in found if "None" in finding.evidence + finding.advice]
