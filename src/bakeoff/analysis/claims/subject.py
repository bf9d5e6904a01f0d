"""A claim's machine, model and placement, as the planner takes them: from the catalogues alone."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate

from bakeoff.analysis.claims.claim import Claim
from bakeoff.errors import UsageError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.machine import Machine
from bakeoff.models.catalogue import find
from bakeoff.models.mlx import MLX_TYPES
from bakeoff.models.recipes import quant_name
from bakeoff.models.weights import layer_bytes
from bakeoff.planning.fit import Fit, fit
from bakeoff.planning.placement import Placement, Work, offloaded, work
from bakeoff.planning.sources import Source, sources_of
from bakeoff.planning.speed import DEPTH_OF_BENCH, Engine
from bakeoff.units import GIB

CONTEXT = 4096
"""Of a claim that names none."""
LEAST_CONTEXT = 512
"""Of a speed whose claim names none: llama-bench asks for no more."""


def quant_of(text: str) -> str:
    """The quantization's usual spelling, MLX's with them. Raises UsageError, with a guess."""
    return text.strip().lower() if text.strip().lower() in MLX_TYPES else quant_name(text)


@lru_cache(maxsize=256)
def source_of(model: str, quant: str) -> Source:
    """A model of the catalogue at a quantization. Never reads a file or an address."""
    return sources_of(f"{find(model).short}@{quant_of(quant)}", ())[0]


@lru_cache(maxsize=256)
def _machine(name: str, host_gb: float | None, host_gb_s: float | None) -> Machine:
    return find_machine(name, round(host_gb * GIB) if host_gb else None, host_gb_s * 1e9 if host_gb_s else None)


def machine_of(claim: Claim, hardware: str | None = None) -> Machine:
    """The claim's machine, or another in the same host. A Mac is its own host."""
    name = hardware or claim.hardware
    assert name is not None
    plain = _machine(name, None, None)
    own_host = not plain.devices or any(device.unified for device in plain.devices)
    return plain if own_host else _machine(name, claim.host_gb, claim.host_gb_s)


def engine_of(claim: Claim) -> Engine:
    """The engine as the planner knows it: llama.cpp where none is named, and inside LM Studio."""
    return "llamacpp" if claim.engine is None or claim.engine == "lmstudio" else claim.engine


def of_claim(claim: Claim) -> Source:
    """The claim's model at its quantization."""
    if claim.model is None or claim.quant is None:
        raise UsageError(f"{claim.id} names no model and quantization.")
    return source_of(claim.model, claim.quant)


def work_of(claim: Claim) -> Work:
    """What one token of it asks."""
    source = of_claim(claim)
    return work(source.architecture, source.tensors)


def fit_of(claim: Claim, machine: Machine | None = None, context: int | None = None) -> Fit:
    """How the claim's model sits on its machine, or on another."""
    source = of_claim(claim)
    return fit(
        machine or machine_of(claim),
        source.architecture,
        source.tensors,
        context=context or claim.context or CONTEXT,
        engine=engine_of(claim),
        streams=claim.streams or 1,
    )


def layers_on_gpu(claim: Claim) -> int | None:
    """Layers that the claim says lie on the GPU, of more than there are all; None where it does not say."""
    if claim.gpu_layers is None and claim.gpu_share is None:
        return None
    layers = of_claim(claim).architecture.layers
    return round((claim.gpu_share or 0) * layers) if claim.gpu_layers is None else min(layers, claim.gpu_layers)


def layers_placed(claim: Claim) -> int | None:
    """Layers on the GPU: as the claim says where it does, else as they fit; None where all are."""
    said = layers_on_gpu(claim)
    if said is not None:
        return None if said == of_claim(claim).architecture.layers else said
    found = fit_of(claim, context=claim.context or LEAST_CONTEXT)
    return found.gpu_layers if found.fits in ("split", "no") else None


def placed(claim: Claim, layers: int | None = None) -> Placement:
    """Where its layers lie: so many of them on the GPU, else as ``layers_placed`` says."""
    machine, layers = machine_of(claim), layers_placed(claim) if layers is None else layers
    return Placement(
        devices=machine.devices, host=machine.host, gpu_layers=None if layers is None else offloaded(layers)
    )


def placed_at_best(claim: Claim) -> Placement:
    """Where its layers lie: as the claim says, else as many on the GPUs as could be, were their memory all for weights.

    What cannot be so fast even then is impossible, whatever the settings.
    """
    machine, stated = machine_of(claim), layers_on_gpu(claim)
    layers = layer_bytes(of_claim(claim).tensors)
    memory = sum(device.memory_bytes for device in machine.devices)
    apart = bool(machine.devices) and not any(device.unified for device in machine.devices)
    if stated is None and apart and sum(layers) > memory:
        stated = sum(held <= memory for held in accumulate(reversed(layers)))
    return Placement(
        devices=machine.devices, host=machine.host, gpu_layers=None if stated is None else offloaded(stated)
    )


def depth(claim: Claim) -> int:
    """Tokens in the cache halfway through the answer; llama-bench's where the claim tells neither length."""
    if claim.prompt_tokens is None and claim.answer_tokens is None:
        return DEPTH_OF_BENCH
    return (claim.prompt_tokens or 0) + (claim.answer_tokens or 0) // 2
