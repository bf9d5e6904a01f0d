"""From bytes to the header of a GGUF file: its metadata and where its tensors lie, never the weights.

The format is the one that ggml's docs/gguf.md and gguf.cpp describe: little-endian, versions 2 and 3. What
llama.cpp refuses is refused here too. A header is untrusted: no length or count in it is believed before the
bytes that it promises have been seen, and long arrays (the vocabulary) are walked, not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import prod
from typing import NoReturn

from msgspec import Struct

from bakeoff.errors import FileError
from bakeoff.models.quants import TYPES_BY_ID, TensorSpec

ByteSource = Callable[[int, int], bytes]
"""``(offset, size) -> bytes``: a file or HTTP ranges. An answer that is too short means that the file ends."""

ALIGNMENT_KEY = "general.alignment"
KEPT_ITEMS = 64  # longer arrays are described, not kept
HEADER_LIMIT = 128 << 20  # the largest known headers, of 260,000-token vocabularies, take under 20 MB
_CHUNK = 1 << 20
_COUNT_LIMIT = 1 << 17  # of metadata entries and of tensors; DeepSeek-R1 has 1,025
_NAME_LIMIT = 1 << 16
_TEXT_LIMIT = 16 << 20
_DIMENSIONS = 4
_SIZE_LIMIT = 1 << 62

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: _U32,
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: _U64,
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_TYPE_NAMES = {
    0: "u8",
    1: "i8",
    2: "u16",
    3: "i16",
    4: "u32",
    5: "i32",
    6: "f32",
    7: "bool",
    _STRING: "string",
    _ARRAY: "array",
    10: "u64",
    11: "i64",
    12: "f64",
}


class ArrayInfo(Struct, frozen=True):
    """An array too long to keep: the type of its items (``string``, ``i32``, …) and how many there are."""

    type: str
    length: int


Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...] | ArrayInfo


class Header(Struct, frozen=True, kw_only=True):
    """What a GGUF file says before its weights.

    ``tensors`` are in file order and ``offsets`` say where each begins, in bytes after ``data_offset``.
    ``name`` is what error messages call the file. ``file_bytes`` is None where the source does not know it.
    """

    name: str
    version: int
    metadata: dict[str, Value]
    tensors: tuple[TensorSpec, ...]
    offsets: tuple[int, ...]
    data_offset: int
    alignment: int
    file_bytes: int | None


def parse_header(source: ByteSource, *, name: str = "The file", file_bytes: int | None = None) -> Header:
    """Header from any source of bytes; FileError if what comes is torn, hostile or not GGUF."""
    cursor = _Cursor(source, name)
    version = _version(cursor)
    tensor_count = cursor.count("tensors")
    metadata = _metadata(cursor, cursor.count("metadata entries"))
    alignment = _alignment(cursor, metadata)
    tensors, offsets = _tensors(cursor, tensor_count, alignment)
    data_offset = aligned(cursor.position, alignment)
    end = data_offset + (offsets[-1] + tensors[-1].bytes if tensors else 0)
    if file_bytes is not None and tensors and end > file_bytes:
        cursor.refuse(f"its weights end at byte {end:,}, the file at {file_bytes:,}; it was cut short")
    return Header(
        name=name,
        version=version,
        metadata=metadata,
        tensors=tensors,
        offsets=offsets,
        data_offset=data_offset,
        alignment=alignment,
        file_bytes=file_bytes,
    )


def aligned(offset: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-offset // alignment) * alignment


class _Cursor:
    """Reads a source forward through a buffer, and says no in a sentence that names the file."""

    def __init__(self, source: ByteSource, name: str) -> None:
        self._source = source
        self.name = name
        self._buffer = b""
        self._start = 0
        self._at = 0

    @property
    def position(self) -> int:
        return self._start + self._at

    def refuse(self, why: str) -> NoReturn:
        raise FileError(f"{self.name} is not a usable GGUF file: {why}. Download or make it again.")

    def take(self, size: int) -> bytes:
        self._fill(size)
        taken = self._buffer[self._at : self._at + size]
        self._at += size
        return taken

    def number(self, layout: struct.Struct) -> Scalar:
        self._fill(layout.size)
        value: Scalar = layout.unpack_from(self._buffer, self._at)[0]
        self._at += layout.size
        return value

    def integer(self, layout: struct.Struct) -> int:
        return int(self.number(layout))

    def count(self, what: str) -> int:
        value = self.integer(_U64)
        if value > _COUNT_LIMIT:
            self.refuse(f"it claims {value:,} {what}")
        return value

    def string(self, what: str, limit: int) -> bytes:
        size = self.integer(_U64)
        if size > limit:
            self.refuse(f"it claims {what} of {size:,} bytes")
        return self.take(size)

    def identifier(self, what: str) -> str:
        try:
            return self.string(what, _NAME_LIMIT).decode()
        except UnicodeDecodeError:
            self.refuse(f"{what} is not UTF-8")

    def text(self, what: str) -> str:
        return self.string(what, _TEXT_LIMIT).decode(errors="replace")

    def skip(self, size: int) -> None:
        self._at += size
        self._check(0)

    def skip_strings(self, count: int) -> None:
        """Walk over strings without keeping them; a vocabulary has some 150,000."""
        length = _U64.unpack_from
        while count:
            self._fill(_U64.size)
            buffer, at = self._buffer, self._at
            last = len(buffer) - _U64.size
            while count and at <= last:
                at += _U64.size + length(buffer, at)[0]
                count -= 1
            self.skip(at - self._at)

    def _check(self, size: int) -> None:
        if self.position + size > HEADER_LIMIT:
            self.refuse(f"its header claims to go on after {HEADER_LIMIT >> 20} MiB")

    def _fill(self, size: int) -> None:
        if self._at + size <= len(self._buffer):
            return
        self._check(size)
        self._start, self._at = self.position, 0
        self._buffer = self._source(self._start, max(size, _CHUNK))
        if len(self._buffer) < size:
            end = self._start + len(self._buffer)
            self.refuse(f"its header goes on after byte {end:,}, where the file ends; it was cut short")


def _version(cursor: _Cursor) -> int:
    magic = cursor.take(4)
    if magic != b"GGUF":
        raise FileError(f"{cursor.name} is not a GGUF file: it begins with {ascii(magic)[1:]}. Name a .gguf file.")
    version = cursor.integer(_U32)
    if version & 0xFFFF == 0:
        cursor.refuse("it is big-endian, which only big-endian machines can run")
    if version not in (2, 3):
        cursor.refuse(f"it has version {version}; versions 2 and 3 are known")
    return version


def _metadata(cursor: _Cursor, count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for _ in range(count):
        key = cursor.identifier("a metadata key")
        if key in metadata:
            cursor.refuse(f"it has {_shown(key)} twice")
        metadata[key] = _value(cursor, key)
    return metadata


def _value(cursor: _Cursor, key: str) -> Value:
    kind = cursor.integer(_U32)
    if kind == _ARRAY:
        return _array(cursor, key)
    return _scalar(cursor, kind, key)


def _scalar(cursor: _Cursor, kind: int, key: str) -> Scalar:
    if kind == _STRING:
        return cursor.text(_shown(key))
    if kind not in _SCALARS:
        cursor.refuse(f"{_shown(key)} is of type {kind}, which is none")
    return cursor.number(_SCALARS[kind])


def _array(cursor: _Cursor, key: str) -> tuple[Scalar, ...] | ArrayInfo:
    kind, length = cursor.integer(_U32), cursor.integer(_U64)
    if kind != _STRING and kind not in _SCALARS:  # arrays of arrays among them: llama.cpp refuses them too
        cursor.refuse(f"{_shown(key)} is an array of type {kind}, which cannot be in an array")
    if length <= KEPT_ITEMS:
        return tuple(_scalar(cursor, kind, key) for _ in range(length))
    if kind == _STRING:
        cursor.skip_strings(length)
    else:
        cursor.skip(length * _SCALARS[kind].size)
    return ArrayInfo(_TYPE_NAMES[kind], length)


def _alignment(cursor: _Cursor, metadata: dict[str, Value]) -> int:
    value = metadata.get(ALIGNMENT_KEY, 32)
    if type(value) is not int or value <= 0 or value & (value - 1):
        cursor.refuse(f"{ALIGNMENT_KEY} is not a power of two")
    return value


def _tensors(cursor: _Cursor, count: int, alignment: int) -> tuple[tuple[TensorSpec, ...], tuple[int, ...]]:
    tensors: dict[str, TensorSpec] = {}
    offsets: list[int] = []
    expected = 0
    for _ in range(count):
        tensor = _tensor(cursor)
        if tensor.name in tensors:
            cursor.refuse(f"it has the tensor {_shown(tensor.name)} twice")
        offset = cursor.integer(_U64)
        if offset != expected:
            cursor.refuse(f"tensor {_shown(tensor.name)} lies at {offset:,} instead of {expected:,}")
        tensors[tensor.name] = tensor
        offsets.append(offset)
        expected = aligned(offset + tensor.bytes, alignment)
    return tuple(tensors.values()), tuple(offsets)


def _tensor(cursor: _Cursor) -> TensorSpec:
    name = cursor.identifier("a tensor name")
    dimensions = cursor.integer(_U32)
    if not 1 <= dimensions <= _DIMENSIONS:
        cursor.refuse(f"tensor {_shown(name)} claims {dimensions:,} dimensions")
    shape = tuple(cursor.integer(_U64) for _ in range(dimensions))
    if not 0 < prod(shape) < _SIZE_LIMIT:
        cursor.refuse(f"tensor {_shown(name)} claims the shape {shape}")
    kind = TYPES_BY_ID.get(number := cursor.integer(_U32))
    if kind is None:
        cursor.refuse(f"tensor {_shown(name)} is of type {number}, which this Bakeoff does not know")
    if shape[0] % kind.block:
        cursor.refuse(f"rows of {shape[0]:,} values in tensor {_shown(name)} are no multiple of {kind.block}")
    return TensorSpec(name, shape, kind)


def _shown(name: str) -> str:
    """A foreign name as an error message may show it: short and without control characters."""
    return repr(name if len(name) <= 60 else name[:60] + "…")
