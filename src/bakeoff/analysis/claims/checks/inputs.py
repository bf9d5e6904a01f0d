"""What evidence rests on, for ``--explain``: numbers by name, in words with their units, each with its source."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.subject import CONTEXT, depth, engine_of
from bakeoff.analysis.claims.verdict import Given
from bakeoff.hardware.chips import known_as
from bakeoff.hardware.machine import Machine
from bakeoff.models.architecture import Architecture
from bakeoff.models.weights import parameters, tensor_bytes
from bakeoff.planning.budget import Pool, device_pools, host_pool
from bakeoff.planning.placement import Placement, Work, parts
from bakeoff.planning.sources import Source
from bakeoff.planning.speed import Span, decode_steps
from bakeoff.units import bytes_text, seconds_text

BY_TENSOR = "every tensor by the quantization's recipe"
HOST = "the host's memory"
FILE = "the file of claims"
FITTED = "fitted on published measurements: docs/prediction.md"
USABLE = "what driver, system and screens keep, by load logs or assumed: bakeoff/planning/budget.py"


def stated(name: str, value: str) -> Given:
    """What the file of claims says."""
    return Given(name=name, value=value, source=FILE)


def of_shape(arch: Architecture) -> Given:
    """The numbers that sizes follow from."""
    cache = "" if arch.latent is not None else f", {arch.kv_heads} KV heads of {arch.head_dim}"
    return Given(
        name=f"shape of {arch.short}",
        value=f"{arch.layers} layers, {arch.hidden} wide{cache}, vocabulary {arch.vocab:,}",
        source=f"config.json of {arch.source}",
    )


def bits_a_weight(source: Source) -> float:
    """Bits of a parameter, on average over all."""
    return tensor_bytes(source.tensors) * 8 / parameters(source.architecture)


def of_weights(source: Source) -> tuple[Given, ...]:
    """The shape of a model, and the bits of its weights."""
    bits = f"{bits_a_weight(source):.2f} on average"
    name = f"bits of {source.architecture.short} at {source.quant}"
    return of_shape(source.architecture), Given(name=name, value=bits, source=BY_TENSOR)


def of_context(claim: Claim) -> Given:
    """Tokens of context: the claim's, else what is taken."""
    if claim.context is None:
        return Given(name="context", value=f"{CONTEXT:,} tokens", source="taken, as the claim names none")
    return stated("context", f"{claim.context:,} tokens")


def of_memory(machine: Machine, claim: Claim) -> Iterator[Given]:
    """What of the machine's memory a model may have, and what the catalogue assumes of its host."""
    pools = device_pools(machine, engine_of(claim))
    for pool in dict.fromkeys(pools) or [host_pool(machine)]:
        yield _pool(machine, pool)
    yield from of_notes(machine)


def of_notes(machine: Machine) -> Iterator[Given]:
    """What the catalogue assumes of a machine that is only named."""
    for note in machine.notes:
        yield Given(name=machine.name, value=note.partition(" --host-memory")[0], source="the catalogue of hardware")


def _pool(machine: Machine, pool: Pool) -> Given:
    value = f"{bytes_text(pool.usable_bytes)} of {bytes_text(pool.memory_bytes)}"
    return Given(name=f"usable memory of {machine.name}", value=value, source=USABLE)


def of_reading(asked: Work) -> Given:
    """Bytes of the weights that a token reads."""
    return Given(
        name=f"bytes of {asked.arch.short} read a token",
        value=bytes_text(asked.read_bytes),
        source=f"{BY_TENSOR}, without the input embedding",
    )


def of_bandwidth(name: str, bandwidth: float, chip: str | None) -> Given:
    """The bandwidth of a chip, or of the host where ``chip`` is None."""
    known = known_as(chip)[:1] if chip else ()
    source = next((f"{each.source} ({each.date})" for each in known), "the claim, or assumed: dual-channel DDR5-5600")
    return Given(name=f"bandwidth of {name}", value=f"{bandwidth / 1e9:,.1f} GB/s", source=source)


def of_plan(claim: Claim, asked: Work, where: Placement) -> Iterator[Given]:
    """What the planned time of a token is made of."""
    tokens, engine = depth(claim), engine_of(claim)
    yield of_reading(asked)
    yield Given(name="cache read with them", value=f"{bytes_text(asked.cache_bytes(tokens))} at {tokens:,} tokens",
                source="the model's shape, halfway through the answer")  # fmt: skip
    for part in parts(asked, where):
        chip = part.device.chip if part.device else None
        yield of_bandwidth(chip or HOST, part.bandwidth, chip)
    for name, span in decode_steps(asked, where, tokens, engine):
        yield Given(name=name, value=_span(span), source=FITTED)


def _span(span: Span) -> str:
    text = seconds_text(span.point)
    return text if span.low == span.high else f"{text} ({seconds_text(span.low)} to {seconds_text(span.high)})"
