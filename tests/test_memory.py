"""Memory by part, against what llama.cpp, Ollama, vLLM and MLX were seen to allocate.

- ``load_logs.csv``: lines that engines print when they load a model, each with its source. ``quant`` is set where the
  file has llama.cpp's own mix; elsewhere the tensors' bytes are the file's, as its header would say. ``way``: *plain*
  is llama.cpp's way; *fork* and *expanded* are how ik_llama.cpp runs DeepSeek's attention, with graphs of its own and,
  expanded, with a cache of whole keys and values.
- ``graph_sizes.csv``: the compute buffer that xllamacpp 2026.10.11549 reserved on a CPU with two cores for models of
  these shapes, most cut to a few layers (its size does not depend on their number), weights all zero.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.models.catalogue import find
from bakeoff.models.mlx import half_tensors, mlx_tensors
from bakeoff.models.quants import TYPES, TensorSpec
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import embedding_bytes, kv_bytes, layer_bytes, output_bytes, tensor_bytes
from bakeoff.planning.memory import (
    PIPELINE_COPIES,
    Setting,
    cache_bytes,
    element_bytes,
    graph_bytes,
    host_graph_bytes,
    parts,
    working_bytes,
)
from bakeoff.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = Path(__file__).parent / "data"
Log = dict[str, str]


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


LOGS = read("load_logs.csv")
PLAIN = [log for log in LOGS if log["way"] == "plain"]


def setting_of(log: Log) -> Setting:
    return Setting(
        context=int(log["context"]),
        kv_type=log["kv_type"],
        flash_attention=log["flash_attention"] == "1",
        ubatch=int(log["ubatch"]),
    )


def logged(log: Log) -> dict[str, float]:
    """MiB by part; buffers None where the log has none."""
    found = {"weights": float(log["weights_mib"]), "kv": float(log["kv_mib"])}
    if log["host_buffers_mib"]:
        found["buffers"] = float(log["gpu_buffers_mib"] or 0) + float(log["host_buffers_mib"])
    return found


def predicted(log: Log) -> dict[str, float]:
    """MiB by part."""
    arch, setting, gpus = find(log["model"]), setting_of(log), int(log["gpus"])
    copies = PIPELINE_COPIES if gpus > 1 and log["experts_in_host"] == "0" else 1
    weights = parts(tensors(arch, log["quant"])).total / MIB if log["quant"] else float(log["weights_mib"])
    buffers = graph_bytes(arch, setting, copies) * max(1, gpus)
    if gpus:
        buffers += host_graph_bytes(arch, setting, copies)
    return {"weights": weights, "kv": cache_bytes(arch, setting) / MIB, "buffers": buffers / MIB}


def met(log: Log, *wanted: str) -> bool:
    """Whether the sum of these parts is within 5 % or 300 MiB of the log."""
    seen, said = logged(log), predicted(log)
    there = [part for part in wanted if part in seen]
    truth = sum(seen[part] for part in there)
    return abs(sum(said[part] for part in there) - truth) <= max(0.05 * truth, 300)


def share(logs: Iterable[Log], *wanted: str) -> float:
    outcomes = [met(log, *wanted) for log in logs]
    return sum(outcomes) / len(outcomes)


def named(log: Log) -> str:
    return f"{log['model']}-{log['context']}-{log['hardware']}-x{log['gpus']}-{log['build'][:16]}"


@pytest.mark.parametrize("log", PLAIN, ids=named)
def test_a_load_log_of_llama_cpp_is_met_within_5_percent_or_300_mib(log: Log) -> None:
    assert met(log, "weights", "kv", "buffers"), (logged(log), predicted(log))


def test_every_part_of_nearly_every_log_is_met_too() -> None:
    assert len(PLAIN) == 51
    assert share(PLAIN, "weights") == share(PLAIN, "kv") == 1
    assert share(PLAIN, "buffers") > 0.97  # one of two GPUs, experts in the host's memory, 4,096 tokens at once


def test_weights_and_cache_of_the_fork_are_met_whose_graphs_are_its_own() -> None:
    fork = [log for log in LOGS if log["way"] == "fork"]
    assert len(fork) == 19
    assert share(fork, "weights", "kv", "buffers") == share(fork, "kv") == 1


def test_one_gpus_cache_and_host_buffer_are_what_is_logged_to_the_mebibyte() -> None:
    for log in PLAIN:
        assert predicted(log)["kv"] == pytest.approx(logged(log)["kv"], abs=1)
        if log["gpus"] == "1" and log["flash_attention"] == "0":
            buffer = host_graph_bytes(find(log["model"]), setting_of(log)) / MIB
            assert buffer == pytest.approx(float(log["host_buffers_mib"]), abs=0.1)


@pytest.mark.parametrize("row", read("graph_sizes.csv"), ids=lambda row: "-".join(row.values()))
def test_the_compute_buffer_is_what_llama_cpp_reserves(row: dict[str, str]) -> None:
    setting = Setting(
        context=int(row["context"]),
        ubatch=int(row["ubatch"]),
        flash_attention=row["flash_attention"] == "1",
        streams=int(row["streams"]),
        all_logits=False,
    )
    said = graph_bytes(find(row["model"]), setting) / MIB
    assert said == pytest.approx(float(row["compute_buffer_mib"]), abs=4)


def test_logits_of_a_whole_pass_outweigh_a_layer_of_a_small_model() -> None:
    arch = find("r1-1.5b")
    assert graph_bytes(arch, Setting(context=2048)) == 4 * 512 * (arch.vocab + arch.hidden)


def test_without_flash_attention_the_scores_grow_with_the_context() -> None:
    arch, short = find("r1-14b"), Setting(context=8192, flash_attention=False)
    long = structs.replace(short, context=65_536)
    more = (65_536 - 8192) * 512 * 4
    assert graph_bytes(arch, long) - graph_bytes(arch, short) == more * (arch.heads + 1)


def test_a_borrowed_tensor_lies_beside_the_layer_that_needs_it() -> None:
    arch, setting = find("r1-70b"), Setting(context=4096)
    borrowed = 200 * MIB
    without = graph_bytes(arch, structs.replace(setting, all_logits=False))
    assert graph_bytes(arch, setting, weight=borrowed) == without + borrowed


@pytest.mark.parametrize("short", ["r1-7b", "llama-3.2-3b", "qwen3-30b-a3b", "r1-671b"])
def test_parts_are_what_the_single_sums_say(short: str) -> None:
    specs = tensors(find(short), "Q4_K_M")
    found = parts(specs)
    assert list(found.layers) == layer_bytes(specs)
    assert (found.embedding, found.output) == (embedding_bytes(specs), output_bytes(specs))
    assert found.total == tensor_bytes(specs)
    assert found.largest == max(spec.bytes for spec in specs if spec.name.startswith("blk."))


def test_parts_know_hugging_faces_names() -> None:
    half = TYPES["BF16"]
    specs = [
        TensorSpec("model.embed_tokens.weight", (8, 100), half),
        TensorSpec("model.layers.0.mlp.up_proj.weight", (8, 10), half),
        TensorSpec("model.layers.1.mlp.up_proj.weight", (8, 20), half),
        TensorSpec("model.norm.weight", (8,), half),
        TensorSpec("lm_head.weight", (8, 100), half),
    ]
    found = parts(specs)
    assert (found.layers, found.embedding, found.output, found.largest) == ((160, 320), 1600, 1616, 320)


def test_every_stream_has_a_cache_of_its_own() -> None:
    arch, one = find("r1-7b"), Setting(context=4096)
    assert cache_bytes(arch, structs.replace(one, streams=4)) == 4 * cache_bytes(arch, one)
    assert graph_bytes(arch, structs.replace(one, streams=4)) == graph_bytes(arch, one)


def test_caches_are_rounded_up_as_each_engine_does() -> None:
    arch = find("r1-7b")
    sizes = {
        engine: cache_bytes(arch, Setting(context=1001, engine=engine)) // round(kv_bytes(arch, 1))
        for engine in ("llamacpp", "ollama", "vllm", "mlx")
    }
    assert sizes == {"llamacpp": 1024, "ollama": 1024, "vllm": 1008, "mlx": 1024}
    assert cache_bytes(arch, Setting(context=1001, flash_attention=False)) == kv_bytes(arch, 1024)


def test_llama_cpp_keeps_a_batch_more_than_gemmas_window_and_all_that_others_windows_leave_out() -> None:
    gemma = structs.replace(find("llama-3.2-1b"), family="gemma3", layers=26, sliding_window=512)
    per_layer = round(kv_bytes(gemma, 1)) // 26
    assert cache_bytes(gemma, Setting(context=8192)) == per_layer * (4 * 8192 + 22 * 1024)
    mistral = structs.replace(find("mistral-7b"), sliding_window=4096)
    assert cache_bytes(mistral, Setting(context=32_768)) == kv_bytes(find("mistral-7b"), 32_768)
    assert cache_bytes(mistral, Setting(context=32_768, engine="vllm")) == kv_bytes(mistral, 32_768)


def test_a_quantized_cache_is_smaller_and_needs_flash_attention() -> None:
    arch, half = find("llama-3-8b"), Setting(context=8192)
    assert cache_bytes(arch, structs.replace(half, kv_type="q8_0")) == cache_bytes(arch, half) * 34 // 64
    with pytest.raises(UsageError, match="Q8_0 cache only with flash attention"):
        element_bytes(structs.replace(half, kv_type="q8_0", flash_attention=False))
    with pytest.raises(UsageError, match="vLLM has no Q4_0 cache"):
        element_bytes(structs.replace(half, kv_type="q4_0", engine="vllm"))
    with pytest.raises(UsageError, match=r"No cache type 'q7'\. Known: F32, F16"):
        element_bytes(structs.replace(half, kv_type="q7"))


@pytest.mark.parametrize(
    ("short", "activations_gib", "source"),
    [
        ("llama-3-8b", 1.26, "vLLM pull request 10511"),
        ("qwen2.5-7b", 1.42, "vLLM issue 13882"),
        ("qwen2.5-32b", 1.26, "vLLM issue 15815, two GPUs"),
    ],
)
def test_vllms_activations_are_those_of_its_logs_within_a_fifth(
    short: str, activations_gib: float, source: str
) -> None:
    graphs = 0.5
    said = working_bytes(find(short), Setting(context=4096, engine="vllm")) / GIB - graphs
    assert said == pytest.approx(activations_gib, rel=0.2), source


@pytest.mark.parametrize(
    ("short", "tokens", "peak_gb", "source"),
    [
        ("mistral-7b", 33_898, 9.111, "mlx-lm pull request 40, M2 Ultra"),
        ("qwen3-4b", 2048 + 128, 3.30, "mlx-lm pull request 1569, M3 Pro"),
    ],
)
def test_mlx_peaks_where_it_was_measured(short: str, tokens: int, peak_gb: float, source: str) -> None:
    arch, setting = find(short), Setting(context=tokens, engine="mlx")
    said = tensor_bytes(mlx_tensors(arch, "4bit")) + cache_bytes(arch, setting) + working_bytes(arch, setting)
    assert said == pytest.approx(peak_gb * 1e9, rel=0.05), source


def test_unquantized_weights_of_an_h100_log_are_met() -> None:
    weights = parts(half_tensors(find("llama-3-8b"))).total / GIB
    assert weights == pytest.approx(14.96, abs=0.01)  # "model weights take 14.96GiB", vLLM pull request 10511
