"""Windows over memory: what a meter reads between a trial's begin and its end, and what it says of how it knows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bakeoff.measurement.meters.darwin import Footprint
from bakeoff.measurement.meters.gpu_memory import SMALLEST_GROWTH, GpuMemory, taken_now
from bakeoff.measurement.meters.gpus import amd_gpus, nvidia_gpus, used_by
from bakeoff.measurement.meters.kernel import Kernel
from bakeoff.measurement.meters.pressure import LinuxPressure, MacPressure
from bakeoff.measurement.meters.process_memory import LinuxMemory, MacMemory
from bakeoff.measurement.meters.processes import Mapped
from bakeoff.measurement.meters.psi import MACHINE
from bakeoff.measurement.meters.sparing import SHARE, Sparing
from bakeoff.results.records import Reading
from tests.fake_mac import FakeMac
from tests.fake_nvml import LOST, FakeNvml, Gpu
from tests.kernel_trees import GIB, MIB, FakeKernel, mapping


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


def of(readings: Sequence[Reading], quantity: str) -> Reading:
    (found,) = [reading for reading in readings if reading.quantity == quantity]
    return found


# Linux


def test_a_process_alone_has_the_kernels_mark_as_its_peak(kernel: FakeKernel) -> None:
    kernel.process(100, 2 * GIB)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    assert Path(f"{kernel.root}/proc/100/clear_refs").read_text() == "5"
    kernel.process(100, 2 * GIB, most=5 * GIB)
    found = of(meter.finish(3.0), "memory_bytes")
    assert (found.scope, found.low, found.high, found.samples) == ("process", 2 * GIB, 5 * GIB, 2)
    assert found.method == "the kernel's high-water marks"


def test_weights_that_workers_share_are_in_the_peak_once(kernel: FakeKernel) -> None:
    kernel.process(100, 6 * GIB, shared_out=4 * GIB, children=[200])
    kernel.process(200, 6 * GIB, shared_out=4 * GIB)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    found = of(meter.finish(1.0), "memory_bytes")
    assert found.high == 8 * GIB
    assert "2 processes" in found.method
    assert "shared pages once" in found.method


def test_without_the_right_to_see_what_is_shared_the_method_says_so(tmp_path: Path) -> None:
    kernel = FakeKernel(str(tmp_path), ("smaps_rollup", "clear_refs"))
    kernel.process(100, 6 * GIB, most=9 * GIB, shared_out=4 * GIB, children=[200])
    kernel.process(200, 6 * GIB, shared_out=4 * GIB)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    found = of(meter.finish(1.0), "memory_bytes")
    assert found.high == 12 * GIB
    assert "sampled" in found.method
    assert "in each that maps them" in found.method


def test_an_engine_that_is_gone_before_its_window_has_no_reading(kernel: FakeKernel) -> None:
    meter = LinuxMemory(kernel, [100])
    meter.start()
    assert meter.finish(1.0) == ()


def test_an_engine_that_goes_in_the_middle_keeps_what_was_seen(kernel: FakeKernel) -> None:
    kernel.process(100, 2 * GIB, read=5)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    kernel.process(100, 3 * GIB, read=25)
    meter.sample()
    kernel.drop("/proc/100")
    found = meter.finish(1.0)
    assert of(found, "memory_bytes").high == 3 * GIB
    assert of(found, "disk_read_bytes").value == 20


def test_weights_that_are_mapped_but_not_in_memory_and_what_was_read_for_them_are_told(kernel: FakeKernel) -> None:
    line, block = mapping("/models/r1.gguf", 4 * GIB, GIB)
    kernel.process(100, GIB, maps=line, smaps=block, read=10 * GIB, swapped=64 * MIB)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    kernel.process(100, GIB, maps=line, smaps=block, read=13 * GIB, swapped=64 * MIB)
    found = meter.finish(2.0)
    assert of(found, "mapped_bytes").value == 4 * GIB
    assert of(found, "mapped_resident_bytes").value == GIB
    assert of(found, "mapped_bytes").detail == "r1.gguf"
    assert of(found, "disk_read_bytes").value == 3 * GIB
    assert of(found, "swapped_bytes").value == 64 * MIB


def test_windows_do_not_leak_into_each_other(kernel: FakeKernel) -> None:
    kernel.process(100, 2 * GIB, most=5 * GIB, read=7)
    meter = LinuxMemory(kernel, [100])
    meter.start()
    meter.finish(1.0)
    kernel.process(100, GIB, read=9)
    meter.start()
    found = meter.finish(1.0)
    assert of(found, "memory_bytes").high == GIB
    assert of(found, "disk_read_bytes").value == 0


def test_pressure_and_swap_are_the_counters_growth_over_the_window(kernel: FakeKernel) -> None:
    own = "/sys/fs/cgroup/engine.scope/memory.pressure"
    kernel.process(100, GIB, group="/engine.scope")
    kernel.pressure(1_000_000)
    kernel.pressure(0, path=own)
    kernel.swapped_in(1000)
    clock = iter((0, 2 * 10**9))
    meter = LinuxPressure(kernel, 100, page_bytes=4096, now=lambda: next(clock))
    meter.start()
    kernel.pressure(1_500_000)
    kernel.pressure(1_000_000, path=own)
    kernel.swapped_in(1256)
    found = meter.finish(2.0)
    shares = {reading.detail: reading.value for reading in found if reading.quantity == "pressure_share"}
    assert shares == {"the machine": 0.25, "the engine's control group": 0.5}
    assert of(found, "swap_in_bytes").value == MIB


def test_counters_that_run_backwards_or_vanish_make_no_reading(kernel: FakeKernel) -> None:
    kernel.pressure(1_000_000)
    kernel.swapped_in(1000)
    meter = LinuxPressure(kernel, None)
    meter.start()
    kernel.pressure(10)
    kernel.swapped_in(1)
    assert meter.finish(1.0) == ()
    meter.start()
    kernel.drop(MACHINE)
    assert [reading.quantity for reading in meter.finish(1.0)] == ["swap_in_bytes"]


def test_here_a_window_over_this_process_has_its_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("reads /proc")
    meter = LinuxMemory(Kernel(), [os.getpid()])
    meter.start()
    block = bytearray(64 * MIB)
    block[::4096] = b"x" * len(block[::4096])
    found = of(meter.finish(1.0), "memory_bytes")
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.low == pytest.approx(64 * MIB, abs=6 * MIB)
    del block


# macOS


def mac_with(now: int, most: int) -> FakeMac:
    mac = FakeMac()
    mac.footprints[os.getpid()] = Footprint(now, most)
    return mac


def test_a_macs_peak_is_the_footprints_mark_where_it_grew_and_the_mapped_weights_with_it() -> None:
    mac = mac_with(2 * GIB, 4 * GIB)
    mac.mapped[os.getpid()] = (Mapped("r1.gguf", 5 * GIB, 3 * GIB),)
    meter = MacMemory(mac, [os.getpid()])
    meter.start()
    mac.footprints[os.getpid()] = Footprint(2 * GIB, 6 * GIB)
    found = meter.finish(1.0)
    memory = of(found, "memory_bytes")
    assert (memory.scope, memory.high) == ("unified", 9 * GIB)
    assert "kernel's mark" in memory.method
    assert of(found, "mapped_resident_bytes").value == 3 * GIB


def test_a_macs_older_and_higher_mark_leaves_only_samples() -> None:
    mac = mac_with(2 * GIB, 8 * GIB)
    meter = MacMemory(mac, [os.getpid()])
    meter.start()
    mac.footprints[os.getpid()] = Footprint(3 * GIB, 8 * GIB)
    memory = of(meter.finish(1.0), "memory_bytes")
    assert memory.high == 3 * GIB
    assert "sampled" in memory.method


def test_a_macs_pressure_is_the_share_of_samples_above_nominal() -> None:
    mac = FakeMac()
    meter = MacPressure(mac)
    meter.start()
    mac.memory_level, mac.from_swap = "warn", 5 * MIB
    meter.sample()
    mac.memory_level = "critical"
    meter.sample()
    mac.memory_level = "nominal"
    found = meter.finish(3.0)
    pressure = of(found, "pressure_share")
    assert (pressure.value, pressure.detail) == (0.5, "critical")
    assert of(found, "swap_in_bytes").value == 5 * MIB


def test_a_mac_that_tells_nothing_makes_no_readings() -> None:
    mac = FakeMac()
    mac.memory_level, mac.from_swap = None, None
    meter = MacPressure(mac)
    meter.start()
    assert meter.finish(1.0) == ()


# GPUs


def gpu_meter(
    *gpus: Gpu, pids: Sequence[int] = (10,), on_gpu: bool = True, before: dict[str, int] | None = None
) -> GpuMemory:
    meter = GpuMemory(nvidia_gpus(FakeNvml(*gpus)), lambda: pids, on_gpu=on_gpu, before=before)
    meter.start()
    return meter


def test_of_two_gpus_the_one_that_is_used_is_told() -> None:
    idle, used = Gpu(processes={99: 7 * GIB}), Gpu(processes={10: 3 * GIB})
    meter = gpu_meter(idle, used)
    used.processes = {10: 5 * GIB}
    meter.sample()
    used.processes = {10: 4 * GIB}
    (found,) = meter.finish(1.0)
    assert (found.low, found.high, found.value) == (3 * GIB, 5 * GIB, 4 * GIB)
    assert found.detail == "GPU 1: 5.37 GB"
    assert found.method == "the driver's account of these processes"


def test_a_model_on_two_gpus_is_one_figure_of_both() -> None:
    (found,) = gpu_meter(Gpu(processes={10: GIB}), Gpu(processes={11: 2 * GIB}), pids=[10, 11]).finish(1.0)
    assert found.high == 3 * GIB
    assert found.detail == "GPU 0: 1.07 GB, GPU 1: 2.15 GB"


def test_a_driver_that_hides_processes_leaves_the_device_less_what_was_taken_before() -> None:
    engines, displays = Gpu(processes={10: None}, used=9 * GIB), Gpu(used=2 * GIB)
    before = {"GPU 0": GIB, "GPU 1": 2 * GIB - SMALLEST_GROWTH // 2}
    (found,) = gpu_meter(engines, displays, before=before).finish(1.0)
    assert found.high == 8 * GIB
    assert found.detail == "GPU 0: 8.59 GB"
    assert "device-wide, less what was taken before" in found.method


def test_in_a_container_where_processes_have_other_numbers_it_is_the_same() -> None:
    (found,) = gpu_meter(Gpu(processes={31337: 8 * GIB}, used=9 * GIB), before={"GPU 0": GIB}).finish(1.0)
    assert found.high == 8 * GIB
    assert "device-wide" in found.method


def test_where_the_engine_was_there_first_the_whole_device_is_told_as_that() -> None:
    (found,) = gpu_meter(Gpu(used=9 * GIB)).finish(1.0)
    assert found.high == 9 * GIB
    assert "the engine was there before us" in found.method


def test_an_engine_on_the_processor_has_no_memory_on_a_gpu() -> None:
    assert gpu_meter(Gpu(used=9 * GIB), on_gpu=False).finish(1.0) == ()
    assert gpu_meter(Gpu(processes={10: None}, used=9 * GIB), on_gpu=False).finish(1.0) == ()


def test_a_gpu_that_is_lost_in_the_middle_keeps_what_was_seen_and_the_other_goes_on() -> None:
    lost, sound = Gpu(processes={10: GIB}), Gpu(processes={10: 2 * GIB})
    meter = gpu_meter(lost, sound)
    lost.processes = lost.graphics = lost.used = LOST
    (found,) = meter.finish(1.0)
    assert (found.high, found.low) == (3 * GIB, 2 * GIB)
    alone = Gpu(processes=LOST, graphics=LOST, used=LOST)
    assert gpu_meter(alone).finish(1.0) == ()


def test_the_gpus_of_an_engine_are_those_it_holds_memory_on_else_all() -> None:
    gpus = nvidia_gpus(FakeNvml(Gpu(), Gpu(processes={10: GIB})))
    assert [gpu.name for gpu in used_by(gpus, [10])] == ["GPU 1"]
    assert [gpu.name for gpu in used_by(gpus, [11])] == ["GPU 0", "GPU 1"]


def test_amds_compute_driver_lists_each_process_by_gpu(kernel: FakeKernel) -> None:
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    kernel.put(f"{nodes}/0/gpu_id", 0)  # the processor
    kernel.put(f"{nodes}/0/properties", "cpu_cores_count 16\ndrm_render_minor 0\n")
    kernel.put(f"{nodes}/1/gpu_id", 51545)
    kernel.put(f"{nodes}/1/properties", "simd_count 192\ndrm_render_minor 128\n")
    kernel.put("/sys/class/kfd/kfd/proc/10/vram_51545", 6 * GIB)
    kernel.put("/sys/class/drm/renderD128/device/mem_info_vram_used", 7 * GIB)
    (gpu,) = gpus = amd_gpus(kernel)
    assert (gpu.name, gpu.memory_of([10, 11]), gpu.memory_of([11])) == ("GPU 0", 6 * GIB, 0)
    assert taken_now(gpus) == {"GPU 0": 7 * GIB}


# What costs much


def test_a_reading_that_costs_much_is_made_so_seldom_that_it_costs_little() -> None:
    time = [0]

    def slow() -> int:
        time[0] += 10_000_000  # 10 ms
        return time[0]

    sparing = Sparing(slow, lambda: time[0])
    answers = []
    for _ in range(1000):
        answers.append(sparing())
        time[0] += 100_000_000
    asked = len(set(answers))
    assert asked * 0.01 / (time[0] / 1e9) <= SHARE * 1.1
    assert asked > 15
    assert not sparing.fresh
