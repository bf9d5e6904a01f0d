"""Where power comes from, each on what stands in for its hardware: GPUs, packages, Apple's chips, batteries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.measurement.meters.amd_power import AmdPower
from bakeoff.measurement.meters.apple_power import ApplePower
from bakeoff.measurement.meters.base import Absent, Running, Stretch, Target
from bakeoff.measurement.meters.battery import Battery
from bakeoff.measurement.meters.machine import Surroundings
from bakeoff.measurement.meters.nvidia_power import NvidiaPower
from bakeoff.measurement.meters.power import COUNTER, INTEGRAL, Look, PowerMeter
from bakeoff.measurement.meters.rapl import GRANT, Rapl
from bakeoff.results.records import Reading
from tests.fake_nvml import LOST, NO_PERMISSION, FakeNvml, Gpu
from tests.kernel_trees import FakeKernel

S = 1_000_000_000


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    return FakeKernel(str(tmp_path))


def only(opened: Sequence[Running]) -> PowerMeter:
    (meter,) = opened
    assert isinstance(meter, PowerMeter), meter.state.reason
    return meter


def absent(opened: Sequence[Running]) -> tuple[str, str, str]:
    (meter,) = opened
    assert isinstance(meter, Absent)
    return meter.state.state, meter.state.reason, meter.state.fix


def read(meter: PowerMeter) -> Look:
    return meter._source.look(True)


def joules(readings: Sequence[Reading]) -> list[float | None]:
    return [reading.value for reading in readings if reading.quantity == "energy_j"]


def window(meter: PowerMeter, moves: Any, seconds: int = 20) -> tuple[Reading, ...]:
    """Sampled once a second, what is measured moved in between."""
    now = [S]
    meter._now = lambda: now[0]
    meter.start()
    for second in range(seconds):
        moves(second)
        now[0] += S
        meter.sample()
    return meter.finish([Stretch("trial", S, now[0])])


# NVIDIA


def nvidia(kernel: FakeKernel, *gpus: Gpu, target: Target = Target()) -> tuple[Running, ...]:  # noqa: B008
    return NvidiaPower(Surroundings(kernel, system="linux", nvml=FakeNvml(*gpus))).open(target)


def test_an_nvidia_gpu_has_its_counter_in_millijoules_and_its_instant_power_in_milliwatts(kernel: FakeKernel) -> None:
    meter = only(nvidia(kernel, Gpu(energy_mj=12_345_678, instant_mw=412_345, average_mw=99_000)))
    assert read(meter) == Look(12_345.678, 412.345)
    assert meter.state.method == "the driver's energy counter and instant power"


def test_a_card_without_the_instant_field_is_averaged_over_a_second_and_says_so(kernel: FakeKernel) -> None:
    gpu = Gpu(average_mw=250_000)
    meter = only(nvidia(kernel, gpu))
    assert read(meter) == Look(None, 250.0)
    assert "averaged over a second" in meter.state.method
    assert [r.value for r in window(meter, lambda _: None, 9) if r.quantity == "energy_j"] == [None]
    assert [r.value for r in window(only(nvidia(kernel, gpu)), lambda _: None, 11) if r.quantity == "energy_j"] == [
        2750
    ]


def test_a_library_that_does_not_know_the_field_is_no_error(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(FakeNvml, "NVML_FI_DEV_POWER_INSTANT")
    assert read(only(nvidia(kernel, Gpu(average_mw=250_000)))).watts == 250


def test_the_counter_is_preferred_and_the_integral_stands_beside_it(kernel: FakeKernel) -> None:
    gpu = Gpu(energy_mj=0, instant_mw=300_000)

    def moves(_: int) -> None:
        gpu.energy_mj += 310_000

    energies = [r for r in window(only(nvidia(kernel, gpu)), moves) if r.quantity == "energy_j"]
    assert [(r.value, r.method.partition(":")[0]) for r in energies] == [(6200, COUNTER), (6000, INTEGRAL)]


def test_of_two_gpus_only_the_one_that_the_engine_uses_is_read(kernel: FakeKernel) -> None:
    kernel.process(7, 1 << 30, children=[8])
    kernel.process(8, 1 << 30)
    gpus = (Gpu(instant_mw=60_000), Gpu(instant_mw=300_000, processes={8: 1 << 30}))
    meter = only(nvidia(kernel, *gpus, target=Target(pids=(7,), on_gpu=True)))
    assert meter._detail == "GPU 1"
    assert read(meter).watts == 300


def test_where_the_driver_hides_who_uses_a_gpu_all_are_read_and_told_apart(kernel: FakeKernel) -> None:
    meters = nvidia(kernel, Gpu(instant_mw=60_000), Gpu(instant_mw=300_000), target=Target(pids=(7,), on_gpu=True))
    assert [meter._detail for meter in meters if isinstance(meter, PowerMeter)] == ["GPU 0", "GPU 1"]


def test_a_gpu_that_is_named_is_read_alone(kernel: FakeKernel) -> None:
    gpus = (Gpu(instant_mw=60_000), Gpu(instant_mw=300_000))
    assert only(nvidia(kernel, *gpus, target=Target(gpu="1")))._detail == "GPU 1"


def test_a_card_that_tells_nothing_is_absent(kernel: FakeKernel) -> None:
    assert absent(nvidia(kernel, Gpu()))[:2] == ("missing", "GPU 0 tells neither its power nor its energy")


def test_a_gpu_that_is_lost_in_the_middle_raises_for_the_sampler_to_catch(kernel: FakeKernel) -> None:
    gpu = Gpu(energy_mj=0, instant_mw=300_000)
    meter = only(nvidia(kernel, gpu))
    gpu.energy_mj = gpu.instant_mw = gpu.average_mw = LOST
    with pytest.raises(type(LOST), match="GPU is lost"):
        read(meter)


def test_no_nvidia_library_says_why(kernel: FakeKernel) -> None:
    state, reason, _ = absent(NvidiaPower(Surroundings(kernel, system="linux")).open(Target()))
    assert (state, reason) == ("missing", "no NVIDIA driver is loaded")


# RAPL


def package(kernel: FakeKernel, number: int, uj: int, name: str = "", most: int = 262_143_328_850) -> str:
    """One zone of powercap, with a part of its own as Linux lays it beside it."""
    at = f"/sys/class/powercap/intel-rapl:{number}"
    kernel.put(f"{at}/name", f"{name or f'package-{number}'}\n")
    kernel.put(f"{at}/energy_uj", uj)
    kernel.put(f"{at}/max_energy_range_uj", most)
    kernel.put(f"{at}:0/name", "core\n")
    kernel.put(f"{at}:0/energy_uj", uj // 2)
    return f"{at}/energy_uj"


def test_each_package_is_a_meter_and_their_parts_and_the_platform_are_none(kernel: FakeKernel) -> None:
    package(kernel, 0, 1_500_000)
    package(kernel, 1, 7_000_000)
    package(kernel, 2, 9_000_000, name="psys")
    meters = Rapl(kernel).open(Target())
    assert [(m._detail, read(m).joules) for m in meters if isinstance(m, PowerMeter)] == [
        ("package-0", 1.5), ("package-1", 7.0)
    ]  # fmt: skip
    assert {meter.state.scope for meter in meters} == {"package"}


def test_a_package_counter_wraps_round_where_the_kernel_says(kernel: FakeKernel) -> None:
    most = 65_532_610_987
    file = package(kernel, 0, most - 300_000_000, most=most)

    def moves(second: int) -> None:
        kernel.put(file, (most - 300_000_000 + (second + 1) * 65_000_000) % most)

    energy = next(r for r in window(only(Rapl(kernel).open(Target())), moves) if r.quantity == "energy_j")
    assert energy.value == pytest.approx(1300, abs=0.01)
    assert energy.method.startswith(COUNTER)


def test_without_the_right_the_one_command_that_grants_it_is_named(kernel: FakeKernel) -> None:
    package(kernel, 0, 1)
    denied = FakeKernel(kernel.root, denied=("energy_uj",))
    assert absent(Rapl(denied).open(Target())) == ("denied", "only root may read its energy counter", GRANT)
    pattern = GRANT.removeprefix("sudo chmod a+r ")
    assert "/sys/class/powercap/intel-rapl:0/energy_uj" in kernel.paths(pattern), "the command names the file"


def test_a_right_that_is_taken_away_in_the_middle_raises_for_the_sampler_to_catch(kernel: FakeKernel) -> None:
    file = package(kernel, 0, 1)
    meter = only(Rapl(kernel).open(Target()))
    kernel.drop(file)
    with pytest.raises(OSError, match="energy_uj"):
        meter.sample()


@pytest.mark.parametrize(
    ("cpuinfo", "reason", "fix"),
    [
        ("vendor_id : GenuineIntel\nflags : fpu hypervisor\n", "a virtual machine shows no energy counters", ""),
        (
            "vendor_id : AuthenticAMD\nflags : fpu\n",
            "the kernel shows no energy counters",
            "sudo modprobe intel_rapl_msr",
        ),
        ("CPU implementer : 0x41\n", "this processor has no energy counters that we know", ""),
    ],
)
def test_a_machine_without_counters_says_why(kernel: FakeKernel, cpuinfo: str, reason: str, fix: str) -> None:
    kernel.put("/proc/cpuinfo", cpuinfo)
    assert absent(Rapl(kernel).open(Target())) == ("missing", reason, fix)


# AMD


class AmdSmiException(Exception):
    """As amdsmi's."""


