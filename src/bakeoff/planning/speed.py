"""How fast a model decodes and reads prompts on a machine, before it is there: intervals, by plain arithmetic.

The formulas are in ``formula``, the numbers in ``fitted.json`` (written by ``python -m fit``), how far they can be
trusted in docs/prediction.md. Every figure is one stream without speculation, with its 80 % interval: the misses
on chips that the fit had not seen. No rate passes the bandwidth limit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from bakeoff.hardware.cores import cores_of
from bakeoff.planning.fitted import decode_fit, numbers, prefill_fit, processor_fit, width_of
from bakeoff.planning.formula import (
    BATCH,
    Chip,
    Prefill,
    attention_operations,
    batch_seconds,
    cornered,
    layer_seconds,
    operations_per_second,
    pipelined,
    processor_seconds,
    reading_seconds,
)
from bakeoff.planning.placement import (
    Part,
    Placement,
    Work,
    all_bytes,
    bandwidth_limit_tps,
    parts,
    placement,
    work,
)
from bakeoff.results.records import Figure

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Device, HostMemory
    from bakeoff.models.architecture import Architecture

__all__ = [
    "Engine",
    "Placement",
    "Speed",
    "Work",
    "bandwidth_limit_tps",
    "decode_steps",
    "decode_tps",
    "placement",
    "predict",
    "prefill_tps",
    "ttft_s",
    "work",
]

Engine = Literal["llamacpp", "ollama", "vllm", "mlx"]

CONFIDENCE = 0.80
PCIE_BYTES_S = 25e9
"""What PCIe 4.0 × 16 moves in practice; an assumption, since nobody names their slot."""
STREAMED_FROM = 32
"""Prompt tokens from which llama.cpp sends the processor's weights to the GPU instead of computing there."""
DEPTH_OF_BENCH = 64
"""llama-bench's tg128 starts from an empty context: half of its tokens are cached on average."""
PROCESSOR_SHARE = 0.5
"""Of a processor's operations per second, in prefill: an assumption, as is the factor by which it may be wrong."""
PROCESSOR_OPERATIONS = 0.73e12
"""Where they are not known: a Core i9-13900K reading 55.2 tokens/s of a 7B model (llama.cpp issue 34)."""
PROCESSOR_PREFILL_FACTOR = 2.5
USUAL_CORE = 3e9 * 32
"""Operations per second of a core, where a processor does not say how many it has: 3 GHz, 32 a clock. An assumption."""
OVERHEAD = (
    "Here a processor's cores, in unpacking weights and in the steps of the layers, set the pace rather than its "
    "memory, and are known less well."
)
UNMEASURED_FACTOR = 1.2
"""By how much more a figure may be off for an engine or a kind of model that the fit has few or no rows of."""


class Speed(Struct, frozen=True, kw_only=True):
    """Tokens per second and seconds, each with its 80 % interval, and what the reader must know of them.

    ``decode`` is at depth 0, like llama-bench's tg128. ``limit_tps`` is what the bandwidth allows there.
    """

    decode: Figure
    decode_at_context: Figure
    prefill: Figure
    ttft: Figure
    limit_tps: float
    notes: tuple[str, ...] = ()


class Span(Struct, frozen=True):
    """Seconds with the bounds of an interval; sums take the bounds as moving together."""

    point: float
    low: float
    high: float

    @classmethod
    def around(cls, point: float, log_width: float) -> Span:
        """The point times and divided by e^log_width."""
        return cls(point, point * math.exp(-log_width), point * math.exp(log_width))

    def __add__(self, other: Span) -> Span:
        return Span(self.point + other.point, self.low + other.low, self.high + other.high)


NOTHING = Span(0.0, 0.0, 0.0)


def predict(
    asked: Work,
    placed: Placement,
    *,
    engine: Engine = "llamacpp",
    context: int = 4096,
    prompt_tokens: int = 500,
) -> Speed:
    """Decode at depth 0 and at ``context``, prefill and time to first token of a prompt of so many tokens."""
    return Speed(
        decode=decode_tps(asked, placed, DEPTH_OF_BENCH, engine),
        decode_at_context=decode_tps(asked, placed, context, engine),
        prefill=prefill_tps(asked, placed, prompt_tokens, engine),
        ttft=ttft_s(asked, placed, prompt_tokens, engine),
        limit_tps=bandwidth_limit_tps(asked, placed),
        notes=_notes(asked, placed, engine),
    )


def decode_tps(asked: Work, placed: Placement, depth: int = DEPTH_OF_BENCH, engine: Engine = "llamacpp") -> Figure:
    """Tokens per second with so many tokens in the cache. In a split, the times of the parts add up."""
    seconds = _decode_span(asked, placed, depth, engine)
    return _rate(seconds, 1, limit=bandwidth_limit_tps(asked, placed, depth))


