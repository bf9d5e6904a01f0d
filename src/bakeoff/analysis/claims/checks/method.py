"""How a publication measured, by what its script really does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from msgspec import structs

from bakeoff.analysis.claims.checks.inputs import stated as in_file
from bakeoff.analysis.claims.claim import REPORTED_AS, Claim, Protocol, Stated
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict
from bakeoff.units import one_line

OLLAMA_CONTEXTS: tuple[tuple[tuple[int, ...], int], ...] = (((0,), 2048), ((0, 6, 7), 4096))
"""Ollama's default context by the version from which it holds; by the GPU's memory from 0.15.5 on."""
OLLAMA_BY_MEMORY = (0, 15, 5)
DEFAULTS = "Ollama's source at these versions: envconfig, OLLAMA_CONTEXT_LENGTH"
MEAN_MATTERS = 0.01
"""A mean of rates that is off by less is as good as the rate."""


def method(claim: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """The part of the protocol that the claim is about."""
    found = _CHECKS[claim.claimed](claim, protocol, stated)
    formula = found.formula or f"the check {claim.claimed} (docs/claims.md)"
    yield structs.replace(found, formula=formula, given=(*found.given, *_protocol(protocol, _KEYS[claim.claimed])))


def _protocol(protocol: Protocol, keys: tuple[str, ...]) -> Iterator[Given]:
    """What the publication is said to have done."""
    for key in keys:
        value = getattr(protocol, key)
        if isinstance(value, list):
            value = "; ".join(map(one_line, value))
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        yield in_file(f"protocol, {key.replace('_', ' ')}", str(value or "none"))


def said(words: str, verdict: Verdict | None, *given: Given, formula: str = "", reference: str = "") -> Evidence:
    """Evidence from what the file itself says."""
    return Evidence(
        source="arithmetic", words=words, verdict=verdict, given=given, formula=formula, reference=reference
    )


def _loaded(claim: Claim, protocol: Protocol, _: Mapping[str, Stated]) -> Evidence:
    """A warm-up loads the model for the trials only where it asks for the same context."""
    if not protocol.warm_up:
        return said("there is no warm-up: the first trial loads the model", "does_not_hold")
    warm, timed = protocol.warm_up_context, protocol.trial_context
    if warm == timed:
        return said("the warm-up asks for the context of the trials", "holds")
    default = _default_context(claim)
    other = warm if warm is not None else default
    version = f"Ollama {claim.engine_version}" if claim.engine_version else "the engine"
    if other is None:
        words = f"the warm-up asks for no context, the trials for {timed:,}: what {version} takes without is not known"
        return said(words, None)
    later = f"; from Ollama 0.6.7 on, whose default is {OLLAMA_CONTEXTS[1][1]:,}, the first trial reloads the model"
    if other == timed:
        words = f"the warm-up names no context; {version}'s default is the {timed:,} of the trials"
        return said(words + (later if claim.engine == "ollama" else ""), "holds", reference=DEFAULTS)
    words = f"the warm-up loads it with {other:,} tokens of context, the trials ask for {timed:,}: it is loaded again"
    return said(words, "does_not_hold", reference=DEFAULTS)


def _default_context(claim: Claim) -> int | None:
    if claim.engine != "ollama" or claim.engine_version is None:
        return None
    version = numbers(claim.engine_version)
    if not version or version >= OLLAMA_BY_MEMORY:
        return None
    return [size for since, size in OLLAMA_CONTEXTS if version >= since][-1]


def numbers(text: str) -> tuple[int, ...]:
    """The parts of a version."""
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text)[:4])


def _evaluated(_: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Evidence:
    """An engine that keeps the last prompt's cache evaluates a repeated prompt once."""
    if protocol.cache_off or not protocol.same_prompt_every_run or protocol.runs == 1:
        return said("every run's prompt is evaluated", "holds")
    cached = protocol.runs - 1
    times = [one.figure for one in stated.values() if one.claim.metric == "ttft" and one.figure is not None]
    of = f"; {len(times)} such times are reported" if times else ""
    return said(
        f"the same prompt runs {protocol.runs} times and the engine keeps its cache: in {cached} of {protocol.runs} "
        "runs nothing of it is evaluated again, and a mean time to the first token is mostly that of a cached prompt"
        + of,
        "does_not_hold",
    )


