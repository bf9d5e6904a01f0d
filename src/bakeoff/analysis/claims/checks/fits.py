"""What fits where, by the planner's memory: one machine, every quantization, one machine of several."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.analysis.claims.checks.inputs import of_context, of_memory, of_shape, of_weights
from bakeoff.analysis.claims.claim import ANY, NONE, Claim
from bakeoff.analysis.claims.subject import CONTEXT, engine_of, fit_of, machine_of, of_claim, quant_of, source_of
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict
from bakeoff.hardware.machine import Machine
from bakeoff.models.catalogue import find
from bakeoff.models.quants import TYPES
from bakeoff.models.weights import embedding_bytes, parameters, tensor_bytes
from bakeoff.planning.budget import device_pools
from bakeoff.planning.choice import Needs
from bakeoff.planning.fit import Fit
from bakeoff.planning.memory import Setting, cache_bytes, graph_bytes
from bakeoff.planning.rows import Asked, plan
from bakeoff.units import bytes_text

QUANTS = ("Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
"""Those that a recommendation is chosen from."""
FITS = "weights + KV cache + buffers against memory less what system, driver and screens keep"
CLEARLY = 0.9
"""A type of so much of the bits that there are leaves room for the tensors that are kept finer."""
_AGREE: dict[str, tuple[str, ...]] = {
    "yes": ("yes", "tight"),
    "tight": ("tight",),
    "split": ("split",),
    "no": ("no", "split", "yes_if"),
}
"""What is claimed, and the plans that it agrees with. *yes* and *no* are of the machine as it
comes, with no limit raised; *no* is *not whole*: a split may still run."""


def fits(claim: Claim) -> Iterator[Evidence]:
    """Whether the model fits as it is said to."""
    if claim.quant == ANY:
        yield from _at_any(claim)
        return
    machine, found = machine_of(claim), fit_of(claim)
    if claim.claimed in ("yes", "tight"):
        yield from _too_large(claim, machine, found)
    yield Evidence(
        source="predicted",
        words=_sum(claim, machine, found),
        verdict=_agrees(claim.claimed, found),
        point=found.total_bytes,
        high=found.usable_bytes,
        formula=FITS,
        given=_given(claim, machine),
    )


def _too_large(claim: Claim, machine: Machine, found: Fit) -> Iterator[Evidence]:
    """What the weights alone say. An input embedding of its own may stay outside the GPU."""
    source = of_claim(claim)
    beside = 0 if source.architecture.tied or not machine.devices else embedding_bytes(source.tensors)
    held = tensor_bytes(source.tensors) - beside
    memory = sum(device.memory_bytes for device in machine.devices) or machine.host.memory_bytes
    if held > found.usable_bytes:
        without = " without the input embedding" if beside else ""
        more = held > memory
        room = f"the {bytes_text(memory)} that there are" if more else f"{bytes_text(found.usable_bytes)} it may use"
        yield Evidence(
            source="arithmetic",
            words=f"the weights alone{without}, {bytes_text(held)}, are more than the {room}",
            verdict="impossible" if more else "does_not_hold",
            point=held,
            high=memory if more else found.usable_bytes,
            formula="weights against memory",
            given=(*of_weights(source), *of_memory(machine, claim)),
        )


def _agrees(claimed: str, found: Fit) -> Verdict:
    return "holds" if found.fits in _AGREE[claimed] else "does_not_hold"


def _sum(claim: Claim, machine: Machine, found: Fit) -> str:
    rest = found.total_bytes - found.weights_bytes - found.kv_bytes
    words = (
        f"{machine.name}: weights {bytes_text(found.weights_bytes)} + cache {bytes_text(found.kv_bytes)} + buffers "
        f"{bytes_text(rest)} = {bytes_text(found.total_bytes)} of {bytes_text(found.usable_bytes)} at "
        f"{claim.context or CONTEXT:,} tokens"
    )
    if found.host_bytes and found.fits in ("yes", "tight", "yes_if"):
        words += f", {bytes_text(found.host_bytes)} of it beside the GPU"
    if found.fits == "yes_if":
        return f"{words}; fits only {found.condition}"
    if found.fits == "yes":
        room = found.usable_bytes - (found.total_bytes - found.host_bytes if machine.devices else found.total_bytes)
        return f"{words}; fits, leaves {bytes_text(room)}, and would with up to {found.max_context:,} tokens"
    return f"{words}; {found.condition}"


def _at_any(claim: Claim) -> Iterator[Evidence]:
    """Whether a model fits at no, or at some, quantization: by the bits that each weight may have."""
    assert claim.model is not None
    arch, machine = find(claim.model), machine_of(claim)
    setting = Setting(context=claim.context or CONTEXT, engine=engine_of(claim))
    room = sum(pool.usable_bytes for pool in device_pools(machine, engine_of(claim))) or machine.host.memory_bytes
    room -= cache_bytes(arch, setting) + graph_bytes(arch, setting)
    most = room * 8 / parameters(arch)
    bits = {kind.name: kind.block_bytes * 8 / kind.block for kind in TYPES.values() if kind.block > 1}
    small = sorted((each for each in bits.items() if each[1] < CLEARLY * most), key=lambda each: -each[1])
    names = ", ".join(f"{name} {size:.2f}" for name, size in small[:4])
    there = f"llama.cpp has types well below that: {names}" if small else "llama.cpp has no type well below that"
    yield Evidence(
        source="arithmetic",
        words=f"beside cache and buffers there are {bytes_text(room)}; × 8 / {parameters(arch) / 1e9:.2f} B parameters "
        f"= {most:.2f} bits a weight; {there}",
        verdict="holds" if bool(small) == (claim.claimed in ("yes", "tight")) else "does_not_hold",
        point=most,
        formula="(usable bytes − cache − buffers) × 8 / parameters; bits of a type: bytes of a block × 8 / its weights",
        given=(of_shape(arch), of_context(claim), *of_memory(machine, claim)),
    )


def only_fit(claim: Claim) -> Iterator[Evidence]:
    """The machine itself, then the others that are said not to do it."""
    machine, found = machine_of(claim), fit_of(claim)
    own: Verdict = "holds" if found.fits in ("yes", "tight") else "does_not_hold"
    words = _sum(claim, machine, found)
    yield Evidence(source="predicted", words=words, verdict=own, formula=FITS, given=_given(claim, machine))
    for name in claim.among:
        machine = machine_of(claim, name)
        other = fit_of(claim, machine)
        whole = other.fits in ("yes", "tight")
        yield Evidence(
            source="predicted",
            words=_sum(claim, machine, other),
            verdict="does_not_hold" if whole else None,
            formula=FITS,
            given=_given(claim, machine),
        )


def recommended(claim: Claim) -> Iterator[Evidence]:
    """What the planner's rule would take on that machine."""
    assert claim.model is not None
    context = claim.context or CONTEXT
    sources = [source_of(claim.model, quant) for quant in QUANTS]
    rows = plan(machine_of(claim), sources, Asked(context=context, engine=engine_of(claim)), Needs(context=context))
    taken = next((row for row in rows if row.recommended), None)
    reason = rows[0].reason
    wanted = NONE if claim.claimed == NONE else quant_of(claim.claimed)
    yield Evidence(
        source="predicted",
        words=f"the plan takes {taken.quant if taken else 'none'}: {reason}",
        verdict="holds" if (taken.quant if taken else NONE) == wanted else "does_not_hold",
        formula="of what fits the context and keeps 10 tokens/s, what loses least (docs/advice.md, docs/prediction.md)",
        given=(of_shape(find(claim.model)), of_context(claim), *of_memory(machine_of(claim), claim)),
    )


def _given(claim: Claim, machine: Machine) -> tuple[Given, ...]:
    return (*of_weights(of_claim(claim)), of_context(claim), *of_memory(machine, claim))
