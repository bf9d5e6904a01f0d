"""vLLM: a Python environment, a checkpoint from Hugging Face, one OpenAI-compatible server."""

from __future__ import annotations

import re

from bakeoff.models.names import names_of
from bakeoff.planning.budget import VLLM_SHARE
from bakeoff.planning.setup.common import (
    ANSWER_TOKENS,
    download_step,
    environment_step,
    model_path,
    question_step,
    server_step,
    token_steps,
    uv_step,
)
from bakeoff.planning.setup.steps import Kit, Step, Target, failing

DRIVER = 580
"""vLLM 0.33 brings CUDA 13.0, through torch 2.14; CUDA 13 needs driver 580 (NVIDIA, CUDA Compatibility, table 1)."""
CAPABILITY = 7.5
"""Least compute capability (docs/getting_started/installation/gpu.cuda.inc.md)."""
INSTALLED_BYTES = 9_444_462_856
"""vLLM 0.33.0 with everything that it needs, unpacked for Linux x86-64 and Python 3.12; 4.26 GB to download."""


def vllm_kit(target: Target) -> Kit:
    """``vllm serve`` with the context planned for, CUDA graphs on, saying of each request what it can."""
    weights = target.chosen.weights
    listed = any(name.name == weights.name for name in names_of(weights.arch.short).get("vllm", ()))
    subject = f"{weights.arch.short}@{weights.quant}" if listed and not weights.online else weights.name
    return Kit(
        definitions=(
            'PORT="${PORT:-8000}"',
            f'MODEL="{model_path(weights)}"',
            'LOG="$DIR/vllm.log"',
            f'PID_FILE="$DIR/vllm-{weights.arch.short}-{weights.quant}.pid"',
        ),
        steps=(
            _capability(),
            uv_step(),
            environment_step(
                "vllm",
                "vllm",
                "vLLM 0.33 asks for Python 3.11 to 3.14 and brings CUDA 13.0, so no CUDA toolkit is needed.",
                INSTALLED_BYTES,
                " --torch-backend=auto",
            ),
            *token_steps(weights),
            download_step(weights),
            server_step(
                "vLLM",
                _command(target),
                _why(target),
                "Where it ran out of memory, lower --max-model-len, or --gpu-memory-utilization if others use the GPU.",
            ),
        ),
        question=question_step(weights.name, max_tokens=ANSWER_TOKENS, temperature=0.6),
        subject=f'vllm:{subject} --url "$URL"',
        closing=('echo "vLLM goes on and holds the GPU. Stop it with: kill $(cat "$PID_FILE")"',),
        tools=(("curl", "curl"), ("cc", "build-essential")),  # Triton compiles the launchers of its kernels
        driver=DRIVER,
        disk_bytes=INSTALLED_BYTES,
        disk_words="vLLM with its CUDA libraries",
    )


def _capability() -> Step:
    return Step(
        title=f"Compute capability {CAPABILITY} or higher",
        why="vLLM has no kernels for older GPUs: Turing (RTX 20) is the first.",
        check="nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2> /dev/null |\n"
        f"  awk '$1 < {CAPABILITY} {{ old = 1 }} END {{ exit old || NR == 0 }}'",
        lines=failing("The GPU is too old for vLLM: take --engine llamacpp or ollama."),
    )


def _command(target: Target) -> tuple[str, ...]:
    weights = target.chosen.weights
    raised = re.search(r"--gpu-memory-utilization ([\d.]+)", target.chosen.fit.condition)
    lines = [
        '"$DIR/vllm/bin/vllm" serve "$MODEL"',
        f'--served-model-name {weights.name} --host 127.0.0.1 --port "$PORT"',
        f"--max-model-len {target.context} --gpu-memory-utilization {raised[1] if raised else f'{VLLM_SHARE:.2f}'}",
        "--enable-prompt-tokens-details --enable-per-request-metrics",
    ]
    if weights.online:
        lines.append(f"--quantization {weights.online}")
    if target.gpus > 1:
        whole = weights.arch.heads % target.gpus == 0 and weights.arch.vocab % target.gpus == 0
        lines.append(f"--{'tensor' if whole else 'pipeline'}-parallel-size {target.gpus}")
    return tuple(lines)


def _why(target: Target) -> str:
    note = target.chosen.note
    return "The first start compiles and takes minutes." + (f" The model is {note}." if "quantized" in note else "")
