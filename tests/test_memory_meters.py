"""Memory as Linux, macOS and NVIDIA's library tell it: trees of files that look like ``/proc``, and this machine."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff.measurement.meters import darwin
from bakeoff.measurement.meters.darwin import Footprint, footprint_in, region_in
from bakeoff.measurement.meters.kernel import KERNEL, kibibytes, whole
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
from bakeoff.measurement.meters.psi import MACHINE, Stalled, pressure_files, pressure_state, stalled, swapped_in_pages
from bakeoff.measurement.meters.tree_peak import TreePeak
from tests.kernel_trees import GIB, MIB, FakeKernel, mapping

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


# What processes hold


def test_a_tree_is_the_processes_and_all_that_their_threads_have_started(kernel: FakeKernel) -> None:
    kernel.process(100, GIB, children=[200, 300])
    kernel.process(200, GIB, children=[400])
    kernel.process(300, GIB)
    kernel.process(400, GIB)
    kernel.process(900, GIB)
    assert tree(kernel, [100]) == [100, 200, 300, 400]
    assert tree(kernel, [100, 200]) == [100, 200, 300, 400]
    assert tree(kernel, [7777]) == []


def test_a_process_that_is_gone_holds_nothing_and_a_zombie_neither(kernel: FakeKernel) -> None:
    kernel.process(100, 3 * GIB, most=4 * GIB, swapped=MIB)
    kernel.put("/proc/101/status", "Name:\tengine\nState:\tZ (zombie)\n")
    assert held(kernel, 100) == Held(3 * GIB, 4 * GIB, MIB)
    assert held(kernel, 101) is None
    assert held(kernel, 102) is None


def test_weights_that_two_processes_map_are_counted_once(kernel: FakeKernel) -> None:
    kernel.process(100, 5 * GIB, shared_out=3 * GIB)  # 4 GiB of weights between them, 1 GiB of its own
    kernel.process(200, 5 * GIB, shared_out=3 * GIB)
    assert counted_twice(kernel, [100, 200]) == 4 * GIB
    assert counted_twice(kernel, [100]) == 0


def test_what_is_shared_is_unknown_without_the_right_to_read_it_and_the_gone_are_left_out(tmp_path: Path) -> None:
    kernel = FakeKernel(str(tmp_path), ("/200/smaps_rollup",))
    kernel.process(100, 5 * GIB, shared_out=3 * GIB)
    kernel.process(200, 5 * GIB, shared_out=3 * GIB)
    assert counted_twice(kernel, [100, 200]) is None
    assert counted_twice(kernel, [100, 300]) == 2 * GIB


def test_bytes_from_the_disk_are_those_of_all_that_tell(kernel: FakeKernel) -> None:
    kernel.process(100, GIB, read=70)
    kernel.process(200, GIB, read=7)
    assert storage_read(kernel, [100, 200, 300]) == 77
    assert storage_read(kernel, [300]) is None


def test_mapped_weights_are_told_from_libraries_and_devices_and_their_parts_added(kernel: FakeKernel) -> None:
    lines = [
        mapping("/models/r1 7b.gguf", 3 * GIB, GIB),
        mapping("/models/r1 7b.gguf", GIB, 0, begin=0x7E0000000000),
        mapping("/usr/lib/libcuda.so.550", GIB, GIB),
        mapping("/dev/nvidia0", GIB, GIB, "rw-s"),
        mapping("/usr/bin/engine", GIB, GIB, "r-xp"),
        mapping("/models/small.json", MIB, MIB),
        mapping("", 8 * GIB, GIB, "rw-p"),
    ]
    kernel.process(100, GIB, maps="".join(line for line, _ in lines), smaps="".join(block for _, block in lines))
    kernel.process(200, GIB, maps="nonsense\n\nx-y r--s\n", smaps="nonsense\n")
    assert mapped_weights(kernel, [100, 200, 300]) == (Mapped("r1 7b.gguf", 4 * GIB, GIB),)


def test_a_line_of_status_is_read_only_in_the_form_that_the_kernel_writes() -> None:
    assert kibibytes("VmRSS:\t  12 kB\n", "VmRSS") == 12 * 1024
    assert kibibytes("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS") == 12 * 1024
    assert [kibibytes(text, "VmRSS") for text in ("", "VmRSS:", "VmRSS: 12", "VmRSS: -1 kB", "VmRSS: x kB")] == [
        None
    ] * 5
    assert [whole(text) for text in (None, "", "x", "9" * 41, " 7\n")] == [None, None, None, None, 7]


# The peak of a tree in a window


class Tree:
    """Processes that a test makes grow, shrink and end."""

    def __init__(self, *, can_reset: bool) -> None:
        self.now: dict[int, int] = {}
        self.most: dict[int, int] = {}
        self.can_reset = can_reset

    def hold(self, pid: int, size: int) -> None:
        self.now[pid] = size
        self.most[pid] = max(self.most.get(pid, 0), size)

    def end(self, pid: int) -> None:
        del self.now[pid]

    def read(self, pid: int) -> Held | None:
        return Held(self.now[pid], self.most[pid], 0) if pid in self.now else None

    def reset(self, pid: int) -> bool:
        if self.can_reset:
            self.most[pid] = self.now[pid]
        return self.can_reset

    def watch(self) -> TreePeak:
        watch = TreePeak(lambda: list(self.now), self.read, self.reset)
        watch.start()
        return watch


def most(watch: TreePeak) -> tuple[int, bool]:
    watch.sample()
    peak = watch.peak()
    assert peak is not None
    return peak.most, peak.marked


@pytest.mark.parametrize("can_reset", [True, False])
def test_a_peak_between_two_samples_is_seen_though_it_was_freed(can_reset: bool) -> None:
    engine = Tree(can_reset=can_reset)
    engine.hold(1, 100)
    watch = engine.watch()
    engine.hold(1, 900)
    engine.hold(1, 120)
    assert most(watch) == (900, True)


def test_a_peak_of_before_is_not_this_windows() -> None:
    engine = Tree(can_reset=True)
    engine.hold(1, 900)
    engine.hold(1, 100)
    assert most(engine.watch()) == (100, True)


def test_without_the_right_to_reset_an_older_and_higher_mark_leaves_only_samples() -> None:
    engine = Tree(can_reset=False)
    engine.hold(1, 900)
    engine.hold(1, 100)
    watch = engine.watch()
    engine.hold(1, 300)
    watch.sample()
    engine.hold(1, 200)
    assert most(watch) == (300, False)


def test_a_child_that_comes_and_goes_counts_while_it_lives() -> None:
    engine = Tree(can_reset=True)
    engine.hold(1, 100)
    watch = engine.watch()
    engine.hold(2, 50)
    engine.hold(2, 40)
    watch.sample()
    engine.end(2)
    engine.hold(3, 30)
    assert most(watch) == (150, True)
    peak = watch.peak()
    assert peak is not None
    assert (peak.processes, peak.least, peak.mean, peak.samples) == (3, 100, (100 + 140 + 130) / 3, 3)


def test_an_engine_that_ends_in_the_window_has_the_peak_seen_until_then() -> None:
    engine = Tree(can_reset=True)
    engine.hold(1, 100)
    watch = engine.watch()
    engine.hold(1, 500)
    watch.sample()
    engine.end(1)
    assert most(watch) == (500, True)
    assert Tree(can_reset=True).watch().peak() is None


# This machine


TOUCH = """
import mmap, sys
file = open(sys.argv[1], "rb")
weights = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(weights[at] for at in range(0, len(weights), 4096))
for line in sys.stdin:
    block = bytearray(int(line))
    del block
    print("done", flush=True)
