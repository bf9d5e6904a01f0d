"""Subjects as users write them: ``ENGINE:MODEL[@QUANT]``."""

from __future__ import annotations

import difflib

from msgspec import Struct

from bakeoff.errors import UsageError

ENGINES = {
    "llamacpp": "llama.cpp, embedded or as llama-server: a GGUF file, smollm2, r1-1.5b --synthetic, NAME --url …",
    "ollama": "an Ollama server, running or installed: its own tag, or r1-7b@q4_K_M",
    "mlx": "MLX, in a process of its own: a folder, a Hugging Face repository, or r1-7b@4bit",
    "vllm": "vLLM, running or installed: a folder, a Hugging Face repository, r1-7b@bf16, r1-7b --synthetic",
    "openai": "any OpenAI-compatible server, with --url",
    "scripted": "a scripted engine, for trying things out: its figures are not measurements",
}


WITH_QUANT = ("llamacpp", "ollama", "vllm", "mlx")
"""Engines whose models may be written ``MODEL@QUANT``; elsewhere an @ belongs to the name."""


class SubjectText(Struct, frozen=True):
    """A subject, parsed. ``text`` is what was written."""

    text: str
    engine: str
    model: str
    quant: str | None = None


def parse_subject(text: str) -> SubjectText:
    """Read one subject. Raises UsageError with what would have been right."""
    engine, colon, rest = text.partition(":")
    if colon and not rest and engine in known_engines():
        raise UsageError(f"{text!r} names no model. Write ENGINE:MODEL, for instance {engine}:NAME.")
    if not engine or not rest:
        model = text.strip(":") or "r1-7b"
        hint = f"llamacpp:{model}" if model.lower().endswith(".gguf") else f"ollama:{model}"
        raise UsageError(f"{text!r} names no engine. Write ENGINE:MODEL, for instance {hint}.")
    if engine not in known_engines():
        near = difflib.get_close_matches(engine, known_engines(), 1, 0.5)
        did_you_mean = f" Did you mean {near[0]}:{rest}?" if near else ""
        raise UsageError(f"There is no engine {engine!r}.{did_you_mean} Engines: {', '.join(known_engines())}.")
    if engine not in WITH_QUANT or rest.lower().endswith(".gguf"):
        return SubjectText(text, engine, rest)
    model, _, quant = rest.partition("@")
    return SubjectText(text, engine, model, quant or None)


def known_engines() -> list[str]:
    """The engines in the package and those that others have installed."""
    from importlib.metadata import entry_points

    return [*ENGINES, *(e.name for e in entry_points(group="bakeoff.engines") if e.name not in ENGINES)]
