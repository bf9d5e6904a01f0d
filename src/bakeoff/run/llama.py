"""llama.cpp's subjects → engines: the weights found or written, and the way in which llama.cpp is there."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import EngineMissing, FileError, ModelMissing, UsageError
from bakeoff.folders import cache_folder
from bakeoff.hardware.gpus import found_gpus
from bakeoff.hardware.host import default_threads
from bakeoff.hardware.reader import SYSTEM
from bakeoff.measurement.thinking import template_opens_thinking
from bakeoff.models.catalogue import find
from bakeoff.models.files import gguf_parts, read_gguf
from bakeoff.models.gguf import Header, architecture_of, is_synthetic, quant_of
from bakeoff.models.names import elsewhere, engine_name, names_of
from bakeoff.results.records import Model
from bakeoff.run.contestant import Contestant
from bakeoff.run.predicting import Weights
from bakeoff.workload.prompts import any_token_ids

if TYPE_CHECKING:
    from bakeoff.engines.base import Engine

Progress = Callable[[str, int, int], None]
"""(what is being done, bytes done, bytes in all)"""

TEMPLATE = "tokenizer.chat_template"
_OF_THE_SERVER = ("threads", "gpu_layers", "gpu", "flash_attention", "program")


def llama_contestant(subject: SubjectText, options: EngineOptions, progress: Progress) -> Contestant:
    """Attached to with ``--url``, else started. Raises UsageError, FileError, ModelMissing, EngineMissing."""
    if options.url is not None:
        return _attached(subject, options, options.url)
    from bakeoff.models.synthetic import synthetic_prompt

    path = _weights(subject, options, progress)
    header = read_gguf(path)
    arch = architecture_of(header)
    return Contestant(
        subject.text,
        _started(gguf_parts(path)[0], _model(subject, path, header, progress), header, options),
        lambda count, seed: tuple(synthetic_prompt(arch.vocab, count, seed)),
        Weights(arch, header.tensors),
    )


def _attached(subject: SubjectText, options: EngineOptions, url: str) -> Contestant:
    from bakeoff.engines.llama_attached import AttachedLlama

    for name in _OF_THE_SERVER:
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a llama-server that Bakeoff starts: that at {url} runs as it was "
                "started. Leave one of the two out."
            )
    if options.synthetic:
        raise UsageError(f"--synthetic is for a model that Bakeoff loads: {subject.text} is what its server has.")
    name = f"{subject.model}@{subject.quant}" if subject.quant else subject.model
    return Contestant(subject.text, AttachedLlama(name, url, opens_thinking=template_opens_thinking), any_token_ids)


def _started(path: Path, model: Model, header: Header, options: EngineOptions) -> Engine:
    """A llama-server that is named, or is on PATH of a machine with a GPU; else what is embedded; else that on PATH."""
    from bakeoff.engines.llama_launched import PROGRAM, LaunchedLlama

    template = header.metadata.get(TEMPLATE)
    opens_thinking = template_opens_thinking(template if isinstance(template, str) else None)
    threads = options.threads or default_threads()
    embedded = importlib.util.find_spec("xllamacpp") is not None
    on_path = shutil.which(PROGRAM) is not None
    if options.program or (on_path and (not embedded or found_gpus(SYSTEM))):
        return LaunchedLlama(path, model, structs.replace(options, threads=threads), opens_thinking=opens_thinking)
    if not embedded:
        raise EngineMissing(
            "llama.cpp is not here. Install the embedded engine with: pip install 'bakeoff[embedded]'; or a "
            "llama-server (brew install llama.cpp, or a release of llama.cpp), on PATH or named with --program."
        )
    from bakeoff.engines.embedded import EmbeddedLlama

    return EmbeddedLlama(
        path,
        model,
        context=options.context,
        slots=options.parallel,
        threads=threads,
        opens_thinking=opens_thinking,
        gpu_layers=options.gpu_layers,
        flash_attention=options.flash_attention,
        gpu=options.gpu,
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
        hint = elsewhere("llamacpp", subject.model) or "Name a GGUF file, smollm2, or r1-1.5b@q4_K_M --synthetic."
        raise FileError(f"There is no file {path}. {hint}")
    if options.synthetic:
        return _synthetic(subject, path, options, progress)
    if path is None:
        raise ModelMissing(_not_here(subject))
    return path


def _not_here(subject: SubjectText) -> str:
    """Where the weights can be had; a name that is another engine's is told as such."""
    hint = elsewhere("llamacpp", subject.model)
    if hint:
        return f"{subject.model[:80]} is no GGUF file. {hint}"
    name = find(subject.model).name
    file = ""
    if names_of(subject.model):
        published = engine_name("llamacpp", subject.model, subject.quant)
        file = f" They are published as {published.file} in {published.name}."
    return (
        f"The weights of {name} are not here.{file} Name the GGUF file (llamacpp:FILE.gguf), "
        "or add --synthetic to measure random weights in its exact shape."
    )


def _synthetic(subject: SubjectText, twin_of: Path | None, options: EngineOptions, progress: Progress) -> Path:
    """Random weights: in the shape and types of a file, or in a catalogue model's at a quantization."""
    from bakeoff.models.synthetic import synthesize

    like = options.like or twin_of
    arch = architecture_of(read_gguf(twin_of)) if twin_of else find(subject.model)
    what = f"Writing synthetic weights of {arch.short or arch.name}"
    return synthesize(
        arch,
        subject.quant or "Q4_K_M",
        cache_folder(),
        like=read_gguf(like) if like else None,
        progress=lambda done, total: progress(what, done, total),
    )


def _model(subject: SubjectText, path: Path, header: Header, progress: Progress) -> Model:
    """What the files say of the weights; never where they lie."""
    from bakeoff.models.digest import weights_digest

    arch = architecture_of(header)
    what = f"Taking the digest of {path.name}"
    return Model(
        name=_name(subject, path, header),
        quant=quant_of(header),
        size_bytes=header.file_bytes,
        digest=weights_digest(gguf_parts(path), lambda done, total: progress(what, done, total)),
        architecture=arch.family,
        parameters=sum(prod(tensor.shape) for tensor in header.tensors),
        context_trained=arch.max_position,
        synthetic=is_synthetic(header),
        chat_template=TEMPLATE in header.metadata,
    )


def _name(subject: SubjectText, path: Path, header: Header) -> str:
    """What to call the weights: SmolLM2's file calls itself after its training mix; else by its own name."""
    own = header.metadata.get("general.name")
    if subject.model == "smollm2" and not is_synthetic(header):
        return find("smollm2-135m").name
    return own if isinstance(own, str) and own else path.stem
