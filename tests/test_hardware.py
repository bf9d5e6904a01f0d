"""The catalogue of hardware: every name people and drivers use, and figures that arithmetic bears out."""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.hardware import memory_speed
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.chips import chips, known_as
from bakeoff.hardware.memory_speed import Calibration, calibrate, parse_memory, save, saved
from bakeoff.hardware.naming import parse_name
from bakeoff.units import GIB

PUBLISHED = """
Apple M1 7c; Apple M1 8c; Apple M1 Pro 14c; Apple M1 Pro 16c; Apple M1 Max 24c; Apple M1 Max 32c; Apple M1 Ultra
48c; Apple M1 Ultra 64c; Apple M2 8c; Apple M2 10c; Apple M2 Pro 16c; Apple M2 Pro 19c; Apple M2 Max 30c; Apple
M2 Max 38c; Apple M2 Ultra 60c; Apple M2 Ultra 76c; Apple M3 8c; Apple M3 10c; Apple M3 Pro 14c; Apple M3 Pro
18c; Apple M3 Max 30c; Apple M3 Max 40c; Apple M3 Ultra 60c; Apple M3 Ultra 80c; Apple M4 8c; Apple M4 10c;
Apple M4 Pro 16c; Apple M4 Pro 20c; Apple M4 Max 32c; Apple M4 Max 40c; Apple M5 10c; Apple M5 Pro 16c; Apple M5
Pro 20c; Apple M5 Max 32c; Apple M5 Max 40c; RTX 5090; RTX 5080; RTX 5070 Ti; RTX 5070; RTX 4090; RTX 4080
SUPER; RTX 4080; RTX 4070 Ti SUPER; RTX 4070 Ti; RTX 4070 SUPER; RTX 4070; RTX 4060 Ti; RTX 4060; RTX 4090
Laptop; RTX 4070 Laptop; RTX 4060 Laptop; RTX 3090; RTX 3080 Ti; RTX 3080; RTX 3070 Ti; RTX 3060 Ti; RTX 3060;
RTX 3060 Laptop; RTX 3080 Laptop; RTX 2080 Ti; RTX 2080 SUPER; RTX 2080; RTX 2070 SUPER; RTX 2070; RTX 2060
SUPER; RTX 2060; GTX 1080 Ti; GTX 1080; GTX 1070 Ti; GTX 1070; GTX 1660 SUPER; GTX 1660; GTX 1650; TITAN RTX;
TITAN Xp; TITAN V; A6000; A5000; A4500; A4000; RTX 5000 Ada; RTX 6000 Ada; L40; L40S; RTX PRO 6000; Quadro RTX
8000; Quadro RTX 6000; Quadro RTX 4000; Tesla P40; Tesla P100; V100 16GB; T4; L4; A30; A40; Jetson AGX Orin;
GB10 (DGX Spark); RX 7900 XTX; RX 7900 XT; RX 7900 GRE; RX 7800 XT; RX 6900 XT; RX 6800 XT; RX 6700 XT; RX 6650
XT; RX 7600; Strix Halo (8060S); Arc A770; Arc A750; Arc B580; Arc B570; RTX 3070; RTX 3090 Ti; RTX 4000 Ada;
A100 PCIe 80GB; A100 SXM 80GB; H100 PCIe; H100 SXM; V100 32GB; RX 9070 XT; RX 9070; R9700; Arc Pro B60; W7900;
GH200; RTX 5060 Ti
"""
SPELLINGS = [name.strip() for name in " ".join(PUBLISHED.split()).split(";")]
"""Chips under which measurements were published."""

