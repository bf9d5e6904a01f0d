"""What the planner says of a cell before its first trial, so that the run can be held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bakeoff.engines.address import Address
from bakeoff.engines.base import Description
from bakeoff.errors import UsageError
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import MODELS
from bakeoff.models.quants import TensorSpec
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import parameters
from bakeoff.planning.fit import fit
from bakeoff.planning.learned import Correction, DeviceKind, corrected
from bakeoff.planning.speed import Engine, Placement, cores_bound, predict, work
from bakeoff.results.records import Prediction, Workload

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec


class Weights(Struct, frozen=True):
    """The shape and tensors of a contestant's model, where they are known."""

    architecture: Architecture
    tensors: Sequence[TensorSpec]


_FAMILIES = {"mistral": "llama"}
"""Families that GGUF files know by another name."""
_ROUNDING = 4096
"""Parameters by which a server's count may differ: it counts the rotary factors too."""


def told_weights(about: Description) -> Weights | None:
    """The shape and tensors of a model of which its engine tells family, parameters and quantization.

    That of the catalogue's model with just so many parameters, at that recipe: fine-tuned weights have the shape of
    those that they were made from. None where there is none such.
    """
    model = about.model
    if model.parameters is None or model.quant is None:
        return None
    for arch in MODELS.values():
        family = _FAMILIES.get(arch.family, arch.family)
        if model.architecture == family and abs(parameters(arch) - model.parameters) <= _ROUNDING:
            try:
                return Weights(arch, tensors(arch, model.quant))
            except UsageError:  # a quantization without a recipe
                return None
    return None


class Predictor:
    """Predicts cells on this machine; ``learned`` is what its earlier runs taught, by what computes."""

    def __init__(self, machine: Machine, learned: Mapping[DeviceKind, Correction]) -> None:
        self._machine = machine
        self._learned = learned

    def __call__(
        self, weights: Weights | None, about: Description, workload: Workload, prompt_tokens: int
    ) -> Prediction | None:
        """Without ``weights`` by what the engine tells of them.

        None where neither tells, where it is not known what computes or nothing is known of it, and under load: what
        is predicted is one stream alone.
        """
        weights, on_gpu = weights or told_weights(about), about.device == "gpu"
        unknown = about.device == "unknown" or not _is_here(about) or (on_gpu and not self._machine.devices)
        if weights is None or unknown or workload.requests is not None:
            return None
        machine = self._machine if on_gpu else structs.replace(self._machine, devices=())
        engine: Engine = "ollama" if about.engine == "ollama" else "llamacpp"
        asked, split = work(weights.architecture, weights.tensors), _split(about, weights.architecture.layers)
        placed = Placement(devices=machine.devices, host=machine.host, gpu_layers=split)
        speed = predict(
            asked,
            placed,
            engine=engine,
            context=prompt_tokens + workload.max_tokens // 2,
            prompt_tokens=prompt_tokens,
        )
        kind: DeviceKind = "gpu" if on_gpu else "cpu"
        shown = corrected(speed, self._learned[kind]) if kind in self._learned else speed
        memory = fit(machine, weights.architecture, weights.tensors, context=workload.context or 4096, engine=engine)
        return Prediction(
            device=kind,
            decode_tps=shown.decode_at_context,
            prefill_tps=shown.prefill,
            plain_decode_tps=speed.decode_at_context.point,
            plain_prefill_tps=speed.prefill.point,
            limit_tps=speed.limit_tps,
            limit_assumed="assumed" in machine.host.described and (not on_gpu or split is not None),
            cores_bound=cores_bound(asked, placed),
            memory_bytes=memory.total_bytes,
        )


def _is_here(about: Description) -> bool:
    """Whether what answers is on this machine: what we started, or by its address."""
    url = about.settings.get("url")
    return Address.parse(url).is_here if isinstance(url, str) else True


def _split(about: Description, layers: int) -> int | None:
    """How many of the layers are on the GPU, the output counted; None is all.

    As llama.cpp says, else by the share of the memory that Ollama says is there.
    """
    on_gpu, counted = (about.settings.get(name) for name in ("layers_on_gpu", "layers"))
    if isinstance(on_gpu, int) and isinstance(counted, int):
        return on_gpu if on_gpu < counted else None
    share = about.settings.get("gpu_share")
    return round(share * (layers + 1)) if isinstance(share, float) and share < 1 else None
