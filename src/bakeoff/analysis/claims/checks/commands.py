"""Published commands: whether the name exists, what they load fits, and they fetch what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import structs

from bakeoff.analysis.claims.claim import Claim, Stated
from bakeoff.analysis.claims.command_text import Command, parse_command
from bakeoff.analysis.claims.subject import CONTEXT, fit_of, machine_of, quant_of, source_of
from bakeoff.analysis.claims.verdict import Evidence, Verdict
from bakeoff.errors import UsageError
from bakeoff.models.catalogue import find
from bakeoff.models.names import names_of
from bakeoff.models.weights import tensor_bytes
from bakeoff.planning.budget import VLLM_SHARE
from bakeoff.planning.memory import Setting, cache_bytes, working_bytes
from bakeoff.units import bytes_text, one_line

QUANTIZED = ("quantization", "q", "load-format")
"""Flags by which vLLM loads something other than the published weights."""


def command(claim: Claim) -> Iterator[Evidence]:
    """The name, then the fit."""
    read = _read(claim)
    if read is None:
        yield Evidence(source="arithmetic", words="the command starts or fetches no model that can be planned")
        return
    yield _name(read)
    if claim.hardware is not None and read.model is not None and read.quant is not None:
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
        return Evidence(source="published", words=f"{one_line(read.name)} is {means}{moves}", verdict="holds")
    if read.model is None:
        return Evidence(source="published", words=f"{one_line(read.name)} is in no list of names that Bakeoff has")
    right = next((each.name for each in names_of(read.model).get(read.engine, ()) if each.quant == read.quant), None)
    if right is None or right.lower() == read.name.lower():
        return Evidence(source="published", words=f"{one_line(read.name)} is {read.model}")
    return Evidence(
        source="published",
        words=f"there is no {one_line(read.name)}: {read.engine} calls {read.model} at {read.quant} {right}",
        verdict="does_not_hold",
        reference="the lists of names in bakeoff/models/names.py",
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
    yield Evidence(source="predicted", words=words, verdict=verdict, point=found.total_bytes)


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
    if any(flag in read.flags for flag in QUANTIZED):
        return Evidence(source="arithmetic", words=f"{words}; a flag loads other weights than those published")
    if size > memory:
        return Evidence(source="arithmetic", words=f"{words}: the weights alone cannot be loaded", verdict="impossible",
                        point=need, high=memory)  # fmt: skip
    fits = need <= share * memory
    return Evidence(
        source="predicted", words=words, verdict="holds" if fits else "does_not_hold", point=need, high=memory
    )


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
        verdict="does_not_hold" if missing else "holds",
    )
