"""Whether models fit: published limits, the usual cases, and what must hold for any machine."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.hardware.machine import Device, HostMemory, Machine, Vendor
from bakeoff.models.catalogue import find
from bakeoff.models.mlx import half_tensors, mlx_tensors
from bakeoff.models.quants import TensorSpec
from bakeoff.models.recipes import tensors
from bakeoff.planning.budget import device_pools, host_pool
from bakeoff.planning.fit import SPARE_BYTES, Fit, fit
from bakeoff.planning.speed import Engine
from bakeoff.units import GIB, MIB

RANK = ("no", "split", "yes_if", "tight", "yes")


def host(gib: float = 64) -> HostMemory:
    return HostMemory(memory_bytes=round(gib * GIB), bandwidth_bytes_s=89.6e9, described="DDR5")


def gpu(gib: float = 24, count: int = 1, host_gib: float = 64, vendor: Vendor = "nvidia") -> Machine:
    card = Device(chip="a card", vendor=vendor, memory_bytes=round(gib * GIB), bandwidth_bytes_s=1e12)
    return Machine(name="cards", devices=(card,) * count, host=host(host_gib))


def mac(gib: float = 48, limit: int | None = None) -> Machine:
    chip = Device(
        chip="Apple", vendor="apple", memory_bytes=round(gib * GIB), bandwidth_bytes_s=4e11, unified=True
    )  # fmt: skip
    return Machine(name="a Mac", devices=(chip,), host=host(gib), gpu_limit_bytes=limit)


def processor(gib: float = 64) -> Machine:
    return Machine(name="no GPU", host=host(gib))


@cache
def specs(model: str, quant: str) -> tuple[TensorSpec, ...]:
    return tensors(find(model), quant)


def on(
    machine: Machine,
    model: str,
    quant: str = "Q4_K_M",
    context: int = 4096,
    engine: Engine = "llamacpp",
    streams: int = 1,
) -> Fit:
    return fit(machine, find(model), specs(model, quant), context=context, engine=engine, streams=streams)


RTX_4090, M3_MAX = gpu(24), mac(48)


@pytest.mark.parametrize(
    ("model", "quant", "card", "apple"),
    [
        ("r1-7b", "Q4_K_M", "yes", "yes"),
        ("r1-7b", "Q8_0", "yes", "yes"),
        ("r1-14b", "Q4_K_M", "yes", "yes"),
        ("r1-14b", "Q8_0", "yes", "yes"),
        ("r1-70b", "Q4_K_M", "split", "yes_if"),
        ("r1-671b", "Q4_K_M", "no", "no"),
    ],
)
def test_the_usual_table_of_24_and_48_gb(model: str, quant: str, card: str, apple: str) -> None:
    assert (on(RTX_4090, model, quant).fits, on(M3_MAX, model, quant).fits) == (card, apple)


def test_eight_bits_leave_less_room_for_context_than_four() -> None:
    assert on(RTX_4090, "r1-14b", "Q8_0").max_context < on(RTX_4090, "r1-14b", "Q4_K_M").max_context


def test_70b_in_a_48_gb_mac_needs_more_than_it_lets_its_gpu_have() -> None:
    found = on(M3_MAX, "r1-70b")
    assert found.usable_bytes == 36 * GIB
    assert found.total_bytes - found.host_bytes > found.usable_bytes
    assert "sudo sysctl iogpu.wired_limit_mb=" in found.condition
    assert "leaves macOS 6.0 of 48 GB" in found.condition


@given(st.sampled_from(["r1-32b", "r1-70b"]), st.integers(256, 65_536), st.floats(0, 1))
def test_what_the_condition_says_makes_it_fit(model: str, context: int, between: float) -> None:
    roomy = on(mac(1000), model, context=context)
    need = (roomy.total_bytes - roomy.host_bytes) / GIB
    smallest, largest = need + 5, need * 4 / 3
    gib = smallest + between * (largest - smallest)
    found = on(mac(gib), model, context=context)
    assume(found.fits == "yes_if")
    match = re.search(r"wired_limit_mb=(\d+)'", found.condition)
    assert match is not None
    limit = int(match[1]) * MIB
    assert limit <= (gib - 5) * GIB
    assert on(mac(gib, limit), model, context=context).fits in ("yes", "tight")


@pytest.mark.parametrize(
    ("gib", "megabytes"),
    # recommendedMaxWorkingSetSize in llama.cpp's load logs: M1, M2, M1 Pro, M1 and M3 Max, M2 Ultra.
    [(8, 5726.63), (16, 11_453.25), (32, 22_906.50), (64, 51_539.61), (192, 154_618.82)],
)
def test_a_mac_lets_its_gpu_have_what_metal_recommends(gib: int, megabytes: float) -> None:
    (pool,) = device_pools(mac(gib), "llamacpp")
    assert pool.usable_bytes / 1e6 == pytest.approx(megabytes, abs=0.01)


@pytest.mark.parametrize(
    ("nominal_mib", "in_use", "free_mib", "source"),
    # What CUDA calls free to a process of its own, without a screen.
    [(24_564, 0, 23_608, "RTX 4090, llama.cpp issue 23679"), (24_576, 0, 23_860, "RTX 3090, ollama issue 17482")],
)
def test_a_card_has_about_what_its_driver_calls_free(nominal_mib: int, in_use: int, free_mib: int, source: str) -> None:
    machine = structs.replace(gpu(nominal_mib / 1024), in_use_bytes=in_use)
    (pool,) = device_pools(machine, "llamacpp")
    assert pool.usable_bytes / MIB == pytest.approx(free_mib, abs=256), source


def test_a_reading_of_what_is_taken_goes_before_the_assumed_screen() -> None:
    assumed = on(RTX_4090, "r1-7b").usable_bytes
    assert on(structs.replace(RTX_4090, in_use_bytes=0), "r1-7b").usable_bytes == assumed + 512 * MIB
    assert on(structs.replace(RTX_4090, in_use_bytes=2 * GIB), "r1-7b").usable_bytes == assumed - 1536 * MIB


def test_a_14b_that_ran_out_of_memory_on_a_32_gb_mac_does_not_fit_as_it_stands() -> None:
    # R1-Distill-Qwen-14B Q5_K_M at 64,000 tokens without flash attention: loaded, failed at the first token.
    arch = find("r1-14b")
    found = fit(mac(32), arch, specs("r1-14b", "Q5_K_M"), context=64_000, flash_attention=False)
    assert found.fits in ("yes_if", "no")
    assert fit(mac(32), arch, specs("r1-14b", "Q5_K_M"), context=4096, flash_attention=False).fits == "yes"


def test_a_split_says_how_many_layers_the_gpu_holds() -> None:
    found = on(RTX_4090, "r1-70b")
    assert found.condition == f"{found.gpu_layers} of 80 layers on the GPU, the others in the host's memory"
    assert 38 <= found.gpu_layers <= 44
    assert found.total_bytes - found.host_bytes <= found.usable_bytes - SPARE_BYTES


def test_a_split_for_the_sake_of_its_context_says_what_fits_whole() -> None:
    found = on(RTX_4090, "r1-32b", context=65_536)
    assert found.fits == "split"
    match = re.search(r"whole with up to ([\d,]+) tokens of context$", found.condition)
    assert match is not None
    assert on(RTX_4090, "r1-32b", context=int(match[1].replace(",", ""))).fits in ("yes", "tight")


def test_the_host_must_hold_what_the_gpu_does_not() -> None:
    found = on(RTX_4090, "r1-70b", "F16")
    assert (found.fits, found.max_context) == ("no", 0)
    assert re.fullmatch(
        r"needs 14\d GB; there are 24\.\d GB of GPU memory and 61\.\d GB of the host's", found.condition
    )
    assert on(gpu(24, host_gib=192), "r1-70b", "F16").fits == "split"


def test_two_cards_hold_together_what_neither_holds_alone() -> None:
    found = on(gpu(24, count=2), "r1-70b")
    assert (found.fits, found.gpu_layers) == ("yes", 80)
    assert found.buffer_bytes > 2 * on(gpu(80), "r1-70b").buffer_bytes  # each its own, with copies of the inputs
    assert found.usable_bytes == 2 * on(RTX_4090, "r1-70b").usable_bytes + 512 * MIB  # one of them has the screen


def test_without_a_gpu_the_hosts_memory_counts_less_the_system() -> None:
    found = on(processor(64), "r1-70b")
    assert (found.fits, found.gpu_layers, found.host_bytes) == ("yes", 0, found.total_bytes)
    assert found.usable_bytes == host_pool(processor(64)).usable_bytes < 64 * GIB
    assert on(processor(32), "r1-70b").fits == "no"


def test_a_processor_among_the_devices_is_the_host() -> None:
    chip = Device(chip="a CPU", vendor="cpu", memory_bytes=64 * GIB, bandwidth_bytes_s=8e10, unified=True)
    assert on(structs.replace(processor(64), devices=(chip,)), "r1-7b") == on(processor(64), "r1-7b")


def test_an_apu_has_half_of_its_memory_until_it_is_given_more() -> None:
    chip = Device(chip="Strix Halo", vendor="amd", memory_bytes=128 * GIB, bandwidth_bytes_s=2.56e11, unified=True)
    machine = Machine(name="an APU", devices=(chip,), host=host(128))
    assert on(machine, "r1-70b").usable_bytes == 64 * GIB
    found = on(machine, "r1-70b", "Q8_0")
    assert found.fits == "yes_if"
    assert re.search(r"ttm\.pages_limit=\d+\)$", found.condition)
    assert on(structs.replace(machine, gpu_limit_bytes=120 * GIB), "r1-70b", "Q8_0").fits == "yes"


def test_vllm_takes_nine_tenths_and_can_be_told_to_take_more() -> None:
    arch = find("llama-3.1-8b")
    half = half_tensors(arch)
    short, long = (fit(RTX_4090, arch, half, context=context, engine="vllm") for context in (8192, 40_000))
    assert short.fits == "yes"
    assert long.fits == "yes_if"
    match = re.fullmatch(r"with --gpu-memory-utilization (0\.9\d*) instead of 0\.9", long.condition)
    assert match is not None
    assert float(match[1]) * 24 * GIB * 0.98 >= long.total_bytes - MIB
    assert short.usable_bytes < on(RTX_4090, "llama-3.1-8b").usable_bytes


def test_vllm_and_mlx_do_not_split() -> None:
    arch = find("r1-70b")
    assert fit(RTX_4090, arch, half_tensors(arch), context=4096, engine="vllm").fits == "no"
    found = fit(mac(36), arch, mlx_tensors(arch, "4bit"), context=4096, engine="mlx")
    assert (found.fits, found.gpu_layers) == ("no", 80)
    assert re.fullmatch(r"needs 4\d\.\d GB; there are 33\.3 GB of memory", found.condition)


def test_vllm_shares_a_model_out_over_its_gpus() -> None:
    arch = find("r1-32b")
    half = half_tensors(arch)
    assert fit(gpu(80), arch, half, context=8192, engine="vllm").fits == "yes"
    assert fit(gpu(48), arch, half, context=8192, engine="vllm").fits == "no"
    assert fit(gpu(48, count=2), arch, half, context=8192, engine="vllm").fits == "yes"


def test_an_unknown_cache_type_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="No cache type 'int3'"):
        fit(RTX_4090, find("r1-7b"), specs("r1-7b", "Q4_K_M"), context=4096, kv_type="int3")


MODELS = st.sampled_from(["r1-1.5b", "r1-7b", "r1-14b", "r1-70b", "qwen3-30b-a3b", "llama-3.2-3b", "r1-671b"])
QUANTS = st.sampled_from(["Q2_K", "Q4_K_M", "Q8_0", "F16"])
ENGINES = st.sampled_from(["llamacpp", "ollama", "vllm", "mlx"])
CONTEXTS = st.integers(1, 200_000)
MACHINES = st.sampled_from(["gpu", "gpus", "mac", "processor"])
GIBS = st.floats(1, 700)


def machine_of(kind: str, gib: float) -> Machine:
    match kind:
        case "gpu":
            return gpu(gib)
        case "gpus":
            return gpu(gib / 3, count=3)
        case "mac":
            return mac(gib)
    return processor(gib)


@given(MACHINES, MODELS, QUANTS, ENGINES, CONTEXTS, GIBS, st.floats(1, 4))
def test_more_memory_never_fits_worse(
    kind: str, model: str, quant: str, engine: Engine, context: int, gib: float, factor: float
) -> None:
    less = on(machine_of(kind, gib), model, quant, context, engine)
    more = on(machine_of(kind, gib * factor), model, quant, context, engine)
    assert RANK.index(more.fits) >= RANK.index(less.fits)
    assert more.gpu_layers >= less.gpu_layers


@given(MACHINES, MODELS, QUANTS, ENGINES, CONTEXTS, CONTEXTS, GIBS)
def test_a_longer_context_never_fits_better(
    kind: str, model: str, quant: str, engine: Engine, one: int, other: int, gib: float
) -> None:
    machine = machine_of(kind, gib)
    short, long = (on(machine, model, quant, context, engine) for context in sorted((one, other)))
    assert RANK.index(long.fits) <= RANK.index(short.fits)
    assert long.kv_bytes >= short.kv_bytes
    assert long.buffer_bytes >= short.buffer_bytes or long.fits != short.fits


@given(MACHINES, MODELS, QUANTS, ENGINES, st.integers(1, 64), GIBS)
def test_more_streams_never_fit_better(
    kind: str, model: str, quant: str, engine: Engine, streams: int, gib: float
) -> None:
    machine = machine_of(kind, gib)
    alone, together = (on(machine, model, quant, engine=engine, streams=count) for count in (1, streams))
    assert RANK.index(together.fits) <= RANK.index(alone.fits)


@given(MACHINES, MODELS, QUANTS, ENGINES, CONTEXTS, GIBS)
def test_the_longest_context_fits_the_same_way_and_one_more_token_does_not(
    kind: str, model: str, quant: str, engine: Engine, context: int, gib: float
) -> None:
    machine, trained = machine_of(kind, gib), find(model).max_position
    found = on(machine, model, quant, context, engine)
    way = {"tight": "yes", "no": "split"}.get(found.fits, found.fits)
    needed = RANK.index("tight" if way == "yes" else way)
    longest = found.max_context
    assert 0 <= longest <= trained
    if longest:
        assert RANK.index(on(machine, model, quant, longest, engine).fits) >= needed
    if longest < trained:
        assert RANK.index(on(machine, model, quant, longest + 1, engine).fits) < needed


@given(MACHINES, MODELS, QUANTS, ENGINES, CONTEXTS, GIBS)
def test_the_parts_add_up(kind: str, model: str, quant: str, engine: Engine, context: int, gib: float) -> None:
    machine = machine_of(kind, gib)
    found = on(machine, model, quant, context, engine)
    assert found.total_bytes == found.weights_bytes + found.kv_bytes + found.buffer_bytes
    assert 0 <= found.host_bytes <= found.total_bytes
    assert 0 <= found.gpu_layers <= find(model).layers
    if found.fits in ("yes", "tight"):
        assert found.total_bytes - (found.host_bytes if machine.devices else 0) <= found.usable_bytes
    assert (found.condition == "") == (found.fits == "yes")


def test_each_quantization_needs_more_than_the_one_below() -> None:
    sizes = [on(RTX_4090, "r1-14b", quant).total_bytes for quant in ("Q2_K", "Q4_K_M", "Q6_K", "Q8_0", "F16")]
    assert all(small < large for small, large in pairwise(sizes))
