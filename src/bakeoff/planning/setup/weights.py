"""Which weights to take: those asked for, or, where vLLM cannot hold them, the least quantized that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from bakeoff.errors import UsageError
from bakeoff.models.catalogue import MODELS, find
from bakeoff.models.mlx import half_tensors
from bakeoff.models.names import EngineKind, engine_name, names_of
from bakeoff.models.quants import TYPES, TensorSpec, TensorType
from bakeoff.models.recipes import quant_name, tensors
from bakeoff.models.weights import file_bytes, place_of, tensor_bytes
from bakeoff.planning.fit import Fit, fit
from bakeoff.units import GIB, bytes_text

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.models.architecture import Architecture

_GATED = ("meta-llama/",)
"""Publishers on Hugging Face whose weights are given out only to accounts that have accepted their terms."""

_LAYER_BYTES = {
    "FP8": TensorType("FP8", -1, 1, 1),
    "W8A8": TensorType("W8A8", -1, 1, 1),
    "GPTQ": TensorType("GPTQ", -1, 128, 66),
    "AWQ": TensorType("AWQ", -1, 128, 67),
}
"""vLLM's quantized checkpoints: only the layers' matrices are quantized; to four bits in groups of 128 with a scale of
half precision (GPTQ, symmetric) and a zero point (AWQ)."""
_ONLINE = "fp8_per_channel"
"""What ``vllm serve --quantization`` calls the recipe of the FP8 checkpoints, applied while loading (vLLM 0.32)."""


class Weights(Struct, frozen=True, kw_only=True):
    """One model at one quantization as one engine loads it.

    ``name`` is what the engine takes, ``file`` the (first) GGUF file of that repository. ``online`` is vLLM's name
    of a quantization that is made while loading. ``gated``: needs a Hugging Face token.
    """

    arch: Architecture
    engine: EngineKind
    quant: str
    name: str
    specs: tuple[TensorSpec, ...]
    download_bytes: int
    file: str | None = None
    online: str = ""
    gated: bool = False


class Chosen(Struct, frozen=True, kw_only=True):
    """The weights to take, how they fit, and in words what differs from what was asked for; empty where nothing."""

    weights: Weights
    fit: Fit
    note: str


def choose(machine: Machine, engine: EngineKind, model: str, quant: str | None, context: int) -> Chosen:
    """The weights for a model on a machine.

    Raises UsageError for a model or quantization that there is not, and where nothing fits, with what does.
    """
    asked = weights_of(engine, find(model), quant)
    if context > asked.arch.max_position:
        raise UsageError(f"{asked.arch.short} was trained with {asked.arch.max_position:,} tokens of context at most.")
    first = _fit(machine, asked, context)
    if first.fits != "no":
        return Chosen(weights=asked, fit=first, note=_condition(first))
    for other in _smaller(asked):
        fitted = _fit(machine, other, context)
        if fitted.fits != "no":
            return Chosen(weights=other, fit=fitted, note=_quantized(machine, asked, other, fitted))
    raise UsageError(_nothing_fits(machine, asked, first, context))


def _quantized(machine: Machine, asked: Weights, taken: Weights, fitted: Fit) -> str:
    how = " while it is loaded" if taken.online else ""
    also = f"; {_condition(fitted)}" if fitted.fits == "yes_if" else ""
    return (
        f"quantized to {taken.quant}{how}, because {bytes_text(tensor_bytes(asked.specs))} "
        f"of {asked.quant} do not fit in {memory_words(machine)}{also}"
    )


def _condition(fitted: Fit) -> str:
    """What has to be said of a fit; empty where there is room enough."""
    before = {"yes_if": "it fits ", "tight": "it "}.get(fitted.fits, "")
    return f"{before}{fitted.condition}" if fitted.condition else ""


def memory_words(machine: Machine) -> str:
    """The memory that the model has to fit in, as it is sold: ``24 GB``, ``2 × 24 GB``."""
    sizes = [round(device.memory_bytes / GIB) for device in machine.devices if device.vendor != "cpu"]
    if not sizes:
        return f"{machine.host.memory_bytes / GIB:.0f} GB"
    if len(set(sizes)) > 1:
        return " + ".join(f"{size} GB" for size in sizes)
    return f"{len(sizes)} × {sizes[0]} GB" if len(sizes) > 1 else f"{sizes[0]} GB"


def weights_of(engine: EngineKind, arch: Architecture, quant: str | None) -> Weights:
    """A model as that engine loads it, at a quantization or at the engine's usual one.

    Raises UsageError where there is no such quantization, or the engine's name of the model is not known.
    """
    if names_of(arch.short):
        found = engine_name(engine, arch.short, quant)
        return _weights(arch, engine, found.quant or "", found.name, found.file)
    if engine != "vllm":
        family = ", ".join(short for short in MODELS if names_of(short))
        raise UsageError(
            f"Bakeoff does not know what {engine} calls {arch.short}. It knows the names of {family}; "
            f"others only for vllm, which takes them from {arch.source}."
        )
    if quant is not None and quant_name(quant) not in ("BF16", "F16"):
        raise UsageError(f"For vllm Bakeoff knows {arch.short} as {arch.source} alone, in BF16: leave @{quant} out.")
    return _weights(arch, engine, "BF16", _chat_version(arch.source), None)


def _chat_version(repository: str) -> str:
    """The model of that shape which answers questions: Meta's bare ones have no chat template."""
    if not repository.startswith("meta-llama/"):
        return repository
    return f"{repository.removesuffix('-hf')}-chat-hf" if repository.endswith("-hf") else f"{repository}-Instruct"


