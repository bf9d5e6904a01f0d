"""Write GGUF files, version 3, little-endian: what the header reader reads."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from bakeoff.models.gguf_parse import aligned
from bakeoff.models.quants import TensorSpec

ALIGNMENT = 32
Value = bool | int | float | str | Sequence[str] | Sequence[int]
Chunk = bytes | memoryview


def write_gguf(
    file: BinaryIO,
    metadata: Mapping[str, Value],
    tensors: Sequence[TensorSpec],
    data: Iterable[Iterable[Chunk]],
) -> None:
    """Write a whole file. ``data`` gives each tensor in turn as chunks that add up to exactly its bytes.

    Integers become u32, floats f32, sequences arrays of strings or of i32.
    """
    file.write(header_bytes(metadata, tensors))
    for tensor, chunks in zip(tensors, data, strict=True):
        written = sum(file.write(chunk) for chunk in chunks)
        if written != tensor.bytes:
            raise ValueError(f"{tensor.name} takes {tensor.bytes:,} bytes, {written:,} were given")
        file.write(b"\0" * (aligned(written, ALIGNMENT) - written))


def file_bytes(metadata: Mapping[str, Value], tensors: Sequence[TensorSpec]) -> int:
    """Size of the file that ``write_gguf`` would write."""
    return len(header_bytes(metadata, tensors)) + sum(aligned(t.bytes, ALIGNMENT) for t in tensors)


def header_bytes(metadata: Mapping[str, Value], tensors: Sequence[TensorSpec]) -> bytes:
    """Everything before the weights, padded to the alignment."""
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += (_string(key), _typed(value))
    offset = 0
    for tensor in tensors:
        dimensions = len(tensor.shape)
        layout = f"<I{dimensions}QIQ"
        parts += (_string(tensor.name), struct.pack(layout, dimensions, *tensor.shape, tensor.type.id, offset))
        offset += aligned(tensor.bytes, ALIGNMENT)
    header = b"".join(parts)
    return header.ljust(aligned(len(header), ALIGNMENT), b"\0")


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _typed(value: Value) -> bytes:
    """A metadata value with its type number (docs/gguf.md) before it."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) == len(value):
        return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(_string, texts))
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
