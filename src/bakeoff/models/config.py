"""The shape of a model from Hugging Face's ``config.json``, which anyone may have written."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from bakeoff.errors import FileError
from bakeoff.models.architecture import Architecture, Experts, Family, LatentAttention
from bakeoff.units import plain_text

_FAMILIES: dict[str, Family] = {
    "llama": "llama",
    "mistral": "mistral",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3moe",
    "deepseek_v3": "deepseek2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
}
# What transformers assumes where Gemma 3's files are silent (Gemma3TextConfig).
_GEMMA3 = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262_208,
    "max_position_embeddings": 131_072,
    "rope_theta": 1_000_000.0,
    "sliding_window": 4096,
    "tie_word_embeddings": True,
}
# Llama's files have no window; Qwen's have one that use_sliding_window switches off.
_WINDOWED = ("mistral", "qwen2", "qwen3", "gemma3")
_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}

# No model comes near these; what claims more would only make later work endless.
Size = Annotated[int, Meta(gt=0, le=1 << 24)]
Layers = Annotated[int, Meta(gt=0, le=4096)]
Count = Annotated[int, Meta(ge=0, le=4096)]
Length = Annotated[int, Meta(gt=0, le=1 << 30)]
Positive = Annotated[float, Meta(gt=0, le=1e15)]


class _Rope(Struct):
    rope_type: str | None = None
    type: str | None = None
    rope_theta: Positive | None = None


class _Quantization(Struct):
    bits: Annotated[int, Meta(gt=0, le=16)] | None = None
    group_size: int | None = None
    quant_method: str | None = None


class _Config(Struct):
    """The keys that matter, with the types that they must have."""

    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    vocab_size: Size
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    max_position_embeddings: Length = 2048
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    sliding_window: Length | None = None
    use_sliding_window: bool = True
    rope_theta: Positive | None = None
    rope_scaling: _Rope | None = None
    rope_parameters: _Rope | None = None
    rms_norm_eps: Positive = 1e-6
    num_experts: Count | None = None
    n_routed_experts: Count | None = None
    num_experts_per_tok: Count | None = None
    moe_intermediate_size: Size | None = None
    n_shared_experts: Count | None = None
    first_k_dense_replace: Count = 0
    q_lora_rank: Size | None = None
    kv_lora_rank: Size | None = None
    qk_nope_head_dim: Size | None = None
    qk_rope_head_dim: Size | None = None
    v_head_dim: Size | None = None
    torch_dtype: str | None = None
    dtype: str | None = None
    quantization: _Quantization | None = None
    quantization_config: _Quantization | None = None


def parse_config(data: bytes, name: str) -> tuple[Architecture, str | None]:
    """Shape of the model, and the name of its quantization or number type (``4bit``, ``fp8``, ``BF16``).

    The second is None where the file does not say it. ``name`` becomes the architecture's name and stands in
    messages. Raises FileError on anything that is not the config of a model that Bakeoff can describe.
    """
    try:
        top = msgspec.json.decode(data, type=dict[str, Any])
        text = top.get("text_config")
        keys = top | text if isinstance(text, dict) else top
        family = _family(keys.get("model_type"), name)
        config = msgspec.convert(_GEMMA3 | keys if family == "gemma3" else keys, _Config)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FileError(f"{name} is not a usable config.json: {plain_text(str(error))[:200]}.") from None
    return _architecture(config, family, name), _quant(config)


def _family(model_type: object, name: str) -> Family:
    family = _FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        shown = plain_text(str(model_type))[:40]
        raise FileError(
            f"{name} describes a model of type {shown!r}, which Bakeoff cannot describe. "
            f"It knows: {', '.join(_FAMILIES)}."
        )
    return family


def _architecture(config: _Config, family: Family, name: str) -> Architecture:
    latent = _latent(config, name) if family == "deepseek2" else None
    rope = config.rope_parameters or config.rope_scaling or _Rope()
    window = config.sliding_window if config.use_sliding_window and family in _WINDOWED else None
    return Architecture(
        name=name,
        family=family,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads or config.num_attention_heads,
        head_dim=(
            latent.nope_head_dim + latent.rope_head_dim
            if latent
            else config.head_dim or max(1, config.hidden_size // config.num_attention_heads)
        ),
        vocab=config.vocab_size,
        tied=config.tie_word_embeddings,
        max_position=config.max_position_embeddings,
        qkv_bias=config.attention_bias or family == "qwen2",
        qk_norm=family in ("qwen3", "qwen3moe", "gemma3"),
        sliding_window=window,
        rope_base=rope.rope_theta or config.rope_theta or 10_000.0,
        rope_factors="llama3" in (rope.rope_type, rope.type),
        norm_epsilon=config.rms_norm_eps,
        experts=_experts(config, name) if family in ("qwen3moe", "deepseek2") else None,
        latent=latent,
    )


def _experts(config: _Config, name: str) -> Experts:
    count = config.num_experts or config.n_routed_experts
    active = config.num_experts_per_tok
    if not count or not active or active > count or not config.moe_intermediate_size:
        raise FileError(f"{name} is not a usable config.json: it does not say how its experts are made.")
    return Experts(
        count=count,
        active=active,
        hidden=config.moe_intermediate_size,
        shared=config.n_shared_experts or 0,
        dense_layers=config.first_k_dense_replace,
    )


def _latent(config: _Config, name: str) -> LatentAttention:
    if not (config.kv_lora_rank and config.qk_nope_head_dim and config.qk_rope_head_dim and config.v_head_dim):
        raise FileError(f"{name} is not a usable config.json: it does not say how its attention is made.")
    return LatentAttention(
        q_rank=config.q_lora_rank or 0,
        kv_rank=config.kv_lora_rank,
        nope_head_dim=config.qk_nope_head_dim,
        rope_head_dim=config.qk_rope_head_dim,
        value_head_dim=config.v_head_dim,
    )


def _quant(config: _Config) -> str | None:
    quantized = config.quantization or config.quantization_config
    if quantized is None:
        return _DTYPES.get(config.dtype or config.torch_dtype or "")
    if quantized.quant_method:
        return plain_text(quantized.quant_method)[:20]
    return f"{quantized.bits}bit" if quantized.bits else None
