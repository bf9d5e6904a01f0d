"""Whether a model fits a machine, and how: whole, after a setting is changed, split between GPU and host, or not.

- ``yes``: whole in the memory that computes, with ``SPARE_BYTES`` to spare on each device;
- ``tight``: whole, with less to spare;
- ``yes_if``: whole once a limit is raised, ``condition`` says how;
- ``split``: llama.cpp and Ollama, the last ``gpu_layers`` layers on the GPU, the others in the host's memory;
- ``no``: not even so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bakeoff.planning.budget import Pool, device_pools, host_pool, how_to_raise
from bakeoff.planning.choice import Fits
from bakeoff.planning.memory import (
    PIPELINE_COPIES,
    Parts,
    Setting,
    cache_bytes,
    graph_bytes,
    host_graph_bytes,
    parts,
    working_bytes,
)
from bakeoff.planning.placement import offloaded, on_devices
from bakeoff.units import GIB, bytes_text

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Device, Machine
    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec
    from bakeoff.planning.speed import Engine

SPARE_BYTES = GIB
"""What llama.cpp keeps free on each device when it chooses by itself what goes there (--fit-target, 1,024 MiB)."""


class Fit(Struct, frozen=True, kw_only=True):
    """How one model sits on one machine.

    ``total_bytes`` is what the engine allocates, the sum of ``weights_bytes`` (all tensors), ``kv_bytes`` and
    ``buffer_bytes`` (of all devices and the host); ``host_bytes`` of it lie in the host's memory. ``usable_bytes``
    is what the devices, or the processor without them, have for it; ``runtime_bytes``, which drivers take, is no
    longer in it. ``max_context`` is the longest context per stream, up to the trained length, that fits the same
    way or better; 0 where none does. ``gpu_layers`` counts layers without the output; llama.cpp's ``-ngl`` is
    ``placement.offloaded`` of it.
    """

    fits: Fits
    condition: str
    weights_bytes: int
    kv_bytes: int
    buffer_bytes: int
    runtime_bytes: int
    host_bytes: int
    total_bytes: int
    usable_bytes: int
    max_context: int
    gpu_layers: int


class _Level(IntEnum):
    NO = 0
    SPLIT = 1
    RAISED = 2
    WHOLE = 3


class _Case(Struct, frozen=True, kw_only=True):
    """One model on one machine, at one setting."""

    arch: Architecture
    parts: Parts
    setting: Setting
    devices: tuple[Device, ...]
    pools: tuple[Pool, ...]
    host: Pool

    @property
    def splits(self) -> bool:
        """Whether layers may stay in the host's memory, apart from the devices'."""
        return self.in_order and bool(self.devices) and not any(device.unified for device in self.devices)

    @property
    def in_order(self) -> bool:
        """Whether each device holds layers of its own, as llama.cpp does it, and the host the embedding."""
        return self.setting.engine in ("llamacpp", "ollama")

    def at(self, context: int) -> _Case:
        return structs.replace(self, setting=structs.replace(self.setting, context=context))


def fit(
    machine: Machine,
    arch: Architecture,
    specs: Iterable[TensorSpec],
    *,
    context: int,
    engine: Engine = "llamacpp",
    streams: int = 1,
    kv_type: str = "F16",
    flash_attention: bool = True,
) -> Fit:
    """How the model of these tensors fits, with so many tokens of context for each stream.

    Raises UsageError where the engine has no such cache.
    """
    case = _Case(
        arch=arch,
        parts=parts(specs),
        setting=Setting(
            context=context, engine=engine, streams=streams, kv_type=kv_type, flash_attention=flash_attention
        ),
        devices=tuple(device for device in machine.devices if device.vendor != "cpu"),
        pools=device_pools(machine, engine),
        host=host_pool(machine),
    )
    level = _level(case)
    layers = _layers(case, level)
    buffers, in_host = _shares(case, layers)
    kv = cache_bytes(arch, case.setting)
    pools = case.pools or (case.host,)
    fits, condition = _verdict(case, level, layers)
    return Fit(
        fits=fits,
        condition=condition,
        weights_bytes=case.parts.total,
        kv_bytes=kv,
        buffer_bytes=buffers,
        runtime_bytes=sum(pool.runtime_bytes for pool in pools),
        host_bytes=in_host,
        total_bytes=case.parts.total + kv + buffers,
        usable_bytes=sum(pool.usable_bytes for pool in pools),
        max_context=_longest(case, max(level, _Level.SPLIT)),
        gpu_layers=layers,
    )


def _level(case: _Case) -> _Level:
    """How the model fits at all, without a word on what is left."""
    if _is_whole(case, _usable(case)):
        return _Level.WHOLE
    if _is_whole(case, [pool.raisable_bytes for pool in case.pools or (case.host,)]):
        return _Level.RAISED
    if case.splits and _host_need(case, _split_layers(case)) <= case.host.usable_bytes:
        return _Level.SPLIT
    return _Level.NO


def _usable(case: _Case) -> list[int]:
    return [pool.usable_bytes for pool in case.pools or (case.host,)]


def _is_whole(case: _Case, rooms: Sequence[int], copies: int = 1) -> bool:
    """Whether the whole model lies in these rooms, one for each device."""
    if case.in_order and case.devices:
        graph = graph_bytes(case.arch, case.setting, copies)
        return _placed(case, [room - graph for room in rooms]) == len(case.parts.layers)
    return _need(case) <= min(rooms)


def _need(case: _Case) -> int:
    """Bytes on each device, where all have like shares; of the processor's memory without devices."""
    count = max(1, len(case.devices))
    kv = cache_bytes(case.arch, case.setting)
    if not case.in_order:
        return -(-(case.parts.total + kv) // count) + working_bytes(case.arch, case.setting)
    held = case.parts.total if not case.devices else sum(case.parts.layers) + case.parts.output
    return -(-(held + kv) // count) + graph_bytes(case.arch, case.setting)


def _placed(case: _Case, rooms: Sequence[int]) -> int:
    """How many layers the devices hold, from the last to the first, each its neighbours and its share of the cache.

    The output goes to the last device, before any layer.
    """
    sizes = case.parts.layers
    cached = -(-cache_bytes(case.arch, case.setting) // max(1, len(sizes)))
    left = list(rooms)
    room = left.pop() - case.parts.output
    if room < 0:
        return 0
    for count, size in enumerate(reversed(sizes)):
        while room < size + cached:
            if not left:
                return count
            room = left.pop()
        room -= size + cached
    return len(sizes)


def _split_layers(case: _Case) -> int:
    """Layers on the GPUs where some stay in the host's memory: as many as leave ``SPARE_BYTES`` free."""
    taken = graph_bytes(case.arch, case.setting, weight=case.parts.largest) + SPARE_BYTES
    placed = _placed(case, [pool.usable_bytes - taken for pool in case.pools])
    return max(0, min(placed, len(case.parts.layers) - 1))


def _host_need(case: _Case, gpu_layers: int) -> int:
    """Bytes in the host's memory beside a GPU: the embedding, the other layers with their cache, a buffer."""
    count = len(case.parts.layers)
    kept = count - gpu_layers
    _, output_on_gpu = on_devices(count, offloaded(gpu_layers))
    output = case.parts.output if output_on_gpu else 0
    cached = cache_bytes(case.arch, case.setting) * kept // max(1, count)
    graph = graph_bytes(case.arch, case.setting) if kept else host_graph_bytes(case.arch, case.setting, _copies(case))
    return case.parts.total - sum(case.parts.layers[kept:]) - output + cached + graph


def _copies(case: _Case) -> int:
    """Copies of the inputs that llama.cpp keeps on several GPUs, as far as there is room for them."""
    several = case.in_order and len(case.devices) > 1
    return PIPELINE_COPIES if several and _is_whole(case, _usable(case), PIPELINE_COPIES) else 1


def _layers(case: _Case, level: _Level) -> int:
    """Layers on the devices; where nothing fits, those that would be."""
    if not case.devices:
        return 0
    if level >= _Level.RAISED or not case.splits:
        return len(case.parts.layers)
    return _split_layers(case)


def _shares(case: _Case, layers: int) -> tuple[int, int]:
    """Bytes of all buffers, and of everything in the host's memory."""
    count = len(case.devices)
    if not case.devices:
        need = _need(case)
        return need - case.parts.total - cache_bytes(case.arch, case.setting), need
    if not case.in_order:
        return count * working_bytes(case.arch, case.setting), 0
    if layers < len(case.parts.layers):
        device = graph_bytes(case.arch, case.setting, weight=case.parts.largest)
        host = graph_bytes(case.arch, case.setting)
    else:
        copies = _copies(case)
        device = graph_bytes(case.arch, case.setting, copies)
        host = host_graph_bytes(case.arch, case.setting, copies)
    return count * device + host, _host_need(case, layers)


def _verdict(case: _Case, level: _Level, layers: int) -> tuple[Fits, str]:
    """The word for it, and the condition in words."""
    match level:
        case _Level.WHOLE:
            if _is_whole(case, [room - SPARE_BYTES for room in _usable(case)], _copies(case)):
                return "yes", ""
            return "tight", f"leaves less than {SPARE_BYTES / GIB:g} GiB to spare"
        case _Level.RAISED:
            smallest = min(range(len(case.pools)), key=lambda index: case.pools[index].raisable_bytes)
            how = how_to_raise(case.devices[smallest], case.pools[smallest], _need(case), SPARE_BYTES)
            return "yes_if", how
        case _Level.SPLIT:
            words = f"{layers} of {len(case.parts.layers)} layers on the GPU, the others in the host's memory"
            whole = _longest(case, _Level.WHOLE)
            return "split", words + (f"; whole with up to {whole:,} tokens of context" if whole else "")
    return "no", _why_not(case, layers)


def _why_not(case: _Case, layers: int) -> str:
    buffers, _ = _shares(case, layers)
    need = case.parts.total + cache_bytes(case.arch, case.setting) + buffers
    pools = case.pools or (case.host,)
    most = sum(pool.raisable_bytes for pool in pools)
    where = "of GPU memory" if case.splits else "of memory"
    host = f" and {bytes_text(case.host.usable_bytes)} of the host's" if case.splits else ""
    return f"needs {bytes_text(need)}; there are {bytes_text(most)} {where}{host}"


def _longest(case: _Case, level: _Level) -> int:
    """The longest context, up to the trained length, at which the model fits so or better; by bisection."""
    low, high = 0, case.arch.max_position
    while low < high:
        middle = (low + high + 1) // 2
        if _level(case.at(middle)) >= level:
            low = middle
        else:
            high = middle - 1
    return low
