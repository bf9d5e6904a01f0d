"""Linux's account of processes: who belongs to a tree, what each holds, and what several of them share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from bakeoff.measurement.meters.kernel import Kernel, kibibytes, whole

_RESET_PEAK = "5"
"""proc(5), ``/proc/PID/clear_refs``: the peak resident set size falls to what is resident now."""
_LEAST_WEIGHTS = 32 << 20
"""Bytes from which a file that is only read is taken for weights; code and fonts are smaller."""
_CODE = (".so", ".dll", ".dylib", ".node")


class Held(Struct, frozen=True):
    """What one process holds, in bytes: resident now, at most since its peak was last reset, and swapped out."""

    resident: int
    most: int
    swapped: int


class Mapped(Struct, frozen=True):
    """Weights that are read by mapping their file: its name, how many bytes are mapped, how many are in memory."""

    file: str
    bytes: int
    resident: int


def tree(kernel: Kernel, pids: Iterable[int]) -> list[int]:
    """These processes that live and all that they have started, by the kernel's lists of children."""
    found: dict[int, None] = {}
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid in found or not (threads := kernel.names(f"/proc/{pid}/task")):
            continue
        found[pid] = None
        for thread in threads:
            listed = kernel.text(f"/proc/{pid}/task/{thread}/children")
            waiting += [child for word in (listed or "").split() if (child := whole(word)) is not None]
    return sorted(found)


def held(kernel: Kernel, pid: int) -> Held | None:
    """What a process holds now; None where it is gone, or has let go of everything (a zombie)."""
    text = kernel.text(f"/proc/{pid}/status") or ""
    resident, most = kibibytes(text, "VmRSS"), kibibytes(text, "VmHWM")
    if resident is None:
        return None
    return Held(resident, max(resident, most or 0), kibibytes(text, "VmSwap") or 0)


def reset_peak(kernel: Kernel, pid: int) -> bool:
    """Start the process's peak anew; False without that right, or where the process is gone."""
    return kernel.write(f"/proc/{pid}/clear_refs", _RESET_PEAK)


def counted_twice(kernel: Kernel, pids: Sequence[int]) -> int | None:
    """Bytes that the sum of resident sets counts more than once, because several processes map the same pages.

    Σ Rss − Σ Pss of ``smaps_rollup``, which divides each page by those who map it; pages that outsiders map too
    are divided by more, so that this is at most what they share. It walks the page tables: 4 ms a gigabyte. None
    without the right to read it.
    """
    if len(pids) < 2:
        return 0
    excess = 0
    for pid in pids:
        text = kernel.text(f"/proc/{pid}/smaps_rollup")
        if text is None and kernel.text(f"/proc/{pid}/statm") is None:
            continue  # gone meanwhile
        resident, shared_out = kibibytes(text or "", "Rss"), kibibytes(text or "", "Pss")
        if resident is None or shared_out is None:
            return None
        excess += max(0, resident - shared_out)
    return excess


def storage_read(kernel: Kernel, pids: Sequence[int]) -> int | None:
    """Bytes that these processes have had fetched from disks so far, page faults included; None where not told."""
    told = [_read_bytes(kernel.text(f"/proc/{pid}/io") or "") for pid in pids]
    known = [count for count in told if count is not None]
    return sum(known) if known else None


def _read_bytes(text: str) -> int | None:
    for line in text.splitlines():
        if line.startswith("read_bytes:"):
            return whole(line.partition(":")[2])
    return None


def maps_weights(kernel: Kernel, pid: int) -> bool:
    """Whether a process maps a file as large as weights are; costs 0.05 ms, where ``mapped_weights`` takes many."""
    return any(_is_weights(line) for line in (kernel.text(f"/proc/{pid}/maps") or "").splitlines())


def mapped_weights(kernel: Kernel, pids: Sequence[int]) -> tuple[Mapped, ...]:
    """The weights that these processes map, each file once: the most that any one of them maps and has resident."""
    found: dict[str, Mapped] = {}
    for pid in pids:
        if not maps_weights(kernel, pid):
            continue
        for each in _mapped(kernel.text(f"/proc/{pid}/smaps") or ""):
            known = found.get(each.file)
            if known is None or each.resident > known.resident:
                found[each.file] = each
    return tuple(found.values())


def _mapped(text: str) -> Iterator[Mapped]:
    """Each mapped file of weights in ``smaps``; its parts, where it is mapped in several, together."""
    sizes: dict[str, tuple[int, int]] = {}
    file = None
    for line in text.splitlines():
        first = line.split(None, 1)[0] if line else ""
        if not first.endswith(":"):  # a mapping's head, whose first word is its addresses
            file = _path(line) if _is_weights(line) else None
        elif file is not None and first in ("Size:", "Rss:"):
            size, resident = sizes.get(file, (0, 0))
            count = kibibytes(line, first[:-1]) or 0
            sizes[file] = (size + count, resident) if first == "Size:" else (size, resident + count)
    for path, (size, resident) in sizes.items():
        yield Mapped(path.rpartition("/")[2], size, resident)


def _is_weights(line: str) -> bool:
    """A line of ``maps``: ``ADDRESSES r--s OFFSET DEVICE INODE PATH``."""
    path = _path(line)
    if not path.startswith("/") or path.startswith(("/dev/", "/memfd:", "/SYSV")):
        return False
    if path.endswith(_CODE) or ".so." in path:
        return False
    words = line.split(None, 2)
    low, _, high = words[0].partition("-")
    try:
        return "x" not in words[1] and int(high, 16) - int(low, 16) >= _LEAST_WEIGHTS
    except ValueError:
        return False


def _path(line: str) -> str:
    words = line.split(None, 5)
    return words[5].removesuffix(" (deleted)") if len(words) == 6 else ""
