"""Heat as Linux and NVIDIA's library tell it: trees of files that look like ``/sys``, and a library that is not there.

No sensor of real hardware was read here: the machines that run these tests are virtual, and have none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff.measurement.meters.gpu_readings import (
    GpuHeat,
    heat_of,
    memory_of,
    memory_used,
    slowed_by,
    too_hot,
)
from bakeoff.measurement.meters.sensors import (
    Throttled,
    celsius,
    clock_files,
    clock_hz,
    fan_sensors,
    temperature_sensors,
    throttled,
    turns,
)
from tests.fake_nvml import GIB, LOST, NO_PERMISSION, NOT_SUPPORTED, FakeNvml, Gpu, OlderNvml
from tests.kernel_trees import FakeKernel


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


def test_the_processors_own_sensors_come_before_zones_and_the_firmwares(kernel: FakeKernel) -> None:
    kernel.zone(0, "acpitz", 27_800)
    assert [sensor.name for sensor in temperature_sensors(kernel)] == ["acpitz"]
    kernel.zone(1, "x86_pkg_temp", 61_000)
    assert [sensor.name for sensor in temperature_sensors(kernel)] == ["x86_pkg_temp"]
    kernel.sensor("nvme", 0, "temp1_input", 38_850, "Composite")
    kernel.sensor("coretemp", 1, "temp1_input", 62_000, "Package id 0")
    kernel.sensor("coretemp", 1, "temp2_input", 64_000, "Core 0")
    found = temperature_sensors(kernel)
    assert [sensor.name for sensor in found] == ["coretemp Core 0", "coretemp Package id 0"]
    assert [celsius(kernel, sensor) for sensor in found] == [64, 62]


def test_sensors_that_are_not_connected_are_no_sensors(kernel: FakeKernel) -> None:
    for number, absurd in enumerate((-274_000, 0, 255_000)):
        kernel.sensor("k10temp", 0, f"temp{number + 1}_input", absurd)
    assert temperature_sensors(kernel) == ()
    kernel.zone(0, "cpu-thermal", 45_000)
    (zone,) = temperature_sensors(kernel)
    kernel.drop("/sys/class/thermal/thermal_zone0/temp")
    assert celsius(kernel, zone) is None


def test_of_many_sensors_the_hottest_are_read(kernel: FakeKernel) -> None:
    for core in range(64):
        kernel.sensor("coretemp", 0, f"temp{core + 1}_input", 40_000 + core * 100, f"Core {core}")
    found = temperature_sensors(kernel)
    assert len(found) == 8
    assert found[0].name == "coretemp Core 63"


def test_fans_are_counted_in_turns_a_minute(kernel: FakeKernel) -> None:
    kernel.sensor("thinkpad", 3, "fan1_input", 3120)
    kernel.sensor("thinkpad", 3, "fan2_input", 65_535)
    assert [turns(kernel, fan) for fan in fan_sensors(kernel)] == [3120, None]


def test_the_clock_is_the_mean_of_at_most_sixteen_processors(kernel: FakeKernel) -> None:
    assert clock_files(kernel) == ()
    assert clock_hz(kernel, ()) is None
    for cpu in range(40):
        kernel.clock(cpu, 2_000_000 + cpu % 2 * 1_000_000)
    files = clock_files(kernel)
    assert 10 <= len(files) <= 16
    assert 2e9 <= (clock_hz(kernel, files) or 0) <= 3e9
    kernel.clock(0, 0)
    assert clock_hz(kernel, ["/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"]) is None


def test_a_processor_that_was_too_hot_says_for_how_long(kernel: FakeKernel) -> None:
    assert throttled(kernel) is None
    kernel.throttles(0, 10, 4000)
    kernel.throttles(1, 12, 4100)
    before = throttled(kernel)
    assert before == Throttled(12, 4100)
    kernel.throttles(1, 15, 5100)
    after = throttled(kernel)
    assert after is not None
    assert before.reason_until(after, 4.0) == (0.25, "the processor was too hot")
    assert before.reason_until(before, 4.0) is None
    assert after.reason_until(before, 4.0) is None


def test_an_older_kernel_tells_only_how_often(kernel: FakeKernel) -> None:
    kernel.throttles(0, 1, None)
    before = throttled(kernel)
    assert before == Throttled(1, None)
    assert before.reason_until(Throttled(3, None), 10) == (0.0, "the processor was too hot")


# NVIDIA


def of(gpu: Gpu, *pids: int) -> int | None:
    return memory_of(FakeNvml(gpu), gpu, set(pids))


def test_the_memory_is_that_of_these_processes_and_of_no_others() -> None:
    gpu = Gpu(processes={10: 3 * GIB, 11: GIB, 99: 40 * GIB}, graphics={10: 3 * GIB, 98: GIB})
    assert of(gpu, 10, 11, 12) == 4 * GIB
    assert of(gpu, 5) == 0


def test_a_process_that_draws_as_well_is_counted_once() -> None:
    assert of(Gpu(graphics={10: 2 * GIB}), 10) == 2 * GIB


@pytest.mark.parametrize(
    "gpu",
    [
        Gpu(processes={10: None}),
        Gpu(processes={10: 900 * GIB}),
        Gpu(processes={10: -1}),
        Gpu(processes=NO_PERMISSION, graphics=NO_PERMISSION),
        Gpu(processes=LOST, graphics=LOST),
    ],
    ids=["not told", "more than there is", "negative", "no right", "lost"],
)
def test_memory_that_the_driver_hides_is_not_zero(gpu: Gpu) -> None:
    assert of(gpu, 10) is None


def test_the_devices_whole_use_stands_in_where_it_is_told() -> None:
    assert memory_used(FakeNvml(), Gpu(used=7 * GIB)) == 7 * GIB
    assert memory_used(FakeNvml(), Gpu(used=LOST)) is None
    assert memory_used(FakeNvml(), Gpu(used=-5)) is None


def test_heat_is_degrees_shares_and_hertz() -> None:
    gpu = Gpu(temperature=67, fan=45, clock=1755, reasons=0x04)
    assert heat_of(FakeNvml(gpu), gpu) == GpuHeat(67.0, 0.45, 1755e6, 0x04)


@pytest.mark.parametrize(
    ("gpu", "left"),
    [
        (Gpu(temperature=LOST, clock=LOST, reasons=LOST), GpuHeat(None, None, None, None)),
        (Gpu(temperature=255, fan=999, clock=0), GpuHeat(None, None, None, 0)),
        (Gpu(temperature=NOT_SUPPORTED, fan=NO_PERMISSION), GpuHeat(None, None, 1980e6, 0)),
    ],
)
def test_what_is_not_told_or_absurd_is_left_out(gpu: Gpu, left: GpuHeat) -> None:
    assert heat_of(FakeNvml(gpu), gpu) == left


def test_an_older_driver_knows_the_reasons_by_another_name() -> None:
    gpu = Gpu(reasons=0x40)
    older: Any = OlderNvml(gpu)
    assert heat_of(older, gpu).reasons == 0x40


def test_reasons_are_told_in_words_the_gravest_first() -> None:
    assert slowed_by(0x40 | 0x08 | 0x04) == (
        "the hardware slows it because it is too hot",
        "the hardware slows it: heat or power",
        "it is at its power limit",
    )
    assert slowed_by(0x01 | 0x02 | 0x100) == slowed_by(0) == slowed_by(None) == ()


def test_a_card_at_its_power_limit_is_not_too_hot() -> None:
    assert not too_hot(0x04)
    assert too_hot(0x04 | 0x20)
    assert not too_hot(None)
