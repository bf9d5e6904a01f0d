"""Linux's account of memory that is short: stalls (PSI), and pages that come back from swap."""

from __future__ import annotations

from msgspec import Struct

from bakeoff.measurement.meters.kernel import Kernel, Readable, whole

MACHINE = "/proc/pressure/memory"
_VMSTAT = "/proc/vmstat"
_CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
"""Where version 2 of the control groups lies, alone or beside version 1."""


class Stalled(Struct, frozen=True):
    """Microseconds since boot in which some task waited for memory."""

    some_us: int

    def share_until(self, later: Stalled, span_s: float) -> float | None:
        """Of a span, the share in which some task waited, 0 to 1; None where the counter ran backwards."""
        if span_s <= 0 or later.some_us < self.some_us:
            return None
        return min(1.0, (later.some_us - self.some_us) / 1e6 / span_s)


def stalled(kernel: Kernel, path: str) -> Stalled | None:
    """Read one file of pressure; None where it is absent or not what the kernel writes."""
    for line in (kernel.text(path) or "").splitlines():
        kind, _, rest = line.partition(" ")
        total = whole(rest.rpartition("total=")[2]) if kind == "some" and "total=" in rest else None
        if total is not None and total >= 0:
            return Stalled(total)
    return None


def pressure_files(kernel: Kernel, pid: int | None) -> tuple[str, ...]:
    """The machine's file of pressure, and that of the control group which limits the process, where there are any."""
    paths = [MACHINE]
    group = _group(kernel, pid) if pid is not None else None
    if group not in (None, "/"):
        paths += [f"{root}{group}/memory.pressure" for root in _CGROUPS]
    return tuple(path for path in paths if stalled(kernel, path) is not None)


def pressure_state(kernel: Kernel) -> Readable:
    """Whether the machine's pressure can be read; some kernels have it switched off, which reads as an error."""
    state = kernel.state(MACHINE)
    return "missing" if state == "ready" and stalled(kernel, MACHINE) is None else state


def swapped_in_pages(kernel: Kernel) -> int | None:
    """Pages that came back from swap since boot, on the whole machine."""
    for line in (kernel.text(_VMSTAT) or "").splitlines():
        if line.startswith("pswpin "):
            return whole(line.partition(" ")[2])
    return None


def _group(kernel: Kernel, pid: int) -> str | None:
    """The process's control group of version 2."""
    for line in (kernel.text(f"/proc/{pid}/cgroup") or "").splitlines():
        if line.startswith("0::/") and ".." not in line:
            return line.removeprefix("0::")
    return None
