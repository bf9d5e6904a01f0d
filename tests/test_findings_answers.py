"""Whether the answers are what was asked for, whole, fresh and counted."""

from __future__ import annotations

from msgspec import structs

from bakeoff.analysis.findings import Asked, Check, answers, cache, tokens
from bakeoff.results.records import EngineTimings, Trial, Usage
from tests.finding_cases import (
    Case,
    Cases,
    cell,
    counted,
    cut,
    every_case,
    found,
    judge,
    lost,
    timed,
)
from tests.hand_made import a_trial


def thinks_unseen(output: int | None, reasoning: int) -> Trial:
    """An answer without a word of the reasoning that the server counts."""
    return a_trial(usage=structs.replace(counted(output), reasoning_tokens=reasoning))


CASES: Cases = {
    answers.no_trials: [
        (cell(), "severe", "the run ended before a trial", cell([a_trial()])),
    ],
    answers.failed_trials: [
        (cell([a_trial(), lost, cut]), "warning", "2 of 3 trials .*: The server broke off", cell([a_trial()])),
        (cell([lost, cut]), "severe", "2 of 2 trials", cell()),
    ],
    answers.prompt_truncated: [
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
    answers.early_stop: [
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
    answers.thinking_cut: [
        (
            cell([a_trial((1, 2, 3), "-rr"), a_trial((1, 2, 3), "rra")], max_tokens=3),
            "info", "1 of 2 answers still thought at 3 tokens",
            cell([a_trial((1, 2, 3), "rra")], max_tokens=3),
        ),
        (cell([a_trial((1, 2), "--")]), "info", "1 of 1", cell([a_trial((1, 2), "rr")], synthetic=True)),
    ],
    answers.context_exceeds_training: [
        (
            cell(context=8193, context_trained=8192), "warning", "context 8193, but .* trained to 8192",
            cell(context=8192, context_trained=8192),
        ),
        (cell(context=8193, context_trained=8192), "warning", "8193", cell(context=8193, context_trained=None)),
        (cell(context=8193, context_trained=8192), "warning", "8193", cell(context=None, context_trained=8192)),
    ],
    cache.cache_hit: [
        (
            cell([a_trial(usage=counted(cached=9)), a_trial(usage=counted(cached=6)), a_trial()], template_tokens=5),
            "severe", "2 of 3 trials took up to 9 of 40 prompt tokens",
            cell([a_trial(usage=counted(cached=5))], template_tokens=5),
        ),
        (cell([a_trial(usage=counted(cached=2))]), "info", "2 of 40", cell([a_trial(usage=counted(cached=0))])),
        (cell([a_trial(usage=counted(cached=3))]), "severe", "3 of 40", cell([lost])),
        (cell([a_trial(usage=counted(cached=39))], cache="warm"), "info", "39 of 40", cell([a_trial()], cache="warm")),
        (cell([a_trial(usage=counted(prompt=None, cached=39))]), "severe", "up to 39 prompt tokens", cell([lost])),
    ],
    cache.cache_unproven: [
        (cell([a_trial(), a_trial(usage=counted(cached=None))]), "info", "does not say", cell([a_trial()])),
        (cell([a_trial(usage=counted(cached=None))], cache="warm"), "info", "does not say", cell([lost])),
    ],
    tokens.chunk_counted: [
        (cell([a_trial(), a_trial(usage=Usage())]), "severe", "no token counts", cell([a_trial()])),
        (cell([a_trial(usage=Usage())]), "severe", "no token counts", cell([a_trial(counts=(1, 2, 3), usage=Usage())])),
    ],
    tokens.one_piece: [
        (cell([a_trial((100,), usage=counted(64))]), "severe", "1 of 1 answers", cell([a_trial((100, 110))])),
        (cell([a_trial(), a_trial((100, 100))]), "severe", "1 of 2 answers", cell([a_trial((100, 100, 101))])),
        (
            cell([a_trial((100, 110), usage=counted(1))]), "severe", "1 of 1 answers",
            cell([a_trial((100,), usage=counted(1))], max_tokens=1),  # which is what was asked for
        ),
    ],
    tokens.itl_unknown: [
        (cell([a_trial(usage=counted(5))]), "info", "unknown number of tokens", cell([a_trial(usage=counted(3))])),
    ],
    tokens.prefill_lower_bound: [
        (cell([a_trial(engine=EngineTimings())]), "info", "does not tell its prefill time", cell([a_trial()])),
        (
            cell([a_trial(engine=EngineTimings())]), "info", "does not tell its prefill time",
            cell([a_trial(usage=counted(prompt=None), engine=EngineTimings())]),  # no prefill rate at all
        ),
    ],
    tokens.not_reported: [
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

    tokens.hidden_reasoning: [
        (
            cell([thinks_unseen(64, 48), thinks_unseen(64, 16), a_trial()]),
            "severe", "in 2 of 3 trials the server counted 64 of 128 tokens as reasoning that it did not stream",
            cell([a_trial(kinds="rra", usage=structs.replace(counted(64), reasoning_tokens=48))]),
        ),
        (cell([thinks_unseen(64, 48)]), "severe", "48 of 64", cell([thinks_unseen(64, 0), a_trial()])),
        (cell([thinks_unseen(None, 48)]), "severe", "counted 48 tokens", cell([lost])),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_hidden_reasoning_says_by_how_much_the_rate_looks_too_good() -> None:
    assert "look 4.0 times too good" in found(tokens.hidden_reasoning, cell([thinks_unseen(64, 48)])).advice
    assert "look too good" in found(tokens.hidden_reasoning, cell([thinks_unseen(48, 48)])).advice


def test_advice_for_repeated_prompts_does_not_claim_that_they_were_unique() -> None:
    unproven = [a_trial(usage=counted(cached=None))]
    assert "unique" in found(cache.cache_unproven, cell(unproven, cache="cold")).advice
    assert "unique" not in found(cache.cache_unproven, cell(unproven, cache="warm")).advice


def test_advice_about_the_context_goes_to_whom_started_the_server() -> None:
    full = [a_trial(usage=counted(prompt=2048))]

    def advice(engine: str, attached: bool) -> str:
        return found(answers.prompt_truncated, cell(full, context=2048, engine=engine, attached=attached)).advice

    assert "Take --context 4096, or shorten" in advice("llamacpp", attached=False)
    assert "llama-server -c 4096" in advice("llamacpp", attached=True)
    assert "vllm serve --max-model-len 4096" in advice("vllm", attached=True)
    assert "Take --context 4096" in advice("ollama", attached=True), "it takes the context with each request"
    assert "Start the server with more context, or" in advice("openai", attached=True)


def test_advice_names_the_length_that_every_answer_reached() -> None:
    short = [a_trial(usage=counted(40)), a_trial(usage=counted(64))]
    assert "--max-tokens 40." in found(answers.early_stop, cell(short, max_tokens=64)).advice
    assert "a lower --max-tokens." in found(answers.early_stop, cell([a_trial(usage=counted(0))])).advice


def test_each_engine_has_its_own_switch_for_the_prompt_cache() -> None:
    hit = [a_trial(usage=counted(cached=39))]
    assert "--no-cache-prompt" in found(cache.cache_hit, cell(hit, engine="llamacpp")).advice
    assert "--no-enable-prefix-caching" in found(cache.cache_hit, cell(hit, engine="vllm")).advice
    assert "cache off and run" in found(cache.cache_hit, cell(hit, engine="openai")).advice


def test_a_run_that_can_be_resumed_is_told_how() -> None:
    assert "bakeoff runs resume 2026-a" in found(answers.no_trials, cell(asked=Asked(unfinished="2026-a"))).advice
    assert "run again" in found(answers.no_trials, cell()).advice
