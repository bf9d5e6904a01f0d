"""From bytes to the header of a safetensors file: its tensors, never the weights.

The format is safetensors' own: eight bytes of length, little-endian, then that much JSON, then the data, in
which the tensors leave no hole. A header is untrusted: what does not add up is refused.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
from msgspec import Meta, Struct

from bakeoff.errors import FileError
from bakeoff.models.quants import TYPES, TensorSpec, TensorType
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bakeoff.models.gguf_parse import ByteSource

HEADER_LIMIT = 32 << 20  # a header has some 100 bytes for each tensor
_LENGTH_BYTES = 8
_SHARD_LIMIT = 1000
_SIZE_LIMIT = 1 << 62


def _foreign(name: str, block: int, block_bytes: int) -> TensorType:
    """A type that GGUF files do not have, so without a number of ggml's."""
    return TensorType(name, -1, block, block_bytes)


DTYPES: dict[str, TensorType] = {
    **{name: TYPES[name] for name in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8")},
    **{name: _foreign(name, 1, size) for name, size in (("U64", 8), ("U32", 4), ("U16", 2), ("U8", 1))},
    **{name: _foreign(name, 1, 1) for name in ("BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0")},
    "F6_E2M3": _foreign("F6_E2M3", 4, 3),
    "F6_E3M2": _foreign("F6_E3M2", 4, 3),
    "F4": _foreign("F4", 2, 1),
}

_Length = Annotated[int, Meta(ge=0, lt=_SIZE_LIMIT)]


class _Entry(Struct):
    dtype: str
    shape: Annotated[list[_Length], Meta(max_length=8)]
    data_offsets: tuple[_Length, _Length]


class _Index(Struct):
    weight_map: dict[str, str]


def parse_header(source: ByteSource, name: str, file_bytes: int | None = None) -> tuple[TensorSpec, ...]:
    """Tensors in the order of the data, with the row length first; FileError if the header does not add up.

    ``file_bytes`` is None where the source does not know it. Metadata (``__metadata__``) is skipped.
    """
    size = int.from_bytes(_take(source, 0, _LENGTH_BYTES, name), "little")
    if size > HEADER_LIMIT:
        _refuse(name, f"it claims a header of {size:,} bytes")
    if file_bytes is not None and size + _LENGTH_BYTES > file_bytes:
        _refuse(name, f"it claims a header of {size:,} bytes and has {file_bytes:,} in all")
    entries = _entries(_take(source, _LENGTH_BYTES, size, name), name)
    tensors: list[TensorSpec] = []
    end = 0
    for tensor, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        start, stop = entry.data_offsets
        if start != end:
            _refuse(name, f"tensor {_shown(tensor)} begins at {start:,} instead of {end:,}")
        tensors.append(_spec(tensor, entry, name))
        end = stop
    if file_bytes is not None and _LENGTH_BYTES + size + end != file_bytes:
        _refuse(name, f"its tensors end at byte {_LENGTH_BYTES + size + end:,}, the file at {file_bytes:,}")
    return tuple(tensors)


def shard_names(index: bytes, name: str) -> list[str]:
    """The files that an index (``model.safetensors.index.json``) names, sorted.

    Raises FileError where one of them is anything but the plain name of a safetensors file.
    """
    try:
        names = sorted(set(msgspec.json.decode(index, type=_Index).weight_map.values()))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FileError(f"{name} is not an index of safetensors: {plain_text(str(error))[:200]}.") from None
    if not names or len(names) > _SHARD_LIMIT:
        raise FileError(f"{name} names {len(names):,} files; one to {_SHARD_LIMIT:,} are plausible.")
    for shard in names:
        if not shard.endswith(".safetensors") or set(shard) & set("/\\:?#%") or not shard.isprintable():
            raise FileError(f"{name} names {_shown(shard)}, which is not a safetensors file beside it.")
    return names


def dominant_type(tensors: Iterable[TensorSpec]) -> str | None:
    """The type that most bytes have; None without tensors."""
    count: Counter[str] = Counter()
    for tensor in tensors:
        count[tensor.type.name] += tensor.bytes
    return count.most_common(1)[0][0] if count else None


def _entries(header: bytes, name: str) -> dict[str, _Entry]:
    try:
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        return {tensor: msgspec.json.decode(entry, type=_Entry) for tensor, entry in raw.items()}
    except (msgspec.MsgspecError, RecursionError) as error:
        _refuse(name, plain_text(str(error))[:200])


def _spec(tensor: str, entry: _Entry, name: str) -> TensorSpec:
    kind = DTYPES.get(entry.dtype)
    if kind is None:
        _refuse(name, f"tensor {_shown(tensor)} is of type {_shown(entry.dtype)}, which is unknown")
    values = prod(entry.shape)
    start, stop = entry.data_offsets
    if values % kind.block or values // kind.block * kind.block_bytes != stop - start:
        _refuse(name, f"tensor {_shown(tensor)} has {stop - start:,} bytes, which is not what its shape needs")
    return TensorSpec(tensor, tuple(reversed(entry.shape)), kind)


def _take(source: ByteSource, offset: int, size: int, name: str) -> bytes:
    data = source(offset, size)
    if len(data) < size:
        _refuse(name, f"it ends within its header, after {offset + len(data):,} bytes")
    return data[:size]


def _refuse(name: str, why: str) -> NoReturn:
    raise FileError(f"{name} is not a usable safetensors file: {why}. Download or make it again.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
