"""What an engine allocates for a model, part by part, before anything is loaded: weights, cache, buffers.

llama.cpp's compute buffer holds the largest moment of one pass over ``UBATCH`` tokens: tensors of a layer live side
by side, freed ones are reused. The formulas count what is alive and have no fitted number; which tensors those are
was found from the buffers that xllamacpp 2026.10.11549 reserved for two dozen shapes and settings, and holds for load
logs since 2024 (tests/data). Builds differ: before June 2026 all of them reserved logits for every token of a pass,
since then llama-server does for one per slot (llama.cpp pull request 23861). A plan takes the larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bakeoff.errors import UsageError
from bakeoff.models.weights import KV_ELEMENT_BYTES, Place, kv_bytes, place_of
from bakeoff.units import GIB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec
    from bakeoff.planning.speed import Engine

UBATCH = 512
"""Tokens of one pass over a prompt, by default, in llama.cpp and Ollama."""
PIPELINE_COPIES = 4
"""With all layers on several GPUs llama.cpp keeps so many copies of its inputs (GGML_SCHED_MAX_COPIES)."""

VLLM_BLOCK = 16
"""Tokens of a block of vLLM's cache (CacheConfig.DEFAULT_BLOCK_SIZE)."""
_VLLM_SAMPLED = 256  # max_num_seqs, for which vLLM profiles its sampler
_VLLM_LOGIT_COPIES = 10
"""Peak activations over the bytes of the sampler's logits. Three logs: Llama 3 8B 1.26 GiB (vLLM pull request
10511) are 10.3 times, Qwen2.5 7B 1.42 GiB (issue 13882) 9.8, Qwen2.5 32B 1.26 GiB (issue 15815) 8.7."""
_VLLM_GRAPH_BYTES = GIB // 2
"""CUDA graphs: logs say 0.17 to 0.58 GiB (gpustack/runner pull request 251, vllm-backport issue 34)."""

MLX_STEP = 256
"""Tokens by which MLX's cache grows (mlx_lm, KVCache.step)."""
_MLX_PREFILL = 2048
_MLX_ROWS = 11
"""Half-precision rows of (hidden + feed-forward) values alive in a pass over a prompt. Unsure, from two published
peaks: Mistral 7B at 33,898 tokens leaves 7.8 beside weights and cache (mlx-lm pull request 40), Qwen3 4B at 2,176
leaves 13.9 (pull request 1569)."""


class Setting(Struct, frozen=True, kw_only=True):
    """How a model is to run. ``context`` is one stream's; ``streams`` have a cache each.

    ``all_logits``: llama.cpp reserves room for the logits of every token of a pass, not of the last alone.
    """

    context: int
    engine: Engine = "llamacpp"
    streams: int = 1
    kv_type: str = "F16"
    flash_attention: bool = True
    ubatch: int = UBATCH
    all_logits: bool = True


class Parts(Struct, frozen=True, kw_only=True):
    """Bytes of a model's tensors by where llama.cpp puts them.

    ``embedding`` stays in the host's memory; ``output`` goes where the last layer is. A tied embedding is both and
    counts once in ``total``. ``largest`` is the largest tensor of any layer.
    """

    layers: tuple[int, ...]
    embedding: int
    output: int
    largest: int
    total: int


def parts(specs: Iterable[TensorSpec]) -> Parts:
    """The model's tensors, summed by place. Tensors may have GGUF's names or Hugging Face's."""
    sums: dict[Place, int] = {"embedding": 0, "output": 0, "beside": 0}
    largest = 0
    for spec in specs:
        place, size = place_of(spec.name), spec.bytes
        sums[place] = sums.get(place, 0) + size
        if size > largest and isinstance(place, int):
            largest = size
    layers = sorted(place for place in sums if isinstance(place, int))
    embedding = sums["embedding"]
    return Parts(
        layers=tuple(sums[layer] for layer in layers),
        embedding=embedding,
        output=sums["beside"] + (sums["output"] or embedding),
        largest=largest,
        total=sum(sums.values()),
    )


def cache_bytes(arch: Architecture, setting: Setting) -> int:
    """Bytes of the key-value cache of all streams, as the engine rounds it up.

    llama.cpp caches a sliding window only for Gemma 3, and a batch more than the window.
    """
    cells = cache_cells(setting)
    if setting.engine in ("llamacpp", "ollama") and arch.sliding_window:
        window = _up(arch.sliding_window + setting.ubatch, 256) if arch.family == "gemma3" else None
        arch = structs.replace(arch, sliding_window=window)
    return round(setting.streams * kv_bytes(arch, cells, element_bytes(setting)))


