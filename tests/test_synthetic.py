"""Synthetic weights: real shapes and types, a scale for every block, whole files or none."""

from __future__ import annotations

import errno
import shutil
from math import sqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from bakeoff.errors import FileError, UsageError
from bakeoff.models import recipes
from bakeoff.models.architecture import Architecture, Experts
from bakeoff.models.blocks import RandomWeights
from bakeoff.models.gguf import architecture_of, is_synthetic, quant_of, read_header
from bakeoff.models.gguf_parse import aligned
from bakeoff.models.quants import TYPES, TensorSpec
from bakeoff.models.synthetic import synthesize, synthetic_prompt

TINY = Architecture(
    name="Tiny-R1-Distill", short="tiny-r1", family="qwen2", layers=2, hidden=256, intermediate=512, heads=4,
    kv_heads=2, head_dim=64, vocab=600, tied=False, max_position=128, qkv_bias=True, rope_base=5e5, norm_epsilon=1e-5,
)  # fmt: skip


def weights(type_name: str, rows: int = 3000) -> NDArray[np.uint8]:
    """One random matrix with rows of 512 values, as an array of blocks."""
    spec = TensorSpec("blk.0.ffn_up.weight", (512, rows), TYPES[type_name])
    content = b"".join(RandomWeights(0).chunks(spec))
    assert len(content) == spec.bytes
    return np.frombuffer(content, np.uint8).reshape(-1, spec.type.block_bytes)


def half(blocks: NDArray[np.uint8], at: int) -> NDArray[np.float64]:
    return blocks[:, at : at + 2].copy().view(np.float16).astype(np.float64)


