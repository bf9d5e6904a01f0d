"""What the planner says of a cell before its first trial, so that the run can be held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bakeoff.engines.base import Description
from bakeoff.models.architecture import Architecture
from bakeoff.models.quants import TensorSpec
from bakeoff.planning.fit import fit
from bakeoff.planning.learned import Correction, DeviceKind, corrected
from bakeoff.planning.speed import Placement, predict, work
from bakeoff.results.records import Prediction, Workload

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec


class Weights(Struct, frozen=True):
    """The shape and tensors of a contestant's model, where they are known."""

    architecture: Architecture
    tensors: Sequence[TensorSpec]


class Predictor:
    """Predicts cells on this machine; ``learned`` is what its earlier runs taught, by what computes."""

    def __init__(self, machine: Machine, learned: Mapping[DeviceKind, Correction]) -> None:
        self._machine = machine
        self._learned = learned

    def __call__(
        self, weights: Weights, about: Description, workload: Workload, prompt_tokens: int
    ) -> Prediction | None:
        """None where it is not known what computes, and under load: what is predicted is one stream alone."""
        if about.device == "unknown" or workload.requests is not None:
            return None
        on_gpu = about.device == "gpu" and bool(self._machine.devices)
        machine = self._machine if on_gpu else structs.replace(self._machine, devices=())
        speed = predict(
            work(weights.architecture, weights.tensors),
            Placement(devices=machine.devices, host=machine.host, gpu_layers=_split(about)),
            context=prompt_tokens + workload.max_tokens // 2,
            prompt_tokens=prompt_tokens,
        )
        kind: DeviceKind = "gpu" if on_gpu else "cpu"
        shown = corrected(speed, self._learned[kind]) if kind in self._learned else speed
        memory = fit(machine, weights.architecture, weights.tensors, context=workload.context or 4096)
        return Prediction(
            device=kind,
            decode_tps=shown.decode_at_context,
            prefill_tps=shown.prefill,
            plain_decode_tps=speed.decode_at_context.point,
            plain_prefill_tps=speed.prefill.point,
            limit_tps=speed.limit_tps,
            limit_assumed="assumed" in machine.host.described and (not on_gpu or _split(about) is not None),
            memory_bytes=memory.total_bytes,
        )


def _split(about: Description) -> int | None:
    """How many of the model's layers llama.cpp put on the GPU, where it says that those are not all.

    It counts the output as one, and puts that there first.
    """
    on_gpu, layers = (about.settings.get(name) for name in ("layers_on_gpu", "layers"))
    return max(0, on_gpu - 1) if isinstance(on_gpu, int) and isinstance(layers, int) and on_gpu < layers else None