REPORTED = {
    "NVIDIA GeForce RTX 4090": "RTX 4090",
    "NVIDIA GeForce RTX 4070 Ti SUPER": "RTX 4070 Ti SUPER",
    "NVIDIA GeForce RTX 4070 Laptop GPU": "RTX 4070 Laptop",
    "NVIDIA GeForce RTX 5090 Laptop GPU": "RTX 5090 Laptop",
    "GeForce GTX 1080 Ti": "GTX 1080 Ti",
    "NVIDIA TITAN Xp": "TITAN Xp",
    "NVIDIA H100 80GB HBM3": "H100 SXM",
    "NVIDIA H100 PCIe": "H100 PCIe",
    "NVIDIA H100 NVL": "H100 NVL",
    "NVIDIA H200": "H200",
    "NVIDIA B200": "B200",
    "NVIDIA GH200 480GB": "GH200",
    "NVIDIA A100-SXM4-80GB": "A100 SXM 80GB",
    "NVIDIA A100-SXM4-40GB": "A100 SXM 40GB",
    "NVIDIA A100 80GB PCIe": "A100 PCIe 80GB",
    "NVIDIA A100-PCIE-40GB": "A100 PCIe 40GB",
    "Tesla V100-SXM2-16GB": "V100 16GB",
    "Tesla V100-SXM2-32GB": "V100 32GB",
    "Tesla P100-PCIE-16GB": "Tesla P100",
    "Tesla T4": "T4",
    "NVIDIA A10G": "A10G",
    "NVIDIA L40S": "L40S",
    "NVIDIA RTX A6000": "A6000",
    "NVIDIA RTX 6000 Ada Generation": "RTX 6000 Ada",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": "RTX PRO 6000",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "RTX PRO 6000 Max-Q",
    "Quadro RTX 8000": "Quadro RTX 8000",
    "NVIDIA GB10": "GB10 (DGX Spark)",
    "AMD Radeon RX 7900 XTX": "RX 7900 XTX",
    "AMD Radeon RX 9060 XT": "RX 9060 XT",
    "AMD Radeon PRO W7900": "W7900",
    "AMD Radeon AI PRO R9700": "R9700",
    "AMD Instinct MI300X": "MI300X",
    "AMD Radeon 8060S Graphics": "Strix Halo (8060S)",
    "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S": "Strix Halo (8060S)",
    "Intel(R) Arc(TM) A770 Graphics": "Arc A770",
    "Apple M3 Max": "Apple M3 Max 40c",
    "Apple M4": "Apple M4 10c",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_chip_is_found_as_published_measurements_spell_it(spelling: str) -> None:
    assert find_machine(spelling).devices[0].chip == spelling


def test_all_126_spellings_are_tried() -> None:
    assert len(set(SPELLINGS)) == 126


@pytest.mark.parametrize(("reported", "chip"), REPORTED.items())
def test_a_chip_is_found_as_its_driver_or_system_reports_it(reported: str, chip: str) -> None:
    assert find_machine(reported).devices[0].chip == chip


@pytest.mark.parametrize(
    ("alias", "chip", "gigabytes"),
    [
        ("rtx-4090", "RTX 4090", 24),
        ("4090", "RTX 4090", 24),
        ("RTX_4090", "RTX 4090", 24),
        ("geforce rtx4090", "RTX 4090", 24),
        ("4070tis", "RTX 4070 Ti SUPER", 16),
        ("7900xtx", "RX 7900 XTX", 24),
        ("b580", "Arc B580", 12),
        ("h100-sxm", "H100 SXM", 80),
        ("h100", "H100 SXM", 80),
        ("a100-40gb", "A100 SXM 40GB", 40),
        ("a6000", "A6000", 48),
        ("dgx-spark", "GB10 (DGX Spark)", 128),
        ("strix-halo", "Strix Halo (8060S)", 128),
        ("strix-halo-64gb", "Strix Halo (8060S)", 64),
        ("m3-max-48gb", "Apple M3 Max 40c", 48),
        ("M3 Max 48", "Apple M3 Max 40c", 48),
        ("m3-max-36gb", "Apple M3 Max 30c", 36),
        ("m3-max-30c", "Apple M3 Max 30c", 96),
        ("m3-max", "Apple M3 Max 40c", 128),
        ("m4-max-36gb", "Apple M4 Max 32c", 36),
        ("m2-max-96gb", "Apple M2 Max 38c", 96),
        ("rtx-4060-ti-8gb", "RTX 4060 Ti", 8),
        ("rtx-4060-ti", "RTX 4060 Ti", 16),
        ("rtx-3080-12gb", "RTX 3080 12GB", 12),
        ("rtx-3080", "RTX 3080", 10),
    ],
)
def test_an_alias_means_a_chip_with_a_memory_size(alias: str, chip: str, gigabytes: int) -> None:
    (device,) = find_machine(alias).devices
    assert device.chip == chip
    assert device.memory_bytes == gigabytes * GIB


def test_a_size_that_was_not_named_is_said() -> None:
    assert any("48, 64, 128 GB: planned with 128" in note for note in find_machine("m3-max").notes)
    assert any("8, 16 GB: planned with 16" in note for note in find_machine("rtx-4060-ti").notes)
    assert not any("planned with" in note for note in find_machine("m3-max-48gb").notes)


def test_a_name_that_several_chips_share_says_which_was_taken() -> None:
    assert "'h100' is taken as H100 SXM; also: H100 PCIe, H100 NVL." in find_machine("h100").notes
    assert "'rtx-3080' is taken as RTX 3080; also: RTX 3080 12GB." in find_machine("rtx-3080").notes


@pytest.mark.parametrize("text", ["2x-rtx-3090", "2x rtx 3090", "2 x RTX_3090", "2×3090", "2*rtx-3090"])
def test_several_gpus_are_devices_of_one_machine(text: str) -> None:
    machine = find_machine(text)
    assert [device.chip for device in machine.devices] == ["RTX 3090", "RTX 3090"]
    assert machine.name == "2 × RTX 3090"


def test_a_named_gpu_stands_in_the_stated_host() -> None:
    machine = find_machine("rtx-4090")
    assert (machine.host.memory_bytes, machine.host.bandwidth_bytes_s) == (64 * GIB, 89.6e9)
    assert "assumed" in machine.host.described
    assert any("DDR5-5600, 89.6 GB/s" in note for note in machine.notes)
    assert machine.is_this is False


def test_a_host_that_is_said_replaces_the_stated_one() -> None:
    host = find_machine("rtx-4090", host_memory=128 * GIB, host_bandwidth=51.2e9).host
    assert (host.memory_bytes, host.bandwidth_bytes_s) == (128 * GIB, 51.2e9)
    assert "assumed" not in host.described
    half = find_machine("rtx-4090", host_bandwidth=51.2e9).host
    assert (half.memory_bytes, half.bandwidth_bytes_s) == (64 * GIB, 51.2e9)
    assert "64 GB (assumed)" in half.described


def test_a_chip_that_shares_its_memory_is_its_own_host() -> None:
    machine = find_machine("m3-max-48gb")
    assert machine.devices[0].unified
    assert machine.host.memory_bytes == 48 * GIB
    assert machine.host.bandwidth_bytes_s == machine.devices[0].bandwidth_bytes_s
    assert any("own host" in note for note in find_machine("m3-max-48gb", host_memory=GIB).notes)


@pytest.mark.parametrize(
    ("text", "gigabytes", "bandwidth"),
    [
        ("cpu", 64, 89.6e9),
        ("cpu:ddr4-3200x2", 64, 51.2e9),
        ("cpu ddr5-5600-dual", 64, 89.6e9),
        ("CPU_DDR5_6400_QUAD_128GB", 128, 204.8e9),
        ("cpu:lpddr5x-8000-256bit", 64, 256e9),
        ("EPYC 9654", 64, 460.8e9),
        ("AMD EPYC 9654 96-Core Processor", 64, 460.8e9),
        ("13th Gen Intel(R) Core(TM) i9-13900K", 64, 89.6e9),
    ],
)
def test_a_processor_computes_from_its_own_memory(text: str, gigabytes: int, bandwidth: float) -> None:
    machine = find_machine(text)
    assert machine.devices == ()
    assert machine.host.memory_bytes == gigabytes * GIB
    assert machine.host.bandwidth_bytes_s == pytest.approx(bandwidth)
    assert machine.host.flops is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtx-4095", "Did you mean RTX 4090"),
        ("m3-ultr", "Apple M3 Ultra 80c"),
        ("h10", "Did you mean"),
        ("m3-max-40gb", "Apple M3 Max 40c with 48 or 64 or 128 GB; Apple M3 Max 30c with 36 or 96 GB"),
        ("rtx-4090-48gb", "RTX 4090 with 24 GB"),
        ("", "For example: rtx-4090"),
        ("toaster", "For example: rtx-4090"),
        ("0x rtx 3090", "1 to 16 GPUs"),
        ("17x rtx 3090", "1 to 16 GPUs"),
        ("2x m3-max", "whole computer"),
        ("cpu:ddr9-1", "no memory that Bakeoff knows"),
    ],
)
def test_what_is_not_there_is_refused_with_a_guess(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        find_machine(text)


@given(st.text(st.sampled_from("cpu:-_ x×*()@/.0123456789gbrtxmaddr5\x1b[٣"), max_size=30) | st.text(max_size=40))
def test_any_text_gives_a_machine_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert find_machine(text).host.bandwidth_bytes_s > 0


def test_control_sequences_in_a_name_are_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        find_machine("\x1b[31mtoaster")
    assert "\x1b" not in str(refused.value)


def test_a_named_chip_that_was_not_looked_up_says_so() -> None:
    assert any("not from a retrieved source" in note for note in find_machine("arc-pro-b70").notes)
    assert not any("not from a retrieved source" in note for note in find_machine("rtx-4090").notes)


@pytest.mark.parametrize("row", list(csv.DictReader(
    resources.files("bakeoff.hardware").joinpath("chips.csv").read_text("utf-8").splitlines()
)), ids=lambda row: row["chip"])  # fmt: skip
def test_a_rows_figures_fit_each_other(row: dict[str, str]) -> None:
    bandwidth = float(row["bandwidth_gb_s"])
    if row["bus_bits"]:
        assert bandwidth == pytest.approx(int(row["bus_bits"]) * float(row["rate_gbit_s"]) / 8, rel=0.01)
    sizes = [int(size) for size in row["memory_gb"].split()]
    assert sizes == sorted(set(sizes))
    assert bool(sizes) == (row["vendor"] != "cpu")
    if row["matrix_tflops"] and row["shader_tflops"]:
        assert float(row["matrix_tflops"]) >= 0.99 * float(row["shader_tflops"])
    assert row["source"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row["date"])
    assert ("not retrieved" in row["source"]) <= (row["sure"] == "0")


# Data sheets and what drivers were seen to report; not taken from the table's own sources.
@pytest.mark.parametrize(
    ("chip", "bandwidth_gb_s", "tflops"),
    [
        ("RTX 4090", 1008, 330.3),
        ("RTX 3090", 936, 142),
        ("RTX 2080 Ti", 616, 107.6),
        ("A100 SXM 80GB", 2039, 312),
        ("H100 SXM", 3350, 989.4),
        ("H200", 4800, 989.4),
        ("L4", 300, 121),
        ("RX 7900 XTX", 960, 122.8),
        ("RX 9070 XT", 640, 195),
        ("Arc B580", 456, 116.7),
        ("Apple M2 Ultra 76c", 819.2, 27.2),
        ("Apple M1 8c", 68.25, 2.6),
    ],
)
def test_known_chips_have_the_figures_of_their_data_sheets(chip: str, bandwidth_gb_s: float, tflops: float) -> None:
    (device,) = find_machine(chip).devices
    assert device.bandwidth_bytes_s / 1e9 == pytest.approx(bandwidth_gb_s, rel=0.01)
    assert device.flops == pytest.approx(tflops * 1e12, rel=0.02)


@pytest.mark.parametrize(
    ("chip", "mebibytes"),
    [("A10", 23028), ("L4", 23034), ("L40S", 46068), ("RTX 6000 Ada", 49140), ("RTX 4090", 24564)],
)
def test_memory_is_what_the_driver_reports_error_correction_included(chip: str, mebibytes: int) -> None:
    assert find_machine(chip).devices[0].memory_bytes / 2**20 == pytest.approx(mebibytes, rel=0.001)


def test_every_chip_is_found_by_its_own_name_and_no_name_is_there_twice() -> None:
    names = [chip.name for chip in chips()]
    assert len(names) == len(set(names)) >= 200
    for chip in chips():
        assert chip in known_as(chip.name)


def test_a_name_shared_by_chips_of_one_size_and_core_count_is_shared_on_purpose() -> None:
    shared = set()
    for chip in chips():
        alike = [
            other.name for other in known_as(chip.name)
            if other.cores == chip.cores and set(other.memory_gb) & set(chip.memory_gb)
        ]  # fmt: skip
        if len(alike) > 1:
            shared.add(tuple(alike))
    assert shared == set()


@pytest.mark.parametrize(
    ("text", "key", "memory", "cores"),
    [
        ("Apple M3 Max 40c", "m3max", None, 40),
        ("Apple M3 Max (40-core GPU) 48 GB", "m3max", 48, 40),
        ("NVIDIA A10G", "a10g", None, None),
        ("GB10 (DGX Spark)", "gb10dgxspark", None, None),
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "xeone52690v4", None, None),
    ],
)
def test_a_name_is_taken_apart(text: str, key: str, memory: int | None, cores: int | None) -> None:
    name = parse_name(text)
    assert (name.key, name.memory_gb, name.cores) == (key, memory, cores)


