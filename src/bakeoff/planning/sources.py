"""A model as the user names it: by catalogue, by file or folder, by address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import find
from bakeoff.models.mlx import MLX_TYPES, mlx_tensors
from bakeoff.models.quants import TensorSpec
from bakeoff.models.recipes import quant_name, tensors
from bakeoff.models.safetensors import dominant_type
from bakeoff.models.weights import file_bytes, tensor_bytes
from bakeoff.units import plain_text

_ADDRESS = re.compile(r"(?i)hf:|https?://")
_FILE = re.compile(r"(?i)[/\\]|^[.~]|\.(gguf|safetensors|json)$")
_WITH_QUANT = re.compile(r"(.+)@([A-Za-z0-9_-]{2,12})")


class Source(Struct, frozen=True, kw_only=True):
    """One model at one quantization. ``name`` is the catalogue's short name, else that of the file or folder.

    ``quant`` is llama.cpp's name of it, or MLX's (``4bit``), or as the files say. ``file_bytes`` is None where
    nobody tells it.
    """

    name: str
    quant: str
    architecture: Architecture
    tensors: tuple[TensorSpec, ...]
    file_bytes: int | None


def sources_of(text: str, quants: Sequence[str]) -> list[Source]:
    """``MODEL`` or ``MODEL@QUANT``: one source, or one for each of ``quants`` where the catalogue has the model.

    MODEL is a short name, a GGUF or safetensors file (one part of a split one will do), a folder of Hugging Face's
    format, a config.json, an address of these, or ``hf:OWNER/NAME[:FILE]``; of files only headers are read. With
    ``@QUANT`` behind a file its shape is planned at that quantization. Raises UsageError on unknown names, FileError
    on files.
    """
    model, quant = _taken_apart(text.strip())
    arch = _in_catalogue(model)
    if arch is not None:
        return [_at(arch, arch.short, name) for name in ([quant] if quant else quants)]
    from bakeoff.models.files import read_model

    read = read_model(model)
    name = _last_part(model) or read.architecture.name
    if quant is not None:
        return [_at(read.architecture, name, quant)]
    return [
        Source(
            name=name,
            quant=read.quant or dominant_type(read.tensors) or "unknown",
            architecture=read.architecture,
            tensors=read.tensors,
            file_bytes=read.file_bytes,
        )
    ]


def _taken_apart(text: str) -> tuple[str, str | None]:
    """The model and the quantization behind its last ``@``, unless a file is called so."""
    match = _WITH_QUANT.fullmatch(text)
    if match is None or _exists(text):
        return text, None
    return match[1], match[2]


def _in_catalogue(model: str) -> Architecture | None:
    """The catalogue's model of that name; None for a file or an address. UsageError for a name it does not have."""
    if _ADDRESS.match(model):
        return None
    try:
        return find(model)
    except UsageError:
        if _exists(model) or _FILE.search(model):
            return None
        raise


def _at(arch: Architecture, name: str, quant: str) -> Source:
    """That model at a quantization, tensor by tensor from its recipe."""
    if quant.lower() in MLX_TYPES:
        specs = mlx_tensors(arch, quant)
        return Source(name=name, quant=quant.lower(), architecture=arch, tensors=specs, file_bytes=tensor_bytes(specs))
    quant = quant_name(quant)
    specs = tensors(arch, quant)
    return Source(name=name, quant=quant, architecture=arch, tensors=specs, file_bytes=file_bytes(specs, arch))


def _last_part(text: str) -> str:
    """Name of the file or folder that a path or an address ends with."""
    if _ADDRESS.match(text):
        text = text.partition("?")[0]
        text = text.partition(":")[2] if text.lower().startswith("hf:") else text
    return plain_text(re.split(r"[/\\:]", text.rstrip("/\\"))[-1])


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # no such home, or no name of a file
        return False