def prefill_tps(asked: Work, placed: Placement, tokens: int = 512, engine: Engine = "llamacpp") -> Figure:
    """Prompt tokens per second, on average over a prompt of so many tokens in an empty context."""
    return _rate(_prefill_span(asked, placed, tokens, engine), tokens)


def ttft_s(asked: Work, placed: Placement, tokens: int = 500, engine: Engine = "llamacpp") -> Figure:
    """Seconds from a prompt of so many tokens to the first token: prefill and one step of decode."""
    seconds = _prefill_span(asked, placed, tokens, engine) + _decode_span(asked, placed, tokens, engine)
    return Figure(point=seconds.point, low=seconds.low, high=seconds.high, confidence=CONFIDENCE)


def _rate(seconds: Span, tokens: int, limit: float = math.inf) -> Figure:
    return Figure(
        point=min(tokens / seconds.point, limit),
        low=min(tokens / seconds.high, limit),
        high=min(tokens / seconds.low, limit),
        confidence=CONFIDENCE,
    )


def decode_steps(asked: Work, placed: Placement, depth: int, engine: Engine) -> list[tuple[str, Span]]:
    """What the seconds of a token are made of, each part in words: their sum is the time."""
    held = parts(asked, placed)
    cached, found = asked.cache_bytes(depth), list[tuple[str, Span]]()
    on_devices = sum(part.device is not None for part in held)
    extra = math.log(UNMEASURED_FACTOR) * ((engine in ("vllm", "mlx")) + (asked.arch.experts is not None))
    for part in held:
        if part.device is None:
            width = numbers()["processor"]["log_width"] + extra
            steps, memory, unpacking = _on_processor(asked, placed.host, part, cached)
            name = f"at {share_reached(placed.host):.0%} of the host's bandwidth, or as fast as its cores unpack"
            found.append((f"steps of {part.layers:.3g} layers on the processor", Span.around(steps, width)))
            found.append((f"reading {name}", Span.around(cornered(memory, unpacking), width)))
            continue
        chip, fit = _chip(part.device, alone=on_devices == 1, engine=engine), decode_fit(part.device.vendor)
        width = width_of("decode", part.device.vendor) + extra
        steps = part.layers * layer_seconds(chip, fit) * _expert_steps(asked.arch)
        reading = reading_seconds(part.read_bytes, cached * part.share, chip, fit)
        name = f"at {fit.efficiency:.0%} of the bandwidth, or as fast as the cores unpack"
        found.append((f"steps of {part.layers:.3g} layers on {part.device.chip}", Span.around(steps, width)))
        found.append((f"reading {name}, on {part.device.chip}", Span.around(reading, width)))
    if on_devices and len(held) > 1:
        found.append(("hops between devices", Span.around((len(held) - 1) * numbers()["shared"]["hop_s"], extra)))
    if engine == "ollama":
        found.append(("what Ollama adds", Span.around(numbers()["ollama_s"], 0.0)))
    return found


def _decode_span(asked: Work, placed: Placement, depth: int, engine: Engine) -> Span:
    total = NOTHING
    for _, span in decode_steps(asked, placed, depth, engine):
        total += span
    return total


def cores_bound(asked: Work, placed: Placement) -> bool:
    """Whether the processor has a part of the model, and takes longer for its steps and unpacking than for reading."""
    last = parts(asked, placed)[-1]
    if last.device is not None:
        return False
    steps, memory, unpacking = _on_processor(asked, placed.host, last, 0.0)
    return steps + unpacking > memory


def share_reached(host: HostMemory) -> float:
    """Of the host's bandwidth what decode reaches: a part of its memory's peak, all of what was measured to be."""
    return 1.0 if host.measured else processor_fit().efficiency


def _on_processor(asked: Work, host: HostMemory, part: Part, cached: float) -> tuple[float, float, float]:
    """Seconds of the processor's part of a token: steps, memory, unpacking."""
    own = numbers()["processor"]
    flops = host.flops or own["flops_per_bandwidth"] * part.bandwidth
    weights = asked.parameters * (1 + asked.plain * (own["plain_cost"] - 1)) * part.read_bytes / asked.read_bytes
    return processor_seconds(
        part.layers,
        part.read_bytes + cached * part.share,
        weights,
        part.bandwidth * share_reached(host),
        flops,
        host.cores or max(1, round(flops / USUAL_CORE)),
        processor_fit(),
    )


