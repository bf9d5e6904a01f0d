"""Subjects as written → engines ready to be entered."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import FileError, ModelMissing, UsageError
from bakeoff.folders import cache_folder
from bakeoff.hardware.host import default_threads
from bakeoff.models.catalogue import find
from bakeoff.models.gguf import Header, architecture_of, is_synthetic, quant_of, read_header
from bakeoff.models.names import engine_name
from bakeoff.results.records import Model
from bakeoff.run.predicting import Weights
from bakeoff.run.runner import Contestant

if TYPE_CHECKING:
    from bakeoff.engines.base import Engine

Progress = Callable[[str, int, int], None]
"""(what is being done, bytes done, bytes in all)"""


def contestant(subject: SubjectText, options: EngineOptions, progress: Progress) -> Contestant:
    """Make the engine of one subject; synthetic weights are written here. Raises UsageError, FileError, EngineError."""
    if subject.engine == "llamacpp":
        return _embedded(subject, options, progress)
    if options.synthetic:
        raise UsageError(f"--synthetic is for llamacpp: {subject.text} has the weights that its server has.")
    return Contestant(subject.text, _engine(subject, options, progress), _any_ids)


def _engine(subject: SubjectText, options: EngineOptions, progress: Progress) -> Engine:
    match subject.engine:
        case "ollama":
            from bakeoff.engines.ollama import Ollama

            wanted = engine_name("ollama", subject.model, subject.quant)
            return Ollama(wanted.name, options, expects=wanted, progress=progress)
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


def _embedded(subject: SubjectText, options: EngineOptions, progress: Progress) -> Contestant:
    from bakeoff.engines.embedded import EmbeddedLlama
    from bakeoff.measurement.thinking import template_opens_thinking
    from bakeoff.models.digest import file_digest
    from bakeoff.models.synthetic import synthetic_prompt

    path = _weights(subject, options, progress)
    header = read_header(path)
    template = header.metadata.get("tokenizer.chat_template")
    engine = EmbeddedLlama(
        path,
        _model(_name(subject, path, header), path, header, file_digest(path)),
        context=options.context,
        threads=options.threads or default_threads(),
        opens_thinking=template_opens_thinking(template if isinstance(template, str) else None),
    )
    arch = architecture_of(header)
    return Contestant(
        subject.text,
        engine,
        lambda count, seed: tuple(synthetic_prompt(arch.vocab, count, seed)),
        Weights(arch, header.tensors),
    )


def _weights(subject: SubjectText, options: EngineOptions, progress: Progress) -> Path:
    """The GGUF file to load: the one named, SmolLM2's, or synthetic weights written now."""
    from bakeoff.models.smollm2 import smollm2_file

    is_file = subject.model.lower().endswith(".gguf") or "/" in subject.model
    path = Path(subject.model).expanduser() if is_file else None
    if subject.model == "smollm2":
        if subject.quant:
            raise UsageError(f"SmolLM2 comes as it is: leave @{subject.quant} out.")
        path = smollm2_file()
    if path is not None and not path.is_file():
        raise FileError(f"There is no file {path}. Name a GGUF file, smollm2, or r1-1.5b@q4_K_M --synthetic.")
    if options.synthetic:
        return _synthetic(subject, path, options, progress)
    if path is None:
        raise ModelMissing(
            f"The weights of {find(subject.model).name} are not here. Name the GGUF file (llamacpp:FILE.gguf), "
            "or add --synthetic to measure random weights in its exact shape."
        )
    return path


def _synthetic(subject: SubjectText, twin_of: Path | None, options: EngineOptions, progress: Progress) -> Path:
    """Random weights: in the shape and types of a file, or in a catalogue model's at a quantization."""
    from bakeoff.models.synthetic import synthesize

    like = options.like or twin_of
    arch = architecture_of(read_header(twin_of)) if twin_of else find(subject.model)
    what = f"Writing synthetic weights of {arch.short or arch.name}"
    return synthesize(
        arch,
        subject.quant or "Q4_K_M",
        cache_folder(),
        like=read_header(like) if like else None,
        progress=lambda done, total: progress(what, done, total),
    )


def _name(subject: SubjectText, path: Path, header: Header) -> str:
    """What to call the weights: SmolLM2's file calls itself after its training mix; else by its own name."""
    own = header.metadata.get("general.name")
    if subject.model == "smollm2" and not is_synthetic(header):
        return find("smollm2-135m").name
    return own if isinstance(own, str) and own else path.stem


def _model(name: str, path: Path, header: Header, digest: str) -> Model:
    """What the header says of the weights; never where the file lies."""
    arch = architecture_of(header)
    return Model(
        name=name,
        quant=quant_of(header),
        size_bytes=path.stat().st_size,
        digest=digest,
        architecture=arch.family,
        parameters=sum(prod(tensor.shape) for tensor in header.tensors),
        context_trained=arch.max_position,
        synthetic=is_synthetic(header),
    )


def _any_ids(count: int, seed: int) -> tuple[int, ...]:
    """Ids for an engine whose vocabulary is not known: small ones, which every vocabulary has."""
    import random

    rng = random.Random(seed)  # noqa: S311 (a workload, not a secret)
    return tuple(rng.randrange(256, 8192) for _ in range(count))
