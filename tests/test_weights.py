"""Bytes of weights and cache."""

from __future__ import annotations

import pytest
from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.models.catalogue import MODELS, find
from bakeoff.models.mlx import half_tensors, mlx_tensors
from bakeoff.models.quants import TYPES, TensorSpec
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import (
    KV_ELEMENT_BYTES,
    active_parameters,
    bytes_read_per_token,
    embedding_bytes,
    kv_bytes,
    layer_bytes,
    output_bytes,
    parameters,
    tensor_bytes,
)


@pytest.mark.parametrize("short", MODELS)
def test_layers_embedding_and_output_are_the_whole_model(short: str) -> None:
    arch = find(short)
    specs = tensors(arch, "Q4_K_M")
    parts = sum(layer_bytes(specs)) + output_bytes(specs) + (0 if arch.tied else embedding_bytes(specs))
    assert parts == tensor_bytes(specs)
    assert len(layer_bytes(specs)) == arch.layers


def test_an_embedding_of_its_own_is_not_read_and_a_tied_one_is() -> None:
    untied, tied = find("r1-7b"), find("llama-3.2-3b")
    specs = tensors(untied, "Q4_K_M")
    assert bytes_read_per_token(specs, untied) == tensor_bytes(specs) - embedding_bytes(specs)
    specs = tensors(tied, "Q4_K_M")
    assert bytes_read_per_token(specs, tied) == tensor_bytes(specs)


def test_only_active_experts_are_read() -> None:
    arch = find("qwen3-30b-a3b")
    specs = tensors(arch, "F16")
    assert bytes_read_per_token(specs, arch) == pytest.approx(2 * active_parameters(arch), rel=0.01)


@pytest.mark.parametrize(("short", "published"), [("qwen3-30b-a3b", 3.3e9), ("qwen3-235b-a22b", 22e9),
                                                  ("r1-671b", 37e9)])  # fmt: skip
def test_active_parameters_are_those_that_model_cards_name(short: str, published: float) -> None:
    arch = find(short)
    with_embedding = active_parameters(arch) + arch.hidden * arch.vocab
    assert active_parameters(arch) * 0.98 < published < with_embedding * 1.02


def test_a_dense_model_uses_all_parameters_but_its_untied_embedding() -> None:
    arch = find("llama-3-8b")
    assert active_parameters(arch) == parameters(arch) - arch.hidden * arch.vocab
    assert active_parameters(find("llama-3.2-1b")) == parameters(find("llama-3.2-1b"))


def test_names_of_hugging_face_count_like_ggufs() -> None:
    half = TYPES["BF16"]
    specs = [
        TensorSpec("model.embed_tokens.weight", (8, 100), half),
        TensorSpec("model.layers.0.mlp.up_proj.weight", (8, 10), half),
        TensorSpec("model.layers.1.mlp.up_proj.weight", (8, 20), half),
        TensorSpec("model.norm.weight", (8,), half),
        TensorSpec("lm_head.weight", (8, 100), half),
    ]
    assert layer_bytes(specs) == [160, 320]
    assert (embedding_bytes(specs), output_bytes(specs)) == (1600, 1616)
    assert bytes_read_per_token(specs, find("r1-7b")) == 160 + 320 + 1616
    assert bytes_read_per_token(specs[:-1], find("r1-7b")) == 1600 + 160 + 320 + 16


def test_the_cache_shrinks_with_the_type_of_its_elements() -> None:
    arch = find("llama-3-8b")
    assert kv_bytes(arch, 8192) == 1024 * 2**20  # llama.cpp: KV self size = 1024.00 MiB
    assert kv_bytes(arch, 8192, KV_ELEMENT_BYTES["Q8_0"]) == 544 * 2**20
    assert kv_bytes(arch, 8192, KV_ELEMENT_BYTES["Q4_0"]) == 288 * 2**20


def test_a_sliding_window_bounds_the_cache() -> None:
    arch = structs.replace(find("mistral-7b"), sliding_window=4096)
    assert kv_bytes(arch, 32_768) == kv_bytes(arch, 4096)
    assert kv_bytes(arch, 1000) == kv_bytes(find("mistral-7b"), 1000)


def test_every_sixth_layer_of_gemma_3_caches_the_whole_context() -> None:
    gemma = structs.replace(find("llama-3.2-1b"), family="gemma3", layers=26, sliding_window=512)
    per_layer = kv_bytes(gemma, 1) / 26
    assert kv_bytes(gemma, 10_000) == per_layer * (4 * 10_000 + 22 * 512)


def test_mlx_takes_four_and_a_half_bits_for_each_weight() -> None:
    arch = find("r1-7b")
    assert tensor_bytes(mlx_tensors(arch, "4bit")) * 8 / parameters(arch) == pytest.approx(4.5, rel=1e-3)
    assert tensor_bytes(mlx_tensors(arch, "8bit")) * 8 / parameters(arch) == pytest.approx(8.5, rel=1e-3)


def test_mlx_leaves_rows_alone_that_do_not_divide_into_groups() -> None:
    odd = structs.replace(find("smollm2-135m"), hidden=590)
    kinds = {spec.name: spec.type.name for spec in mlx_tensors(odd, "4bit")}
    assert kinds["blk.0.attn_q.weight"] == "F16"
    assert kinds["blk.0.ffn_down.weight"] == "4bit"


def test_mlx_knows_two_quantizations() -> None:
    with pytest.raises(UsageError, match=r"No MLX quantization '5bit'\. Known: 4bit, 8bit"):
        mlx_tensors(find("r1-7b"), "5bit")


def test_unquantized_weights_take_two_bytes_each() -> None:
    arch = find("r1-1.5b")
    assert tensor_bytes(half_tensors(arch)) == 2 * parameters(arch)