def _prefill_span(asked: Work, placed: Placement, tokens: int, engine: Engine) -> Span:
    """Devices in a row share the batches; the host's layers take the lesser of computing there and streaming."""
    held = parts(asked, placed)
    on_devices = [part for part in held if part.device is not None]
    batches = math.ceil(tokens / BATCH)
    extra = math.log(UNMEASURED_FACTOR) * ((engine in ("vllm", "mlx")) + (asked.arch.experts is not None))
    total = NOTHING
    for part in held:
        if part.device is None:
            total += _host_prefill(asked, placed, part, tokens, extra)
            continue
        chip, fit = _chip(part.device, alone=len(on_devices) == 1, engine=engine), prefill_fit(part.device.vendor)
        work_s = _operations(asked, part.share, tokens, fit) / operations_per_second(chip, fit)
        work_s *= pipelined(batches, len(on_devices), fit.pipelining)
        layers = part.layers * _expert_steps(asked.arch)
        batch = batch_seconds(layers, all_bytes(asked, part), chip, decode_fit(part.device.vendor))
        total += Span.around(work_s + batches * batch, width_of("prefill", part.device.vendor) + extra)
    return total


def _host_prefill(asked: Work, placed: Placement, part: Part, tokens: int, extra: float) -> Span:
    host = placed.host
    rate = host.flops * PROCESSOR_SHARE if host.flops else PROCESSOR_OPERATIONS
    computing = _operations(asked, part.share, tokens, None) / rate
    # A short prompt still reads all weights once.
    computing = max(computing, part.read_bytes / (part.bandwidth * share_reached(placed.host)))
    here = Span.around(computing, math.log(PROCESSOR_PREFILL_FACTOR) + extra)
    device = placed.devices[0] if placed.devices else None
    if device is None or tokens < STREAMED_FROM:
        return here
    fit = prefill_fit(device.vendor)
    on_gpu = _operations(asked, part.share, tokens, fit) / operations_per_second(_chip(device, True, "llamacpp"), fit)
    sent = math.ceil(tokens / BATCH) * all_bytes(asked, part) / PCIE_BYTES_S
    there = Span.around(sent + on_gpu, width_of("prefill", device.vendor) + math.log(UNMEASURED_FACTOR) + extra)
    return min(here, there, key=lambda span: span.point)


def _operations(asked: Work, share: float, tokens: int, fit: Prefill | None) -> float:
    """Operations of a part's share of a prompt, at the cost of its quantization."""
    cost = getattr(fit, asked.cost, 1.0) if fit else 1.0
    weight = fit.attention_weight if fit else 1.0
    arch = asked.arch
    attention = float(weight * attention_operations(arch.heads * arch.head_dim, arch.layers, tokens))
    return (2 * asked.parameters * cost + attention) * tokens * share


def _chip(device: Device, alone: bool, engine: Engine) -> Chip:
    """What the formulas ask of a device; cores that are not known as usual for its bandwidth."""
    known, nvidia = cores_of(device.chip), device.vendor == "nvidia"
    usual = numbers()["core_rate_per_bandwidth"]
    rate = known.rate if known else usual.get(device.vendor, usual["nvidia"]) * device.bandwidth_bytes_s
    capability = (known.capability or 8.9) if known else 8.9
    no_graphs = nvidia and engine != "vllm" and (not alone or capability < 8)
    return Chip(
        bandwidth=device.bandwidth_bytes_s,
        core_rate=rate,
        clock_ghz=known.clock_ghz if known else 1.7,
        watts=device.tdp_w if nvidia and device.tdp_w else math.inf,
        launched=float(no_graphs),
        two_dies=float(known is not None and known.dies > 1),
        old=float(nvidia and capability < 8),
        datacentre=float(nvidia and capability in (8.0, 9.0, 10.0, 10.3)),
    )


def _expert_steps(arch: Architecture) -> float:
    """How much longer a layer's steps take, on average over the layers, where some hold experts."""
    if arch.experts is None:
        return 1.0
    share = 1 - arch.experts.dense_layers / arch.layers
    return float(1 + share * (numbers()["experts"]["step_factor"] - 1))


def _notes(asked: Work, placed: Placement, engine: Engine) -> tuple[str, ...]:
    notes = []
    if engine in ("vllm", "mlx"):
        notes.append(f"No measurements of {engine} went into the fit: the figures are llama.cpp's, wider.")
    if asked.arch.experts is not None:
        notes.append("Mixtures of experts were measured on one chip only: the intervals are wider.")
    held = parts(asked, placed)
    if held[-1].device is None:
        notes.append("What the processor computes is known within a factor, its prefill by assumption only.")
        if cores_bound(asked, placed):
            notes.append(OVERHEAD)
        if placed.devices:
            notes.append(f"PCIe is taken to move {PCIE_BYTES_S / 1e9:.0f} GB/s.")
    unknown = sorted({device.chip for device in placed.devices if cores_of(device.chip) is None})
    notes += [f"The cores of {chip} are not known; usual ones for its bandwidth are assumed." for chip in unknown]
    return tuple(notes)