class FakeAmdSmi:
    """The module ``amdsmi``, by AMD SMI's Python reference."""

    AmdSmiException = AmdSmiException

    def __init__(self, *gpus: dict[str, Any], init: Exception | None = None) -> None:
        self.gpus, self.init = gpus, init

    def amdsmi_init(self) -> None:
        if self.init is not None:
            raise self.init

    def amdsmi_get_processor_handles(self) -> list[Any]:
        return list(self.gpus)

    def amdsmi_get_energy_count(self, handle: dict[str, Any]) -> dict[str, Any]:
        if "energy" not in handle:
            raise AmdSmiException("not supported")
        return {**handle["energy"], "timestamp": 1}

    def amdsmi_get_power_info(self, handle: dict[str, Any]) -> dict[str, Any]:
        return {"gfx_voltage": 850, "power_limit": 750_000_000, **handle["power"]}


NEW = {"energy": {"energy_accumulator": 1_000_000, "counter_resolution": 15.259},
       "power": {"current_socket_power": 391, "average_socket_power": "N/A"}}  # fmt: skip
OLD = {"energy": {"power": 1_000_000, "counter_resolution": 15.3}, "power": {"average_socket_power": 203}}
BARE = {"power": {"current_socket_power": "N/A", "average_socket_power": "N/A", "socket_power": 44}}