def values_of(type_name: str, blocks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The weights in the blocks, by the formulas of ggml-quants.c (order within a block left aside)."""
    if type_name == "Q8_0":
        return half(blocks, 0) * blocks[:, 2:].view(np.int8).astype(np.float64)
    nibbles = blocks[:, 2:] if type_name == "Q4_0" else blocks[:, 4 if type_name == "Q4_1" else 16 :]
    bits: NDArray[np.float64] = np.hstack([nibbles & 15, nibbles >> 4]).astype(np.float64)
    if type_name == "Q4_0":
        return half(blocks, 0) * (bits - 8)
    if type_name == "Q4_1":
        return half(blocks, 0) * bits + half(blocks, 2)
    packed, groups = blocks[:, 4:16], []
    for group in range(8):
        if group < 4:
            scale, minimum = packed[:, group] & 63, packed[:, group + 4] & 63
        else:
            scale = (packed[:, group + 4] & 15) | (packed[:, group - 4] >> 6 << 4)
            minimum = (packed[:, group + 4] >> 4) | (packed[:, group] >> 6 << 4)
        four = nibbles[:, group // 2 * 32 : group // 2 * 32 + 32] >> (4 * (group % 2)) & 15
        groups.append(half(blocks, 0) * scale[:, None] * four - half(blocks, 2) * minimum[:, None])
    return np.hstack(groups)


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q8_0", "Q4_K"])
def test_weights_keep_activations_at_their_size(type_name: str) -> None:
    values = values_of(type_name, weights(type_name))
    assert values.size == 512 * 3000
    assert np.isfinite(values).all()
    assert sqrt((values**2).mean()) * sqrt(512) == pytest.approx(1, rel=0.03)
    assert abs(values.mean()) < 0.15 * values.std()


@pytest.mark.parametrize(("type_name", "at"), [("Q4_0", 0), ("Q4_1", 0), ("Q4_K", 0), ("Q8_0", 0), ("Q6_K", 208)])
def test_every_block_has_a_scale_of_its_own(type_name: str, at: int) -> None:
    scales = half(weights(type_name), at).ravel()
    assert np.log(scales).std() == pytest.approx(0.35, rel=0.05)
    assert abs(np.corrcoef(scales[1:], scales[:-1])[0, 1]) < 0.05


@pytest.mark.parametrize("type_name", ["F16", "BF16", "F32"])
def test_unquantized_weights_have_the_same_size(type_name: str) -> None:
    raw = weights(type_name)
    if type_name == "BF16":
        values = (raw.copy().view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = raw.copy().view("<f2" if type_name == "F16" else "<f4")
    assert float(values.astype(float).std()) * sqrt(512) == pytest.approx(1, rel=0.02)


def test_norms_are_one_and_biases_small() -> None:
    random = RandomWeights(0)
    norm, bias = (TensorSpec(f"blk.0.attn_{kind}", (64,), TYPES["F32"]) for kind in ("norm.weight", "q.bias"))
    assert set(np.frombuffer(b"".join(random.chunks(norm)), "<f4")) == {1.0}
    assert 0 < np.abs(np.frombuffer(b"".join(random.chunks(bias)), "<f4")).max() < 0.2


@pytest.mark.parametrize("quant", ["Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M", "Q5_0", "Q5_K_M", "Q6_K", "Q8_0", "F16", "BF16"])
def test_the_file_is_the_model_in_shape_and_size(tmp_path: Path, quant: str) -> None:
    path = synthesize(TINY, quant.lower(), tmp_path)
    header = read_header(path)
    assert header.tensors == recipes.tensors(TINY, quant)
    assert quant_of(header) == quant
    assert is_synthetic(header)
    assert str(header.metadata["general.name"]).startswith("synthetic ")
    end = header.data_offset + header.offsets[-1] + header.tensors[-1].bytes
    assert path.stat().st_size == aligned(end, 32)
    described = architecture_of(header)
    unsaid = {"name": described.name, "short": "", "norm_epsilon": described.norm_epsilon}
    assert described == replace(TINY, **unsaid)
    assert described.norm_epsilon == pytest.approx(1e-5)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
def test_other_families_are_made_too(tmp_path: Path, family: Any) -> None:
    arch = replace(TINY, family=family, qkv_bias=False, qk_norm=family == "qwen3", tied=True)
    described = architecture_of(read_header(synthesize(arch, "Q4_0", tmp_path)))
    assert described.family == ("llama" if family == "mistral" else family)
    assert described.tied


def test_the_vocabulary_has_the_size_of_the_model(tmp_path: Path) -> None:
    arch = replace(TINY, vocab=259, short="")  # bytes, one filler, two specials
    metadata = read_header(synthesize(arch, "Q4_0", tmp_path)).metadata
    assert str(metadata["tokenizer.ggml.tokens"]) == "ArrayInfo(type='string', length=259)"
    assert (metadata["tokenizer.ggml.bos_token_id"], metadata["tokenizer.ggml.eos_token_id"]) == (257, 258)
    with pytest.raises(UsageError, match="vocabulary of 258 is too small"):
        synthesize(replace(TINY, vocab=258), "Q4_0", tmp_path)


@pytest.mark.parametrize(("name", "thinks"), [("tiny-r1", True), ("tiny", False), ("tinyr10", False)])
def test_the_template_of_an_r1_model_opens_its_thoughts(tmp_path: Path, name: str, thinks: bool) -> None:
    arch = replace(TINY, short=name, name="Tiny")
    template = read_header(synthesize(arch, "Q4_0", tmp_path)).metadata["tokenizer.chat_template"]
    assert isinstance(template, str)
    assert ("<think>\\n' }}{% endif %}" in template) == thinks


def test_a_twin_has_the_types_of_its_file(tmp_path: Path) -> None:
    original = read_header(synthesize(TINY, "Q4_K_M", tmp_path))
    types = {"blk.1.ffn_down.weight": "Q8_0", "output.weight": "F16"}
    tensors = tuple(replace(t, type=TYPES[types.get(t.name, t.type.name)]) for t in original.tensors)
    like = replace(original, tensors=tensors)
    path = synthesize(architecture_of(like), "Q4_0", tmp_path, like=like)
    assert read_header(path).tensors == tensors
    assert quant_of(read_header(path)) == "Q4_K_M"
    other = synthesize(architecture_of(like), "Q4_0", tmp_path, like=original)
    assert other.name != path.name


def test_the_name_tells_what_is_inside(tmp_path: Path) -> None:
    assert synthesize(TINY, "q4_k_m", tmp_path).name == "synthetic-tiny-r1-Q4_K_M-v1.gguf"
    assert synthesize(TINY, "Q8_0", tmp_path, seed=3).name == "synthetic-tiny-r1-Q8_0-seed3-v1.gguf"
    strange = replace(TINY, short="", name="../../\x1b[2Jevil name")
    path = synthesize(strange, "Q8_0", tmp_path)
    assert path.parent == tmp_path
    assert path.name.startswith("synthetic-2jevil-name-Q8_0-")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = synthesize(TINY, "Q4_0", tmp_path / "a").read_bytes()
    assert synthesize(TINY, "Q4_0", tmp_path / "b").read_bytes() == first
    assert synthesize(TINY, "Q4_0", tmp_path / "a", seed=1).read_bytes() != first


def test_a_whole_file_is_used_again_and_a_torn_one_is_not(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = synthesize(TINY, "Q4_0", tmp_path, progress=lambda *step: told.append(step))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (sum(t.bytes for t in recipes.tensors(TINY, "Q4_0")),) * 2
    content = path.read_bytes()
    told.clear()
    assert synthesize(TINY, "Q4_0", tmp_path, progress=lambda *step: told.append(step)) == path
    assert not told
    path.write_bytes(content[:-1])
    synthesize(TINY, "Q4_0", tmp_path)
    assert path.read_bytes() == content


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(FileError, match=r"need .* kB, .* has 1.00 kB free\. Free some space, or set BAKEOFF_HOME"):
        synthesize(TINY, "Q4_0", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "seen", "sentence"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (OSError(errno.ENOSPC, "No space left on device"), FileError, "Free some space"),
        (OSError(errno.EIO, "Input/output error"), FileError, "cannot be written to .*Input/output error"),
    ],
)
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, failure: BaseException, seen: type[BaseException], sentence: str | None
) -> None:
    def fail(done: int, total: int) -> None:
        if done > total // 2:
            raise failure

    with pytest.raises(seen, match=sentence):
        synthesize(TINY, "Q4_0", tmp_path, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written to"):
        synthesize(TINY, "Q4_0", tmp_path / "file")


def test_what_cannot_be_made_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mixtures of experts"):
        synthesize(replace(TINY, experts=Experts(count=8, active=2, hidden=64)), "Q4_0", tmp_path)
    with pytest.raises(UsageError, match="its family, gemma3"):
        synthesize(replace(TINY, family="gemma3"), "Q4_0", tmp_path)
    narrow = replace(TINY, hidden=288, intermediate=288)  # rows that only IQ4_NL fits
    with pytest.raises(UsageError, match="no random weights of type IQ4_NL"):
        synthesize(narrow, "Q2_K", tmp_path)
    with pytest.raises(UsageError, match="No quantization"):
        synthesize(TINY, "q4_nonsense", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_synthetic_prompts_avoid_special_tokens_and_repeat_with_their_seed() -> None:
    prompt = synthetic_prompt(151_936, 1000, seed=1)
    assert len(prompt) == 1000
    assert prompt == synthetic_prompt(151_936, 1000, seed=1) != synthetic_prompt(151_936, 1000, seed=2)
    assert min(prompt) >= 300
    assert max(prompt) < 151_643  # <|endoftext|>, the first of Qwen's special tokens
    assert len(set(prompt)) > 990
    assert all(150 <= token < 450 for token in synthetic_prompt(600, 500, seed=0))
