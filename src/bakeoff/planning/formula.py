"""The formulas of speed, once: the planner gives them numbers, the fit (``python -m fit``) gives them arrays.

Decode, seconds per token of one stream::

    layers × (step / clock + launch) + (memory³ + cores³)^⅓ + hops
    memory = bytes × lost / (bandwidth × efficiency)
    cores  = bytes / (core cycles per second × bytes per core cycle)

``step`` is the cycles that a layer takes whatever its size, ``launch`` what it costs more where the engine launches
every kernel by itself (no CUDA graphs). Bytes are those of the weights read and of the cache, which is read less
well and counts more. ``cores`` is what unpacking and the loads in flight can do: it binds chips whose memory is
fast for their cores. Of two bounds the slower counts; the cubes round the corner between them.

A processor without a GPU decodes by the same two bounds, its cores counted by the weights that they unpack::

    layers × NODES × (node + thread × cores) + (memory³ + unpacking³)^⅓
    unpacking = weights × operations a weight / (vector operations per second)

Of a large model memory is the slower one, of a small one or with few cores unpacking, and of a tiny one the steps: a
layer is NODES operations, after each of which all threads wait for each other.

Prefill, seconds for a prompt of N tokens::

    batches × (layers × (step / clock + launch) + memory) + (2 × parameters + attention) × N / rate
    1 / rate³ = 1 / (core cycles per second × operations per core cycle)³ + 1 / (watts × operations per joule)³

with attention = 4 × layers × heads × head size × N / 2 operations per token, weighted. Each batch of 512 tokens, or
of what is left, reads all weights once: of a short prompt that is most of the time. In a row of n devices the batches
follow each other like on an assembly line, as far as ``pipelining`` says.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

VENDORS = ("nvidia", "apple", "amd", "intel")
BATCH = 512
CORNER = 3
NODES = 27
"""Times that threads wait for each other in a layer: 20 operations, and once more before each of 7 matrix products."""


class Chip(Struct, frozen=True, kw_only=True):
    """What the formulas ask of a device; each field a number, or an array of them."""

    bandwidth: Any
    core_rate: Any
    clock_ghz: Any
    watts: Any
    """Infinite where it is not known or not what binds."""
    launched: Any
    """1 where every kernel is launched by itself, else 0."""
    two_dies: Any
    old: Any
    """1 for NVIDIA chips before Ampere, whose matrix units do less or are missing."""
    datacentre: Any
    """1 for NVIDIA's A100, H100 and their kin, whose matrix units do more."""


class Decode(Struct, frozen=True, kw_only=True):
    """Fitted numbers of decode; the first four are a vendor's own. Cycles, shares, bytes, seconds."""

    step_cycles: Any
    efficiency: Any
    bytes_per_cycle: Any
    cache_weight: Any
    launch_s: Any
    hop_s: Any
    dies_loss: Any


class Prefill(Struct, frozen=True, kw_only=True):
    """Fitted numbers of prefill; the first five are a vendor's own. A ``cost`` is a multiple of Q4_0's."""

    operations_per_cycle: Any
    attention_weight: Any
    cost_f16: Any
    cost_k: Any
    cost_q8_0: Any
    operations_per_joule: Any
    old_loss: Any
    datacentre_gain: Any
    pipelining: Any


class Processor(Struct, frozen=True, kw_only=True):
    """Numbers of a processor's decode. Share of the peak bandwidth, vector operations, seconds."""

    efficiency: Any
    operations_per_weight: Any
    """To unpack and multiply a weight whose type llama.cpp repacks for the vector units."""
    node_s: Any
    thread_s: Any


def processor_seconds(
    layers: Any, size: Any, weights: Any, sustained: Any, flops: Any, cores: Any, fit: Processor
) -> tuple[Any, Any, Any]:
    """Seconds per token of a processor that reads ``size`` bytes: steps, memory, and unpacking of so many weights.

    ``sustained`` is the bandwidth that programs reach: measured, or ``fit.efficiency`` of the peak.
    """
    steps = layers * NODES * (fit.node_s + fit.thread_s * cores)
    return steps, size / sustained, weights * fit.operations_per_weight / flops


def cornered(a: Any, b: Any, corner: float = CORNER) -> Any:
    """Of two bounds the slower, the corner between them rounded."""
    return (a**corner + b**corner) ** (1 / corner)


def layer_seconds(chip: Chip, fit: Decode) -> Any:
    """Seconds that a layer takes whatever its size."""
    return fit.step_cycles / (chip.clock_ghz * 1e9) + chip.launched * fit.launch_s


def memory_seconds(size: Any, chip: Chip, fit: Decode) -> Any:
    """Seconds in which memory gives so many bytes, whatever is computed with them."""
    return size * (1 + chip.two_dies * fit.dies_loss) / (chip.bandwidth * fit.efficiency)


def reading_seconds(read_bytes: Any, cache_bytes: Any, chip: Chip, fit: Decode, corner: float = CORNER) -> Any:
    """Seconds to read so many bytes of weights and cache and compute with them."""
    size = read_bytes + fit.cache_weight * cache_bytes
    memory = memory_seconds(size, chip, fit)
    cores = size / (chip.core_rate * fit.bytes_per_cycle)
    return cornered(memory, cores, corner)


def batch_seconds(layers: Any, weights_bytes: Any, chip: Chip, fit: Decode) -> Any:
    """Seconds that a batch of a prompt takes beside its tokens' own: the layers' steps, all weights read once."""
    return layers * layer_seconds(chip, fit) + memory_seconds(weights_bytes, chip, fit)


def operations_per_second(chip: Chip, fit: Prefill) -> Any:
    """The rate of prefill, as the cores and the power limit allow it."""
    gain = (1 + chip.datacentre * (fit.datacentre_gain - 1)) / (1 + chip.old * (fit.old_loss - 1))
    cores = chip.core_rate * fit.operations_per_cycle * gain
    return (cores**-3 + (chip.watts * fit.operations_per_joule) ** -3.0) ** (-1 / 3)


def attention_operations(width: Any, layers: Any, tokens: Any) -> Any:
    """Operations of attention per token of a prompt, on average; ``width`` is heads × head size."""
    return 4 * layers * width * tokens / 2


def pipelined(batches: Any, devices: Any, pipelining: Any) -> Any:
    """The share of the work's time that is left where devices work on several batches at once."""
    ideal = (batches + devices - 1) / (devices * batches)
    return 1 - pipelining * (1 - ideal)
