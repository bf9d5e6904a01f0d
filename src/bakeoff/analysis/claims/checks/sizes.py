"""Sizes of weights, files, caches and whole models: exact by tensor, or the planner's."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bakeoff.analysis.claims.checks.inputs import bits_a_weight, of_context, of_shape, of_weights
from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.quantity import Quantity, in_unit
from bakeoff.analysis.claims.subject import CONTEXT, engine_of, fit_of, machine_of, of_claim, quant_of, source_of
from bakeoff.analysis.claims.verdict import Evidence, Given, exact
from bakeoff.models.catalogue import find
from bakeoff.models.weights import parameters, tensor_bytes
from bakeoff.planning.memory import Setting, cache_bytes, element_bytes
from bakeoff.planning.sources import Source
from bakeoff.units import bytes_text, significant

SLOTS = 4
"""Parallel requests for which Ollama kept a cache each where memory allowed, before 2025's end."""


def weights(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """The size of the weights, tensor by tensor."""
    source = of_claim(claim)
    size = tensor_bytes(source.tensors)
    yield exact(
        claimed,
        size,
        f"{_bits(source)} = {claimed.shown(size)}{_off(claimed, size)}",
        formula="Σ over tensors of elements × bits of their type / 8",
        given=of_weights(source),
    )


def disk(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Whether so much space is enough for the file."""
    source = of_claim(claim)
    size = float(source.file_bytes or tensor_bytes(source.tensors))
    short = size - claimed.most
    words = f"the file has {claimed.shown(size)}"
    if short > 0:
        words += f", {in_unit(size - claimed.high * claimed.scale, claimed.unit, 2)} more"
    yield Evidence(
        source="arithmetic",
        words=words,
        verdict="does_not_hold" if short > 0 else "holds",
        point=size,
        formula="tensors as they are aligned, header and vocabulary",
        given=of_weights(source),
    )


def download_time(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """What the line would have to do; what it does, nobody knows here."""
    source = of_claim(claim)
    size = float(source.file_bytes or tensor_bytes(source.tensors))
    if claimed.high <= 0:
        yield Evidence(source="arithmetic", words=f"{bytes_text(size)} take longer than no time", verdict="impossible")
        return
    longest = claimed.high if math.isfinite(claimed.high) else claimed.low
    if longest <= 0:
        return
    rate = size * 8 / (longest * claimed.scale)
    yield Evidence(
        source="arithmetic",
        words=f"{bytes_text(size)} in {in_unit(longest * claimed.scale, claimed.unit)} ask for a line of "
        f"{rate / 1e6:,.0f} Mbit/s, and a server that fills it",
        formula="bytes × 8 / seconds",
        given=of_weights(source),
    )


def kv_cache(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """The cache at the claim's context; and with several slots, which is what an engine may have set aside."""
    assert claim.model is not None
    assert claim.context is not None
    arch = find(claim.model)
    one = Setting(context=claim.context, engine=engine_of(claim), streams=claim.streams or 1)
    many = Setting(context=claim.context, engine=engine_of(claim), streams=SLOTS)
    size, more = cache_bytes(arch, one), cache_bytes(arch, many)
    words = (
        f"2 × {arch.layers} layers × {arch.kv_heads} KV heads × {arch.head_dim} × {element_bytes(one):g} bytes × "
        f"{claim.context:,} tokens = {claimed.shown(size)}"
    )
    if (claim.streams or 1) == 1 and not claimed.covers(size):
        words += f"; with {SLOTS} slots {claimed.shown(more)}"
    yield exact(claimed, size, words, formula="2 × layers × KV heads × head size × bytes × tokens",
                given=(of_shape(arch), of_context(claim)))  # fmt: skip


def memory(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Everything that the engine takes, by the planner."""
    found = fit_of(claim)
    rest = found.total_bytes - found.weights_bytes - found.kv_bytes
    yield exact(
        claimed,
        found.total_bytes,
        f"weights {bytes_text(found.weights_bytes)} + cache {bytes_text(found.kv_bytes)} + buffers {bytes_text(rest)} "
        f"= {claimed.shown(found.total_bytes)} at {claim.context or CONTEXT:,} tokens on the {machine_of(claim).name}",
        source="predicted",
        formula="weights by tensor + KV cache + what the engine's graph needs (docs/prediction.md)",
        given=(*of_weights(of_claim(claim)), of_context(claim)),
    )


def parameter_count(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """How many parameters the model's shape has."""
    assert claim.model is not None
    arch = find(claim.model)
    count = parameters(arch)
    yield exact(claimed, count, f"{arch.name} has {count / 1e9:.2f} B", formula="Σ of all tensors' elements",
                given=(of_shape(arch),), reference=f"config.json of {arch.source}")  # fmt: skip


def size_ratio(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """The size at one quantization over that at another, for each model named."""
    assert claim.quant is not None
    assert claim.against is not None
    models = [*claim.models, *([claim.model] if claim.model else [])]
    ratios, words, given = [], [], list[Given]()
    for model in models:
        a, b = source_of(model, claim.quant), source_of(model, claim.against)
        ratios.append(tensor_bytes(a.tensors) / tensor_bytes(b.tensors))
        given += dict.fromkeys((*of_weights(a), *of_weights(b)))
        words.append(f"{find(model).short} {bits_a_weight(a):.2f} / {bits_a_weight(b):.2f} bits = {ratios[-1]:.3f}")
    covered = all(claimed.covers(ratio) for ratio in ratios)
    yield Evidence(
        source="arithmetic",
        words=f"{quant_of(claim.quant)} over {quant_of(claim.against)}: {'; '.join(words)}",
        verdict="holds" if covered else "does_not_hold",
        low=min(ratios),
        high=max(ratios),
        formula="bytes of all tensors at the one / at the other",
        given=tuple(given),
    )


def _bits(source: Source) -> str:
    return (
        f"{parameters(source.architecture) / 1e9:.2f} B parameters × {bits_a_weight(source):.2f} bits "
        f"(mean of {source.quant}) / 8"
    )


def _off(claimed: Quantity, size: float) -> str:
    if claimed.covers(size):
        return ""
    high = claimed.most < size
    nearest = claimed.high if high else claimed.low
    if not 0 < nearest < math.inf:
        return ""
    return f", {significant(abs(size / (nearest * claimed.scale) - 1) * 100, 2)} % {'more' if high else 'less'}"
