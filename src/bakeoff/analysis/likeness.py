"""In what two cells differ, and which of their figures must therefore not be set against each other.

What is measured may differ: a comparison is made to see what that does, and it is said. What is asked may not: two
workloads have two answers. Nor may the way in which a figure came about.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

from msgspec import Struct

from bakeoff.analysis.sides import ENERGY, MEMORY, Side
from bakeoff.measurement import metrics
from bakeoff.results.records import Figure
from bakeoff.units import bytes_text, one_line, significant

NEAR = 0.10
"""Answers whose mean lengths differ by no more are of like length."""
LONGEST_VALUE = 60
EVERY = ("*",)
TOKEN_RATES = ("decode_tps", "engine_decode_tps", "tpot_s", "itl_s", "output_tps", ENERGY)
WHOLE_ANSWERS = ("output_tps", "latency_s", "goodput_rps", ENERGY)
WITH_LENGTH = ("decode_tps", "engine_decode_tps", "tpot_s", "itl_s", *WHOLE_ANSWERS, MEMORY)


class Rule(Struct, frozen=True, kw_only=True):
    """One thing in which cells may differ. ``of`` says it in words, None where it is not known: that is no difference.

    ``bars`` are the metrics that are then unlike; of the others it is only said.
    """

    what: str
    of: Callable[[Side], str | None]
    bars: tuple[str, ...] = ()


class Difference(Struct, frozen=True, kw_only=True):
    """One thing in which two cells differ, and the metrics that it makes unlike."""

    what: str
    a: str
    b: str
    bars: tuple[str, ...] = ()

    def bar(self, metric: str) -> bool:
        """Whether it makes this metric unlike."""
        return self.bars == EVERY or metric.partition(".")[0] in self.bars


def differences(a: Side, b: Side) -> list[Difference]:
    """Everything in which they differ, as far as it is known of both, what makes figures unlike first."""
    found = [*_of_rules(a, b), *_of_lengths(a, b), *_of_settings(a, b)]
    return sorted(found, key=lambda difference: not difference.bars)


def _of_rules(a: Side, b: Side) -> Iterator[Difference]:
    model = {rule.what: (rule.of(a), rule.of(b)) for rule in RULES}
    same_model = all(len(set(model[what])) == 1 for what in ("model", "quantization"))
    for rule in RULES:
        here, there = model[rule.what]
        if here is None or there is None or here == there or (rule.what == "weights" and not same_model):
            continue
        if rule.what == "prompt":
            here, there = _told_apart(a, here), _told_apart(b, there)
        yield Difference(what=rule.what, a=_short(here), b=_short(there), bars=rule.bars)


def _told_apart(side: Side, prompt: str) -> str:
    """A prompt by its workload's name, and how it begins."""
    return f"{side.cell.opened.workload.name}: {prompt}" if side.cell.opened.workload.prompt else prompt


def _of_lengths(a: Side, b: Side) -> Iterator[Difference]:
    """What came out otherwise than asked: shorter answers, and prompts that another tokenizer cuts otherwise."""
    for what, of, bars in (("tokens of the answers", _answers, WHOLE_ANSWERS), ("tokens of the prompt", _prompts, ())):
        here, there = of(a), of(b)
        if here and there and max(here, there) > (1 + NEAR) * min(here, there):
            yield Difference(what=what, a=significant(here), b=significant(there), bars=bars)


def _answers(side: Side) -> float | None:
    return _mean([metrics.output_tokens(trial) for trial in side.ok])


def _prompts(side: Side) -> float | None:
    return _mean([trial.usage.prompt_tokens for trial in side.ok])


