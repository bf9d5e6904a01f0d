"""The choice in words: sentence by sentence, each with the rule it follows from and what went into it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from bakeoff.analysis.advice.evidence import difference_of
from bakeoff.analysis.advice.pick import Pick, Site, best_of, next_larger, pick
from bakeoff.analysis.advice.rules import RuleName
from bakeoff.economics.inputs import Case, Input
from bakeoff.economics.ranges import as_range
from bakeoff.economics.verdict import answer
from bakeoff.models.names import ENGINE_WORDS, names_of
from bakeoff.planning.budget import VLLM_SHARE
from bakeoff.planning.choice import NOTHING_SHOWS, UNKNOWN_LOSS, Needs, loss
from bakeoff.planning.rows import Asked, Row
from bakeoff.units import bytes_text, significant

LIFE_YEARS = 5.0
"""After so long hardware has had its life, where nobody says how long it lasts; an assumption."""
_PLANNER = "docs/prediction.md"
_LOSSES = "llama.cpp's scorecard of August 2023 (docs/advice.md)"
Value = str | float | int | bool | None


class Sentence(Struct, frozen=True, kw_only=True):
    """One sentence, the rules that it follows from, what they were given, and where that is from."""

    text: str
    rules: tuple[RuleName, ...]
    inputs: dict[str, Value]
    sources: tuple[str, ...]


class Load(Struct, frozen=True, kw_only=True):
    """A load with what an API asks for it, as ``bakeoff cost`` gathers it."""

    case: Case
    currency: str
    contained: tuple[str, ...] = ()


class Advice(Struct, frozen=True, kw_only=True):
    """``taken`` is None where nothing fits. ``settings`` are those of the engine, by its own names."""

    sentences: tuple[Sentence, ...]
    taken: Pick | None
    settings: dict[str, Value]
    api: bool = False


def advise(sites: Sequence[Site], asked: Asked, needs: Needs, load: Load | None = None) -> Advice:
    """What to take, on one machine or between several."""
    picks = [found for site in sites if (found := pick(site, asked, needs)) is not None]
    if not picks:
        return Advice(sentences=(_nothing(sites, needs),), taken=None, settings={})
    taken = best_of(picks)
    settings = _settings(taken, asked, needs)
    billed = _api(taken, load) if load else None
    sentences = [_choice(taken, sites, needs), _quant(taken, needs), _engine(taken, asked), _how(taken, settings)]
    if len(sites) > 1:
        sentences.insert(1, _others(taken, sites, picks))
    turns = billed[1] if billed else ""
    sentences += [
        _gives_up(taken, asked, needs),
        *([billed[0]] if billed else []),
        _would_change(taken, asked, needs, turns),
    ]
    return Advice(sentences=tuple(sentences), taken=taken, settings=settings, api=bool(turns))


def _choice(taken: Pick, sites: Sequence[Site], needs: Needs) -> Sentence:
    row = taken.row
    where = "this machine" if taken.site.machine.is_this else taken.site.machine.name
    rate = f"{_rate(row)} tokens/s {'measured here' if taken.run else 'predicted'}"
    if taken.keeps:
        why = f"the largest that fits with {needs.context:,} tokens of context and keeps {needs.tps:g} tokens/s: {rate}"
    else:
        why = f"none of the models keeps {needs.tps:g} tokens/s, and this is the fastest that fits, at {rate}: for "
        why += "work that can wait"
    rules: list[RuleName] = ["largest_that_keeps_pace" if taken.keeps else "floor"]
    return Sentence(
        text=f"Take {row.model} at {row.quant} with {ENGINE_WORDS[taken.engine]} on {where}: {why}.",
        rules=(*rules, *(("measured_first",) if taken.run else ()), *(("best_machine",) if len(sites) > 1 else ())),
        inputs={**_rates(row), "need_tps": needs.tps,
                "need_context": needs.context, "fits": row.fits, "max_context": row.max_context,
                "total_bytes": row.fit.total_bytes, "usable_bytes": row.fit.usable_bytes},
        sources=(f"run {taken.run}" if taken.run else _PLANNER,),
    )  # fmt: skip


def _others(taken: Pick, sites: Sequence[Site], picks: Sequence[Pick]) -> Sentence:
    words = []
    for site in sites:
        other = next((each for each in picks if each.site is site), None)
        if other is taken:
            continue
        words.append(
            f"{site.machine.name} runs none of them" if other is None else
            f"{site.machine.name} would run {other.row.model} at {other.row.quant}, {_rate(other.row)} tokens/s"
        )  # fmt: skip
    rates = {name: value for each in picks for name, value in _rates(each.row, f" of {each.site.machine.name}").items()}
    return Sentence(text=f"{'; '.join(words)}.", rules=("best_machine",), inputs=rates, sources=(_PLANNER,))


def _quant(taken: Pick, needs: Needs) -> Sentence:
    row, lost = taken.row, loss(taken.row.quant)
    other = "Q4_K_M" if row.quant == "Q8_0" else "Q8_0"
    known = difference_of(taken.site.found, row.model, row.quant, other)
    rest = [each for each in taken.site.rows if each.model == row.model and each.quant == other]
    both = any(each.fits == row.fits and each.likely_tps >= needs.tps for each in rest)
    if taken.equal is not None:
        text = f"{row.quant} it is, as your own tasks showed its answers equivalent to those of a larger one"
    elif lost >= UNKNOWN_LOSS:
        text = f"What {row.quant} loses is not known"
    elif lost <= NOTHING_SHOWS:
        text = f"{row.quant} loses nothing that shows by published perplexity"
    elif not taken.keeps:
        text = f"{row.quant} loses perplexity +{lost:g} %, as published"
    else:
        text = f"{row.quant} loses least of what fits and keeps the pace: perplexity +{lost:g} %, as published"
    if both and taken.equal is None:
        told = f"in your run {known.run}: {known.verdict.replace('_', ' ')}" if known else "not measured here"
        text += f"; whether it answers otherwise than {other}, which would do as well, is {told}"
    sources = [_LOSSES, *(f"run {each.run}" for each in (taken.equal, known) if each is not None)]
    inputs: dict[str, Value] = {"quant": row.quant, "perplexity_rise_percent": None if lost >= UNKNOWN_LOSS else lost}
    return Sentence(text=f"{text}.", rules=("least_loss",), inputs=inputs, sources=tuple(dict.fromkeys(sources)))


def _engine(taken: Pick, asked: Asked) -> Sentence:
    name = ENGINE_WORDS[taken.engine]
    inputs: dict[str, Value] = {"streams": asked.streams, "engine": taken.engine, "name": taken.name}
    sources = ("the names in Bakeoff's catalogue, of November 2026",)
    if taken.engine_rule == "vllm_for_many":
        why = f"{asked.streams} streams at once are what it batches; its speed is predicted from llama.cpp's, of one"
    elif taken.engine_rule == "mlx_where_measured":
        why = f"measured here, it is faster than the {taken.beaten} tokens/s of llama.cpp's kernels"
        sources = (f"run {taken.run}",)
    elif taken.run is not None and asked.streams == 1:
        why = "with it the rate was measured"
        sources = (f"run {taken.run}",)
    elif taken.engine == "ollama":
        why = "it offers these weights and is the least to set up"
    elif asked.streams > 1:
        why = f"it answers {asked.streams} streams at once, each with a cache of its own"
    else:
        why = "Ollama does not offer these weights"
    called = f"calls it {taken.name}" if taken.name else "takes a file of it, of which Bakeoff knows no published name"
    return Sentence(text=f"{name} {called}; {why}.", rules=(taken.engine_rule,), inputs=inputs, sources=sources)


def _settings(taken: Pick, asked: Asked, needs: Needs) -> dict[str, Value]:
    """The engine's own names of what has to be set."""
    row, engine = taken.row, taken.engine
    context = max(needs.context, asked.context)
    found: dict[str, Value] = {}
    if engine == "ollama":
        found["num_ctx"] = context
    elif engine == "llamacpp":
        found["-c"] = context * asked.streams
        if asked.streams > 1:
            found["-np"] = asked.streams
    elif engine == "vllm":
        raised = re.search(r"--gpu-memory-utilization ([\d.]+)", row.fit.condition)
        found |= {"--max-model-len": context, "--gpu-memory-utilization": float(raised[1]) if raised else VLLM_SHARE,
                  "--max-num-seqs": asked.streams}  # fmt: skip
    if row.fits == "split" and engine in ("ollama", "llamacpp"):
        found["num_gpu" if engine == "ollama" else "-ngl"] = row.fit.gpu_layers
    limit = re.search(r"iogpu\.wired_limit_mb=(\d+)", row.fit.condition)
    if limit and row.fits == "yes_if":
        found["iogpu.wired_limit_mb"] = int(limit[1])
    return found


