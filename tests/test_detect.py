"""Detection, on systems that are not here. What they answer was written after the programs' documentation and
after listings that others published, in the same form; only ``AMD EPYC`` in a virtual machine was recorded."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path

import pytest

from bakeoff.hardware.detect import calibrate_this_machine, host_memory, this_machine
from bakeoff.hardware.gpus import found_gpus
from bakeoff.hardware.host import cpu_name, this_host
from bakeoff.hardware.memory_speed import Calibration, save
from bakeoff.hardware.processor import last_level_cache_bytes, memory_kind, physical_cores, vector_flops
from bakeoff.hardware.reader import LARGEST_FILE, System
from bakeoff.units import GIB

MIB = 2**20


class Recorded:
    """A system that answers from texts: files by path, programs by their command line."""

    def __init__(
        self,
        files: dict[str, str] | None = None,
        outputs: dict[str, str] | None = None,
        platform: str = "linux",
        memory: int = 64 * GIB,
        cores: int = 16,
    ) -> None:
        self.files, self.outputs, self.platform = files or {}, outputs or {}, platform
        self.memory, self.cores = memory, cores

    def text(self, path: str) -> str:
        return self.files.get(path, "")

    def paths(self, pattern: str) -> list[str]:
        return sorted(path for path in self.files if fnmatch.fnmatchcase(path, pattern))

    def output(self, *command: str) -> str:
        return self.outputs.get(" ".join(command), "")

    def memory_bytes(self) -> int:
        return self.memory

    def usable_cores(self) -> int:
        return self.cores


def cpuinfo(model: str, flags: str, cores: int = 8, threads: int = 2, family: str = "25") -> str:
    """``/proc/cpuinfo`` of one socket."""
    blocks = []
    for number in range(cores * threads):
        fields = {
            "processor": str(number),
            "vendor_id": "AuthenticAMD" if "AMD" in model else "GenuineIntel",
            "cpu family": family,
            "model name": model,
            "cpu MHz": "2596.148",
            "physical id": "0",
            "core id": str(number % cores),
            "flags": flags,
        }
        blocks.append("\n".join(f"{key}\t: {value}" for key, value in fields.items()))
    return "\n\n".join(blocks) + "\n\n"


SMI = "nvidia-smi --query-gpu=name,memory.total,memory.used,driver_version --format=csv,noheader,nounits"
RYZEN = cpuinfo("AMD Ryzen 9 7950X 16-Core Processor", "fpu sse2 avx avx2 fma avx512f", cores=16)
UDEV = "\n".join(
    (
        "I:4321", "E:MEMORY_ARRAY_NUM_DEVICES=4", "E:MEMORY_DEVICE_0_PRESENT=0", "E:MEMORY_DEVICE_0_LOCATOR=DIMM 0",
        "E:MEMORY_DEVICE_0_BANK_LOCATOR=P0 CHANNEL A", "E:MEMORY_DEVICE_0_TYPE=Unknown",
        "E:MEMORY_DEVICE_0_SPEED_MTS=3000", "E:MEMORY_DEVICE_1_DATA_WIDTH=64", "E:MEMORY_DEVICE_1_SIZE=17179869184",
        "E:MEMORY_DEVICE_1_LOCATOR=DIMM 1", "E:MEMORY_DEVICE_1_BANK_LOCATOR=P0 CHANNEL A",
        "E:MEMORY_DEVICE_1_TYPE=DDR5", "E:MEMORY_DEVICE_1_SPEED_MTS=6000",
        "E:MEMORY_DEVICE_1_CONFIGURED_SPEED_MTS=5200", "E:MEMORY_DEVICE_3_DATA_WIDTH=64",
        "E:MEMORY_DEVICE_3_LOCATOR=DIMM 1", "E:MEMORY_DEVICE_3_BANK_LOCATOR=P0 CHANNEL B",
        "E:MEMORY_DEVICE_3_TYPE=DDR5", "E:MEMORY_DEVICE_3_CONFIGURED_SPEED_MTS=5200",
    )
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))


def test_an_nvidia_card_is_its_row_with_the_drivers_memory() -> None:
    system = Recorded(
        {"/proc/cpuinfo": RYZEN, "/run/udev/data/+dmi:id": UDEV},
        {SMI: "NVIDIA GeForce RTX 4090, 24564, 623, 550.54.15"},
    )
    machine = this_machine(system)
    (device,) = machine.devices
    assert (machine.name, device.chip, machine.is_this) == ("RTX 4090", "RTX 4090", True)
    assert device.memory_bytes == 24564 * MIB
    assert device.bandwidth_bytes_s == 1008e9
    assert machine.in_use_bytes == 623 * MIB
    assert machine.host.described == "64 GB, dual-channel DDR5-5200, 83.2 GB/s, by the firmware"


def test_a_name_sold_in_two_kinds_is_told_by_the_drivers_memory() -> None:
    for mebibytes, chip in ((10240, "RTX 3080"), (12288, "RTX 3080 12GB")):
        system = Recorded(outputs={SMI: f"NVIDIA GeForce RTX 3080, {mebibytes}, 0, 550.54.15"})
        assert this_machine(system).devices[0].chip == chip


def test_of_several_cards_the_fastest_comes_first_and_the_fullest_counts() -> None:
    listing = "Tesla P40, 24576, 12, 535.1\nNVIDIA GeForce RTX 3090, 24576, 4000, 535.1\nTesla P40, 24576, 3, 535.1"
    machine = this_machine(Recorded(outputs={SMI: listing}))
    assert [device.chip for device in machine.devices] == ["RTX 3090", "Tesla P40", "Tesla P40"]
    assert machine.name == "RTX 3090 + 2 × Tesla P40"
    assert machine.in_use_bytes == 4000 * MIB


def test_a_card_that_the_catalogue_does_not_know_is_still_planned_with_and_said() -> None:
    machine = this_machine(Recorded(outputs={SMI: "NVIDIA GeForce RTX 7090 Ultra, 49152, 100, 700.10"}))
    (device,) = machine.devices
    assert device.chip == "NVIDIA GeForce RTX 7090 Ultra"
    assert device.memory_bytes == 49152 * MIB
    assert device.bandwidth_bytes_s > 0
    assert device.flops is None
    assert any("not in the catalogue" in note and "assumed" in note for note in machine.notes)


@pytest.mark.parametrize(
    "listing",
    [
        "No devices were found",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "a, b, c, d, e, f",
        ", , ,",
        "\x1b[31m",
    ],
)
def test_a_driver_that_does_not_answer_leaves_the_processor(listing: str) -> None:
    machine = this_machine(Recorded({"/proc/cpuinfo": RYZEN}, {SMI: listing}))
    assert machine.devices == ()
    assert machine.name == "AMD Ryzen 9 7950X 16-Core Processor"


def test_a_spark_shares_the_hosts_memory() -> None:
    machine = this_machine(Recorded(outputs={SMI: "NVIDIA GB10, [N/A], [N/A], 580.95.05"}, memory=120 * GIB))
    (device,) = machine.devices
    assert device.chip == "GB10 (DGX Spark)"
    assert (device.unified, device.memory_bytes) == (True, 120 * GIB)
    assert machine.host.bandwidth_bytes_s == device.bandwidth_bytes_s


def test_a_jetson_is_named_by_its_board() -> None:
    system = Recorded(
        {"/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0"},
        {SMI: "Orin (nvgpu), [N/A], [N/A], 540.4.0"},
        memory=61 * GIB,
    )
    assert this_machine(system).devices[0].chip == "Jetson AGX Orin"


def amd_card(device: str, revision: str, vram: int, used: int, gtt: int, card: str = "card0") -> dict[str, str]:
    """What the amdgpu driver shows of one card, and two of its connectors."""
    folder = f"/sys/class/drm/{card}/device"
    return {
        f"{folder}/device": f"{device}\n",
        f"{folder}/revision": f"{revision}\n",
        f"{folder}/mem_info_vram_total": f"{vram}\n",
        f"{folder}/mem_info_vram_used": f"{used}\n",
        f"{folder}/mem_info_gtt_total": f"{gtt}\n",
        f"/sys/class/drm/{card}-DP-1/device/mem_info_vram_total": f"{vram}\n",
    }


IDS = """# List of AMDGPU IDs
1.0.0
1586,\tC1,\tAMD Radeon 8060S Graphics
744C,\tC8,\tAMD Radeon RX 7900 XTX
744C,\tCC,\tAMD Radeon RX 7900 XT
"""


def test_an_amd_card_is_named_by_the_drivers_list_and_its_memory_read() -> None:
    files = amd_card("0x744c", "0xc8", 24 * GIB, 700 * MIB, 32 * GIB) | {"/usr/share/libdrm/amdgpu.ids": IDS}
    machine = this_machine(Recorded(files))
    (device,) = machine.devices
    assert (device.chip, device.memory_bytes) == ("RX 7900 XTX", 24 * GIB)
    assert machine.in_use_bytes == 700 * MIB
    assert machine.gpu_limit_bytes is None


def test_without_the_drivers_list_rocm_smi_names_the_card() -> None:
    said = json.dumps(
        {"card0": {"Card Series": "AMD Radeon RX 7900 XT", "Card Model": "0x744c", "GFX Version": "gfx1100"}}
    )
    files = amd_card("0x744c", "0xcc", 20 * GIB, 0, 32 * GIB)
    machine = this_machine(Recorded(files, {"rocm-smi --showproductname --json": said}))
    assert machine.devices[0].chip == "RX 7900 XT"


def test_a_server_card_names_itself() -> None:
    files = amd_card("0x74a1", "0x00", 192 * GIB, 0, 500 * GIB)
    files["/sys/class/drm/card0/device/product_name"] = "AMD Instinct MI300X OAM\n"
    system = Recorded(files)
    assert [gpu.name for gpu in found_gpus(system)] == ["AMD Instinct MI300X OAM"]
    assert this_machine(system).devices[0].chip == "MI300X"


def test_strix_halo_has_the_whole_memory_and_the_kernels_limit() -> None:
    files = amd_card("0x1586", "0xc1", 512 * MIB, 100 * MIB, 62 * GIB) | {"/usr/share/libdrm/amdgpu.ids": IDS}
    machine = this_machine(Recorded(files, memory=127 * GIB))
    (device,) = machine.devices
    assert (device.chip, device.unified) == ("Strix Halo (8060S)", True)
    assert device.memory_bytes == 127 * GIB + 512 * MIB
    assert machine.gpu_limit_bytes == 62 * GIB + 512 * MIB
    assert machine.host.bandwidth_bytes_s == 256e9


def test_the_graphics_inside_a_processor_are_left_out_and_said() -> None:
    machine = this_machine(Recorded(amd_card("0x13c0", "0xc1", 512 * MIB, 0, 16 * GIB) | {"/proc/cpuinfo": RYZEN}))
    assert machine.devices == ()
    assert any("left out" in note for note in machine.notes)


def sysctl(brand: str, gigabytes: int, limit: str | None = "0", cores: str | None = None) -> Recorded:
    outputs = {
        "sysctl -n machdep.cpu.brand_string": brand,
        "sysctl -n hw.memsize": str(gigabytes * GIB),
    }
    if limit is not None:
        outputs["sysctl -n iogpu.wired_limit_mb"] = limit
    if cores is not None:
        display = {
            "_name": "kHW_AppleItem", "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
            "spdisplays_vendor": "sppci_vendor_Apple", "sppci_bus": "spdisplays_builtin", "sppci_cores": cores,
            "sppci_device_type": "spdisplays_gpu", "sppci_model": brand,
        }  # fmt: skip
        outputs["system_profiler SPDisplaysDataType -json"] = json.dumps({"SPDisplaysDataType": [display]})
    return Recorded(outputs=outputs, platform="darwin", memory=gigabytes * GIB)


@pytest.mark.parametrize(
    ("brand", "gigabytes", "cores", "chip"),
    [
        ("Apple M3 Max", 48, None, "Apple M3 Max 40c"),
        ("Apple M3 Max", 36, None, "Apple M3 Max 30c"),
        ("Apple M1 Max", 32, "24", "Apple M1 Max 24c"),
        ("Apple M1 Max", 32, "32", "Apple M1 Max 32c"),
        ("Apple M4 Pro", 24, "16", "Apple M4 Pro 16c"),
        ("Apple M2", 24, "8", "Apple M2 8c"),
    ],
)
def test_a_mac_is_told_by_its_memory_and_where_that_does_not_tell_by_its_gpu_cores(
    brand: str, gigabytes: int, cores: str | None, chip: str
) -> None:
    machine = this_machine(sysctl(brand, gigabytes, cores=cores))
    (device,) = machine.devices
    assert (device.chip, device.memory_bytes) == (chip, gigabytes * GIB)
    assert machine.name == f"{chip} {gigabytes} GB"
    assert machine.notes == ()
    assert machine.gpu_limit_bytes is None


def test_a_mac_whose_gpu_cores_cannot_be_read_says_what_it_was_taken_for() -> None:
    machine = this_machine(sysctl("Apple M1 Max", 32))
    assert machine.devices[0].chip == "Apple M1 Max 32c"
    assert any("could not be read" in note for note in machine.notes)


def test_a_raised_gpu_limit_of_a_mac_is_read() -> None:
    assert this_machine(sysctl("Apple M3 Max", 48, limit="45056")).gpu_limit_bytes == 45056 * MIB
    assert this_machine(sysctl("Apple M3 Max", 48, limit=None)).gpu_limit_bytes is None


def test_an_apple_chip_newer_than_the_catalogue_is_planned_as_the_last_of_its_tier() -> None:
    machine = this_machine(sysctl("Apple M9 Max", 256))
    (device,) = machine.devices
    assert (device.chip, device.memory_bytes, device.unified) == ("Apple M9 Max", 256 * GIB, True)
    assert any("Apple M5 Max" in note and "not in the catalogue" in note for note in machine.notes)


def test_an_intel_mac_computes_on_its_processor() -> None:
    brand = "Intel(R) Core(TM) i9-9880H CPU @ 2.30GHz"
    machine = this_machine(sysctl(brand, 32))
    assert (machine.name, machine.devices) == (brand, ())
    assert "assumed" in machine.host.described


def test_a_virtual_machine_assumes_its_memory_and_says_so() -> None:
    recorded = cpuinfo("AMD EPYC", "fpu sse2 avx fma avx2 avx512f", cores=2, threads=1)
    machine = this_machine(Recorded({"/proc/cpuinfo": recorded}, memory=24 * GIB, cores=2))
    assert machine.name == "AMD EPYC"
    assert machine.host.described == "24 GB, dual-channel DDR4-3200, 51.2 GB/s, assumed"
    assert machine.host.flops == pytest.approx(2 * 2.596148e9 * 32)
    assert any("--calibrate" in note for note in machine.notes)
    assert any("an estimate" in note for note in machine.notes)


def test_a_known_processor_without_readable_modules_is_assumed_fully_populated() -> None:
    host, notes = host_memory(Recorded({"/proc/cpuinfo": cpuinfo("AMD EPYC 9654 96-Core Processor", "avx512f")}))
    assert host.bandwidth_bytes_s == pytest.approx(460.8e9)
    assert any("assumed: all channels of the EPYC 9654" in note for note in notes)


def test_a_measurement_replaces_what_the_modules_say() -> None:
    save(
        Calibration(
            cpu="AMD Ryzen 9 7950X 16-Core Processor", date="2026-11-25T10:00:00+00:00", best_bytes_s=66e9,
            median_bytes_s=64e9, threads=32, repeats=15, array_bytes=GIB,
        )
    )  # fmt: skip
    host, notes = host_memory(Recorded({"/proc/cpuinfo": RYZEN, "/run/udev/data/+dmi:id": UDEV}))
    assert (host.bandwidth_bytes_s, host.measured) == (64e9, True)
    assert "measured 2026-11-25: 64.0 GB/s (median of 15 reads by 32 threads; best 66.0)" in host.described
    assert not any("calibrate" in note for note in notes)


def test_a_container_has_the_memory_that_it_is_limited_to() -> None:
    for limit, gigabytes in (("max\n", 64), (f"{16 * GIB}\n", 16), (f"{999 * GIB}\n", 64), ("", 64)):
        host, _ = host_memory(Recorded({"/sys/fs/cgroup/memory.max": limit}))
        assert host.memory_bytes == gigabytes * GIB


DMIDECODE = """# dmidecode 3.3
Handle 0x0011, DMI type 17, 92 bytes
Memory Device
\tTotal Width: 72 bits
\tData Width: 64 bits
\tSize: 32 GB
\tForm Factor: DIMM
\tLocator: {0}
\tBank Locator: {1}
\tType: DDR4
\tSpeed: 3200 MT/s
\tConfigured Memory Speed: 2933 MT/s