def _mean(values: list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _of_settings(a: Side, b: Side) -> Iterator[Difference]:
    """Settings that both engines have, and that differ."""
    here, there = a.cell.opened.subject.settings, b.cell.opened.subject.settings
    for name in here:
        if name in there and here[name] != there[name]:
            yield Difference(what=f"setting {_short(name)}", a=_short(str(here[name])), b=_short(str(there[name])))


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _prompt(side: Side) -> str:
    work = side.cell.opened.workload
    if work.shape is not None:
        return f"shape {work.shape}"
    return f"{work.prompt_tokens} token ids" if work.prompt is None else work.prompt


def _load(side: Side) -> str:
    work = side.cell.opened.workload
    if work.arrival == "closed":
        return f"{work.concurrency} stream{'s' if work.concurrency != 1 else ''}"
    return f"{significant(work.rate_rps or 0)} requests a second, {work.arrival}"


def _sampling(side: Side) -> str:
    work = side.cell.opened.workload
    return f"temperature {work.temperature:g}" + (f", top-p {work.top_p:g}" if work.top_p is not None else "")


def _counted(side: Side) -> str | None:
    ways = {metrics.tokens_from(trial) == "chunks" for trial in side.ok}
    return None if not ways else "by chunks" if True in ways else "by the engine"


def _prefill(side: Side) -> str | None:
    ways = {metrics.prefill_is_lower_bound(trial) for trial in side.ok}
    return None if not ways else "from the first token, a lower bound" if True in ways else "by the engine"


def _machine(side: Side) -> str:
    host = side.host
    gpus = ", ".join(gpu.name for gpu in host.gpus)
    memory = bytes_text(float(significant(host.memory_bytes, 2)))
    return ", ".join(filter(None, (host.cpu, f"{host.cores_logical} cores", memory, gpus, host.arch)))


def _drivers(side: Side) -> str | None:
    return ", ".join(gpu.driver for gpu in side.host.gpus if gpu.driver) or None


def _power(side: Side) -> str | None:
    return None if side.host.power_source == "unknown" else side.host.power_source


def _page_cache(side: Side) -> str | None:
    start = side.cell.opened.start
    return None if start is None or start.page_cache == "unknown" else start.page_cache


def _slo(side: Side) -> str | None:
    slo = side.cell.opened.workload.slo
    limits = {} if slo is None else {name: getattr(slo, name) for name in slo.__struct_fields__}
    return ", ".join(f"{name} {value:g}" for name, value in limits.items() if value is not None) or None


def _energy_method(side: Side) -> str | None:
    return "; ".join(f"{scope}: {way}" for scope, way in sorted(side.cell.energy.methods.items())) or None


RULES: tuple[Rule, ...] = (
    Rule(what="prompt", of=_prompt, bars=EVERY),
    Rule(what="load", of=_load, bars=EVERY),
    Rule(what="prompt cache", of=lambda side: side.cell.opened.workload.cache, bars=EVERY),
    Rule(what="answer length", of=lambda side: f"{side.cell.opened.workload.max_tokens} tokens", bars=WITH_LENGTH),
    Rule(what="tokens counted", of=_counted, bars=TOKEN_RATES),
    Rule(what="prefill timed", of=_prefill, bars=("prefill_tps",)),
    Rule(what="limits of good service", of=_slo, bars=("goodput_rps",)),
    Rule(what="files in the page cache", of=_page_cache, bars=("load_s",)),
    Rule(what="context", of=lambda side: _text(side.cell.opened.workload.context), bars=(MEMORY,)),
    Rule(what="sampling", of=_sampling),
    Rule(what="engine", of=lambda side: side.cell.opened.subject.engine),
    Rule(what="engine version", of=lambda side: side.cell.opened.subject.engine_version),
    Rule(what="model", of=lambda side: side.cell.opened.subject.model.name),
    Rule(what="quantization", of=lambda side: side.cell.opened.subject.model.quant),
    Rule(what="weights", of=lambda side: side.cell.opened.subject.model.digest),
    Rule(what="kind of weights", of=lambda side: "synthetic" if side.cell.opened.subject.model.synthetic else "real"),
    Rule(what="machine", of=_machine),
    Rule(what="system", of=lambda side: side.host.os),
    Rule(what="driver", of=_drivers),
    Rule(what="power source", of=_power),
    Rule(what="energy measured", of=_energy_method),
    Rule(what="Bakeoff", of=lambda side: side.host.bakeoff),
)
"""What makes two cells unlike, and for which metrics; behind those, what is only said."""


def _text(value: Figure | int | None) -> str | None:
    return None if value is None else str(value)
