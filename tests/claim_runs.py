"""Runs made by hand that claims can be set against."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from bakeoff.results.records import EngineTimings, Gpu, Host, Run, Usage
from tests.hand_made import a_cell, a_host, a_run, a_trial

RTX = a_host(gpus=(Gpu(name="NVIDIA GeForce RTX 4090", memory_bytes=24 << 30),))


def runs_of_7b(token_ms: float, host: Host = RTX, **changes: Any) -> list[Run]:
    """One run of R1-Distill-Qwen-7B by Ollama, so many milliseconds a token; ``changes`` are the cell's."""
    facts: dict[str, Any] = {"engine": "ollama", "name": "deepseek-r1:7b-qwen-distill-q4_K_M", "quant": "Q4_K_M"}
    cell = a_cell(**facts | {"max_tokens": 40} | changes)
    trials = [
        a_trial(
            [100 + token_ms * (1 + 0.001 * index) * n for n in range(40)],
            index=index,
            usage=Usage(prompt_tokens=40, cached_tokens=0, output_tokens=40),
            engine=EngineTimings(prefill_tokens=40, prefill_s=0.08, decode_s=token_ms * 0.039, load_s=0.0),
        )
        for index in range(5)
    ]
    run = a_run([cell], trials)
    return [structs.replace(run, started=structs.replace(run.started, host=host))]
