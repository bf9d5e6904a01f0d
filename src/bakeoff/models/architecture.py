"""The shape of a model: everything that memory and speed follow from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Family = Literal["llama", "qwen2", "qwen3", "qwen3moe", "mistral", "deepseek2", "gemma3"]


class Experts(Struct, frozen=True, kw_only=True):
    """Mixture-of-experts shape. The first ``dense_layers`` layers have an ordinary feed-forward block."""

    count: int
    active: int
    hidden: int
    shared: int = 0
    dense_layers: int = 0


class LatentAttention(Struct, frozen=True, kw_only=True):
    """Multi-head latent attention (DeepSeek V2, V3, R1): what is cached is the latent and the rotary key."""

    q_rank: int
    kv_rank: int
    nope_head_dim: int
    rope_head_dim: int
    value_head_dim: int


class Architecture(Struct, frozen=True, kw_only=True):
    """One decoder-only transformer. ``short`` is the catalogue's short name, empty for a model not in it.

    ``source`` is the repository, file or address that the shape was read from. ``rope_factors`` says that
    the rotary frequencies are scaled one by one (Llama 3.1), which GGUF keeps as tensor ``rope_freqs``.
    """

    name: str
    family: Family
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    max_position: int
    short: str = ""
    qkv_bias: bool = False
    qk_norm: bool = False
    sliding_window: int | None = None
    rope_base: float = 10_000.0
    rope_factors: bool = False
    norm_epsilon: float = 1e-6
    experts: Experts | None = None
    latent: LatentAttention | None = None
    licence: str = ""
    source: str = ""
