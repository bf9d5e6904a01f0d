"""A llama GGUF file as a folder that mlx_lm loads: ``mlx_folder.py FILE.gguf FOLDER LAYERS``, with MLX's own Python.

MLX reads GGUF's Q4_0, Q4_1 and Q8_0 as they are; here they become float32, which MLX is fastest in on a processor.
Only the first LAYERS layers are kept. Attention rows go back from GGUF's order (pairs side by side) to Hugging Face's.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip
CONTROL = 3  # llama.cpp's type of a token that is no text


def main(file: str, folder: str, layers: int) -> None:
    import mlx.core as mx

    arrays, about = mx.load(file, return_metadata=True)
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    config = config_of(about, layers)
    (out / "config.json").write_text(json.dumps(config))
    (out / "tokenizer_config.json").write_text(json.dumps(tokenizer_config_of(about)))
    write_tokenizer(about, out / "tokenizer.json")
    weights = {
        name: array
        for part in sorted({key.rpartition(".")[0] for key in arrays})
        if (name := name_of(part, layers)) is not None
        for array in (plain(mx, arrays, part, config),)
    }
    mx.save_safetensors(str(out / "model.safetensors"), weights, {"format": "mlx"})


def config_of(about: dict[str, Any], layers: int) -> dict[str, Any]:
    def number(key: str) -> Any:
        return about[f"llama.{key}"].item()

    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": number("embedding_length"),
        "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": layers,
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "rope_theta": number("rope.freq_base"),
        "max_position_embeddings": number("context_length"),
        "vocab_size": number("vocab_size"),
        "tie_word_embeddings": True,
        "bos_token_id": about["tokenizer.ggml.bos_token_id"].item(),
        "eos_token_id": about["tokenizer.ggml.eos_token_id"].item(),
    }


def name_of(part: str, layers: int) -> str | None:
    if part == "token_embd":
        return "model.embed_tokens.weight"
    if part == "output_norm":
        return "model.norm.weight"
    _, layer, kind = part.split(".")
    return f"model.layers.{layer}.{NAMES[kind]}.weight" if int(layer) < layers else None


def plain(mx: Any, arrays: dict[str, Any], part: str, config: dict[str, Any]) -> Any:
    array, scales = arrays[f"{part}.weight"], arrays.get(f"{part}.scales")
    if scales is not None:
        group, bits = 32, array.shape[-1] // scales.shape[-1]  # 32-bit words of a group of 32: its bits
        array = mx.dequantize(array, scales, arrays[f"{part}.biases"], group_size=group, bits=bits)
    array = array.astype(mx.float32)
    kind = part.rpartition(".")[2]
    if kind in ("attn_q", "attn_k"):
        heads = config["num_attention_heads" if kind == "attn_q" else "num_key_value_heads"]
        rows, columns = array.shape
        array = array.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    return array


def tokenizer_config_of(about: dict[str, Any]) -> dict[str, Any]:
    tokens = about["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[about["tokenizer.ggml.bos_token_id"].item()],
        "eos_token": tokens[about["tokenizer.ggml.eos_token_id"].item()],
        "chat_template": about["tokenizer.chat_template"],
    }


def write_tokenizer(about: dict[str, Any], path: Path) -> None:
    """Byte-level BPE with digits apart, as llama.cpp's pre-tokenizer ``smollm`` has it."""
    hub: Any = import_module("tokenizers")
    tokens, kinds = about["tokenizer.ggml.tokens"], about["tokenizer.ggml.token_type"].tolist()
    merges = [tuple(merge.split(" ")) for merge in about["tokenizer.ggml.merges"]]
    tokenizer = hub.Tokenizer(
        hub.models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges)
    )
    tokenizer.pre_tokenizer = hub.pre_tokenizers.Sequence(
        [hub.pre_tokenizers.Digits(individual_digits=True), hub.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = hub.decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([hub.AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(path))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
