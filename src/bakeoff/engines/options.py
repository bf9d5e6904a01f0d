"""What the user set for the engines."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class EngineOptions(Struct, frozen=True, kw_only=True):
    """One subject's engine settings; None leaves it to the engine.

    ``url`` attaches to a server instead of starting one. ``gpu_layers``: layers on the GPU, -1 all. ``gpu``: index
    in PCI order, or UUID. ``parallel``: streams that the engine is set up for. ``logs``: the folder for the output
    of what is started. ``pull``: get a missing model where the engine can. ``program``: the executable to start.
    ``raw``: send the prompt without the model's chat template (Ollama).
    """

    url: str | None = None
    context: int = 2048
    threads: int | None = None
    synthetic: bool = False
    like: Path | None = None
    gpu_layers: int | None = None
    gpu: str | None = None
    parallel: int = 1
    flash_attention: bool | None = None
    memory_utilization: float | None = None
    pull: bool = False
    raw: bool = False
    program: str | None = None
    logs: Path | None = None