@pytest.mark.parametrize(
    ("gpu", "joules", "watts"), [(NEW, 15.259, 391), (OLD, 15.3, 203), (BARE, None, 44)], ids=["new", "old", "bare"]
)
def test_an_amd_gpu_counts_in_its_own_resolution(
    kernel: FakeKernel, gpu: dict[str, Any], joules: float | None, watts: float
) -> None:
    look = read(only(AmdPower(kernel, lambda: FakeAmdSmi(gpu)).open(Target())))
    assert look.joules == pytest.approx(joules)
    assert look.watts == watts


def a_driver(kernel: FakeKernel) -> FakeKernel:
    kernel.put("/sys/class/kfd/kfd/topology/nodes/0/gpu_id", 1)
    return kernel


@pytest.mark.parametrize("error", [KeyError("amdsmi"), OSError("libamd_smi.so"), ImportError("amdsmi")])
def test_a_library_that_does_not_load_is_no_error(kernel: FakeKernel, error: Exception) -> None:
    def load() -> Any:
        raise error

    assert absent(AmdPower(kernel, load).open(Target())) == ("missing", "no AMD driver is loaded", "")
    state, reason, fix = absent(AmdPower(a_driver(kernel), load).open(Target()))
    assert (state, fix) == ("missing", "pip install amdsmi")
    assert "its Python library is not usable" in reason


