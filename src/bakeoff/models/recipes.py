"""Which tensors a model's GGUF file holds, and in which type llama.cpp writes each of them.

The mix follows ``llama_tensor_get_type`` in llama.cpp's ``src/llama-quant.cpp``, without an importance matrix.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from bakeoff.errors import UsageError
from bakeoff.models.quants import TYPES, TensorSpec, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bakeoff.models.architecture import Architecture

    Shape = tuple[int, ...]

# Each quantization with the type that most of its tensors have.
QUANTS: dict[str, str] = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q8_0": "Q8_0",
    "Q6_K": "Q6_K",
    "Q5_K_M": "Q5_K",
    "Q5_K_S": "Q5_K",
    "Q5_1": "Q5_1",
    "Q5_0": "Q5_0",
    "Q4_K_M": "Q4_K",
    "Q4_K_S": "Q4_K",
    "Q4_1": "Q4_1",
    "Q4_0": "Q4_0",
    "Q3_K_L": "Q3_K",
    "Q3_K_M": "Q3_K",
    "Q3_K_S": "Q3_K",
    "Q2_K": "Q2_K",
}
_ALIASES = {
    "FP32": "F32",
    "FP16": "F16",
    "Q8": "Q8_0",
    "Q6": "Q6_K",
    "Q5_K": "Q5_K_M",
    "Q4_K": "Q4_K_M",
    "Q3_K": "Q3_K_M",
}
_NAMES_KEPT = 1 << 13  # a family's names, which return with every quantization
_FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0"} | {
    name: "IQ4_NL" for name in TYPES if name.startswith("IQ") or name in ("Q2_K", "Q3_K")
}


def quant_name(text: str) -> str:
    """The quantization as llama.cpp writes it, from any usual spelling. Raises UsageError on anything else."""
    name = text.strip().upper().replace("-", "_")
    name = _ALIASES.get(name, name)
    if name in QUANTS:
        return name
    from difflib import get_close_matches

    near = get_close_matches(name, QUANTS, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(QUANTS)}."
    raise UsageError(f"No quantization {text!r}. {hint}")


def tensors(arch: Architecture, quant: str, like: Mapping[str, str] | None = None) -> tuple[TensorSpec, ...]:
    """Every tensor of the model's GGUF file at that quantization.

    With ``like`` (see ``types_like``) each tensor takes the type that it has there; one that is missing there
    takes the commonest type of its kind, and one whose kind is missing what llama.cpp would give it.
    Raises UsageError on an unknown quantization.
    """
    quant = quant_name(quant)
    kinds = _commonest(like or {})

    def spec(name: str, shape: Shape) -> TensorSpec:
        kind = kind_of(name)
        given = (like or {}).get(name) or kinds.get(kind)
        wanted = given or _mixed(arch, quant, name, kind, shape)
        return TensorSpec(name, shape, _fitting(wanted, shape[0]))

    return tuple(spec(name, shape) for name, shape in shapes(arch))


def types_like(specs: Iterable[TensorSpec]) -> dict[str, str]:
    """The type of each tensor of a file, by its name: what ``tensors`` takes as ``like``."""
    return {spec.name: spec.type.name for spec in specs}


@lru_cache(maxsize=_NAMES_KEPT)
def layer_of(name: str) -> int | None:
    """The layer that a tensor belongs to, None for embedding, output and what stands beside the layers."""
    head, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    return int(number) if head == "blk" and number.isascii() and number.isdigit() else None


@lru_cache(maxsize=_NAMES_KEPT)
def kind_of(name: str) -> str:
    """A tensor's name without its layer: ``attn_v.weight``."""
    return name if layer_of(name) is None else name.split(".", 2)[-1]