def _weights(arch: Architecture, engine: EngineKind, quant: str, name: str, file: str | None) -> Weights:
    specs = _specs(arch, engine, quant)
    return Weights(
        arch=arch,
        engine=engine,
        quant=quant,
        name=name,
        specs=specs,
        download_bytes=file_bytes(specs, arch) if engine in ("ollama", "llamacpp") else tensor_bytes(specs),
        file=file,
        gated=engine != "ollama" and name.startswith(_GATED),
    )


def _specs(arch: Architecture, engine: EngineKind, quant: str) -> tuple[TensorSpec, ...]:
    """Every tensor, in the engine's own format."""
    if engine in ("ollama", "llamacpp"):
        return tensors(arch, quant)
    half = half_tensors(arch)
    if bits := re.fullmatch(r"(\d)bit", quant):
        # Groups of 64 with scale and bias, embedding and output too, as mlx_lm.convert makes them.
        kind = TensorType(quant, -1, 64, 8 * int(bits[1]) + 4)
        return tuple(_as(spec, kind) for spec in half)
    if quant.upper() in _LAYER_BYTES:
        kind = _LAYER_BYTES[quant.upper()]
        return tuple(_as(spec, kind) if isinstance(place_of(spec.name), int) else spec for spec in half)
    return half


def _as(spec: TensorSpec, kind: TensorType) -> TensorSpec:
    """A matrix in that type, if its rows divide into its blocks."""
    fits = len(spec.shape) > 1 and spec.shape[0] % kind.block == 0
    return TensorSpec(spec.name, spec.shape, kind if fits else TYPES["BF16"])


def _smaller(asked: Weights) -> Iterator[Weights]:
    """What vLLM can take instead, the least quantized first: checkpoints, and FP8 made while loading."""
    if asked.engine != "vllm":
        return
    table = {name.quant: name for name in names_of(asked.arch.short).get("vllm", ())}
    size = tensor_bytes(asked.specs)
    for quant in ("FP8", "GPTQ", "AWQ"):
        found = table.get(quant)
        if found is not None:
            other = _weights(asked.arch, "vllm", quant, found.name, None)
        elif quant == "FP8":
            other = _made_while_loading(_weights(asked.arch, "vllm", quant, asked.name, None))
        else:
            continue
        if tensor_bytes(other.specs) < size:
            yield other


def _made_while_loading(other: Weights) -> Weights:
    """The same, from the weights as they were published."""
    return replace(other, online=_ONLINE, download_bytes=tensor_bytes(half_tensors(other.arch)))


def _fit(machine: Machine, weights: Weights, context: int) -> Fit:
    return fit(machine, weights.arch, weights.specs, context=context, engine=weights.engine)


def _nothing_fits(machine: Machine, asked: Weights, first: Fit, context: int) -> str:
    """Why not, and what would: the largest quantization that fits this engine whole, or split, else llama.cpp."""
    short = asked.arch.short
    what = f"{asked.arch.name} at {asked.quant} does not fit on {machine.name}: it {first.condition}."
    for engine in dict.fromkeys((asked.engine, "llamacpp")):
        others = [
            _weights(asked.arch, engine, name.quant or "", name.name, name.file)
            for name in names_of(short).get(engine, ())
        ]
        for levels in (("yes", "tight", "yes_if"), ("split",)):
            fitting = [other for other in others if _fit(machine, other, context).fits in levels]
            if not fitting:
                continue
            best = max(fitting, key=lambda other: tensor_bytes(other.specs))
            return f"{what} {short}@{best.quant} --engine {engine} does."
    return f"{what} Take a smaller model: bakeoff plan shows what fits."