def test_without_the_right_to_the_device_the_group_is_named(kernel: FakeKernel) -> None:
    library = FakeAmdSmi(init=AmdSmiException("no permission"))
    assert absent(AmdPower(a_driver(kernel), lambda: library).open(Target())) == (
        "denied", "AMD's library refuses: no permission", "sudo usermod -a -G render,video $LOGNAME"
    )  # fmt: skip


def test_amds_library_without_a_gpu_is_absent(kernel: FakeKernel) -> None:
    assert absent(AmdPower(kernel, FakeAmdSmi).open(Target()))[1] == "AMD's library shows no GPU"


# Apple


def a_chip(*told: dict[str, int | None]) -> Any:
    """The module ``zeus_apple_silicon``, whose monitor tells these one after the other."""
    answers = list(told)

    class AppleEnergyMonitor:
        def get_cumulative_energy(self) -> Any:
            return SimpleNamespace(**(answers.pop(0) if len(answers) > 1 else answers[0]))

    return SimpleNamespace(AppleEnergyMonitor=AppleEnergyMonitor)


def test_an_apple_chip_is_the_sum_of_the_parts_that_it_tells() -> None:
    chip = {"cpu_total_mj": 5000, "gpu_mj": 2000, "gpu_sram_mj": None, "dram_mj": 700, "ane_mj": 0}
    meter = only(ApplePower("darwin", lambda: a_chip(chip)).open(Target()))
    assert read(meter).joules == pytest.approx(7.7)
    assert meter.state.scope == "soc"
    assert meter.state.method == "macOS's energy account of CPU, GPU, DRAM, ANE"


def test_an_apple_chip_without_the_package_names_the_extra_and_elsewhere_it_is_no_mac() -> None:
    def load() -> Any:
        raise ImportError

    assert absent(ApplePower("darwin", load).open(Target()))[2] == "pip install 'bakeoff[apple]'"
    assert absent(ApplePower("linux", load).open(Target())) == ("missing", "this is no Mac", "")


