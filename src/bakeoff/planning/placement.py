"""What a model asks of a machine, where its layers lie, and the bandwidth limit that follows."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from bakeoff.hardware.machine import Device, HostMemory
from bakeoff.models.architecture import Architecture
from bakeoff.models.weights import (
    KV_ELEMENT_BYTES,
    active_parameters,
    bytes_read_per_batch,
    bytes_read_per_token,
    kv_bytes,
    output_bytes,
    place_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.hardware.machine import Machine
    from bakeoff.models.quants import TensorSpec

Cost = Literal["cost_f16", "cost_k", "cost_q8_0", "plain"]
_REPACKED = ("Q4_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL")
"""Types that llama.cpp lays out anew for a processor's vector units, or reads as fast."""


class Work(Struct, frozen=True, kw_only=True):
    """What one token asks of a machine: a model at a quantization, its cache in one element type.

    A token at decode reads ``read_bytes`` of weights, a batch of a prompt ``batch_bytes``. Of the ``parameters`` that
    it is multiplied with, ``plain`` is the share whose type llama.cpp does not repack for a processor's vector units.
    """

    arch: Architecture
    read_bytes: float
    batch_bytes: float
    head_bytes: float
    parameters: float
    element_bytes: float
    cost: Cost
    plain: float = 0.0

    def cache_bytes(self, context: int) -> float:
        """Bytes of the cache that a token at that depth reads."""
        return kv_bytes(self.arch, context, self.element_bytes)


class Placement(Struct, frozen=True, kw_only=True):
    """Which devices hold the layers, in a row; what ``gpu_layers`` leaves over, the host computes.

    ``gpu_layers`` is llama.cpp's ``-ngl``, which counts the output (see ``on_devices``); None is all. Without devices
    the host computes everything. Layers are shared out by memory.
    """

    devices: tuple[Device, ...]
    host: HostMemory
    gpu_layers: int | None = None


class Part(Struct, frozen=True, kw_only=True):
    """A device and its share of the layers; the host where ``device`` is None."""

    device: Device | None
    bandwidth: float
    layers: float
    read_bytes: float
    share: float


def work(arch: Architecture, specs: Sequence[TensorSpec], kv_type: str = "F16") -> Work:
    """What a token of that model asks. ``kv_type`` is llama.cpp's name of the cache's element type."""
    return Work(
        arch=arch,
        read_bytes=bytes_read_per_token(specs, arch),
        batch_bytes=bytes_read_per_batch(specs),
        head_bytes=output_bytes(specs),
        parameters=active_parameters(arch),
        element_bytes=KV_ELEMENT_BYTES[kv_type.upper()],
        cost=_cost(specs),
        plain=_plain(specs),
    )


def placement(machine: Machine, gpu_layers: int | None = None) -> Placement:
    """The model on that machine: on its devices, as far as ``gpu_layers`` goes."""
    return Placement(devices=machine.devices, host=machine.host, gpu_layers=gpu_layers)


def offloaded(layers: int) -> int:
    """llama.cpp's ``-ngl``, Ollama's ``num_gpu``, for so many of the last layers on the GPU, before them the output.

    Nothing on the GPU is 0; all of N layers are N + 1.
    """
    return layers + 1 if layers else 0


def on_devices(layers: int, gpu_layers: int | None) -> tuple[int, bool]:
    """Of so many layers those on the GPU at a ``-ngl``, and whether the output is there.

    llama.cpp counts the output as the last layer and fills from the end (llama-model.cpp, load_tensors: from layer
    N + 1 - ngl on): 1 is the output alone, N leaves the first layer to the host, N + 1 is all.
    """
    counted = layers + 1 if gpu_layers is None else min(layers + 1, max(0, gpu_layers))
    return max(0, counted - 1), counted > 0


def bandwidth_limit_tps(asked: Work, placed: Placement, context: int = 0) -> float:
    """Tokens per second that no measurement may pass: every byte read once at full bandwidth, device by device.

    For one stream without speculation, of a model larger than the last-level cache.
    """
    cached = asked.cache_bytes(context)
    return 1 / sum((part.read_bytes + cached * part.share) / part.bandwidth for part in parts(asked, placed))


def all_bytes(asked: Work, part: Part) -> float:
    """Bytes of a part's weights: of experts all, since a batch of prompt tokens asks for each of them."""
    return part.read_bytes * asked.batch_bytes / asked.read_bytes


def parts(asked: Work, placed: Placement) -> list[Part]:
    """Devices with their layers, the last with the output, then the host with what is left."""
    layers = asked.arch.layers
    on_gpu, output = on_devices(layers, placed.gpu_layers) if placed.devices else (0, False)
    per_layer = (asked.read_bytes - asked.head_bytes) / layers
    memory = sum(device.memory_bytes for device in placed.devices)

    def part(device: Device | None, own: float, head: bool) -> Part:
        return Part(
            device=device,
            bandwidth=device.bandwidth_bytes_s if device else placed.host.bandwidth_bytes_s,
            layers=own,
            read_bytes=own * per_layer + (asked.head_bytes if head else 0.0),
            share=own / layers,
        )

    last = len(placed.devices) - 1
    held = [
        part(device, on_gpu * device.memory_bytes / memory, output and number == last)
        for number, device in enumerate(placed.devices)
    ]
    held.append(part(None, layers - on_gpu, not output))
    return [each for each in held if each.read_bytes > 0]


def _plain(specs: Sequence[TensorSpec]) -> float:
    """Of the weights in matrices, the share whose type is not repacked."""
    untied = any(place_of(spec.name) == "output" for spec in specs)
    counts = [
        (prod(spec.shape), spec.type.name not in _REPACKED)
        for spec in specs
        if len(spec.shape) > 1 and not (untied and place_of(spec.name) == "embedding")
    ]
    return sum(count for count, plain in counts if plain) / max(1, sum(count for count, _ in counts))


def _cost(specs: Sequence[TensorSpec]) -> Cost:
    """Which of the fitted costs of prefill the type of most bytes has."""
    sums: dict[str, int] = {}
    for spec in specs:
        sums[spec.type.name] = sums.get(spec.type.name, 0) + spec.bytes
    most = max(sums, key=lambda name: sums[name])
    if most in ("F16", "BF16", "F32"):
        return "cost_f16"
    if most.endswith("_K") or most.startswith("IQ"):
        return "cost_k"
    return "cost_q8_0" if most in ("Q8_0", "8bit") else "plain"