def _how(taken: Pick, settings: Mapping[str, Value]) -> Sentence:
    fit = taken.row.fit
    words = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "iogpu.wired_limit_mb")
    text = f"Set {words}" if words else "Nothing has to be set"
    if fit.fits == "yes_if":
        text += f"; it fits {fit.condition}"
    elif fit.fits == "split":
        text += f": {fit.gpu_layers} of {taken.row.layers} layers go on the GPU"
    elif fit.fits == "tight" and fit.condition:
        text += f"; it is tight: {fit.condition}"
    inputs: dict[str, Value] = {"fits": fit.fits, "gpu_layers": fit.gpu_layers, "kv_bytes": fit.kv_bytes, **settings}
    return Sentence(text=f"{text}.", rules=("settings",), inputs=inputs, sources=(_PLANNER,))


def _gives_up(taken: Pick, asked: Asked, needs: Needs) -> Sentence:
    larger = next_larger(taken)
    inputs: dict[str, Value] = {"larger": larger.model if larger else None}
    if larger is None:
        text = "No larger model was asked about"
    elif larger.fits == "no" or larger.max_context < needs.context:
        inputs |= {"total_bytes": larger.fit.total_bytes, "usable_bytes": larger.fit.usable_bytes}
        text = f"It gives up {larger.model}, which does not fit with that context"
    else:
        inputs |= {**_rates(larger), "quant": larger.quant, "streams": asked.streams}
        text = f"It gives up {larger.model}, which at {larger.quant} would do {_rate(larger)} tokens/s"
        text += ", split between GPU and processor" if larger.fits == "split" else ""
        text += f", with {asked.streams} caches of llama.cpp's" if taken.engine == "vllm" else ""
    return Sentence(text=f"{text}.", rules=("gives_up",), inputs=inputs, sources=(_PLANNER,))


