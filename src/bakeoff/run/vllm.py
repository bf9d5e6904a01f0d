"""vLLM's subjects → engines: the model by its folder, its repository or its short name, and synthetic ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_serve import Served
from bakeoff.errors import FileError, UsageError
from bakeoff.folders import cache_folder
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import MODELS, find
from bakeoff.models.dummy import dummy_folder
from bakeoff.models.files import read_model
from bakeoff.models.names import engine_name, names_of
from bakeoff.models.synthetic import synthetic_prompt
from bakeoff.models.weights import parameters
from bakeoff.results.records import Model
from bakeoff.run.contestant import Contestant
from bakeoff.units import plain_text
from bakeoff.workload.prompts import any_token_ids

_TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
_ALIASES = {"FP16": "F16", "FP32": "F32"}
_ON_LOADING = {"FP8": "fp8"}
"""What vLLM makes of unquantized weights while it loads them; bitsandbytes is no longer among it (0.32)."""
_OF_THE_SERVER = ("gpu", "memory_utilization", "program")


def vllm_contestant(subject: SubjectText, options: EngineOptions) -> Contestant:
    """Attached to with ``--url``, else started. Raises UsageError and FileError."""
    _check(subject, options)
    served, model, arch = _synthetic(subject) if options.synthetic else _real(subject)
    ids = any_token_ids if arch is None else _ids_of(arch)
    return Contestant(subject.text, Vllm(served, model, options), ids)


def _check(subject: SubjectText, options: EngineOptions) -> None:
    if options.like is not None:
        raise UsageError("--like names a GGUF file, which vLLM's synthetic weights cannot be like: leave it out.")
    if options.url is None:
        return
    for name in _OF_THE_SERVER:
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a vLLM that Bakeoff starts: that at {options.url} runs as it was "
                "started. Leave one of the two out."
            )
    if options.synthetic:
        raise UsageError(f"--synthetic is for a model that Bakeoff loads: {subject.text} is what its server has.")


def _real(subject: SubjectText) -> tuple[Served, Model, Architecture | None]:
    """The model named: a folder, a short name of the catalogue, else a repository as it is."""
    name = subject.model
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _folder(folder, subject.quant)
    if name.startswith((".", "/", "~")):
        raise FileError(f"There is no folder {plain_text(name)}. Name a folder of Hugging Face's format.")
    if name.lower().endswith(".gguf"):
        raise UsageError(f"vLLM takes folders of Hugging Face's format; for a GGUF file write llamacpp:{name}.")
    if names_of(name):
        known = engine_name("vllm", name, subject.quant)
        assert known.architecture is not None
        return _repository(known.name, (), known.quant, known.architecture)
    arguments, quant = _arguments(subject)
    arch = MODELS.get(name.lower())
    if arch is None:
        engine_name("vllm", name)  # which knows names that are another engine's
        return Served(name=name, source=name, arguments=arguments), Model(name=name, quant=quant), None
    return _repository(arch.source, arguments, quant or "BF16", arch)


def _repository(
    name: str, arguments: tuple[str, ...], quant: str | None, arch: Architecture
) -> tuple[Served, Model, Architecture]:
    return Served(name=name, source=name, arguments=arguments), _model(name, arch, quant), arch


def _folder(folder: Path, quant: str | None) -> tuple[Served, Model, Architecture | None]:
    """A folder here; of a kind of model that Bakeoff cannot describe, no more than its name is known."""
    name = folder.resolve().name
    arguments, asked = _arguments(SubjectText(name, "vllm", name, quant))
    served = Served(
        name=name, source=str(folder.resolve()), arguments=arguments, files=tuple(sorted(folder.glob("*.safetensors")))
    )
    try:
        read = read_model(str(folder))
    except FileError:
        return served, Model(name=name, quant=asked), None
    return served, _model(name, read.architecture, asked or read.quant, read.file_bytes), read.architecture


def _synthetic(subject: SubjectText) -> tuple[Served, Model, Architecture]:
    """Random weights, which vLLM makes up itself, in the shape of a folder's config or a catalogue model's."""
    folder = Path(subject.model).expanduser()
    arch = read_model(str(folder / "config.json")).architecture if folder.is_dir() else find(subject.model)
    if arch.experts:
        raise UsageError(
            f"Bakeoff makes no synthetic weights of {plain_text(arch.name)}: random ones choose other experts than "
            "real ones do, and the speed hangs on that."
        )
    arguments, quant = _arguments(subject)
    quant = quant or "BF16"
    if quant not in (*_TYPES, "FP8"):
        raise UsageError(f"vLLM makes up random weights of BF16, F16, F32 and FP8, not of {quant}. Take one of these.")
    source = dummy_folder(arch, cache_folder(), _TYPES.get(quant, "bfloat16"))
    name = arch.name.rpartition("/")[2]
    served = Served(name=name, source=str(source), arguments=("--load-format", "dummy", *arguments))
    return served, _model(name, arch, quant, synthetic=True), arch


def _arguments(subject: SubjectText) -> tuple[tuple[str, ...], str | None]:
    """What makes vLLM load the weights in that type or quantization, and its name; nothing where none is named."""
    if subject.quant is None:
        return (), None
    quant = subject.quant.strip().upper()
    quant = _ALIASES.get(quant, quant)
    if quant in _TYPES:
        return ("--dtype", _TYPES[quant]), quant
    if quant in _ON_LOADING:
        return ("--quantization", _ON_LOADING[quant]), quant
    raise UsageError(
        f"vLLM makes no {plain_text(subject.quant)[:40]} of other weights, only {', '.join((*_TYPES, *_ON_LOADING))}: "
        "name a repository that holds it, without @."
    )


def _model(
    name: str, arch: Architecture, quant: str | None, size: int | None = None, *, synthetic: bool = False
) -> Model:
    return Model(
        name=name,
        quant=quant,
        size_bytes=size,
        architecture=arch.family,
        parameters=parameters(arch),
        context_trained=arch.max_position,
        synthetic=synthetic,
    )


def _ids_of(arch: Architecture) -> Callable[[int, int], tuple[int, ...]]:
    return lambda count, seed: tuple(synthetic_prompt(arch.vocab, count, seed))
