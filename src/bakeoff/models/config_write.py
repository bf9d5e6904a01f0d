"""A model's shape as Hugging Face's ``config.json``: what ``parse_config`` reads, written."""

from __future__ import annotations

from typing import Any

import msgspec

from bakeoff.models.architecture import Architecture, Family

# Family → (model_type, the class that serves it), as published configs name them.
_CLASSES: dict[Family, tuple[str, str]] = {
    "llama": ("llama", "LlamaForCausalLM"),
    "mistral": ("mistral", "MistralForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "qwen3moe": ("qwen3_moe", "Qwen3MoeForCausalLM"),
    "deepseek2": ("deepseek_v3", "DeepseekV3ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
}
# meta-llama/Llama-3.1-8B's. The factors move the rotary frequencies, not speed or memory.
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def config_json(arch: Architecture, dtype: str = "bfloat16") -> bytes:
    """The ``config.json`` of that shape; ``parse_config`` gives the shape back.

    Name, short name, licence and source are not in it, and ``dtype`` is the type of the weights.
    """
    model_type, served_by = _CLASSES[arch.family]
    config: dict[str, Any] = {
        "architectures": [served_by],
        "model_type": model_type,
        "torch_dtype": dtype,
        "hidden_act": "gelu_pytorch_tanh" if arch.family == "gemma3" else "silu",
        "hidden_size": arch.hidden,
        "intermediate_size": arch.intermediate,
        "num_hidden_layers": arch.layers,
        "num_attention_heads": arch.heads,
        "num_key_value_heads": arch.kv_heads,
        "vocab_size": arch.vocab,
        "max_position_embeddings": arch.max_position,
        "tie_word_embeddings": arch.tied,
        "attention_bias": arch.qkv_bias,
        "rope_theta": arch.rope_base,
        "rms_norm_eps": arch.norm_epsilon,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "sliding_window": arch.sliding_window,
        "use_sliding_window": arch.sliding_window is not None,
    }
    if arch.latent is None:
        config["head_dim"] = arch.head_dim
    if arch.rope_factors:
        config["rope_scaling"] = _LLAMA3_ROPE
    return msgspec.json.format(msgspec.json.encode(config | _experts(arch) | _latent(arch)))


def _experts(arch: Architecture) -> dict[str, Any]:
    experts = arch.experts
    if experts is None:
        return {}
    return {
        "num_experts" if arch.family == "qwen3moe" else "n_routed_experts": experts.count,
        "num_experts_per_tok": experts.active,
        "moe_intermediate_size": experts.hidden,
        "n_shared_experts": experts.shared,
        "first_k_dense_replace": experts.dense_layers,
    }


def _latent(arch: Architecture) -> dict[str, Any]:
    latent = arch.latent
    if latent is None:
        return {}
    return {
        "q_lora_rank": latent.q_rank or None,
        "kv_lora_rank": latent.kv_rank,
        "qk_nope_head_dim": latent.nope_head_dim,
        "qk_rope_head_dim": latent.rope_head_dim,
        "v_head_dim": latent.value_head_dim,
    }
