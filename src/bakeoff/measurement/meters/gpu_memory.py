"""GPU memory of exactly an engine's processes; where the driver hides that, of the device, and it says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from bakeoff.measurement.meters.gpus import GpuSource
from bakeoff.results.records import Reading
from bakeoff.units import bytes_text

NAME = "memory of GPUs"
SMALLEST_GROWTH = 64 << 20
"""Bytes that a GPU's use must have grown by to be the engine's doing: a context alone takes more, a display less."""

_OWN = "the driver's account of these processes"
_GROWN = "device-wide, less what was taken before the engine started: the driver hides who holds what"
_WHOLE = "device-wide, whoever holds it: the driver hides that, and the engine was there before us"


def taken_now(gpus: Iterable[GpuSource]) -> dict[str, int]:
    """What is taken on each GPU: to be asked before an engine is started, as ``before`` of its meter."""
    return {gpu.name: used for gpu in gpus if (used := gpu.memory_used()) is not None}


class GpuMemory:
    """The memory on all GPUs together that the processes ``tree`` lists hold.

    ``on_gpu``: the engine says that it uses one, so that nothing held means that the driver hides it: it may not know
    processes by our numbers, as in a container. ``before`` is what was taken before the engine started.
    """

    def __init__(
        self,
        gpus: Sequence[GpuSource],
        tree: Callable[[], Collection[int]],
        *,
        on_gpu: bool,
        before: Mapping[str, int] | None = None,
    ) -> None:
        self._gpus, self._tree, self._on_gpu, self._before = gpus, tree, on_gpu, before
        self._samples: list[dict[str, int]] = []
        self._methods: set[str] = set()

    def start(self) -> None:
        """Begin a window."""
        self._samples, self._methods = [], set()
        self.sample()

    def sample(self) -> None:
        """Look once."""
        pids = self._tree()
        own = {gpu.name: gpu.memory_of(pids) for gpu in self._gpus}
        held = {name: count for name, count in own.items() if count}
        method = _OWN
        if not held and self._on_gpu:
            held, method = self._device_wide()
        if held or None not in own.values():
            self._samples.append(held)
            self._methods.add(method)

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds; nothing where no GPU was used, or none tells."""
        self.sample()
        totals = [sum(held.values()) for held in self._samples]
        if not any(totals):
            return ()
        most = max(self._samples, key=lambda held: sum(held.values()))
        return (
            Reading(
                meter=NAME, scope="gpu", quantity="memory_bytes", value=sum(totals) / len(totals), low=min(totals),
                high=max(totals), span_s=span_s, samples=len(totals), method="; ".join(sorted(self._methods)),
                detail=", ".join(f"{name}: {bytes_text(count)}" for name, count in most.items()),
            ),
        )  # fmt: skip

    def _device_wide(self) -> tuple[dict[str, int], str]:
        """What has grown since before the engine; where nothing has, it was there before us."""
        used, before = taken_now(self._gpus), self._before or {}
        grown = {name: count - before[name] for name, count in used.items() if name in before}
        grown = {name: count for name, count in grown.items() if count >= SMALLEST_GROWTH}
        return (grown, _GROWN) if grown else (used, _WHOLE)