def test_a_mac_that_does_not_tell_is_absent() -> None:
    def refuses() -> Any:
        raise RuntimeError("IOReport: no channels")

    library = SimpleNamespace(AppleEnergyMonitor=refuses)
    assert "IOReport" in absent(ApplePower("darwin", lambda: library).open(Target()))[1]
    nothing = a_chip(dict.fromkeys(("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "dram_mj", "ane_mj")))
    assert "none of its parts" in absent(ApplePower("darwin", lambda: nothing).open(Target()))[1]


# Batteries


def a_battery(kernel: FakeKernel, name: str = "BAT0", status: str = "Discharging", **files: int | str) -> None:
    kernel.put(f"/sys/class/power_supply/{name}/type", "Battery\n")
    kernel.put(f"/sys/class/power_supply/{name}/status", f"{status}\n")
    for file, value in files.items():
        kernel.put(f"/sys/class/power_supply/{name}/{file}", value)


def test_a_battery_that_discharges_tells_the_whole_machines_power(kernel: FakeKernel) -> None:
    a_battery(kernel, power_now=17_250_000)
    meter = only(Battery(kernel, system="linux").open(Target()))
    assert read(meter) == Look(None, 17.25)
    assert (meter.state.state, meter.state.scope) == ("ready", "system")


@pytest.mark.parametrize("sign", [1, -1])
def test_current_times_voltage_stands_in_for_power_whatever_its_sign(kernel: FakeKernel, sign: int) -> None:
    a_battery(kernel, current_now=sign * 1_500_000, voltage_now=12_000_000)
    assert read(only(Battery(kernel, system="linux").open(Target()))).watts == pytest.approx(18)


def test_two_batteries_are_added_up_and_a_mouses_is_left_out(kernel: FakeKernel) -> None:
    a_battery(kernel, "BAT0", power_now=10_000_000)
    a_battery(kernel, "BAT1", power_now=5_000_000)
    a_battery(kernel, "hid-mouse", power_now=100_000, scope="Device\n")
    assert read(only(Battery(kernel, system="linux").open(Target()))).watts == 15


def test_on_mains_there_is_a_battery_but_no_reading(kernel: FakeKernel) -> None:
    a_battery(kernel, status="Charging", power_now=30_000_000)
    meter = only(Battery(kernel, system="linux").open(Target()))
    assert (meter.state.state, meter.state.fix) == ("missing", "unplug the power adapter")
    assert window(meter, lambda _: None) == ()


@pytest.mark.parametrize(("first", "then"), [("Full", "Discharging"), ("Discharging", "Not charging")])
def test_a_laptop_that_changes_between_mains_and_battery_in_the_middle_is_found(
    kernel: FakeKernel, first: str, then: str
) -> None:
    a_battery(kernel, status=first, power_now=17_000_000)
    meter = only(Battery(kernel, system="linux").open(Target()))

    def moves(second: int) -> None:
        if second == 10:
            a_battery(kernel, status=then)

    (reading,) = window(meter, moves, seconds=30)
    assert (reading.value, reading.detail) == (None, "it went from battery to mains, or back, in the middle")


def test_a_discharge_is_integrated_over_a_window_that_is_long_enough(kernel: FakeKernel) -> None:
    a_battery(kernel, power_now=17_000_000)
    readings = window(only(Battery(kernel, system="linux").open(Target())), lambda _: None, seconds=30)
    assert joules(readings) == [510]


def test_a_machine_without_a_battery_says_so(kernel: FakeKernel) -> None:
    kernel.put("/sys/class/power_supply/AC/type", "Mains\n")
    assert absent(Battery(kernel, system="linux").open(Target())) == ("missing", "this machine has no battery", "")


IOREG = """+-o AppleSmartBattery  <class AppleSmartBattery, id 0x10000033e, registered, matched, active, busy 0 (0 ms)>
    {
      "ExternalConnected" = %s
      "InstantAmperage" = %d
      "Voltage" = 12000
      "IsCharging" = No
      "LegacyBatteryInfo" = {"Amperage"=%d,"Flags"=4,"Capacity"=8579,"Voltage"=12000,"Cycle Count"=102}
    }
"""


def mac(connected: str, milliamperes: int) -> Battery:
    """The registry prints what flows out as a number of 64 bits without a sign."""
    shown = milliamperes % 2**64
    return Battery(system="darwin", ioreg=lambda: IOREG % (connected, shown, shown))


def test_a_macs_battery_is_its_current_times_its_voltage() -> None:
    meter = only(mac("No", -1480).open(Target()))
    assert read(meter).watts == pytest.approx(17.76)
    assert meter.remote, "asking takes a program, which may have to be waited for"


def test_a_mac_on_mains_has_no_reading() -> None:
    meter = only(mac("Yes", 900).open(Target()))
    assert meter.state.state == "missing"
    assert read(meter).watts is None


def test_a_mac_without_a_battery_says_so() -> None:
    assert absent(Battery(system="darwin", ioreg=lambda: "").open(Target()))[1] == "this machine has no battery"


def test_no_reason_ends_in_a_full_stop_or_needs_a_second_line(kernel: FakeKernel) -> None:
    opened = [
        *NvidiaPower(Surroundings(kernel, system="linux", nvml=FakeNvml(init=NO_PERMISSION))).open(Target()),
        *AmdPower(kernel, FakeAmdSmi).open(Target()), *Rapl(kernel).open(Target()), *ApplePower("linux").open(Target()),
        *Battery(kernel, system="linux").open(Target()),
    ]  # fmt: skip
    assert all(re.fullmatch(r"[^\n]+[^\n.]", meter.state.reason) for meter in opened)
