"""Memory of an engine's processes: the most that they held in a window, what is mapped, swapped and read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bakeoff.measurement.meters.darwin import Mac
from bakeoff.measurement.meters.kernel import Kernel
from bakeoff.measurement.meters.processes import (
    Held,
    Mapped,
    counted_twice,
    held,
    mapped_weights,
    reset_peak,
    storage_read,
    tree,
)
from bakeoff.measurement.meters.sparing import Sparing
from bakeoff.measurement.meters.tree_peak import Peak, TreePeak
from bakeoff.results.records import Reading, Scope

NAME = "memory of processes"
_MARKS = "the kernel's high-water marks"
_SAMPLES = "sampled once a second: a short peak may be higher"


class LinuxMemory:
    """The resident set of a tree of processes, pages that several of them map counted once."""

    def __init__(self, kernel: Kernel, pids: Sequence[int]) -> None:
        self._kernel = kernel
        self._watch = TreePeak(lambda: tree(kernel, pids), partial(held, kernel), partial(reset_peak, kernel))
        self._alive: tuple[int, ...] = ()
        self._read_before: dict[int, int] = {}
        self._read_since: dict[int, int] = {}
        self._twice = Sparing(lambda: counted_twice(kernel, self._alive))
        self._mapped = Sparing(lambda: mapped_weights(kernel, self._alive))

    def start(self) -> None:
        """Begin a window."""
        self._alive = self._watch.start()
        self._read_since = {}
        self._count_reads()
        self._read_before = dict(self._read_since)

    def sample(self) -> None:
        """Look once."""
        self._alive = self._watch.sample()
        self._count_reads()

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        peak = self._watch.peak()
        return tuple(self._readings(peak, span_s)) if peak is not None else ()

    def _count_reads(self) -> None:
        for pid in self._alive:
            count = storage_read(self._kernel, [pid])
            if count is not None:
                self._read_since[pid] = count

    def _readings(self, peak: Peak, span_s: float) -> Iterator[Reading]:
        twice = self._twice() if peak.processes > 1 else 0
        words = _MARKS if peak.marked else _SAMPLES
        if peak.processes > 1:
            words += f" of {peak.processes} processes" if peak.marked else f" ({peak.processes} processes)"
            words += ", shared pages once" if twice is not None else ", shared pages in each that maps them"
        yield _memory("process", peak, span_s, words, less=twice or 0)
        swapped = sum(each.swapped for pid in self._alive if (each := held(self._kernel, pid)))
        if swapped:
            yield Reading(
                meter=NAME, scope="process", quantity="swapped_bytes", value=swapped, span_s=span_s,
                method="the kernel's account of what of it is in swap",
            )  # fmt: skip
        read = sum(max(0, count - self._read_before.get(pid, 0)) for pid, count in self._read_since.items())
        if self._read_since:
            yield Reading(
                meter=NAME, scope="process", quantity="disk_read_bytes", value=read, span_s=span_s,
                method="the kernel's count of what it fetched from disks for these processes",
            )  # fmt: skip
        yield from _weights(self._mapped(), span_s)


class MacMemory:
    """The physical footprint of a tree of processes, and the pages of weights that they map and that are in memory."""

    def __init__(self, mac: Mac, pids: Sequence[int], scope: Scope = "unified") -> None:
        self._mac, self._scope = mac, scope
        self._tree = Sparing(lambda: _children(pids))
        self._watch = TreePeak(self._tree, self._held)
        self._alive: tuple[int, ...] = ()
        self._mapped = Sparing(self._weights)

    def start(self) -> None:
        """Begin a window."""
        self._alive = self._watch.start()

    def sample(self) -> None:
        """Look once."""
        self._alive = self._watch.sample()

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        peak = self._watch.peak()
        if peak is None:
            return ()
        mapped = self._mapped()
        words = "physical footprint by the kernel's mark" if peak.marked else f"physical footprint, {_SAMPLES}"
        words += ", with the pages of weights that are mapped and in memory" if mapped else ""
        pages = sum(each.resident for each in mapped)
        return (_memory(self._scope, peak, span_s, words, less=-pages), *_weights(mapped, span_s))

    def _held(self, pid: int) -> Held | None:
        footprint = self._mac.footprint(pid)
        return Held(footprint.now, footprint.most, 0) if footprint else None

    def _weights(self) -> tuple[Mapped, ...]:
        found: dict[str, Mapped] = {}
        for pid in self._alive:
            for each in self._mac.mapped_weights(pid):
                if each.file not in found or each.resident > found[each.file].resident:
                    found[each.file] = each
        return tuple(found.values())


def _memory(scope: Scope, peak: Peak, span_s: float, words: str, less: int) -> Reading:
    """A peak, without what it counts twice or with what it leaves out; never below the least that was seen."""
    return Reading(
        meter=NAME,
        scope=scope,
        quantity="memory_bytes",
        value=max(0.0, peak.mean - less),
        low=max(0, peak.least - less),
        high=max(0, peak.most - less),
        span_s=span_s,
        samples=peak.samples,
        method=words,
    )


def _weights(mapped: Sequence[Mapped], span_s: float) -> Iterator[Reading]:
    """How much of the weights is mapped, and how much of that is in memory."""
    if not mapped:
        return
    names = ", ".join(each.file for each in mapped[:3]) + (", …" if len(mapped) > 3 else "")
    for quantity, value in (
        ("mapped_bytes", sum(each.bytes for each in mapped)),
        ("mapped_resident_bytes", sum(each.resident for each in mapped)),
    ):
        yield Reading(
            meter=NAME, scope="process", quantity=quantity, value=value, span_s=span_s,
            method="the kernel's account of each mapping", detail=names,
        )  # fmt: skip


def _children(pids: Sequence[int]) -> list[int]:
    from bakeoff.measurement.process_tree import process_tree

    return process_tree(pids)
