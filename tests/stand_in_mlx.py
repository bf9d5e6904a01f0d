"""A Python that has an invented mlx_lm: ``stand_in_mlx.py WAY -I CHILD`` runs the child file with it.

The model answers with numbered words, one token each, and would end by itself after ``STOPS_AFTER`` of them; its
rates are those of invented times. WAY is how it fails, or what it is: ``fine``, ``metal``, ``plain``, ``thinking``.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

STOPS_AFTER, FAULT_AFTER, EOS = 5, 2, 2
TOKEN_S, PREFILL_TPS, PEAK_GB = 0.01, 500.0, 1.5
WIRED_LIMIT = 22_906_503_168
WAY = sys.argv[1] if __name__ == "__main__" else "fine"


class LocalEntryNotFoundError(FileNotFoundError, ValueError):
    """What huggingface_hub raises where it may not ask the hub and has no copy."""


class Tokenizer:
    """One token a word; the template opens with two tokens and closes with one, or two that open the thinking."""

    chat_template = None if WAY == "plain" else "{{ messages }}"

    def __init__(self) -> None:
        self.eos_token_ids = {EOS}

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, add_generation_prompt: bool, tokenize: bool = True
    ) -> Any:
        words = ["<s>", *(f"<{message['role']}> {message['content']}" for message in messages), "<assistant>"]
        text = " ".join(words) + (" <think>\n" if WAY == "thinking" else "")
        return self.encode(text) if tokenize else text

    def encode(self, text: str) -> list[int]:
        return [100 + len(word) for word in text.split()]


class Model:
    def parameters(self) -> dict[str, Any]:
        def array(size: int, nbytes: int, dtype: str) -> Any:
            return SimpleNamespace(size=size, nbytes=nbytes, dtype=f"mlx.core.{dtype}")

        return {"packed": array(4000, 16_000, "uint32"), "scales": array(500, 1000, "bfloat16")}


def load(name: str, *, lazy: bool = False, return_config: bool = False) -> tuple[Any, ...]:
    print("something for the log")
    if name == "mlx-community/other" or (name == "mlx-community/far" and os.environ.get("HF_HUB_OFFLINE") == "1"):
        raise LocalEntryNotFoundError("Cannot find the requested files in the disk cache")
    if WAY == "crashed while loading":
        os.write(2, b"libc++abi: terminating: Insufficient Memory (00000008:kIOGPUCommandBufferOutOfMemory)\n")
        os._exit(134)
    if WAY == "never loads":
        threading.Event().wait()
    if WAY == "unknown architecture":
        raise ValueError("Model type fromthefuture not supported.")
    config = {"model_type": "qwen2", "max_position_embeddings": 4096, "quantization": {"bits": 4, "group_size": 64}}
    return Model(), Tokenizer(), config


def stream_generate(
    model: Model,
    tokenizer: Tokenizer,
    prompt: list[int],
    *,
    max_tokens: int,
    sampler: Any,
    prompt_progress_callback: Callable[[int, int], None],
) -> Iterator[Any]:
    prompt_progress_callback(len(prompt), len(prompt))
    for n in range(1, max_tokens + 1):
        if n == FAULT_AFTER + 1:
            strike()
        ends = n > STOPS_AFTER and EOS in tokenizer.eos_token_ids
        yield SimpleNamespace(
            text="" if ends or (WAY == "halves" and n % 2 and n < max_tokens) else f"word{n} ",
            prompt_tokens=len(prompt),
            prompt_tps=PREFILL_TPS,
            generation_tokens=n,
            generation_tps=n / max(1e-6, (n - 1) * TOKEN_S),
            peak_memory=PEAK_GB,
            finish_reason="stop" if ends else "length" if n == max_tokens else None,
        )
        if ends:
            return


def strike() -> None:
    if WAY == "error in the stream":
        raise RuntimeError("[malloc] out of memory\x1b[31m")
    if WAY == "silent":
        threading.Event().wait()  # until the child ends with its standard input
    if WAY == "crashed":
        os._exit(1)


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(contents)
    sys.modules[name] = made
    return made


def install() -> None:
    """Make ``import mlx_lm`` and what goes with it find all this."""
    metal = WAY == "metal"
    about: dict[str, Any] = {"device_name": "Invented CPU"}
    if metal:
        about = {"architecture": "applegpu_g15s", "max_recommended_working_set_size": WIRED_LIMIT}
    core = module(
        "mlx.core",
        __version__="0.9.1",
        gpu="gpu",
        default_device=lambda: "gpu" if metal else "cpu",
        device_info=lambda: about,
        reset_peak_memory=lambda: None,
        random=SimpleNamespace(seed=lambda seed: None),
    )
    utils = module("mlx.utils", tree_flatten=lambda tree: list(tree.items()))
    module("mlx", core=core, utils=utils)
    sample_utils = module("mlx_lm.sample_utils", make_sampler=lambda temp, top_p: None)
    helpers = module(
        "mlx_lm.utils",
        get_total_parameters=lambda model: 32_500,
        hf_repo_to_path=lambda name: SimpleNamespace(name="0123456789abcdef"),
    )
    module("mlx_lm", __version__="0.9.2", load=load, stream_generate=stream_generate, utils=helpers,
           sample_utils=sample_utils)  # fmt: skip


if __name__ == "__main__":
    if WAY == "other clock":
        real = time.perf_counter_ns
        time.perf_counter_ns = lambda: real() - 10**15
    install()
    runpy.run_path(sys.argv[-1], run_name="__main__")
