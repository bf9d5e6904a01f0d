"""Windows over heat: what a meter reads between a trial's begin and its end, and whether to wait for a hot device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bakeoff.measurement.meters import sparing
from bakeoff.measurement.meters.heat import LinuxHeat, MacHeat, NvidiaHeat, Throttles
from bakeoff.results.records import Reading
from tests.fake_mac import FakeMac
from tests.fake_nvml import LOST, FakeNvml, Gpu
from tests.kernel_trees import FakeKernel


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings cost nothing here: each one is made anew."""
    monkeypatch.setattr(sparing, "SHARE", 1e9)


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


def of(readings: Sequence[Reading], quantity: str) -> Reading:
    (found,) = [reading for reading in readings if reading.quantity == quantity]
    return found


def test_a_window_has_the_hottest_sensor_the_fastest_fan_and_the_mean_clock(kernel: FakeKernel) -> None:
    kernel.sensor("k10temp", 0, "temp1_input", 50_000, "Tctl")
    kernel.sensor("k10temp", 0, "temp3_input", 45_000, "Tccd1")
    kernel.sensor("nct6798", 1, "fan1_input", 900)
    kernel.sensor("nct6798", 1, "fan2_input", 1200)
    kernel.clock(0, 4_000_000)
    kernel.clock(1, 5_000_000)
    meter = LinuxHeat(kernel)
    meter.start()
    kernel.sensor("k10temp", 0, "temp3_input", 90_000, "Tccd1")
    kernel.clock(1, 2_000_000)
    found = meter.finish(1.0)
    heat = of(found, "temperature_c")
    assert (heat.low, heat.high, heat.value, heat.samples) == (50, 90, 70, 2)
    assert heat.detail == "k10temp Tctl, k10temp Tccd1"
    assert of(found, "fan_rpm").high == 1200
    assert (of(found, "clock_hz").low, of(found, "clock_hz").high) == (3e9, 4.5e9)
    assert not [reading for reading in found if reading.quantity == "throttled_share"]


def test_a_processor_that_counts_its_throttling_says_for_how_much_of_the_window(kernel: FakeKernel) -> None:
    kernel.throttles(0, 5, 1000)
    seconds = iter((0, 2, 2, 4))
    meter = LinuxHeat(kernel, now=lambda: next(seconds) * 10**9)
    meter.start()
    assert of(meter.finish(2.0), "throttled_share").value == 0
    meter.start()
    kernel.throttles(0, 6, 1500)
    held = of(meter.finish(2.0), "throttled_share")
    assert (held.value, held.detail) == (0.25, "the processor was too hot")


def test_a_machine_without_sensors_makes_no_readings(kernel: FakeKernel) -> None:
    meter = LinuxHeat(kernel)
    meter.start()
    assert meter.finish(1.0) == ()


def nvidia(gpu: Gpu) -> NvidiaHeat:
    meter = NvidiaHeat(FakeNvml(gpu), gpu, "GPU 0")
    meter.start()
    return meter


def test_a_gpu_that_was_too_hot_in_half_of_the_samples_says_so_and_not_that_it_was_at_its_limit() -> None:
    gpu = Gpu(temperature=83, reasons=0x04)
    meter = nvidia(gpu)
    gpu.temperature, gpu.reasons = 92, 0x04 | 0x40
    found = meter.finish(1.0)
    assert (of(found, "temperature_c").low, of(found, "temperature_c").high) == (83, 92)
    held = of(found, "throttled_share")
    assert (held.value, held.detail) == (0.5, "GPU 0: the hardware slows it because it is too hot")


def test_a_gpu_at_its_power_limit_says_that() -> None:
    held = of(nvidia(Gpu(reasons=0x04)).finish(1.0), "throttled_share")
    assert (held.value, held.detail) == (1.0, "GPU 0: it is at its power limit")


def test_an_idle_gpu_or_one_with_a_clock_that_someone_chose_is_not_held_back() -> None:
    held = of(nvidia(Gpu(reasons=0x01 | 0x02)).finish(1.0), "throttled_share")
    assert (held.value, held.detail) == (0.0, "")


def test_a_gpu_that_is_lost_in_the_middle_keeps_what_was_seen() -> None:
    gpu = Gpu(temperature=60)
    meter = nvidia(gpu)
    gpu.temperature = gpu.clock = gpu.reasons = LOST
    found = meter.finish(1.0)
    assert (of(found, "temperature_c").value, of(found, "temperature_c").samples) == (60, 1)
    gone = nvidia(Gpu(temperature=LOST, clock=LOST, reasons=LOST))
    assert gone.finish(1.0) == ()


def test_a_mac_under_thermal_pressure_is_held_back() -> None:
    mac = FakeMac()
    meter = MacHeat(mac)
    meter.start()
    mac.heat_level = "heavy"
    (found,) = meter.finish(1.0)
    assert (found.value, found.detail) == (0.5, "thermal pressure: heavy")
    mac.heat_level = None
    meter.start()
    assert meter.finish(1.0) == ()


# Whether to wait


def test_a_gpu_that_is_too_hot_is_worth_waiting_for_and_one_at_its_power_limit_is_not() -> None:
    gpu = Gpu(reasons=0x04)
    throttles = Throttles(None, [(FakeNvml(gpu), gpu, "GPU 1")])
    assert throttles.reason() is None
    gpu.reasons = 0x20
    assert throttles.reason() == "GPU 1: the driver slows it because it is too hot"
    gpu.reasons = LOST
    assert throttles.reason() is None


def test_a_processor_is_hot_when_its_counter_has_moved_since_the_last_question(kernel: FakeKernel) -> None:
    kernel.throttles(0, 5, 1000)
    throttles = Throttles(kernel)
    assert throttles.reason() is None
    kernel.throttles(0, 6, 1010)
    assert throttles.reason() == "the processor was too hot"
    assert throttles.reason() is None


def test_a_mac_is_hot_while_its_pressure_is_above_nominal() -> None:
    mac = FakeMac()
    throttles = Throttles(None, mac=mac)
    assert throttles.reason() is None
    mac.heat_level = "moderate"
    assert throttles.reason() == "thermal pressure: moderate"


def test_a_machine_that_tells_nothing_is_not_waited_for(tmp_path: Path) -> None:
    assert Throttles(FakeKernel(str(tmp_path))).reason() is None
    assert Throttles(None).reason() is None
