"""The models that Bakeoff knows by name: what their published ``config.json`` says, each with its repository.

One row per model: short name, repository, layers, hidden size, feed-forward size, heads, key-value heads,
vocabulary. What a family has in common stands once, above its rows.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from bakeoff.errors import UsageError
from bakeoff.models.architecture import Architecture, Experts, LatentAttention


def _model(
    short: str,
    source: str,
    layers: int,
    hidden: int,
    intermediate: int,
    heads: int,
    kv_heads: int,
    vocab: int,
    **rest: Any,
) -> Architecture:
    shape = {"head_dim": hidden // heads, "tied": False} | rest
    return Architecture(
        name=source.rpartition("/")[2],
        short=short,
        source=source,
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        kv_heads=kv_heads,
        vocab=vocab,
        **shape,
    )


_llama = partial(_model, family="llama", norm_epsilon=1e-5)
_llama2 = partial(_llama, max_position=4096, licence="Llama 2 Community")
_llama3 = partial(_llama, max_position=8192, rope_base=500_000.0, licence="Llama 3 Community")
_llama31 = partial(_llama3, max_position=131_072, rope_factors=True, licence="Llama 3.1 Community")
_llama32 = partial(_llama31, tied=True, licence="Llama 3.2 Community")
_qwen2 = partial(_model, family="qwen2", qkv_bias=True, licence="Apache-2.0")
_qwen25 = partial(_qwen2, max_position=32_768, rope_base=1_000_000.0)
_qwen3 = partial(
    _model, family="qwen3", head_dim=128, qk_norm=True, max_position=40_960, rope_base=1_000_000.0,
    licence="Apache-2.0",
)  # fmt: skip
_mistral = partial(_model, family="mistral", head_dim=128, max_position=32_768, norm_epsilon=1e-5, licence="Apache-2.0")
_r1_qwen = partial(_qwen2, max_position=131_072, licence="MIT")
_r1_llama = partial(_llama31, licence="MIT, and the Llama licence of the base model")
_moe = partial(_qwen3, family="qwen3moe")

R1_FAMILY: tuple[Architecture, ...] = (
    _r1_qwen("r1-1.5b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 28, 1536, 8960, 12, 2, 151_936),
    _r1_qwen("r1-7b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 28, 3584, 18_944, 28, 4, 152_064),
    _r1_llama("r1-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 32, 4096, 14_336, 32, 8, 128_256),
    _r1_qwen(
        "r1-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 48, 5120, 13_824, 40, 8, 152_064,
        rope_base=1_000_000.0, norm_epsilon=1e-5,
    ),
    _r1_qwen(
        "r1-32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", 64, 5120, 27_648, 40, 8, 152_064,
        rope_base=1_000_000.0, norm_epsilon=1e-5,
    ),
    _r1_llama("r1-70b", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", 80, 8192, 28_672, 64, 8, 128_256),
    _model(
        "r1-671b", "deepseek-ai/DeepSeek-R1", 61, 7168, 18_432, 128, 128, 129_280,
        family="deepseek2", head_dim=192, max_position=163_840, licence="MIT",
        experts=Experts(count=256, active=8, hidden=2048, shared=1, dense_layers=3),
        latent=LatentAttention(
            q_rank=1536, kv_rank=512, nope_head_dim=128, rope_head_dim=64, value_head_dim=128
        ),
    ),
)  # fmt: skip

MODELS: dict[str, Architecture] = {
    model.short: model
    for model in (
        *R1_FAMILY,
        _qwen3(
            "r1-0528-qwen3-8b", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", 36, 4096, 12_288, 32, 8, 151_936,
            max_position=131_072, licence="MIT",
        ),
        _llama(
            "smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", 30, 576, 1536, 9, 3, 49_152,
            tied=True, max_position=8192, rope_base=100_000.0, licence="Apache-2.0",
        ),
        _llama2("llama-2-7b", "meta-llama/Llama-2-7b-hf", 32, 4096, 11_008, 32, 32, 32_000),
        _llama2("llama-2-13b", "meta-llama/Llama-2-13b-hf", 40, 5120, 13_824, 40, 40, 32_000),
        _llama2("llama-2-70b", "meta-llama/Llama-2-70b-hf", 80, 8192, 28_672, 64, 8, 32_000),
        _llama3("llama-3-8b", "meta-llama/Meta-Llama-3-8B", 32, 4096, 14_336, 32, 8, 128_256),
        _llama3("llama-3-70b", "meta-llama/Meta-Llama-3-70B", 80, 8192, 28_672, 64, 8, 128_256),
        _llama31("llama-3.1-8b", "meta-llama/Llama-3.1-8B", 32, 4096, 14_336, 32, 8, 128_256),
        _llama31("llama-3.1-70b", "meta-llama/Llama-3.1-70B", 80, 8192, 28_672, 64, 8, 128_256),
        _llama32("llama-3.2-1b", "meta-llama/Llama-3.2-1B", 16, 2048, 8192, 32, 8, 128_256),
        _llama32("llama-3.2-3b", "meta-llama/Llama-3.2-3B", 28, 3072, 8192, 24, 8, 128_256),
        _qwen25("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct", 24, 896, 4864, 14, 2, 151_936, tied=True),
        _qwen25("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct", 28, 1536, 8960, 12, 2, 151_936, tied=True),
        _qwen25(
            "qwen2.5-3b", "Qwen/Qwen2.5-3B-Instruct", 36, 2048, 11_008, 16, 2, 151_936,
            tied=True, licence="Qwen Research",
        ),
        _qwen25("qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct", 28, 3584, 18_944, 28, 4, 152_064),
        _qwen25("qwen2.5-14b", "Qwen/Qwen2.5-14B-Instruct", 48, 5120, 13_824, 40, 8, 152_064),
        _qwen25("qwen2.5-32b", "Qwen/Qwen2.5-32B-Instruct", 64, 5120, 27_648, 40, 8, 152_064),
        _qwen25("qwen2.5-72b", "Qwen/Qwen2.5-72B-Instruct", 80, 8192, 29_568, 64, 8, 152_064, licence="Qwen"),
        _qwen3("qwen3-0.6b", "Qwen/Qwen3-0.6B", 28, 1024, 3072, 16, 8, 151_936, tied=True),
        _qwen3("qwen3-1.7b", "Qwen/Qwen3-1.7B", 28, 2048, 6144, 16, 8, 151_936, tied=True),
        _qwen3("qwen3-4b", "Qwen/Qwen3-4B", 36, 2560, 9728, 32, 8, 151_936, tied=True),
        _qwen3("qwen3-8b", "Qwen/Qwen3-8B", 36, 4096, 12_288, 32, 8, 151_936),
        _qwen3("qwen3-14b", "Qwen/Qwen3-14B", 40, 5120, 17_408, 40, 8, 151_936),
        _qwen3("qwen3-32b", "Qwen/Qwen3-32B", 64, 5120, 25_600, 64, 8, 151_936),
        _moe(
            "qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B", 48, 2048, 6144, 32, 4, 151_936,
            experts=Experts(count=128, active=8, hidden=768),
        ),
        _moe(
            "qwen3-235b-a22b", "Qwen/Qwen3-235B-A22B", 94, 4096, 12_288, 64, 4, 151_936,
            experts=Experts(count=128, active=8, hidden=1536),
        ),
        _mistral(
            "mistral-7b", "mistralai/Mistral-7B-Instruct-v0.3", 32, 4096, 14_336, 32, 8, 32_768,
            rope_base=1_000_000.0,
        ),
        _mistral(
            "mistral-small-24b", "mistralai/Mistral-Small-24B-Instruct-2501", 40, 5120, 32_768, 32, 8, 131_072,
            rope_base=100_000_000.0,
        ),
    )
}  # fmt: skip


def find(name: str) -> Architecture:
    """The model of that short name, full name or repository, in any case. Raises UsageError, with a guess."""
    wanted = name.strip().lower()
    for model in MODELS.values():
        if wanted in (model.short, model.name.lower(), model.source.lower()):
            return model
    from difflib import get_close_matches

    near = get_close_matches(wanted, [*MODELS, *(m.name.lower() for m in MODELS.values())], n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known models: {', '.join(MODELS)}."
    raise UsageError(f"No model {name!r} in the catalogue. {hint}")
