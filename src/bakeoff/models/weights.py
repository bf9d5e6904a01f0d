"""Bytes of weights and cache: in the file, in memory, and read for each token.

All functions take tensors under GGUF's names and under Hugging Face's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Literal

from bakeoff.models.quants import TYPES
from bakeoff.models.recipes import shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec

# Bytes of one element of the key-value cache, by llama.cpp's name for its type.
KV_ELEMENT_BYTES: dict[str, float] = {
    name: TYPES[name].block_bytes / TYPES[name].block for name in ("F32", "F16", "BF16", "Q8_0", "Q5_0", "Q4_0")
}
Place = int | Literal["embedding", "output", "beside"]
_NAMES_KEPT = 1 << 13  # a family's names, which return with every quantization
_LAYER = re.compile(r"(?:^|\.)(?:blk|layers)\.(\d{1,6})\.")
_EXPERT = re.compile(r"_exps\.|\.experts\.|\.switch_mlp\.")
_EMBEDDING = re.compile(r"^token_embd\.|(?:^|\.)embed_tokens\.")
_OUTPUT = re.compile(r"^output\.|(?:^|\.)lm_head\.")
_ALIGNMENT = 32
_TENSOR_INFO_BYTES = 60
# A token of the vocabulary with its type and merges: 39 bytes in R1-Distill-Qwen-7B's published file,
# 61 in Llama 3 8B's, 23 in Llama 2 7B's.
_VOCABULARY_ENTRY_BYTES = 40
# Of so many layers one sees the whole context, the others the window (llama.cpp, set_swa_pattern).
_GLOBAL_EVERY = {"gemma3": 6}


def tensor_bytes(specs: Iterable[TensorSpec]) -> int:
    """Bytes of all tensors: what llama.cpp reports as the model's size."""
    return sum(spec.bytes for spec in specs)


def file_bytes(specs: Sequence[TensorSpec], arch: Architecture) -> int:
    """Bytes of the GGUF file: tensors as they are aligned, and an estimate of header and vocabulary."""
    data = sum(-(-spec.bytes // _ALIGNMENT) * _ALIGNMENT for spec in specs)
    return data + len(specs) * _TENSOR_INFO_BYTES + arch.vocab * _VOCABULARY_ENTRY_BYTES


def bytes_read_per_token(specs: Sequence[TensorSpec], arch: Architecture) -> float:
    """Bytes of weights that one token must read at decode, alone in its batch.

    An input embedding of its own is looked up, not read; a tied one is read as the output. Of a mixture of
    experts the active ones are read, and what all tokens share.
    """
    untied = _has_output(specs)
    return sum(
        spec.bytes * _share(spec.name, arch) for spec in specs if not (untied and place_of(spec.name) == "embedding")
    )


def bytes_read_per_batch(specs: Sequence[TensorSpec]) -> int:
    """Bytes of weights that a batch of prompt tokens reads: as a token at decode, but of experts all."""
    untied = _has_output(specs)
    return sum(spec.bytes for spec in specs if not (untied and place_of(spec.name) == "embedding"))


def parameters(arch: Architecture) -> int:
    """Parameters of the model, embeddings included; a tied embedding counts once."""
    return sum(prod(shape) for name, shape in shapes(arch) if name != "rope_freqs.weight")


def active_parameters(arch: Architecture) -> int:
    """Parameters that each token is multiplied with: the active experts, and no untied input embedding."""
    return round(
        sum(
            prod(shape) * _share(name, arch)
            for name, shape in shapes(arch)
            if name != "rope_freqs.weight" and (arch.tied or name != "token_embd.weight")
        )
    )


def kv_bytes(arch: Architecture, context: int, element_bytes: float = 2) -> float:
    """Bytes of the key-value cache of one sequence of so many tokens.

    Latent attention caches the latent and the rotary key, once for all heads. Layers with a sliding window
    cache no more than the window.
    """
    if arch.latent is not None:
        width = arch.latent.kv_rank + arch.latent.rope_head_dim
    else:
        width = 2 * arch.kv_heads * arch.head_dim
    return _cached_tokens(arch, context) * width * element_bytes


@lru_cache(maxsize=_NAMES_KEPT)
def place_of(name: str) -> Place:
    """The layer that a tensor belongs to, or ``embedding``, ``output``, or ``beside`` these: norms and the like."""
    if found := _LAYER.search(name):
        return int(found[1])
    if _EMBEDDING.search(name):
        return "embedding"
    return "output" if _OUTPUT.search(name) else "beside"


def layer_bytes(specs: Iterable[TensorSpec]) -> list[int]:
    """Bytes of each layer, from the first to the last."""
    sums: dict[int, int] = {}
    for spec in specs:
        layer = place_of(spec.name)
        if isinstance(layer, int):
            sums[layer] = sums.get(layer, 0) + spec.bytes
    return [sums[layer] for layer in sorted(sums)]


def embedding_bytes(specs: Iterable[TensorSpec]) -> int:
    """Bytes of the input embedding, which llama.cpp keeps in the host's memory."""
    return sum(spec.bytes for spec in specs if place_of(spec.name) == "embedding")


def output_bytes(specs: Sequence[TensorSpec]) -> int:
    """Bytes beside layers and input embedding; a tied embedding counts, as llama.cpp loads it twice."""
    beside = {"output", "beside"} if _has_output(specs) else {"output", "beside", "embedding"}
    return sum(spec.bytes for spec in specs if place_of(spec.name) in beside)


def _has_output(specs: Iterable[TensorSpec]) -> bool:
    return any(place_of(spec.name) == "output" for spec in specs)


@lru_cache(maxsize=_NAMES_KEPT)
def _is_expert(name: str) -> bool:
    return _EXPERT.search(name) is not None


def _share(name: str, arch: Architecture) -> float:
    """The part of a tensor that one token reads."""
    if arch.experts is None or not _is_expert(name):
        return 1.0
    return arch.experts.active / arch.experts.count


def _cached_tokens(arch: Architecture, context: int) -> int:
    """Cached tokens, summed over the layers."""
    if arch.sliding_window is None:
        return arch.layers * context
    every = _GLOBAL_EVERY.get(arch.family)
    unbounded = arch.layers // every if every else 0
    return unbounded * context + (arch.layers - unbounded) * min(context, arch.sliding_window)
