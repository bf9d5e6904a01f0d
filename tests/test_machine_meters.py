"""Which meters of memory and heat a machine has: ready, or why not and the one command that mends it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bakeoff.engines.base import Capabilities, Description
from bakeoff.measurement.meters.base import Running, Target, stretches
from bakeoff.measurement.meters.machine import MEMORY_AND_HEAT, Surroundings, throttles
from bakeoff.measurement.meters.nvidia import NoLibrary, library
from bakeoff.results.records import MeterState, Model, Reading
from bakeoff.run.instruments import Instruments
from bakeoff.run.metering import Metering
from bakeoff.run.plan import Meters
from tests.fake_mac import FakeMac
from tests.fake_nvml import GIB, NO_PERMISSION, NOT_LOADED, NOT_SUPPORTED, FakeNvml, Gpu, NVMLError
from tests.kernel_trees import FakeKernel

NONE = NoLibrary("missing", "no NVIDIA driver is loaded")
A_SECOND = stretches(0, 400_000_000, 900_000_000, 1_000_000_000)


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


def opened(here: Surroundings, target: Target = Target()) -> dict[str, tuple[Running, ...]]:  # noqa: B008
    return {kind.name: kind(here).open(target) for kind in MEMORY_AND_HEAT}


def states(here: Surroundings, target: Target = Target()) -> dict[str, MeterState]:  # noqa: B008
    return {name: running[0].state for name, running in opened(here, target).items()}


def linux(kernel: FakeKernel, nvml: Any = NONE) -> Surroundings:
    return Surroundings(kernel, system="linux", nvml=nvml)


def read(running: Sequence[Running]) -> list[Reading]:
    for each in running:
        each.start()
        each.sample()
    return [reading for each in running for reading in each.finish(A_SECOND)]


def test_a_bare_machine_has_a_reason_for_each_meter_that_it_lacks(kernel: FakeKernel) -> None:
    found = states(linux(kernel))
    assert list(found) == ["memory", "gpu-memory", "pressure", "heat", "gpu-heat"]
    assert {state.state for state in found.values()} == {"missing"}
    assert all(state.reason for state in found.values())
    assert opened(linux(kernel))["heat"][0].finish(A_SECOND) == ()


def test_a_machine_that_has_all_reads_all(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    kernel.pressure(5)
    kernel.swapped_in(7)
    kernel.sensor("coretemp", 0, "temp1_input", 60_000)
    gpu = Gpu(processes={100: 2 * GIB})
    here = linux(kernel, FakeNvml(Gpu(), gpu))
    target = Target(pids=(100,), on_gpu=True)
    assert {state.state for state in states(here, target).values()} == {"ready"}
    found = [reading for running in opened(here, target).values() for reading in read(running)]
    assert {(reading.meter, reading.quantity) for reading in found} >= {
        ("memory of processes", "memory_bytes"),
        ("memory of GPUs", "memory_bytes"),
        ("shortage of memory", "pressure_share"),
        ("shortage of memory", "swap_in_bytes"),
        ("heat of the processor", "temperature_c"),
        ("heat of GPUs", "temperature_c"),
        ("heat of GPUs", "throttled_share"),
    }
    assert {reading.span_s for reading in found} == {1.0}
    assert {reading.detail for reading in found if reading.quantity == "clock_hz"} == {"GPU 1"}


def test_a_request_that_did_not_end_has_no_readings(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    (running,) = opened(linux(kernel), Target(pids=(100,)))["memory"]
    running.start()
    assert running.finish(()) == ()
    running.start()
    assert running.finish(A_SECOND)


def test_an_engine_that_is_gone_or_elsewhere_is_told_apart(kernel: FakeKernel) -> None:
    assert "gone" in states(linux(kernel), Target(pids=(100,)))["memory"].reason
    assert "not known" in states(linux(kernel))["memory"].reason


def test_without_the_right_to_reset_a_peak_memory_is_read_and_the_right_is_named(tmp_path: Path) -> None:
    kernel = FakeKernel(str(tmp_path), ("clear_refs",))
    kernel.process(100, GIB)
    state = states(linux(kernel), Target(pids=(100,)))["memory"]
    assert state.state == "ready"
    assert "clear_refs" in state.reason
    assert state.fix.startswith("sudo")


def test_pressure_that_is_switched_off_leaves_the_count_of_swap(kernel: FakeKernel) -> None:
    kernel.swapped_in(7)
    state = states(linux(kernel))["pressure"]
    assert (state.state, state.method) == ("ready", "the kernel's counters of pages from swap")
    assert "psi=1" in state.reason


def test_pressure_that_is_forbidden_names_the_command(tmp_path: Path) -> None:
    kernel = FakeKernel(str(tmp_path), ("/pressure/memory",))
    kernel.pressure(5)
    state = states(linux(kernel))["pressure"]
    assert (state.state, state.fix) == ("denied", "sudo chmod a+r /proc/pressure/memory")


@pytest.mark.parametrize(
    ("cpuinfo", "reason", "fix"),
    [
        ("vendor_id : GenuineIntel\nflags : fpu hypervisor\n", "virtual machine", ""),
        ("vendor_id : GenuineIntel\nflags : fpu\n", "no sensor", "sudo modprobe coretemp"),
        ("vendor_id : AuthenticAMD\nflags : fpu\n", "no sensor", "sudo modprobe k10temp"),
        ("CPU implementer : 0x41\n", "no sensor", ""),
    ],
)
def test_a_processor_without_sensors_names_the_module_that_shows_them(
    kernel: FakeKernel, cpuinfo: str, reason: str, fix: str
) -> None:
    kernel.put("/proc/cpuinfo", cpuinfo)
    state = states(linux(kernel))["heat"]
    assert reason in state.reason
    assert state.fix == fix


def missing() -> Any:
    raise ImportError("No module named 'pynvml'")


@pytest.mark.parametrize(
    ("driver", "load", "state", "reason", "fix"),
    [
        (False, missing, "missing", "no NVIDIA driver", ""),
        (True, missing, "missing", "not the package nvidia-ml-py", "pip install 'bakeoff[nvidia]'"),
        (False, lambda: FakeNvml(init=NOT_LOADED), "missing", "no NVIDIA driver", ""),
        (True, lambda: FakeNvml(init=NVMLError(18)), "failed", "fails", "nvidia-smi"),
        (True, lambda: FakeNvml(init=NO_PERMISSION), "denied", "Insufficient Permissions", "sudo bakeoff doctor"),
    ],
)
def test_nvidias_library_is_loaded_or_says_why_not(
    kernel: FakeKernel, driver: bool, load: Any, state: str, reason: str, fix: str
) -> None:
    if driver:
        kernel.put("/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54\n")
    found = library(kernel, load)
    assert isinstance(found, NoLibrary)
    assert (found.state, found.fix) == (state, fix)
    assert reason in found.reason
    assert states(linux(kernel, found))["gpu-memory"].reason == found.reason


def test_of_two_gpus_the_one_that_was_asked_for_or_is_used_is_watched(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    here = linux(kernel, FakeNvml(Gpu(temperature=50), Gpu(temperature=70, processes={100: GIB})))

    def degrees(target: Target) -> list[float | None]:
        found = read(opened(here, target)["gpu-heat"])
        return [reading.value for reading in found if reading.quantity == "temperature_c"]

    assert degrees(Target(pids=(100,), on_gpu=True)) == [70]
    assert degrees(Target(gpu="0")) == [50]
    assert degrees(Target(gpu="GPU-00000000-0000-0000-0000-000000000001", pids=(100,))) == [70]
    assert degrees(Target(gpu="GPU-00000000-0000-0000-0000-000000000000", pids=(100,))) == [50]
    assert degrees(Target()) == [50, 70]


def test_a_gpu_that_does_not_tell_its_uuid_is_known_by_its_number(kernel: FakeKernel) -> None:
    here = linux(kernel, FakeNvml(Gpu(uuid=NOT_SUPPORTED), Gpu(uuid=NOT_SUPPORTED)))
    assert [gpu.name for gpu in here.used(Target(gpu="1"))] == ["GPU 1"]
    assert len(here.used(Target(gpu="GPU-00000000-0000-0000-0000-000000000001"))) == 2


def test_what_was_taken_on_a_gpu_before_the_engine_came_is_not_the_engines(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    gpu = Gpu(processes={100: None}, used=3 * GIB)
    here = linux(kernel, FakeNvml(gpu))
    gpu.used = 13 * GIB
    (found,) = read(opened(here, Target(pids=(100,), on_gpu=True))["gpu-memory"])
    assert found.high == 10 * GIB


def test_an_engine_that_was_there_before_us_has_the_whole_device_and_says_so(kernel: FakeKernel) -> None:
    here = linux(kernel, FakeNvml(Gpu(used=13 * GIB)))
    (found,) = read(opened(here, Target(on_gpu=True))["gpu-memory"])
    assert found.high == 13 * GIB
    assert "whoever holds it" in found.method


def test_a_mac_has_its_own_meters() -> None:
    here = Surroundings(system="darwin", mac=FakeMac(), nvml=NONE)
    found = states(here, Target(pids=(os.getpid(),)))
    assert [found[name].state for name in ("memory", "pressure", "heat")] == ["ready"] * 3
    assert found["heat"].quantity == "throttled_share"


def test_another_system_has_none_and_says_so() -> None:
    found = states(Surroundings(system="win32", nvml=NONE), Target(pids=(os.getpid(),)))
    assert {state.state for state in found.values()} == {"missing"}


def test_what_holds_a_target_back_is_asked_of_its_own_gpus(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    here = linux(kernel, FakeNvml(Gpu(reasons=0x40), Gpu(processes={100: GIB})))
    assert throttles(here, Target(pids=(100,))).reason() is None
    assert "GPU 0" in str(throttles(here, Target(gpu="0")).reason())


def test_here_this_machines_meters_open_and_read() -> None:
    for running in opened(Surroundings(), Target(pids=(os.getpid(),))).values():
        for each in running:
            assert each.state.state == "ready" or each.state.reason
            each.start()
            each.finish(A_SECOND)
            each.close()


def test_a_run_waits_for_the_devices_of_its_own_engine_and_takes_its_peak_from_its_meter(kernel: FakeKernel) -> None:
    kernel.process(100, GIB)
    gpu = Gpu(processes={100: GIB})
    metering = Metering(Meters(names=("memory",)), here=linux(kernel, FakeNvml(Gpu(reasons=0x40), gpu)))
    about = Description(
        engine="e", version=None, model=Model(name="m"), attached=False, capabilities=Capabilities(), pids=(100,)
    )
    engine: Any = object()
    instruments = Instruments(engine, about, metering)
    assert instruments.throttled() is None
    gpu.reasons = 0x20
    assert instruments.throttled() == "GPU 1: the driver slows it because it is too hot"
    kernel.process(100, GIB, most=3 * GIB)
    asyncio.run(instruments.start())
    kernel.process(100, GIB, most=4 * GIB)
    assert asyncio.run(instruments.finish()).memory_peak_bytes == 4 * GIB


def test_without_meters_nothing_is_waited_for_and_no_peak_is_known() -> None:
    about = Description(engine="e", version=None, model=Model(name="m"), attached=False, capabilities=Capabilities())
    engine: Any = object()
    instruments = Instruments(engine, about, Metering(Meters(names=())))
    assert instruments.throttled() is None
    asyncio.run(instruments.start())
    assert asyncio.run(instruments.finish()).memory_peak_bytes is None
