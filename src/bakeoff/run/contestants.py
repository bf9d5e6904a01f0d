"""Subjects as written → engines ready to be entered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import UsageError
from bakeoff.models.names import engine_name
from bakeoff.run.contestant import Contestant
from bakeoff.run.llama import Progress, llama_contestant
from bakeoff.run.vllm import vllm_contestant
from bakeoff.units import listed
from bakeoff.workload.prompts import any_token_ids

if TYPE_CHECKING:
    from bakeoff.engines.base import Engine

_FOR = {
    "gpu_layers": ("llamacpp", "ollama"),
    "gpu": ("llamacpp", "ollama", "vllm"),
    "flash_attention": ("llamacpp", "ollama"),
    "threads": ("llamacpp", "ollama"),
    "pull": ("ollama", "mlx"),
    "raw": ("ollama",),
    "memory_utilization": ("vllm",),
    "program": ("llamacpp", "ollama", "vllm", "mlx"),
}
"""Which engines take a setting; any other would ignore it in silence."""


def contestant(subject: SubjectText, options: EngineOptions, progress: Progress) -> Contestant:
    """Make the engine of one subject; synthetic weights are written here. Raises UsageError, FileError, EngineError."""
    _check(subject, options)
    if subject.engine == "llamacpp":
        return llama_contestant(subject, options, progress)
    if subject.engine == "vllm":
        return vllm_contestant(subject, options)
    if options.synthetic:
        raise UsageError(f"--synthetic is for llamacpp and vllm: {subject.text} has the weights that its server has.")
    return Contestant(subject.text, _engine(subject, options, progress), any_token_ids)


def _check(subject: SubjectText, options: EngineOptions) -> None:
    for name, engines in _FOR.items():
        if getattr(options, name) != getattr(EngineOptions(), name) and subject.engine not in engines:
            raise UsageError(f"--{name.replace('_', '-')} is for {listed(engines)}: {subject.text} does not take it.")


def _engine(subject: SubjectText, options: EngineOptions, progress: Progress) -> Engine:
    match subject.engine:
        case "ollama":
            from bakeoff.engines.ollama import Ollama

            wanted = engine_name("ollama", subject.model, subject.quant)
            return Ollama(wanted.name, options, expects=wanted, progress=progress)
        case "mlx":
            return _mlx(subject, options, progress)
        case "openai":
            from bakeoff.engines.openai import OpenAICompatible

            return OpenAICompatible(subject.model, options.url)
        case "scripted":
            from bakeoff.engines.scripted import Scripted

            return Scripted(subject.model)
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="bakeoff.engines", name=subject.engine)
    engine: Engine = entry.load()(subject.model)
    return engine


def _mlx(subject: SubjectText, options: EngineOptions, progress: Progress) -> Engine:
    """A folder's weights are told apart by their digest; a repository's by its commit."""
    from bakeoff.engines.mlx import Mlx
    from bakeoff.models.digest import weights_digest

    if options.url is not None:
        raise UsageError(f"mlx: starts its own process. For a running mlx_lm.server: openai:NAME --url {options.url}.")
    wanted = engine_name("mlx", subject.model, subject.quant)
    files = sorted(Path(wanted.name).expanduser().glob("*.safetensors"))
    what = f"Taking the digest of {wanted.name}"
    digest = weights_digest(files, lambda done, total: progress(what, done, total)) if files else None
    return Mlx(wanted.name, options, digest=digest)