@pytest.mark.parametrize(
    ("text", "bandwidth", "words"),
    [
        ("ddr5-5600-dual", 89.6e9, "dual-channel DDR5-5600, 89.6 GB/s"),
        ("DDR4 3200", 51.2e9, "dual-channel DDR4-3200"),
        ("ddr4-3200x8", 204.8e9, "8-channel DDR4-3200"),
        ("ddr5-4800 12 channels", 460.8e9, "12-channel"),
        ("ddr4_2666_single", 21.328e9, "single-channel"),
        ("lpddr5x-8533-128bit", 136.528e9, "128-bit LPDDR5X-8533"),
    ],
)
def test_memory_is_read_as_people_write_it(text: str, bandwidth: float, words: str) -> None:
    kind = parse_memory(text)
    assert kind.bandwidth_bytes_s == pytest.approx(bandwidth)
    assert kind.described.startswith(words)


@pytest.mark.parametrize(
    "text", ["ddr5", "ddr5-99999", "ddr5-5600x99", "sdram-133", "ddr5-5600-9bit", "ddr5-5600-many"]
)
def test_memory_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_memory(text)


def test_calibration_counts_the_bytes_of_every_pass_and_the_time_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 64 * 2**20
    passes_ms = (1000, 10, 40, 20)  # the first finds the pages and is not counted
    ends = itertools.accumulate(passes_ms)
    instants = iter([moment * 10**6 for end, ms in zip(ends, passes_ms, strict=True) for moment in (end - ms, end)])
    monkeypatch.setattr(memory_speed, "now_ns", lambda: next(instants))
    found = calibrate("some CPU", threads=2, cache_bytes=2**20, free_bytes=4 * size, repeats=3)
    assert found.array_bytes == size
    assert found.best_bytes_s == pytest.approx(size / 0.010)
    assert found.median_bytes_s == pytest.approx(size / 0.020)
    assert (found.threads, found.repeats) == (2, 3)
    assert "busy" in found.described


def test_calibration_wants_arrays_well_beyond_the_cache() -> None:
    with pytest.raises(BakeoffError, match="Too little free memory"):
        calibrate("some CPU", threads=2, cache_bytes=512 * 2**20, free_bytes=4 * GIB)


@pytest.fixture
def measured(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    return Calibration(
        cpu="some CPU", date="2026-11-25T10:00:00+00:00", best_bytes_s=41e9, median_bytes_s=40e9, threads=8,
        repeats=15, array_bytes=GIB,
    )  # fmt: skip


def test_a_measurement_is_kept_for_the_processor_it_was_made_on(measured: Calibration) -> None:
    assert saved("some CPU") is None
    save(measured)
    assert saved("some CPU") == measured
    assert saved("another CPU") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema":1,"cpu":"some CPU"}'])
def test_a_measurement_that_cannot_be_read_is_as_none(measured: Calibration, content: bytes) -> None:
    save(measured).write_bytes(content)
    assert saved("some CPU") is None


def test_a_measurement_that_makes_no_sense_is_as_none(measured: Calibration) -> None:
    file = save(measured)
    file.write_text(file.read_text().replace("40000000000.0", "-1.0"))
    assert saved("some CPU") is None