def shapes(arch: Architecture) -> Iterator[tuple[str, Shape]]:
    """Name and shape (row length first) of every tensor in the GGUF file."""
    yield "token_embd.weight", (arch.hidden, arch.vocab)
    if arch.rope_factors:
        yield "rope_freqs.weight", (arch.head_dim // 2,)
    for layer in range(arch.layers):
        attention = _latent_attention(arch) if arch.latent else _attention(arch)
        for kind, shape in (*attention, *_feed_forward(arch, layer)):
            yield f"blk.{layer}.{kind}", shape
    yield "output_norm.weight", (arch.hidden,)
    if not arch.tied:
        yield "output.weight", (arch.hidden, arch.vocab)


def _attention(arch: Architecture) -> Iterator[tuple[str, Shape]]:
    query, cached = arch.heads * arch.head_dim, arch.kv_heads * arch.head_dim
    yield "attn_norm.weight", (arch.hidden,)
    for letter, width in (("q", query), ("k", cached), ("v", cached)):
        yield f"attn_{letter}.weight", (arch.hidden, width)
        if arch.qkv_bias:
            yield f"attn_{letter}.bias", (width,)
        if arch.qk_norm and letter != "v":
            yield f"attn_{letter}_norm.weight", (arch.head_dim,)
    yield "attn_output.weight", (query, arch.hidden)
    if arch.family == "gemma3":
        yield "post_attention_norm.weight", (arch.hidden,)


def _latent_attention(arch: Architecture) -> Iterator[tuple[str, Shape]]:
    assert arch.latent is not None
    latent, heads = arch.latent, arch.heads
    query = heads * (latent.nope_head_dim + latent.rope_head_dim)
    yield "attn_norm.weight", (arch.hidden,)
    if latent.q_rank:
        yield "attn_q_a.weight", (arch.hidden, latent.q_rank)
        yield "attn_q_a_norm.weight", (latent.q_rank,)
        yield "attn_q_b.weight", (latent.q_rank, query)
    else:
        yield "attn_q.weight", (arch.hidden, query)
    yield "attn_kv_a_mqa.weight", (arch.hidden, latent.kv_rank + latent.rope_head_dim)
    yield "attn_kv_a_norm.weight", (latent.kv_rank,)
    yield "attn_k_b.weight", (latent.nope_head_dim, latent.kv_rank, heads)
    yield "attn_v_b.weight", (latent.kv_rank, latent.value_head_dim, heads)
    yield "attn_output.weight", (heads * latent.value_head_dim, arch.hidden)


def _feed_forward(arch: Architecture, layer: int) -> Iterator[tuple[str, Shape]]:
    yield "ffn_norm.weight", (arch.hidden,)
    experts = arch.experts
    if experts is None or layer < experts.dense_layers:
        yield from _gated("", arch.hidden, arch.intermediate)
    else:
        yield "ffn_gate_inp.weight", (arch.hidden, experts.count)
        if arch.family == "deepseek2":
            yield "exp_probs_b.bias", (experts.count,)
        yield from _gated("_exps", arch.hidden, experts.hidden, experts.count)
        if experts.shared:
            yield from _gated("_shexp", arch.hidden, experts.hidden * experts.shared)
    if arch.family == "gemma3":
        yield "post_ffw_norm.weight", (arch.hidden,)


def _gated(suffix: str, hidden: int, width: int, *count: int) -> Iterator[tuple[str, Shape]]:
    yield f"ffn_gate{suffix}.weight", (hidden, width, *count)
    yield f"ffn_up{suffix}.weight", (hidden, width, *count)
    yield f"ffn_down{suffix}.weight", (width, hidden, *count)


def _commonest(like: Mapping[str, str]) -> dict[str, str]:
    """The commonest type of each kind of tensor."""
    seen: dict[str, Counter[str]] = {}
    for name, type_name in like.items():
        seen.setdefault(kind_of(name), Counter())[type_name] += 1
    return {kind: count.most_common(1)[0][0] for kind, count in seen.items()}


def _fitting(type_name: str, row: int) -> TensorType:
    """That type, or the one that llama.cpp takes where a row does not divide into its blocks."""
    for name in (type_name, _FALLBACK.get(type_name, "F16"), "F16"):
        if row % TYPES[name].block == 0:
            return TYPES[name]
    raise AssertionError("a row divides into blocks of one")


def _mixed(arch: Architecture, quant: str, name: str, kind: str, shape: Shape) -> str:
    """The type that llama.cpp's mix gives a tensor, before rows are seen to divide."""
    default = QUANTS[quant]
    if len(shape) == 1 or kind == "ffn_gate_inp.weight":
        return "F32"
    if TYPES[default].block == 1:
        return default
    if name == "output.weight" or (arch.tied and name == "token_embd.weight"):
        return "Q8_0" if default == "Q8_0" or shape[0] % TYPES[default].block else "Q6_K"
    layer = layer_of(name) or 0
    eight_experts = arch.experts is not None and arch.experts.count == 8
    if kind in ("attn_k.weight", "attn_v.weight") and eight_experts:
        return "Q8_0"
    if kind == "attn_v.weight":
        return _value_type(arch, quant, layer) or default
    if kind == "attn_output.weight":
        return _attention_output_type(quant, eight_experts) or default
    if kind.startswith("ffn_down"):
        return _down_type(quant, layer, arch.layers) or default
    return default


def _more_bits(layer: int, layers: int) -> bool:
    """Whether a layer is among the first or last eighth, or every third between."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _value_type(arch: Architecture, quant: str, layer: int) -> str | None:
    chosen = {
        "Q2_K": "Q4_K" if arch.heads // arch.kv_heads >= 4 else "Q3_K",
        "Q3_K_M": "Q5_K" if layer < 2 else "Q4_K",
        "Q3_K_L": "Q5_K",
        "Q4_K_M": "Q6_K" if _more_bits(layer, arch.layers) else None,
        "Q5_K_M": "Q6_K" if _more_bits(layer, arch.layers) else None,
        "Q4_K_S": "Q5_K" if layer < 4 else None,
    }.get(quant)
    # llama.cpp calls any such model of 80 layers "70B": eight heads share a value tensor, so bits are cheap there.
    is_70b = arch.layers == 80 and arch.family in ("llama", "mistral", "qwen2") and arch.heads != arch.kv_heads
    return "Q5_K" if is_70b and (chosen or QUANTS[quant]) in ("Q3_K", "Q4_K") else chosen


def _attention_output_type(quant: str, eight_experts: bool) -> str | None:
    if eight_experts:
        return "Q5_K" if quant in ("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M") else None
    return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(quant)


def _down_type(quant: str, layer: int, layers: int) -> str | None:
    return {
        "Q2_K": "Q3_K",
        "Q3_K_M": "Q5_K" if layer < layers // 16 else "Q4_K",
        "Q3_K_L": "Q5_K",
        "Q4_K_M": "Q6_K" if _more_bits(layer, layers) else None,
        "Q5_K_M": "Q6_K" if _more_bits(layer, layers) else None,
        "Q4_K_S": "Q5_K" if layer < layers // 8 else None,
    }.get(quant)