def cache_cells(setting: Setting) -> int:
    """Tokens that one stream's cache has room for."""
    match setting.engine:
        case "vllm":
            return _up(setting.context, VLLM_BLOCK)
        case "mlx":
            return _up(setting.context, MLX_STEP)
    return _up(setting.context, 256 if setting.flash_attention else 32)


def element_bytes(setting: Setting) -> float:
    """Bytes of one element of the cache. Raises UsageError on a type or combination that there is not."""
    name = setting.kv_type.strip().upper()
    if name not in KV_ELEMENT_BYTES:
        raise UsageError(f"No cache type {setting.kv_type!r}. Known: {', '.join(KV_ELEMENT_BYTES)}.")
    if name.startswith("Q") and setting.engine == "vllm":
        raise UsageError(f"vLLM has no {name} cache. Take F16.")
    if name.startswith("Q") and not setting.flash_attention and setting.engine != "mlx":
        raise UsageError(f"llama.cpp has a {name} cache only with flash attention. Switch it on, or take F16.")
    return KV_ELEMENT_BYTES[name]


def graph_bytes(arch: Architecture, setting: Setting, copies: int = 1, weight: int = 0) -> int:
    """llama.cpp's compute buffer on each device: the largest of the moments below, and what outlives them.

    With ``copies`` above 1 the inputs are kept, so that GPUs can work on several batches at once. ``weight`` is the
    largest tensor in the host's memory that a GPU has to borrow for a prompt.
    """
    tokens, cells = _pass(setting), cache_cells(setting)
    row = 4 * tokens
    hidden = row * arch.hidden
    mask = cells * tokens * (2 if setting.flash_attention else 4)
    kept = copies * (mask + hidden) if copies > 1 else 0
    layer = max(_attention_bytes(arch, setting), _feed_forward_bytes(arch, tokens)) + (0 if kept else mask) + weight
    logits = row * arch.vocab + hidden if setting.all_logits else 0
    return max(layer, logits) + kept


def host_graph_bytes(arch: Architecture, setting: Setting, copies: int = 1) -> int:
    """llama.cpp's compute buffer in the host's memory beside GPUs: the inputs, embedded tokens and masks.

    Before June 2026 the mask was in single precision also with flash attention (llama.cpp pull request 23764).
    """
    tokens = _pass(setting)
    return 4 * tokens * (arch.hidden + copies * cache_cells(setting))


def working_bytes(arch: Architecture, setting: Setting) -> int:
    """What vLLM and MLX need beside weights and cache, on each device."""
    if setting.engine == "vllm":
        return _VLLM_LOGIT_COPIES * _VLLM_SAMPLED * arch.vocab * 4 + _VLLM_GRAPH_BYTES
    width = arch.hidden + arch.intermediate
    return _MLX_ROWS * 2 * width * min(_MLX_PREFILL, cache_cells(setting))


def _pass(setting: Setting) -> int:
    return min(setting.ubatch, cache_cells(setting))


def _attention_bytes(arch: Architecture, setting: Setting) -> int:
    """Queries, keys and values of one layer with what is added to; without flash attention every score."""
    tokens = _pass(setting)
    scores = 0 if setting.flash_attention else cache_cells(setting) * arch.heads
    if arch.latent is not None:
        latent = arch.latent
        per_head = 2 * latent.kv_rank + latent.nope_head_dim + 2 * latent.rope_head_dim
        rows = 6 * arch.hidden + arch.heads * per_head + 2 * latent.kv_rank
    else:
        rows = 2 * arch.hidden + (4 * arch.heads + 2 * arch.kv_heads) * arch.head_dim
    return 4 * tokens * (rows + scores)


def _feed_forward_bytes(arch: Architecture, tokens: int) -> int:
    """Gate, up and their product beside five rows of hidden values; of experts the active ones at once.

    What experts give back is added where it does not fit in the place of gate and up.
    """
    experts = arch.experts
    dense = 3 * arch.intermediate if experts is None or experts.dense_layers else 0
    sparse = 0
    if experts is not None:
        inner, outer = experts.active * experts.hidden, experts.active * arch.hidden
        sparse = 3 * inner + (outer if outer > 2 * inner else 0)
    return 4 * tokens * (5 * arch.hidden + max(dense, sparse))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
