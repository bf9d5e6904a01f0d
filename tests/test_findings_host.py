"""Whether the machine was quiet and cool, and its memory sufficed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.findings import Check, host, memory, unlike_hosts
from bakeoff.results.records import CooledDown, Gpu, Reading
from tests.finding_cases import (
    Case,
    Cases,
    a_window,
    cell,
    every_case,
    found,
    judge,
    read,
)
from tests.hand_made import a_host, a_trial


def pause(waited_s: float, recovered: bool) -> CooledDown:
    return CooledDown(cell=0, purpose="timed", index=0, reason="too hot", waited_s=waited_s, recovered=recovered)


def from_disk(fetched: float, mapped: float, resident: float) -> tuple[Reading, ...]:
    return read("disk_read_bytes", fetched) + read("mapped_bytes", mapped) + read("mapped_resident_bytes", resident)


CASES: Cases = {
    host.busy_host: [
        (
            cell([a_trial(others_cpu=0.11), a_trial(others_cpu=0.5), a_trial(others_cpu=None)]),
            "warning", "in 2 of 3 trials .* up to 50%",
            cell([a_trial(others_cpu=0.1)]),
        ),
    ],
    host.on_battery: [
        (cell(power="battery"), "warning", "on battery", cell(power="mains")),
        (cell(power="battery"), "warning", "on battery", cell(power="unknown")),
    ],
    memory.memory_preallocated: [
        (
            cell([a_trial(memory_peak_bytes=1)], settings={"memory_utilization": 0.9}), "info", "took 90% of its",
            cell([a_trial(memory_peak_bytes=1)], settings={}),
        ),
        (
            cell([a_trial(memory_peak_bytes=1)], settings={"kv_cache_bytes": 4 * 10**9}), "info", "4.00 GB for its KV",
            cell([a_trial()], settings={"kv_cache_bytes": 4 * 10**9}),
        ),
    ],
    memory.other_models: [
        (
            cell([a_trial()], settings={"other_models_loaded": 2}), "warning", "held 2 other models in",
            cell([a_trial()]),
        ),
    ],
    memory.partly_on_gpu: [
        (
            cell([a_trial()], settings={"gpu_share": 0.62}), "info", "^62% of the model's memory was on the GPU",
            cell([a_trial()], settings={"gpu_share": 1.0}),
        ),
        (
            cell([a_trial()], settings={"gpu_share": 0.01}), "info", "^1% of",
            cell([a_trial()], settings={"gpu_share": 0.0}),
        ),
    ],

    host.throttled: [
        (
            cell([
                a_trial(readings=read("throttled_share", 0.3, "too hot") + read("throttled_share", 0.1, "power limit")),
                a_trial(readings=read("throttled_share", 0.02, "too hot")),
                a_trial(readings=read("throttled_share", 0.0)),
            ]),
            "warning", "in 2 of 3 trials the device held itself back for up to 30% of the time: too hot$",
            cell([a_trial(readings=read("throttled_share", 0.01, "too hot")), a_trial()]),
        ),
        (
            cell([a_trial(readings=read("throttled_share", 1.0, "it is at its power limit"))]), "info", "power limit$",
            cell([a_trial(readings=read("throttled_share", None)), a_trial(readings=read("clock_hz", 1e9))]),
        ),
        (cell([a_trial(readings=read("throttled_share", 0.5))]), "warning", "50% of the time$", cell()),
        (
            cell([a_trial(readings=read("throttled_share", 0.0, "too hot"))]), "warning", "held itself back: too hot$",
            cell([a_trial(readings=read("throttled_share", 0.005, "too hot"))]),
        ),
    ],
    host.cooled_down: [
        (
            cell([a_trial()], cooled=[pause(5.0, True), pause(7.0, True)]), "info",
            "^2 trials waited for the device to cool, 12.0 s in all: too hot$", cell([a_trial()]),
        ),
        (
            cell([a_trial()], cooled=[pause(5.0, True), pause(60.0, False)]), "warning",
            "; 1 began while it still held itself back$", cell([a_trial()]),
        ),
    ],
    memory.swapped: [
        (
            cell([a_trial(readings=read("swap_in_bytes", 5e8)), a_trial(readings=read("swap_in_bytes", 5e6))]),
            "warning", "in 2 of 2 trials the machine read up to 500 MB back from swap",
            cell([a_trial(readings=read("swap_in_bytes", float(4 << 20)))]),
        ),
    ],
    memory.memory_pressure: [
        (
            cell([a_trial(readings=read("pressure_share", 0.4)), a_trial(readings=read("pressure_share", 0.05))]),
            "warning", "in 1 of 2 trials programs waited for memory for up to 40% of the time",
            cell([a_trial(readings=read("pressure_share", 0.05))]),
        ),
    ],
    memory.weights_from_disk: [
        (
            cell([a_trial(readings=from_disk(1.3e9, 4.7e9, 1.2e9)), a_trial(readings=from_disk(0, 4.7e9, 1.2e9))]),
            "severe", "in 1 of 2 trials .* up to 1.30 GB from the disk; of 4.70 GB of weights .* 1.20 GB were",
            cell([a_trial(readings=from_disk(0, 4.7e9, 1.2e9))]),
        ),
        (
            cell([a_trial(readings=from_disk(60e6, 4.7e9, 4.6e9))]), "warning", "60.0 MB from the disk",
            cell([a_trial(readings=from_disk(40e6, 4.7e9, 4.6e9)), a_trial(readings=from_disk(9e9, 0, 0))]),
        ),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_what_was_read_around_a_window_of_load_counts_by_the_window() -> None:
    windows = [a_window(others_cpu=0.5, readings=read("swap_in_bytes", 1e9)), a_window(others_cpu=0.0)]
    loaded = cell([a_trial()] * 8, requests=4, windows=windows)
    assert "in 1 of 2 windows" in found(host.busy_host, loaded).evidence
    assert "in 1 of 2 windows" in found(memory.swapped, loaded).evidence


def test_advice_about_memory_names_the_context_that_was_asked_for() -> None:
    swapping = [a_trial(readings=read("swap_in_bytes", 1e9))]
    assert "--context below 8192" in found(memory.swapped, cell(swapping, context=8192)).advice
    assert "a shorter --context" in found(memory.swapped, cell(swapping, context=None)).advice


def test_advice_about_a_split_names_the_layers_that_were_asked_for() -> None:
    split = cell([a_trial()], settings={"gpu_share": 0.4, "gpu_layers": 12})
    assert "--gpu-layers 12 asked for that" in found(memory.partly_on_gpu, split).advice
    assert "asked for" not in found(memory.partly_on_gpu, cell([a_trial()], settings={"gpu_share": 0.4})).advice


CARD = Gpu(name="Some GPU", memory_bytes=24 * 10**9, driver="550.1")
HOST = a_host(gpus=(CARD,))


def test_a_host_is_like_itself_and_like_one_that_a_new_kernel_left_less_memory() -> None:
    assert unlike_hosts(HOST, HOST) is None
    assert unlike_hosts(HOST, structs.replace(HOST, memory_bytes=HOST.memory_bytes - 10**8, python="3.13.1")) is None


@pytest.mark.parametrize(
    ("changes", "severity", "evidence"),
    [
        ({"cpu": "Another CPU"}, "severe", "the machines differ: processor Hand-made CPU against Another CPU"),
        ({"cores_logical": 8}, "severe", r"cores 2 \(4 logical\) against 2 \(8 logical\)"),
        ({"cores_physical": None}, "severe", r"cores 2 .* against \? "),
        ({"memory_bytes": 8_000_000_000}, "severe", "memory 16.0 GB against 8.00 GB"),
        ({"arch": "aarch64"}, "severe", "architecture x86_64 against aarch64"),
        ({"gpus": ()}, "severe", "GPUs Some GPU against none"),
        ({"gpus": (CARD, CARD)}, "severe", "GPUs Some GPU against Some GPU, Some GPU"),
        ({"gpus": (structs.replace(CARD, driver="560.2"),)}, "warning", "GPU driver 550.1 against 560.2"),
        ({"os": "Linux 6.8"}, "warning", "system Linux 6.1 against Linux 6.8"),
        ({"power_source": "battery"}, "warning", "power mains against battery"),
        ({"bakeoff": "0.2.0"}, "warning", "Bakeoff 0.1.0 against 0.2.0"),
        ({"cpu": "Another CPU", "os": "macOS 15"}, "severe", "processor .*; system .*"),
    ],
)
def test_hosts_that_differ_are_unlike_in_what_differs(changes: dict[str, Any], severity: str, evidence: str) -> None:
    other = structs.replace(HOST, **changes)
    for a, b in ((HOST, other), (other, HOST)):
        finding = unlike_hosts(a, b)
        assert finding is not None
        assert (finding.code, finding.severity) == ("unlike_hosts", severity)
    finding = unlike_hosts(HOST, other)
    assert finding is not None
    assert re.search(evidence, finding.evidence), finding.evidence
