"""A model's files, wherever they are: what is in them, from their headers alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, structs

from bakeoff.errors import FileError
from bakeoff.models import gguf, safetensors
from bakeoff.models.architecture import Architecture
from bakeoff.models.config import parse_config
from bakeoff.models.mlx import MLX_TYPES, half_tensors, mlx_tensors
from bakeoff.models.quants import TensorSpec
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from bakeoff.models.gguf_parse import ByteSource, Header

_DOCUMENT_LIMIT = 32 << 20
_CONFIG = "config.json"
_WHOLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")


class ModelFile(Struct, frozen=True, kw_only=True):
    """What a model's files say. ``file_bytes`` is None where a server does not tell it.

    ``quant`` is llama.cpp's name for the quantization, or as the config has it (``4bit``, ``BF16``, ``fp8``).
    Tensors of safetensors files have Hugging Face's names. A config.json alone gives MLX's tensors where it
    is MLX's, else the unquantized ones.
    """

    architecture: Architecture
    quant: str | None
    tensors: tuple[TensorSpec, ...]
    source: str
    file_bytes: int | None


class Folder(Protocol):
    """Files side by side, on disk or on a server."""

    def label(self, name: str) -> str:
        """How messages call a file."""
        ...

    def document(self, name: str, limit: int) -> bytes | None:
        """A whole small file, None if there is none; FileError if it is larger than ``limit`` bytes."""
        ...

    def open(self, name: str) -> tuple[ByteSource, int | None]:
        """Bytes of a file by offset and size, and its length where it is known; FileError if there is none."""
        ...


class LocalFolder(Struct, frozen=True):
    """A folder on disk."""

    path: Path

    def label(self, name: str) -> str:
        return plain_text(str(self.path / name))

    def document(self, name: str, limit: int) -> bytes | None:
        if not (self.path / name).is_file():
            return None
        source, size = self.open(name)
        if size > limit:
            raise FileError(f"{self.label(name)} is larger than {limit >> 20} MiB, which is no such file.")
        return source(0, size)

    def open(self, name: str) -> tuple[ByteSource, int]:
        path = self.path / name
        if not path.is_file():  # a pipe or a device would never end
            raise FileError(f"There is no file {self.label(name)}. Check the path.")

        def source(offset: int, size: int) -> bytes:
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    return file.read(size)
            except OSError as error:
                raise FileError(f"{self.label(name)} cannot be read ({error.strerror}).") from error

        return source, path.stat().st_size


def read_model(text: str) -> ModelFile:
    """What a model's files say, read from their headers alone.

    ``text`` is a GGUF file (one part of a split one will do), a safetensors file, a folder of Hugging Face's
    format, a config.json, an address of any of these, or ``hf:OWNER/NAME[:FILE]``. Raises FileError, or
    UsageError where the text is no such name.
    """
    if re.match(r"(?i)hf:|https?://", text):
        from bakeoff.models.remote import locate

        remote, name = locate(text)
        with remote:
            return _read(remote, name)
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return _read(LocalFolder(path), "")
        return _read(LocalFolder(path.parent), path.name)
    except (OSError, ValueError, RuntimeError) as error:  # no such home, a name too long, no right to look
        raise FileError(f"{plain_text(text)[:200]} cannot be read ({error}). Check the path.") from None


def _read(folder: Folder, name: str) -> ModelFile:
    if not name:
        return _read_folder(folder)
    if name == _INDEX:
        return _read_safetensors(folder, _shards(folder))
    if name.endswith(".json"):
        return _read_config_alone(folder, name)
    if name.endswith(".safetensors"):
        shards = _shards(folder)
        return _read_safetensors(folder, shards if name in shards else [name])
    return _read_gguf(folder, name)


def _read_folder(folder: Folder) -> ModelFile:
    return _read_safetensors(folder, _shards(folder) or [_WHOLE])


def _read_gguf(folder: Folder, name: str) -> ModelFile:
    whole = _gguf_header(folder, name)
    architecture = gguf.architecture_of(whole)
    return ModelFile(
        architecture=structs.replace(architecture, source=folder.label(name)),
        quant=gguf.quant_of(whole),
        tensors=whole.tensors,
        source=folder.label(name),
        file_bytes=whole.file_bytes,
    )


def read_gguf(path: Path) -> Header:
    """What a GGUF on disk says of the whole model, of which one file is named; FileError where any is missing.

    ``tensors`` and ``file_bytes`` are those of all its files, the rest is the first one's.
    """
    return _gguf_header(LocalFolder(path.parent), path.name)


def _gguf_header(folder: Folder, name: str) -> Header:
    headers = []
    for part in _parts(name):
        source, size = folder.open(part)
        headers.append(gguf.parse_header(source, name=folder.label(part), file_bytes=size))
    return structs.replace(
        headers[0],
        tensors=tuple(tensor for header in headers for tensor in header.tensors),
        file_bytes=_sum([header.file_bytes for header in headers]),
    )


def gguf_parts(path: Path) -> list[Path]:
    """All files of a GGUF on disk, of which one is named."""
    return [path.parent / name for name in _parts(path.name)]


def _parts(name: str) -> list[str]:
    """All files of a split GGUF, of which one is named."""
    found = _PART.fullmatch(name)
    if not found or not 1 <= int(found[2]) <= int(found[3]) <= 1000:
        return [name]
    return [f"{found[1]}-{part:05d}-of-{found[3]}.gguf" for part in range(1, int(found[3]) + 1)]


def _shards(folder: Folder) -> list[str]:
    """The safetensors files that the folder's index names; none without an index."""
    index = folder.document(_INDEX, _DOCUMENT_LIMIT)
    return safetensors.shard_names(index, folder.label(_INDEX)) if index is not None else []


def _read_safetensors(folder: Folder, names: list[str]) -> ModelFile:
    architecture, quant = _config(folder, _CONFIG)
    tensors: list[TensorSpec] = []
    sizes: list[int | None] = []
    for name in names:
        source, size = folder.open(name)
        tensors += safetensors.parse_header(source, folder.label(name), size)
        sizes.append(size)
    return ModelFile(
        architecture=architecture,
        quant=quant or safetensors.dominant_type(tensors),
        tensors=tuple(tensors),
        source=architecture.source,
        file_bytes=_sum(sizes),
    )


def _read_config_alone(folder: Folder, name: str) -> ModelFile:
    architecture, quant = _config(folder, name)
    if quant in MLX_TYPES:
        tensors = mlx_tensors(architecture, quant)
    else:
        quant = quant if quant in ("F16", "F32") else "BF16"
        tensors = half_tensors(architecture, quant)
    size = sum(tensor.bytes for tensor in tensors)
    return ModelFile(
        architecture=architecture, quant=quant, tensors=tensors, source=folder.label(name), file_bytes=size
    )


def _config(folder: Folder, name: str) -> tuple[Architecture, str | None]:
    data = folder.document(name, _DOCUMENT_LIMIT)
    if data is None:
        raise FileError(
            f"There is no file {folder.label(name)}. Name a folder of Hugging Face's format, or a .gguf file."
        )
    label = folder.label(name)
    architecture, quant = parse_config(data, label)
    model = label.removesuffix(f"/{name}").removesuffix("/resolve/main").rpartition("/")[2]
    return structs.replace(architecture, name=model or label, source=label), quant


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
