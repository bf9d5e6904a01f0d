"""What a subject as written will load, before anything is loaded: its tensors, and whether they are here."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import MODELS, find
from bakeoff.models.names import EngineKind, names_of
from bakeoff.models.quants import TensorSpec
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.models.synthetic import synthetic_name
from bakeoff.planning.setup.weights import weights_of
from bakeoff.planning.sources import sources_of


class ToLoad(Struct, frozen=True):
    """``here``: nothing has to be downloaded or written; ``made``: it is not downloaded but written here.

    ``missing``: why it cannot be loaded even so; empty where it can.
    """

    arch: Architecture
    specs: Sequence[TensorSpec]
    file_bytes: int
    here: bool
    made: bool = False
    missing: str = ""


def to_load(engine: EngineKind, model: str, quant: str | None, synthetic: bool, held: frozenset[str]) -> ToLoad | None:
    """From the file's header or the catalogue; None where neither has it.

    ``held`` are the names of models and of files of random weights that are there. Raises UsageError, FileError and
    ModelMissing where the subject cannot be what it says.
    """
    is_file = model.lower().endswith(".gguf") or model.startswith((".", "/", "~"))
    if engine == "llamacpp" and (is_file or model == "smollm2"):
        source = sources_of(str(smollm2_file()) if model == "smollm2" else model, ())[0]
        return ToLoad(source.architecture, source.tensors, source.file_bytes or 0, here=True)
    short, quant = _catalogued(engine, model, quant)
    if short is None:
        return None
    if engine != "llamacpp":
        weights = weights_of(engine, find(short), quant)
        return ToLoad(weights.arch, weights.specs, weights.download_bytes, synthetic or weights.name in held)
    source = sources_of(f"{short}@{quant or 'Q4_K_M'}", ())[0]
    if not synthetic:
        missing = "its weights are not here: name the GGUF file, or add --synthetic"
        return ToLoad(source.architecture, source.tensors, source.file_bytes or 0, here=True, missing=missing)
    here = synthetic_name(source.architecture, source.quant) in held
    return ToLoad(source.architecture, source.tensors, source.file_bytes or 0, here, made=True)


def _catalogued(engine: EngineKind, model: str, quant: str | None) -> tuple[str | None, str | None]:
    """The catalogue's name of a model and its quantization, also where the engine's own name was written."""
    if model.lower() in MODELS:
        return model.lower(), quant
    for short in MODELS:
        for name in names_of(short).get(engine, ()):
            if name.name.lower() == model.lower():
                return short, name.quant
    return None, None