def _would_change(taken: Pick, asked: Asked, needs: Needs, billed: str) -> Sentence:
    """``billed`` is what would turn the advice on an API, empty where nothing would."""
    larger, row, words = next_larger(taken), taken.row, []
    inputs: dict[str, Value] = {"max_context": row.max_context, "streams": asked.streams}
    if larger is not None and taken.keeps and larger.fits != "no" and 1 <= larger.likely_tps < needs.tps:
        inputs["decode_tps"] = larger.likely_tps
        words.append(f"a pace of {significant(math.floor(larger.likely_tps * 10) / 10, 2)} tokens/s being enough "
                     f"(then {larger.model})")  # fmt: skip
    words.append(f"a need for more than {row.max_context:,} tokens of context")
    mac = bool(taken.site.machine.devices) and taken.site.machine.devices[0].vendor == "apple"
    if mac and taken.engine != "mlx":
        words.append(f"MLX, if 'bakeoff run mlx:{row.model}@{'8bit' if row.quant == 'Q8_0' else '4bit'} --pull' on it "
                     "shows it faster")  # fmt: skip
    if billed:
        words.append(billed)
    if taken.run is None and names_of(row.model):
        there = "" if taken.site.machine.is_this else " there"
        script = f"bakeoff setup {row.model}@{row.quant} --engine {taken.engine}"
        words.append(f"a measurement{there}, by the script that '{script}' writes")
    text = f"What would change this: {'; '.join(words)}."
    return Sentence(text=text, rules=("would_change",), inputs=inputs, sources=(_PLANNER,))


