"""A GGUF file cut into several, as llama.cpp's gguf-split does: what is said of the model stands in the first alone."""

from __future__ import annotations

import struct
from pathlib import Path

from bakeoff.models.gguf import read_header
from bakeoff.models.gguf_parse import Header, aligned

_FIXED = struct.Struct("<4sIQQ")
"""Magic, version, number of tensors, number of metadata entries."""


def cut(file: Path, folder: Path, count: int) -> list[Path]:
    """Its parts, in order."""
    data, header = file.read_bytes(), read_header(file)
    each = -(-len(header.tensors) // count)
    parts = []
    for number in range(count):
        held = range(number * each, min((number + 1) * each, len(header.tensors)))
        part = folder / f"{file.stem}-{number + 1:05d}-of-{count:05d}.gguf"
        part.write_bytes(_part(data, header, held, (number, count)))
        parts.append(part)
    return parts


def _part(data: bytes, header: Header, held: range, place: tuple[int, int]) -> bytes:
    """One part, with the tensors of these numbers."""
    number, count = place
    magic, version, _, entries = _FIXED.unpack_from(data)
    ours = data[_FIXED.size : data.index(_text(header.tensors[0].name))] if number == 0 else b""
    split = _entry("split.no", 2, "H", number) + _entry("split.count", 2, "H", count)
    split += _entry("split.tensors.count", 5, "i", len(header.tensors))
    infos, weights = b"", b""
    for index in held:
        tensor = header.tensors[index]
        sizes = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        infos += _text(tensor.name) + sizes + struct.pack("<IQ", tensor.type.id, len(weights))
        begin = header.data_offset + header.offsets[index]
        weights += data[begin : begin + tensor.bytes].ljust(aligned(tensor.bytes, header.alignment), b"\0")
    head = _FIXED.pack(magic, version, len(held), 3 + (entries if number == 0 else 0)) + ours + split + infos
    return head.ljust(aligned(len(head), header.alignment), b"\0") + weights


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _entry(key: str, kind: int, code: str, value: int) -> bytes:
    return _text(key) + struct.pack(f"<I{code}", kind, value)