"""
EMPTY_SLOT = "Memory Device\n\tSize: No Module Installed\n\tLocator: DIMM_Z9\n\tType: Unknown\n\n"


@pytest.mark.parametrize(
    ("places", "channels"),
    [
        ([("DIMM_A1", ""), ("DIMM_B1", "")], 2),
        ([("DIMM_A1", ""), ("DIMM_A2", "")], 1),
        ([("ChannelA-DIMM0", "BANK 0"), ("ChannelB-DIMM0", "BANK 2")], 2),
        ([("Controller0-ChannelA-DIMM0", ""), ("Controller1-ChannelA-DIMM0", "")], 2),
        ([("DIMM 0", "P0 CHANNEL A"), ("DIMM 0", "P0 CHANNEL B"), ("DIMM 0", "P0 CHANNEL C")], 3),
        ([(f"P{socket}-DIMM{letter}1", "") for socket in (1, 2) for letter in "ABCDEF"], 12),
        ([("DIMM 1", "BANK 0"), ("DIMM 2", "BANK 1"), ("DIMM 3", "BANK 2"), ("DIMM 4", "BANK 3")], 2),
        ([("DIMM 1", "BANK 0")], 1),
    ],
)
def test_channels_are_told_by_where_the_modules_sit(places: list[tuple[str, str]], channels: int) -> None:
    listing = "".join(DMIDECODE.format(*place) for place in places) + EMPTY_SLOT
    kind = memory_kind(Recorded(outputs={"dmidecode -t 17": listing}))
    assert kind is not None
    assert (kind.type, kind.mt_s, kind.bits) == ("DDR4", 2933, channels * 64)


def test_soldered_memory_counts_the_width_of_its_chips() -> None:
    lines = []
    for number in range(8):
        lines += [f"E:MEMORY_DEVICE_{number}_TYPE=LPDDR5", f"E:MEMORY_DEVICE_{number}_CONFIGURED_SPEED_MTS=7500",
                  f"E:MEMORY_DEVICE_{number}_DATA_WIDTH=16"]  # fmt: skip
    kind = memory_kind(Recorded({"/run/udev/data/+dmi:id": "\n".join(lines)}))
    assert kind is not None
    assert kind.bandwidth_bytes_s == pytest.approx(120e9)


@pytest.mark.parametrize(
    "database",
    ["", "E:MEMORY_DEVICE_0_TYPE=RAM", "E:MEMORY_DEVICE_0_TYPE=DDR5",
     "E:MEMORY_DEVICE_0_TYPE=DDR5\nE:MEMORY_DEVICE_0_SPEED_MTS=0",
     "E:MEMORY_DEVICE_0_TYPE=DDR5\nE:MEMORY_DEVICE_0_SPEED_MTS=99999999999999999999"],
)  # fmt: skip
def test_firmware_that_does_not_tell_tells_nothing(database: str) -> None:
    assert memory_kind(Recorded({"/run/udev/data/+dmi:id": database})) is None


@pytest.mark.parametrize(
    ("model", "flags", "family", "per_clock"),
    [
        ("AMD Ryzen 9 7950X 16-Core Processor", "sse2 avx avx2 fma avx512f", "25", 32),
        ("AMD Ryzen 9 9950X 16-Core Processor", "sse2 avx avx2 fma avx512f", "26", 64),
        ("Intel(R) Xeon(R) Platinum 8480+", "sse2 avx avx2 fma avx512f", "6", 64),
        ("13th Gen Intel(R) Core(TM) i9-13900K", "sse2 avx avx2 fma", "6", 32),
        ("Intel(R) Core(TM) i7-3770", "sse2 avx", "6", 16),
        ("Intel(R) Core(TM)2 Duo", "sse2", "6", 8),
    ],
)
def test_compute_is_cores_times_clock_times_the_widest_vector_unit(
    model: str, flags: str, family: str, per_clock: int
) -> None:
    files = {
        "/proc/cpuinfo": cpuinfo(model, flags, cores=4, family=family),
        "/sys/devices/system/cpu/cpu0/cpufreq/base_frequency": "3000000\n",
    }
    estimate = vector_flops(Recorded(files))
    assert estimate is not None
    assert estimate.flops == pytest.approx(4 * 3e9 * per_clock)
    assert "an estimate" in estimate.described


def test_the_clock_in_a_processors_name_comes_before_its_highest() -> None:
    files = {
        "/proc/cpuinfo": cpuinfo("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "avx2 fma", cores=14),
        "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3500000\n",
    }
    estimate = vector_flops(Recorded(files))
    assert estimate is not None
    assert estimate.flops == pytest.approx(14 * 2.6e9 * 32)


def test_an_arm_processor_is_estimated_too() -> None:
    block = (
        "processor\t: {0}\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd aes atomics fphp asimdhp\nCPU architecture: 8\n\n"
    )
    files = {
        "/proc/cpuinfo": "".join(block.format(number) for number in range(4))
        + "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    }
    system = Recorded(files, cores=4)
    estimate = vector_flops(system)
    assert estimate is not None
    assert estimate.flops == pytest.approx(4 * 2.4e9 * 16)
    assert cpu_name(system) == "Raspberry Pi 5 Model B Rev 1.0"


def test_flags_that_are_not_there_give_no_estimate() -> None:
    assert vector_flops(Recorded()) is None
    no_clock = "processor : 0\nvendor_id : AuthenticAMD\ncpu family : many\nflags : avx512f\n"
    assert vector_flops(Recorded({"/proc/cpuinfo": no_clock})) is None


def test_cores_are_counted_once_and_no_more_than_may_be_used() -> None:
    files = {"/proc/cpuinfo": cpuinfo("AMD Ryzen", "avx2 fma", cores=8, threads=2)}
    assert physical_cores(Recorded(files, cores=16)) == 8
    assert physical_cores(Recorded(files, cores=3)) == 3


def test_caches_shared_by_the_same_cores_are_counted_once() -> None:
    files: dict[str, str] = {}
    for cpu in range(4):
        folder = f"/sys/devices/system/cpu/cpu{cpu}/cache/index3"
        files |= {f"{folder}/size": "32768K\n", f"{folder}/shared_cpu_list": "0-1\n" if cpu < 2 else "2-3\n"}
    assert last_level_cache_bytes(Recorded(files)) == 64 * MIB
    assert last_level_cache_bytes(Recorded()) == 0


def test_this_very_machine_is_described() -> None:
    machine = this_machine()
    assert machine.is_this
    assert machine.name
    assert machine.host.memory_bytes > 2**28
    assert machine.host.bandwidth_bytes_s > 0
    assert this_host().memory_bytes > 2**28


def test_this_machines_memory_can_be_measured() -> None:
    found = calibrate_this_machine(repeats=2)
    assert found.cpu == cpu_name()
    assert 1e8 < found.median_bytes_s <= found.best_bytes_s < 1e13
    assert found.array_bytes >= 64 * MIB


def test_the_real_reader_is_bounded_and_never_raises(tmp_path: Path) -> None:
    system = System()
    large = tmp_path / "large"
    large.write_bytes(b"\xff" * (LARGEST_FILE + 10))
    assert len(system.text(str(large))) == LARGEST_FILE
    assert system.text(str(tmp_path / "missing")) == ""
    assert system.text(str(tmp_path)) == ""
    assert system.paths(str(tmp_path / "l*")) == [str(large)]
    assert system.output("no-such-program-anywhere") == ""
    assert system.output("false") == ""
    assert system.output("echo", "hello") == "hello"