def _nothing(sites: Sequence[Site], needs: Needs) -> Sentence:
    rows = [row for site in sites for row in site.rows]
    least = min(rows, key=lambda row: row.fit.total_bytes)
    names = " or ".join(site.machine.name for site in sites)
    return Sentence(
        text=f"Take none of these on {names}: with {needs.context:,} tokens of context none fits. The nearest, "
        f"{least.model} at {least.quant}, needs {bytes_text(least.fit.total_bytes)} of "
        f"{bytes_text(least.fit.usable_bytes)}. A smaller model, a shorter --need-context or other hardware would "
        "change this: 'bakeoff plan --budget USD' says which.",
        rules=("nothing_fits",),
        inputs={"total_bytes": least.fit.total_bytes, "usable_bytes": least.fit.usable_bytes,
                "need_context": needs.context},
        sources=(_PLANNER,),
    )  # fmt: skip


def _api(taken: Pick, load: Load) -> tuple[Sentence, str]:
    """The sentence on an API; and, where that is the better one, what would make the hardware so."""
    speed, source = taken.row.speed, f"run {taken.run}" if taken.run else f"predicted ({_PLANNER})"
    rates = {"tps": speed.decode_at_context, "prefill_tps": speed.prefill}
    known = {name: Input(value=as_range(figure), source=source) for name, figure in rates.items()}
    came = answer({**known, **load.case}, load.currency, load.contained)
    months = came.figures["break_even_months"]
    long = months is not None and months.point > 12 * LIFE_YEARS
    api = came.verdict in ("never", "not_within_life", "cannot_do_the_load") or (came.verdict == "if_it_lasts" and long)
    after = "" if months is None or math.isinf(months.point) else f" after about {_long(months.point)}"
    bare = " (electricity is not in it)" if came.figures["electricity_cost_per_month"] is None else ""
    text = {
        "pays_off": f"Against the API the hardware pays for itself{after}, within its life{bare}: stay with it",
        "not_within_life": f"Where privacy is no issue take the API: the hardware would pay for itself only{after}, "
        "after its life",
        "open": f"Against the API it is open: the hardware may pay for itself within its life{after}, or not{bare}",
        "if_it_lasts": f"Where privacy is no issue take the API: the hardware would pay for itself only{after}" if long
        else f"Against the API the hardware pays for itself{after}, if it lasts so long{bare}",
        "never": "Where privacy is no issue take the API: at this load the hardware never pays for itself",
        "cannot_do_the_load": "Where privacy is no issue take the API: one stream at a time, this machine cannot do "
        "the load",
        "no_break_even": "Against an API nothing can be said without "
        + " and ".join(option for each in came.left_out[:2] for option in each.options),
    }[came.verdict]  # fmt: skip
    inputs: dict[str, Value] = {name: given.value.point for name, given in came.case.items()}
    inputs |= {"verdict": came.verdict, "break_even_months": months.point if after and months else None}
    sources = tuple(dict.fromkeys(f"{name}: {given.source}" for name, given in came.case.items()))
    turning = {"never": "a dearer API", "cannot_do_the_load": "fewer calls a day"}
    turns = turning.get(came.verdict, "more calls a day") if api else ""
    return Sentence(text=f"{text}.", rules=("api_for_a_low_load",), inputs=inputs, sources=sources), turns


def _long(months: float) -> str:
    return f"{months:,.0f} months" if months < 24 else f"{months / 12:,.0f} years"


def _rates(row: Row, of: str = "") -> dict[str, Value]:
    """The rate with its bounds, as inputs."""
    figure = row.speed.decode_at_context
    return {f"decode_tps{of}": figure.point, f"decode_tps_low{of}": figure.low, f"decode_tps_high{of}": figure.high}


def _rate(row: Row) -> str:
    figure = row.speed.decode_at_context
    if figure.low is None or figure.high is None:
        return significant(figure.point, 2)
    return f"{significant(figure.point, 2)} ({significant(figure.low, 2)}–{significant(figure.high, 2)})"