def _measured(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    sent, stated = len(protocol.prompts_run), len(protocol.prompts_stated)
    words = f"{stated} prompts are said to be used, the script sends {sent}"
    return said(words, "holds" if sent >= stated else "does_not_hold")


def _published(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    other = [text for text in protocol.prompts_run if text not in protocol.prompts_stated]
    if not other:
        return said("the script sends the prompts as they are printed", "holds")
    nearest = protocol.prompts_stated[0] if protocol.prompts_stated else "none"
    return said(f"the script sends {one_line(other[0])!r}, printed is {one_line(nearest)!r}", "does_not_hold")


def _whole(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    limit = protocol.answer_tokens
    if limit is None:
        return said("no limit of the answers is told", None)
    if not protocol.reasoning:
        return said(f"answers end after {limit:,} tokens", None)
    return said(
        f"answers end after {limit:,} tokens, the thinking with them; the model's authors let it have 32,768, so that "
        "answers are cut off before or within the solution, and a cut answer is no right one",
        "does_not_hold" if limit < 4096 else None,
        reference="deepseek-ai/DeepSeek-R1, model card: answers of up to 32,768 tokens",
    )


def _kept(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    if protocol.keeps_answers:
        return said("the answers are kept", "holds")
    return said("the script counts tokens and throws the text away: no accuracy can come of it", "does_not_hold")


def _recorded(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    missing = [name for name in protocol.stated_metrics if name not in protocol.recorded_metrics]
    words = f"of {len(protocol.stated_metrics)} metrics said to be captured the script records "
    words += f"{len(protocol.stated_metrics) - len(missing)}"
    return said(words + (f", without {', '.join(missing)}" if missing else ""), "does_not_hold" if missing else "holds")


def _reported(_: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Evidence:
    """Every metric that is said to be captured has a figure."""
    given = {one.claim.metric for one in stated.values()}
    named = [name for name in protocol.stated_metrics if name in REPORTED_AS]
    missing = [name for name in named if REPORTED_AS[name] not in given]
    words = f"{len(named) - len(missing)} of {len(named)} metrics said to be captured have figures"
    words += f", without {', '.join(missing)}" if missing else ""
    return said(words, "does_not_hold" if missing else "holds" if named else None)


def _failures(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    if not protocol.failures_count_as_zero:
        return said("a run that failed is left out", "holds")
    return said("a run that yields no token goes into the mean as a time of zero", "does_not_hold")


def _mean(_: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Evidence:
    """Mean of rates against tokens over time: how far apart they can be, if runs spread as the reported ranges do."""
    if protocol.mean_of == "totals":
        return said("tokens and times are added up before they are divided", "holds")
    ranges = [one.figure for one in stated.values() if one.claim.metric == "decode" and one.figure is not None]
    apart = [_apart(each) for each in ranges if each.is_range] or [0.0]
    words = "a mean of rates gives slow runs too little weight: by "
    words += f"{100 * min(apart):.1f} to {100 * max(apart):.1f} % too high, if runs spread as the ranges reported here"
    given = (in_file(one.claim.id, one.claim.claimed) for one in stated.values() if one.claim.metric == "decode")
    verdict: Verdict | None = "holds" if max(apart) < MEAN_MATTERS else None
    return said(
        words, verdict, *given, formula="mean of three rates, two at one end of the range, / their harmonic mean"
    )


def _apart(figure: Quantity) -> float:
    """The arithmetic mean of a range's ends over their harmonic one, less 1; of three runs, two at one end."""
    low, high = figure.low, figure.high
    return max(
        sum(rates) / 3 * sum(1 / rate for rate in rates) / 3 - 1 for rates in ((low, low, high), (low, high, high))
    )


def _address(_: Claim, protocol: Protocol, __: Mapping[str, Stated]) -> Evidence:
    if not protocol.address_needs_scheme:
        return said("the script takes any address", "holds")
    name = protocol.address_variable or "the address"
    return said(
        f"{name} is usually a bare host and port (0.0.0.0:11434); the script puts a path behind it and asks for a URL "
        "without http://, which fails",
        "does_not_hold",
    )


def _models(_: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Evidence:
    """Every model and quantization with a rate, against those that the script runs."""
    wanted = dict.fromkeys(
        f"{one.claim.model}@{one.claim.quant}" for one in stated.values() if one.claim.metric == "decode"
    )
    missing = [name for name in wanted if name not in protocol.models_run]
    words = f"{len(wanted)} models and quantizations have rates, the script runs {len(wanted) - len(missing)}"
    return said(words + (f", not {', '.join(missing)}" if missing else ""), "does_not_hold" if missing else "holds")


def _engines(_: Claim, protocol: Protocol, stated: Mapping[str, Stated]) -> Evidence:
    """Every engine that is said to have been measured has at least one rate."""
    reported = {one.claim.engine for one in stated.values() if one.claim.metric in ("decode", "prefill", "ttft")}
    missing = [engine for engine in protocol.engines_stated if engine not in reported]
    if not missing:
        return said("each of these engines has figures", "holds")
    return said(f"no figure of {' or '.join(missing)} is reported", "does_not_hold")


_KEYS: dict[str, tuple[str, ...]] = {
    "loaded_before_timing": ("warm_up", "warm_up_context", "trial_context"),
    "prompts_evaluated": ("runs", "same_prompt_every_run", "cache_off"),
    "prompts_measured": ("prompts_stated", "prompts_run"),
    "prompts_as_published": ("prompts_stated", "prompts_run"),
    "answers_whole": ("answer_tokens", "reasoning"),
    "answers_kept": ("keeps_answers",),
    "everything_recorded": ("stated_metrics", "recorded_metrics"),
    "everything_reported": ("stated_metrics",),
    "failures_left_out": ("failures_count_as_zero",),
    "models_measured": ("models_run",),
    "engines_reported": ("engines_stated",),
    "plain_mean": ("mean_of", "runs"),
    "any_address": ("address_variable", "address_needs_scheme"),
}
"""What of the protocol each check is about."""
_CHECKS: dict[str, Callable[[Claim, Protocol, Mapping[str, Stated]], Evidence]] = {
    "loaded_before_timing": _loaded,
    "prompts_evaluated": _evaluated,
    "prompts_measured": _measured,
    "prompts_as_published": _published,
    "answers_whole": _whole,
    "answers_kept": _kept,
    "everything_recorded": _recorded,
    "everything_reported": _reported,
    "failures_left_out": _failures,
    "models_measured": _models,
    "engines_reported": _engines,
    "plain_mean": _mean,
    "any_address": _address,
}
