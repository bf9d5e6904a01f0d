"""Published commands: whether the name exists, what they load fits, and they fetch what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import structs

from bakeoff.analysis.claims.checks.fits import FITS
from bakeoff.analysis.claims.checks.inputs import of_context, of_memory, of_weights
from bakeoff.analysis.claims.checks.inputs import stated as in_file
from bakeoff.analysis.claims.claim import Claim, Stated
from bakeoff.analysis.claims.command_text import Command, parse_command
from bakeoff.analysis.claims.subject import CONTEXT, fit_of, machine_of, quant_of, source_of
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict
from bakeoff.errors import UsageError
from bakeoff.models.catalogue import find
from bakeoff.models.names import ENGINE_WORDS, names_of
from bakeoff.models.weights import tensor_bytes
from bakeoff.planning.budget import VLLM_SHARE
from bakeoff.planning.memory import Setting, cache_bytes, working_bytes
from bakeoff.units import bytes_text, one_line

NAMES = "the engines' lists of models as read in November 2026: bakeoff/models/names.py"
VLLM = "weights + cache + working memory against the share of the memory that vLLM takes"
QUANTIZED = ("quantization", "q", "load-format")
"""Flags by which vLLM loads something other than the published weights."""


def command(claim: Claim) -> Iterator[Evidence]:
    """The name, then the fit."""
    read = _read(claim)
    if read is None or not read.name:
        yield Evidence(source="arithmetic", words="the command starts or fetches no model that can be planned")
        return
    planned = claim.hardware is not None and read.model is not None and read.quant is not None
    named = _name(read)
    yield structs.replace(named, verdict=None) if planned and named.verdict == "holds" else named
    if planned:
        yield from _fit(claim, read)


def _read(claim: Claim) -> Command | None:
    try:
        return parse_command(claim.command or "")
    except UsageError:
        return None


def _name(read: Command) -> Evidence:
    if read.known is not None or read.moving:
        means = f"{read.model} at {read.quant}" if read.model else "a model"
        moves = ", a tag whose meaning can change" if read.moving else ""
        return Evidence(source="published", words=f"{one_line(read.name)} is {means}{moves}", verdict="holds",
                        reference=NAMES)  # fmt: skip
    if read.model is None:
        return Evidence(source="published", words=f"{one_line(read.name)} is in no list of names that Bakeoff has",
                        reference=NAMES)  # fmt: skip
    right = next((each.name for each in names_of(read.model).get(read.engine, ()) if each.quant == read.quant), None)
    if right is None or right.lower() == read.name.lower():
        return Evidence(source="published", words=f"{one_line(read.name)} is {read.model}", reference=NAMES)
    return Evidence(
        source="published",
        words=f"there is no {one_line(read.name)}: {ENGINE_WORDS[read.engine]} calls {read.model} at {read.quant} "
        f"{right}",
        verdict="does_not_hold",
        reference=NAMES,
    )


def _fit(claim: Claim, read: Command) -> Iterator[Evidence]:
    """Whether what the command loads fits the machine. vLLM loads the published weights whole, or not at all."""
    asked = _asked(claim, read)
    machine = machine_of(asked)
    size = tensor_bytes(source_of(read.model or "", read.quant or "").tensors)
    if read.engine == "vllm" and machine.devices:
        yield _vllm(asked, read, size)
        return
    found = fit_of(asked)
    verdict: Verdict = "holds" if found.fits in ("yes", "tight", "split") else "does_not_hold"
    words = f"it loads {bytes_text(size)} of weights, {bytes_text(found.total_bytes)} in all, on the {machine.name}: "
    words += {"yes": "fits", "tight": "fits, but only just"}.get(found.fits, found.condition)
    source = source_of(read.model or "", read.quant or "")
    given = (*of_weights(source), of_context(asked), *of_memory(machine, asked))
    yield Evidence(source="predicted", words=words, verdict=verdict, point=found.total_bytes, formula=FITS, given=given)


def _asked(claim: Claim, read: Command) -> Claim:
    context = next(
        (int(value) for flag in ("max-model-len", "c", "ctx-size") if (value := read.flags.get(flag, "")).isdecimal()),
        claim.context or CONTEXT,
    )
    quant = read.quant
    if read.engine == "vllm" and quant == "BF16" and read.flags.get("quantization") == "fp8":
        quant = "Q8_0"
    return structs.replace(
        claim, model=read.model, quant=quant, engine=read.engine, context=max(1, min(context, 10_000_000))
    )


def _vllm(claim: Claim, read: Command, size: int) -> Evidence:
    machine, arch = machine_of(claim), find(claim.model or "")
    share = _share(read)
    memory = sum(device.memory_bytes for device in machine.devices)
    setting = Setting(context=claim.context or CONTEXT, engine="vllm")
    cache, working = cache_bytes(arch, setting), working_bytes(arch, setting)
    need = size + cache + working
    words = (
        f"unquantized weights of {bytes_text(size)} + cache {bytes_text(cache)} + working memory {bytes_text(working)} "
        f"= {bytes_text(need)}; {100 * share:g} % of the {bytes_text(memory)} of the {machine.name} are "
        f"{bytes_text(share * memory)}"
    )
    told = Evidence(source="arithmetic", words=words, point=need, high=memory, formula=VLLM, given=(
        *of_weights(source_of(claim.model or "", claim.quant or "")), of_context(claim),
        Given(name="working memory", value=bytes_text(working), source="logs of vLLM: bakeoff/planning/memory.py"),
        in_file("share of the memory", f"{share:g}"),
        *of_memory(machine, claim),
    ))  # fmt: skip
    if any(flag in read.flags for flag in QUANTIZED):
        return structs.replace(told, words=f"{words}; a flag loads other weights than those published")
    if size > memory:
        return structs.replace(told, words=f"{words}: the weights alone cannot be loaded", verdict="impossible")
    return structs.replace(told, source="predicted", verdict="holds" if need <= share * memory else "does_not_hold")


def _share(read: Command) -> float:
    try:
        share = float(read.flags.get("gpu-memory-utilization", VLLM_SHARE))
    except ValueError:
        return VLLM_SHARE
    return share if 0 < share <= 1 else VLLM_SHARE


def commands_cover(claim: Claim, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """Whether every model that figures are reported of is fetched by one of the commands."""
    fetched = set()
    for name in claim.commands:
        read = _read(stated[name].claim)
        if read is not None and read.model and read.quant:
            fetched.add((read.model, quant_of(read.quant)))
    wanted = dict.fromkeys(
        (find(one.model).short, quant_of(one.quant))
        for name in claim.of
        if (one := stated[name].claim).model is not None and one.quant is not None
    )
    missing = [pair for pair in wanted if pair not in fetched]
    shown = ", ".join(f"{model} {quant}" for model, quant in missing)
    yield Evidence(
        source="arithmetic",
        words=f"of {len(wanted)} models with figures the commands fetch {len(wanted) - len(missing)}"
        + (f"; none fetches {shown}" if missing else ""),
        formula="models and quantizations of the claims named, less those of the commands",
        given=tuple(in_file(name, one_line(stated[name].claim.command or "")) for name in claim.commands),
        verdict="does_not_hold" if missing else "holds",
    )
