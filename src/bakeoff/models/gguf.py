"""GGUF files: their headers read from disk, and what a header says about the model."""

from __future__ import annotations

from collections import Counter
from math import isfinite, prod
from pathlib import Path
from typing import cast, get_args

from bakeoff.errors import FileError
from bakeoff.models.architecture import Architecture, Experts, Family, LatentAttention
from bakeoff.models.gguf_parse import ArrayInfo, ByteSource, Header, parse_header
from bakeoff.units import plain_text

__all__ = [
    "FILE_TYPES",
    "ArrayInfo",
    "ByteSource",
    "Header",
    "architecture_of",
    "is_synthetic",
    "parse_header",
    "quant_of",
    "read_header",
    "weights_bytes",
]

SYNTHETIC_KEY = "bakeoff.synthetic"

FILE_TYPES: dict[int, str] = {  # llama.h, enum llama_ftype; 4 to 6 and 33 to 35 are of the past
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
}
_FLOATS = {"F32", "F16", "BF16"}
_SHAPE_LIMIT = 1 << 24  # no length of a model comes near; what claims more would only make later work endless
_LAYER_LIMIT = 4096


def read_header(path: Path) -> Header:
    """Header of a GGUF file on disk; FileError if it is missing, unreadable, torn or not GGUF."""
    name = plain_text(str(path))
    try:
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, 2)

            def source(offset: int, count: int) -> bytes:
                file.seek(offset)
                return file.read(count)

            return parse_header(source, name=name, file_bytes=size)
    except FileNotFoundError:
        raise FileError(f"There is no file {name}. Check the path.") from None
    except OSError as error:
        raise FileError(f"{name} cannot be read ({error.strerror}). Check the path and its rights.") from error


def weights_bytes(header: Header) -> int:
    """Bytes of all tensors, without alignment."""
    return sum(tensor.bytes for tensor in header.tensors)


def is_synthetic(header: Header) -> bool:
    """True if Bakeoff made the file: random weights, of which speed and memory are real and answers are not."""
    return header.metadata.get(SYNTHETIC_KEY) is True


def quant_of(header: Header) -> str | None:
    """Name of the quantization, as llama.cpp names it (``Q4_K_M``); None for a file without matrices.

    ``general.file_type`` is believed where the matrices bear it out; else it is the type of most values.
    """
    values: Counter[str] = Counter()
    for tensor in header.tensors:
        if len(tensor.shape) > 1:
            values[tensor.type.name] += prod(tensor.shape)
    if not values:
        return None
    dominant = values.most_common(1)[0][0]
    file_type = header.metadata.get("general.file_type")
    claimed = FILE_TYPES.get(file_type) if isinstance(file_type, int) else None
    if claimed is not None and (claimed == dominant or _borne_out(claimed, values)):
        return claimed
    return dominant


def _borne_out(claimed: str, types: Counter[str]) -> bool:
    """Whether a mixed quantization has a type of its own family: Q4_K in Q4_K_M, IQ3_XXS in IQ3_XS.

    It may be far from dominant: rows that 256 does not divide fall back to other types (SmolLM2's 576).
    """
    if claimed in _FLOATS:
        return False
    return any(claimed.split("_")[0] == name.split("_")[0] for name in types)


def architecture_of(header: Header) -> Architecture:
    """Shape of the model in the file; FileError if it is of a kind unknown to Bakeoff or says too little."""
    return _Shape(header).architecture()


def _family(header: Header) -> Family:
    claimed = header.metadata.get("general.architecture")
    for family in get_args(Family):
        if family == claimed:
            return cast("Family", family)
    raise FileError(
        f"{header.name} holds a model of architecture {str(claimed)[:40]!r}, which Bakeoff cannot describe. "
        f"It knows: {', '.join(get_args(Family))}."
    )


class _Shape:
    """Reads the keys of one architecture, ``llama.block_count`` and the like, with their types checked."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._names = {tensor.name: tensor for tensor in header.tensors}
        self._family: Family = _family(header)

    def architecture(self) -> Architecture:
        heads, hidden = self._size("attention.head_count"), self._size("embedding_length")
        return Architecture(
            name=plain_text(self._text("general.name") or "unnamed"),
            family=self._family,
            layers=self._size("block_count", limit=_LAYER_LIMIT),
            hidden=hidden,
            intermediate=self._size("feed_forward_length"),
            heads=heads,
            kv_heads=self._size("attention.head_count_kv", heads),
            head_dim=self._size("attention.key_length", max(1, hidden // heads)),
            vocab=self._vocab(),
            tied="output.weight" not in self._names,
            max_position=self._size("context_length", limit=1 << 30),
            qkv_bias="blk.0.attn_q.bias" in self._names,
            qk_norm="blk.0.attn_q_norm.weight" in self._names,
            sliding_window=self._size("attention.sliding_window", 0) or None,
            rope_factors="rope_freqs.weight" in self._names,
            rope_base=self._number("rope.freq_base", 10_000.0),
            norm_epsilon=self._number("attention.layer_norm_rms_epsilon", 1e-6),
            experts=self._experts(),
            latent=self._latent(),
            licence=plain_text(self._text("general.license")),
        )

    def _vocab(self) -> int:
        embedding = self._names.get("token_embd.weight")
        if embedding is None or len(embedding.shape) != 2:
            raise FileError(f"{self._header.name} has no token embedding: it is not a whole language model.")
        return embedding.shape[1]

    def _experts(self) -> Experts | None:
        count = self._size("expert_count", 0)
        if not count:
            return None
        return Experts(
            count=count,
            active=self._size("expert_used_count"),
            hidden=self._size("expert_feed_forward_length", self._size("feed_forward_length")),
            shared=self._size("expert_shared_count", 0),
            dense_layers=self._size("leading_dense_block_count", 0),
        )

    def _latent(self) -> LatentAttention | None:
        kv_rank = self._size("attention.kv_lora_rank", 0)
        if not kv_rank:
            return None
        # Newer files keep the lengths per head in *_mla and those of the latent in key_length.
        key = self._size("attention.key_length_mla", self._size("attention.key_length"))
        rope = self._size("rope.dimension_count")
        return LatentAttention(
            q_rank=self._size("attention.q_lora_rank", 0),
            kv_rank=kv_rank,
            nope_head_dim=key - rope,
            rope_head_dim=rope,
            value_head_dim=self._size("attention.value_length_mla", self._size("attention.value_length")),
        )

    def _size(self, key: str, default: int | None = None, limit: int = _SHAPE_LIMIT) -> int:
        """A count; where it differs by layer (an array), the largest. A ``default`` of 0 allows 0."""
        value = self._header.metadata.get(f"{self._family}.{key}", default)
        if isinstance(value, tuple) and value and all(type(item) is int for item in value):
            value = max(value)
        if type(value) is not int or not (0 if default == 0 else 1) <= value <= limit:
            raise FileError(f"{self._header.name} does not say a usable {self._family}.{key}: {str(value)[:40]}.")
        return value

    def _number(self, key: str, default: float) -> float:
        value = self._header.metadata.get(f"{self._family}.{key}", default)
        return value if isinstance(value, float) and isfinite(value) and value > 0 else default

    def _text(self, key: str) -> str:
        value = self._header.metadata.get(key)
        return value if isinstance(value, str) else ""
