"""What a model asks of a machine, where its layers lie, and the bandwidth limit that follows."""

from __future__ import annotations

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
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.hardware.machine import Machine
    from bakeoff.models.quants import TensorSpec

Cost = Literal["cost_f16", "cost_k", "cost_q8_0", "plain"]


class Work(Struct, frozen=True, kw_only=True):
    """What one token asks of a machine: a model at a quantization, its cache in one element type.

    A token at decode reads ``read_bytes`` of weights, a batch of a prompt ``batch_bytes``.
    """

    arch: Architecture
    read_bytes: float
    batch_bytes: float
    head_bytes: float
    parameters: float
    element_bytes: float
    cost: Cost

    def cache_bytes(self, context: int) -> float:
        """Bytes of the cache that a token at that depth reads."""
        return kv_bytes(self.arch, context, self.element_bytes)


class Placement(Struct, frozen=True, kw_only=True):
    """Which devices hold the layers, in a row; what ``gpu_layers`` leaves over, the host computes.

    ``gpu_layers`` None is all. Without devices the host computes everything. Layers are shared out by memory.
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
    )


def placement(machine: Machine, gpu_layers: int | None = None) -> Placement:
    """The model on that machine: on its devices, as far as ``gpu_layers`` goes."""
    return Placement(devices=machine.devices, host=machine.host, gpu_layers=gpu_layers)


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
    """Devices with their layers, then the host with the rest and, where it has any, with the output."""
    layers = asked.arch.layers
    on_gpu = min(layers, layers if placed.gpu_layers is None else max(0, placed.gpu_layers))
    on_gpu = on_gpu if placed.devices else 0
    per_layer = (asked.read_bytes - asked.head_bytes) / layers
    memory = sum(device.memory_bytes for device in placed.devices)
    held = []
    for number, device in enumerate(placed.devices if on_gpu else ()):
        own = on_gpu * device.memory_bytes / memory
        head = asked.head_bytes if on_gpu == layers and number == len(placed.devices) - 1 else 0.0
        held.append(
            Part(
                device=device,
                bandwidth=device.bandwidth_bytes_s,
                layers=own,
                read_bytes=own * per_layer + head,
                share=own / layers,
            )
        )
    if on_gpu < layers:
        rest = layers - on_gpu
        held.append(
            Part(
                device=None,
                bandwidth=placed.host.bandwidth_bytes_s,
                layers=rest,
                read_bytes=rest * per_layer + asked.head_bytes,
                share=rest / layers,
            )
        )
    return held


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