"""


class Toucher:
    """A process that maps a file and has all of it in memory; it takes memory and frees it when told."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TOUCH, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.take(1)

    def take(self, size: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{size}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "weights.gguf"
    file.write_bytes(bytes(64 * MIB))
    return file


@pytest.fixture
def touchers(weights: Path) -> Iterator[list[Toucher]]:
    pair = [Toucher(weights), Toucher(weights)]
    yield pair
    for each in pair:
        each.end()


@linux_only
def test_here_a_file_that_two_processes_map_is_counted_once(touchers: list[Toucher]) -> None:
    pids = [each.process.pid for each in touchers]
    apart = sum(found.resident for pid in pids if (found := held(KERNEL, pid)))
    twice = counted_twice(KERNEL, pids)
    assert twice is not None
    assert apart > 128 * MIB
    assert 64 * MIB <= twice < 64 * MIB + 40 * MIB  # and the interpreter's own pages, which they share too
    (file,) = mapped_weights(KERNEL, pids)
    assert file == Mapped("weights.gguf", 64 * MIB, 64 * MIB)


@linux_only
def test_here_a_tree_holds_the_children_of_a_process(touchers: list[Toucher]) -> None:
    assert {os.getpid(), *(each.process.pid for each in touchers)} <= set(tree(KERNEL, [os.getpid()]))


@linux_only
def test_here_a_peak_is_seen_though_the_memory_was_freed(touchers: list[Toucher]) -> None:
    pid = touchers[0].process.pid
    if not reset_peak(KERNEL, pid):
        pytest.skip("no right to reset a peak here")
    watch = TreePeak(lambda: tree(KERNEL, [pid]), lambda pid: held(KERNEL, pid), lambda pid: reset_peak(KERNEL, pid))
    watch.start()
    touchers[0].take(200 * MIB)
    watch.sample()
    peak, now = watch.peak(), held(KERNEL, pid)
    assert peak is not None
    assert now is not None
    assert peak.marked
    assert peak.most - now.resident == pytest.approx(200 * MIB, abs=5 * MIB)  # the kernel counts in batches
    watch.start()
    watch.sample()
    again = watch.peak()
    assert again is not None
    assert again.most < now.resident + 10 * MIB


@linux_only
def test_here_a_file_mapped_but_never_touched_is_not_resident(weights: Path) -> None:
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        (found,) = [each for each in mapped_weights(KERNEL, [os.getpid()]) if each.file == "weights.gguf"]
    assert found.bytes == 64 * MIB
    assert found.resident < 4 * MIB


@linux_only
def test_here_pressure_reads_as_numbers_where_the_kernel_keeps_it() -> None:
    if pressure_state(KERNEL) != "ready":
        pytest.skip("this kernel keeps no pressure")
    before, after = stalled(KERNEL, MACHINE), stalled(KERNEL, MACHINE)
    assert before is not None
    assert after is not None
    assert after.some_us >= before.some_us >= 0


# Pressure and swap


def test_pressure_is_the_share_of_a_span_in_which_something_waited_for_memory(kernel: FakeKernel) -> None:
    kernel.pressure(1_000_000, 400_000)
    before = stalled(kernel, MACHINE)
    assert before == Stalled(1_000_000)
    assert before.share_until(Stalled(1_500_000), 2.0) == 0.25
    assert before.share_until(Stalled(9_500_000), 2.0) == 1.0
    assert before.share_until(Stalled(900_000), 2.0) is None
    assert before.share_until(before, 0.0) is None


@pytest.mark.parametrize(
    "text", ["", "some\n", "some avg10=0.00 total=\n", "full total=5\n", "some total=-3\n", "\0\n"]
)
def test_pressure_that_the_kernel_would_not_write_is_none(kernel: FakeKernel, text: str) -> None:
    kernel.put(MACHINE, text)
    assert stalled(kernel, MACHINE) is None
    assert pressure_state(kernel) == "missing"


def test_the_engines_control_group_has_a_pressure_of_its_own(kernel: FakeKernel) -> None:
    kernel.process(100, GIB, group="/user.slice/engine.scope")
    kernel.process(200, GIB, group="/../../outside")
    kernel.pressure(5)
    kernel.pressure(7, path="/sys/fs/cgroup/user.slice/engine.scope/memory.pressure")
    own = "/sys/fs/cgroup/user.slice/engine.scope/memory.pressure"
    assert pressure_files(kernel, 100) == (MACHINE, own)
    assert pressure_files(kernel, 200) == pressure_files(kernel, None) == (MACHINE,)


def test_pressure_may_be_switched_off_or_forbidden(tmp_path: Path) -> None:
    assert pressure_state(FakeKernel(str(tmp_path))) == "missing"
    forbidden = FakeKernel(str(tmp_path), (MACHINE,))
    forbidden.pressure(5)
    assert pressure_state(forbidden) == "denied"
    assert pressure_files(forbidden, None) == ()


def test_pages_from_swap_are_the_kernels_count(kernel: FakeKernel) -> None:
    assert swapped_in_pages(kernel) is None
    kernel.swapped_in(321)
    assert swapped_in_pages(kernel) == 321
    kernel.put("/proc/vmstat", "pswpin many\n")
    assert swapped_in_pages(kernel) is None


# macOS, whose structures are laid out as its headers say: never seen on a Mac


def rusage(now: int, lifetime: int) -> bytes:
    """``rusage_info_v4``: a UUID, and 36 numbers of 64 bits."""
    fields = [0] * 36
    fields[7], fields[28] = now, lifetime
    return bytes(16) + struct.pack("=36Q", *fields)


def region(path: str, address: int, size: int, pages: int, protection: int = 1) -> bytes:
    """``proc_regionwithpathinfo``."""
    numbers = struct.pack("=4I Q 14I", protection, 7, 0, 0, 0, 0, 0, 0, pages, *[0] * 10)
    return numbers + struct.pack("=QQ", address, size) + bytes(152) + path.encode().ljust(1024, b"\0")


def test_a_macs_footprint_is_two_fields_of_its_usage() -> None:
    assert footprint_in(rusage(5 * GIB, 6 * GIB) + bytes(700)) == Footprint(5 * GIB, 6 * GIB)


def test_a_macs_mapped_weights_are_large_files_that_are_not_code() -> None:
    raw = region("/models/r1.gguf", 0x1000, 4 * GIB, 65536)
    assert len(raw) == 1272
    assert region_in(raw, 16384) == (0x1000 + 4 * GIB, Mapped("r1.gguf", 4 * GIB, GIB))
    assert region_in(region("/usr/lib/dyld", 0x1000, GIB, 9, protection=5), 16384)[1] is None
    assert region_in(region("", 0x1000, GIB, 9), 16384)[1] is None
    assert region_in(region("/a.json", 0x1000, MIB, 9), 16384)[1] is None


class Library:
    """macOS's library, as its headers declare what is asked of it: one process, three mappings, some levels."""

    def __init__(self, regions: list[bytes], pressure: int = 1, thermal: int = 0) -> None:
        self.regions, self.pressure, self.heat = regions, pressure, thermal

    def proc_pid_rusage(self, pid: object, flavor: object, buffer: object) -> int:
        if pid.value != 42:  # type: ignore[attr-defined]
            return -1
        buffer[:304] = rusage(7, 9)  # type: ignore[index]
        return 0

    def proc_pidinfo(self, pid: object, flavor: object, address: object, buffer: object, size: object) -> int:
        for raw in self.regions:
            (at,) = struct.unpack_from("=Q", raw, 80)
            if at >= address.value:  # type: ignore[attr-defined]
                buffer[: len(raw)] = raw  # type: ignore[index]
                return len(raw)
        return 0

    def sysctlbyname(self, name: bytes, value: object, size: object, new: object, length: int) -> int:
        known = {b"hw.pagesize": 16384, b"kern.memorystatus_vm_pressure_level": self.pressure}
        if name not in known:
            return -1
        value._obj.value, size._obj.value = known[name], 4  # type: ignore[attr-defined]
        return 0

    def notify_register_check(self, name: bytes, token: object) -> int:
        token._obj.value = 3  # type: ignore[attr-defined]
        return 0 if name == b"com.apple.system.thermalpressurelevel" else 1

    def notify_get_state(self, token: object, level: object) -> int:
        level._obj.value = self.heat  # type: ignore[attr-defined]
        return 0


def test_a_mac_tells_footprints_mapped_weights_and_levels() -> None:
    mac = darwin.ThisMac(
        Library(
            [
                region("/models/a.gguf", 0x4000, GIB, 100),
                region("", 0x4000 + GIB, GIB, 5),
                region("/models/a.gguf", 0x4000 + 2 * GIB, GIB, 50),
            ],
            pressure=4,
            thermal=2,
        )
    )
    assert mac.footprint(42) == Footprint(7, 9)
    assert mac.footprint(43) is None
    assert mac.mapped_weights(42) == (Mapped("a.gguf", 2 * GIB, 150 * 16384),)
    assert (mac.pressure(), mac.thermal()) == ("critical", "heavy")


@pytest.mark.parametrize(("level", "name"), [(1, "nominal"), (2, "warn"), (4, "critical"), (0, None), (3, None)])
def test_a_macs_levels_of_memory_have_three_names(level: int, name: str | None) -> None:
    assert darwin.ThisMac(Library([], pressure=level)).pressure() == name


def test_a_level_of_heat_that_is_not_known_is_none() -> None:
    assert darwin.ThisMac(Library([], thermal=77)).thermal() is None
