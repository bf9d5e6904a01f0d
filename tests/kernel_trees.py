"""Folders that look like ``/proc`` and ``/sys``, in the form that Linux 6 writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bakeoff.measurement.meters.kernel import Kernel

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class FakeKernel(Kernel, frozen=True):
    """A system whose files lie under ``root``; those in ``denied`` (endings of paths) need rights that we lack."""

    denied: tuple[str, ...] = ()

    def read(self, path: str) -> str:
        if path.endswith(self.denied) and self.denied:
            raise PermissionError(13, "Permission denied", path)
        return super().read(path)

    def write(self, path: str, text: str) -> bool:
        return not (self.denied and path.endswith(self.denied)) and super().write(path, text)

    def put(self, path: str, text: str | int) -> None:
        """Write one file, as the kernel does: a number has a newline."""
        file = Path(f"{self.root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if isinstance(text, str) else f"{text}\n")

    def drop(self, path: str) -> None:
        """Remove a file, or a folder with all that it holds."""
        at = Path(f"{self.root}{path}")
        for each in sorted(at.rglob("*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
        at.rmdir() if at.is_dir() else at.unlink()

    def process(
        self,
        pid: int,
        resident: int,
        *,
        most: int | None = None,
        swapped: int = 0,
        shared_out: int | None = None,
        read: int = 0,
        children: Iterable[int] = (),
        maps: str = "",
        smaps: str = "",
        group: str = "/",
    ) -> None:
        """A process that lives; bytes. ``shared_out`` is its proportional set."""
        at = f"/proc/{pid}"
        self.put(
            f"{at}/status",
            f"Name:\tengine\nPid:\t{pid}\nVmPeak:\t{9 * resident // KIB} kB\nVmHWM:\t{(most or resident) // KIB:8} kB\n"
            f"VmRSS:\t{resident // KIB:8} kB\nVmSwap:\t{swapped // KIB:8} kB\nThreads:\t2\n",
        )
        self.put(f"{at}/statm", f"{9 * resident // 4096} {resident // 4096} 0 1 0 0 0\n")
        self.put(
            f"{at}/smaps_rollup",
            f"00400000-7fff0000 ---p 00000000 00:00 0                          [rollup]\n"
            f"Rss:{resident // KIB:20} kB\nPss:{(shared_out or resident) // KIB:20} kB\nPss_Anon:{0:15} kB\n",
        )
        self.put(f"{at}/io", f"rchar: 9999999\nwchar: 0\nsyscr: 1\nsyscw: 0\nread_bytes: {read}\nwrite_bytes: 0\n")
        self.put(f"{at}/task/{pid}/children", "")
        self.put(f"{at}/task/{pid + 1}/children", " ".join(map(str, children)))
        self.put(f"{at}/clear_refs", "")
        self.put(f"{at}/maps", maps)
        self.put(f"{at}/smaps", smaps)
        self.put(f"{at}/cgroup", f"0::{group}\n")

    def pressure(self, some_us: int, full_us: int = 0, path: str = "/proc/pressure/memory") -> None:
        """What has been waited for memory since boot."""
        self.put(
            path,
            f"some avg10=0.00 avg60=0.12 avg300=0.05 total={some_us}\n"
            f"full avg10=0.00 avg60=0.10 avg300=0.04 total={full_us}\n",
        )

    def swapped_in(self, pages: int) -> None:
        """Pages that came back from swap since boot."""
        self.put("/proc/vmstat", f"nr_free_pages 100\npgpgin 5\npswpin {pages}\npswpout 3\npgmajfault 12918\n")

    def sensor(self, chip: str, number: int, file: str, value: int, label: str = "") -> None:
        """One input of hwmon."""
        at = f"/sys/class/hwmon/hwmon{number}"
        self.put(f"{at}/name", f"{chip}\n")
        self.put(f"{at}/{file}", value)
        if label:
            self.put(f"{at}/{file.removesuffix('_input')}_label", f"{label}\n")

    def zone(self, number: int, kind: str, millidegrees: int) -> None:
        """One thermal zone."""
        self.put(f"/sys/class/thermal/thermal_zone{number}/type", f"{kind}\n")
        self.put(f"/sys/class/thermal/thermal_zone{number}/temp", millidegrees)

    def clock(self, cpu: int, khz: int) -> None:
        """The frequency of one processor."""
        self.put(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", khz)

    def throttles(self, cpu: int, times: int, ms: int | None) -> None:
        """How often a package was slowed since boot, and for how long where the kernel tells."""
        at = f"/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"
        self.put(f"{at}/package_throttle_count", times)
        if ms is not None:
            self.put(f"{at}/package_throttle_total_time_ms", ms)


def mapping(path: str, size: int, resident: int, rights: str = "r--s", begin: int = 0x7F0000000000) -> tuple[str, str]:
    """One mapping, as ``maps`` and as ``smaps`` show it."""
    head = f"{begin:x}-{begin + size:x} {rights} 00000000 fe:00 1234                       {path}\n"
    body = (
        f"Size:{size // KIB:20} kB\nKernelPageSize:{4:10} kB\nRss:{resident // KIB:21} kB\n"
        f"Pss:{resident // KIB:21} kB\nVmFlags: rd mr me ms sd\n"
    )
    return head, head + body
