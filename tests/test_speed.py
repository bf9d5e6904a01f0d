"""What the planner says of speed, held to physics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bakeoff.hardware.cores import cores_of
from bakeoff.hardware.machine import Device, HostMemory
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import bytes_read_per_token, kv_bytes, tensor_bytes
from bakeoff.planning.fitted import processor_fit
from bakeoff.planning.placement import offloaded, on_devices, parts
from bakeoff.planning.speed import (
    OVERHEAD,
    Placement,
    Work,
    bandwidth_limit_tps,
    decode_steps,
    decode_tps,
    predict,
    prefill_tps,
    ttft_s,
    work,
)

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Vendor

HOST = HostMemory(memory_bytes=64 << 30, bandwidth_bytes_s=89.6e9, described="DDR5", flops=1.15e12)
QUANTS = ("Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
VENDORS: tuple[Vendor, ...] = ("nvidia", "apple", "amd", "intel")


def device(chip: str = "RTX 4090", vendor: Vendor = "nvidia", bandwidth: float = 1008e9) -> Device:
    """A device with 24 GiB."""
    return Device(chip=chip, vendor=vendor, memory_bytes=24 << 30, bandwidth_bytes_s=bandwidth, tdp_w=450)


def asked(model: str = "r1-7b", quant: str = "Q4_K_M") -> Work:
    """A model of the catalogue at a quantization."""
    arch = find(model)
    return work(arch, tensors(arch, quant))


def on(*devices: Device, gpu_layers: int | None = None, host: HostMemory = HOST) -> Placement:
    """The devices in one host."""
    return Placement(devices=devices, host=host, gpu_layers=gpu_layers)


SEVEN = asked()


@given(st.floats(5e10, 4e12), st.floats(1.0, 3.0), st.sampled_from(VENDORS))
def test_more_bandwidth_is_never_slower(bandwidth: float, more: float, vendor: Vendor) -> None:
    slow = decode_tps(SEVEN, on(device("a chip", vendor, bandwidth))).point
    assert decode_tps(SEVEN, on(device("a chip", vendor, bandwidth * more))).point >= slow


@pytest.mark.parametrize("vendor", VENDORS)
def test_more_bytes_are_never_faster(vendor: Vendor) -> None:
    rates = {
        asked(quant=quant).read_bytes: decode_tps(asked(quant=quant), on(device("x", vendor))).point for quant in QUANTS
    }
    by_size = [rates[size] for size in sorted(rates)]
    assert by_size == sorted(by_size, reverse=True)
    assert len(by_size) == len(QUANTS)


@given(st.integers(0, 100_000), st.integers(0, 30_000), st.sampled_from(VENDORS))
def test_deeper_is_never_faster(depth: int, further: int, vendor: Vendor) -> None:
    placed = on(device("x", vendor))
    assert decode_tps(SEVEN, placed, depth + further).point <= decode_tps(SEVEN, placed, depth).point


@given(
    st.sampled_from(["r1-1.5b", "r1-70b", "r1-671b"]),
    st.sampled_from(["RTX 4090", "Apple M3 Max 40c", "MI300X", "no such chip"]),
    st.sampled_from([None, 0, 5, 20]),
    st.sampled_from(["llamacpp", "ollama", "vllm", "mlx"]),
    st.integers(1, 20_000),
)
def test_every_interval_holds_its_point_and_every_decode_stays_under_the_limit(
    model: str, chip: str, gpu_layers: int | None, engine: str, context: int
) -> None:
    placed = on(device(chip), device(chip), gpu_layers=gpu_layers)
    speed = predict(asked(model), placed, engine=engine, context=context, prompt_tokens=context)  # type: ignore[arg-type]
    for figure in (speed.decode, speed.decode_at_context, speed.prefill, speed.ttft):
        assert figure.low is not None
        assert figure.high is not None
        assert 0 < figure.low <= figure.point <= figure.high < math.inf
        assert figure.confidence == 0.80
    assert speed.decode.high is not None
    assert speed.decode.high <= speed.limit_tps


def test_the_limit_is_every_byte_read_once() -> None:
    arch, context = find("r1-7b"), 4096
    read = bytes_read_per_token(tensors(arch, "Q4_K_M"), arch)
    whole = bandwidth_limit_tps(SEVEN, on(device()), context)
    assert whole == pytest.approx(1008e9 / (read + kv_bytes(arch, context)))
    halves = bandwidth_limit_tps(SEVEN, on(device(), device()), context)
    assert halves == pytest.approx(whole)


def test_a_split_is_slower_than_the_whole_and_faster_than_the_processor_alone() -> None:
    rates = [decode_tps(SEVEN, on(device(), gpu_layers=layers)).point for layers in range(30)]
    assert rates == sorted(rates)
    assert rates[28] < rates[29] == decode_tps(SEVEN, on(device())).point
    assert rates[0] == decode_tps(SEVEN, on()).point


def test_the_times_of_a_split_add_up() -> None:
    limit = bandwidth_limit_tps(SEVEN, on(device(), gpu_layers=15))  # the output and 14 of 28 layers
    layers = (SEVEN.read_bytes - SEVEN.head_bytes) / 2
    assert 1 / limit == pytest.approx((layers + SEVEN.head_bytes) / 1008e9 + layers / 89.6e9)


@pytest.mark.parametrize(
    ("counted", "layers", "output"),
    [(0, 0, False), (1, 0, True), (2, 1, True), (28, 27, True), (29, 28, True), (99, 28, True), (None, 28, True)],
)
def test_llama_cpp_counts_the_output_as_the_last_layer_and_fills_from_the_end(
    counted: int | None, layers: int, output: bool
) -> None:
    assert on_devices(28, counted) == (layers, output)
    held = parts(SEVEN, on(device(), gpu_layers=counted))
    on_gpu = sum(part.read_bytes for part in held if part.device)
    per_layer = (SEVEN.read_bytes - SEVEN.head_bytes) / 28
    assert on_gpu == pytest.approx(layers * per_layer + output * SEVEN.head_bytes)
    assert sum(part.read_bytes for part in held) == pytest.approx(SEVEN.read_bytes)


@pytest.mark.parametrize(("layers", "counted"), [(0, 0), (1, 2), (28, 29)])
def test_what_the_plan_puts_on_the_gpu_is_what_llama_cpp_is_told_to(layers: int, counted: int) -> None:
    assert offloaded(layers) == counted
    assert on_devices(28, offloaded(layers)) == (layers, layers > 0)


TINY = asked("smollm2-135m", "Q4_1")
TWO_CORES = structs.replace(HOST, bandwidth_bytes_s=51.2e9, flops=166.4e9, cores=2)


def test_of_a_model_too_small_for_its_memory_to_set_the_pace_it_is_said() -> None:
    assert OVERHEAD in predict(TINY, on(host=TWO_CORES)).notes
    assert OVERHEAD not in predict(asked("r1-70b"), on()).notes
    assert OVERHEAD not in predict(SEVEN, on(device())).notes


def gain_of_twice_the_bandwidth(model: Work, host: HostMemory) -> float:
    """How much faster it decodes."""
    faster = structs.replace(host, bandwidth_bytes_s=2 * host.bandwidth_bytes_s)
    return decode_tps(model, on(host=faster)).point / decode_tps(model, on(host=host)).point


def test_a_tiny_model_gains_little_by_faster_memory_and_a_large_one_on_many_cores_almost_all() -> None:
    assert 1 < gain_of_twice_the_bandwidth(TINY, TWO_CORES) < 1.1
    assert 1.8 < gain_of_twice_the_bandwidth(asked("r1-70b"), structs.replace(HOST, flops=9e12)) <= 2


@given(st.floats(1e11, 1e13), st.floats(1.0, 4.0), st.integers(1, 64))
def test_faster_cores_are_never_slower_and_more_threads_to_wait_for_never_faster(
    flops: float, more: float, cores: int
) -> None:
    host = structs.replace(HOST, flops=flops, cores=cores)
    now = decode_tps(TINY, on(host=host)).point
    assert decode_tps(TINY, on(host=structs.replace(host, flops=flops * more))).point >= now
    assert decode_tps(TINY, on(host=structs.replace(host, cores=cores + 1))).point <= now


def test_a_bandwidth_that_was_measured_is_taken_as_it_is_and_a_peak_at_the_share_that_machines_reach() -> None:
    large = work(find("r1-14b"), tensors(find("r1-14b"), "Q4_K_M"))

    def seconds_of_reading(measured: bool) -> float:
        host = structs.replace(HOST, measured=measured)
        steps = dict(decode_steps(large, Placement(devices=(), host=host), 0, "llamacpp"))
        return max(span.point for span in steps.values())

    longer = seconds_of_reading(measured=False) / seconds_of_reading(measured=True)
    assert 1.2 < longer <= 1 / processor_fit().efficiency


def test_a_type_that_is_not_repacked_costs_a_processor_more_than_its_bytes() -> None:
    plain, repacked = asked("smollm2-135m", "Q4_1"), asked("llama-3.2-1b", "Q4_0")
    assert plain.plain == pytest.approx(1.0)
    assert repacked.plain == pytest.approx(0.0)
    slow = decode_tps(plain, on(host=TWO_CORES)).point
    assert 1.5 < decode_tps(structs.replace(plain, plain=0.0), on(host=TWO_CORES)).point / slow < 2.4


def test_a_processor_that_does_not_say_what_it_is_gets_the_usual_for_its_memory() -> None:
    unknown = structs.replace(HOST, flops=None, cores=None)
    usual = structs.replace(HOST, flops=18 * HOST.bandwidth_bytes_s, cores=17)  # 1.6e12 / (3e9 × 32)
    assert decode_tps(SEVEN, on(host=unknown)).point == pytest.approx(decode_tps(SEVEN, on(host=usual)).point)


def test_a_long_prompt_streams_the_processors_layers_to_the_gpu_and_a_short_one_does_not() -> None:
    with_gpu, without = on(device(), gpu_layers=0), on()
    assert prefill_tps(SEVEN, with_gpu, 512).point > 2 * prefill_tps(SEVEN, without, 512).point
    assert prefill_tps(SEVEN, with_gpu, 31).point == prefill_tps(SEVEN, without, 31).point


@given(st.integers(1, 4000), st.sampled_from(VENDORS), st.sampled_from(["r1-7b", "qwen3-30b-a3b"]))
def test_a_prompt_takes_at_least_as_long_as_reading_all_weights_once_a_batch(
    tokens: int, vendor: Vendor, model: str
) -> None:
    work = asked(model)
    figure = prefill_tps(work, on(device("x", vendor)), tokens)
    assert tokens / figure.point >= math.ceil(tokens / 512) * work.batch_bytes / device("x", vendor).bandwidth_bytes_s


def test_a_batch_of_a_prompt_reads_of_experts_all_and_a_token_those_that_are_active() -> None:
    experts = asked("qwen3-30b-a3b")
    assert SEVEN.batch_bytes == SEVEN.read_bytes
    assert 5 < experts.batch_bytes / experts.read_bytes < 16


def test_several_devices_are_no_faster_than_one_that_held_it_all() -> None:
    one = decode_tps(SEVEN, on(device())).point
    two = decode_tps(SEVEN, on(device(), device())).point
    assert decode_tps(SEVEN, on(*[device()] * 4)).point < two < one


def test_the_first_token_waits_for_the_prompt_and_one_step_of_decode() -> None:
    placed = on(device())
    prompt = 500 / prefill_tps(SEVEN, placed, 500).point
    assert ttft_s(SEVEN, placed, 500).point == pytest.approx(prompt + 1 / decode_tps(SEVEN, placed, 500).point)


def test_experts_are_read_as_far_as_they_are_active() -> None:
    arch = find("qwen3-30b-a3b")
    experts = asked("qwen3-30b-a3b")
    assert experts.read_bytes < 0.15 * tensor_bytes(tensors(arch, "Q4_K_M"))
    assert decode_tps(experts, on(device())).point > 2 * decode_tps(asked("qwen3-32b"), on(device())).point


def test_an_engine_without_measurements_gets_a_wider_interval_and_says_so() -> None:
    usual, other = predict(SEVEN, on(device())), predict(SEVEN, on(device()), engine="mlx")
    assert usual.decode.low is not None
    assert other.decode.low is not None
    assert other.decode.low / other.decode.point < usual.decode.low / usual.decode.point
    assert any("mlx" in note for note in other.notes)
    assert usual.notes == ()


def test_a_chip_whose_cores_are_not_known_is_planned_and_named() -> None:
    assert cores_of("RTX 9999") is None
    speed = predict(SEVEN, on(device("RTX 9999")))
    assert 0.3 < speed.decode.point / speed.limit_tps < 1
    assert any("RTX 9999" in note for note in speed.notes)
