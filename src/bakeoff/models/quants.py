"""ggml's tensor types: how many values make a block, and how many bytes a block takes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence


class TensorType(Struct, frozen=True):
    """One of ggml's types. ``id`` is its number in a GGUF file (ggml.h, enum ggml_type)."""

    name: str
    id: int
    block: int
    block_bytes: int

    def bytes_of(self, shape: Sequence[int]) -> int:
        """Bytes of a tensor; ``shape[0]`` is the row length, which the block size divides."""
        return prod(shape) // self.block * self.block_bytes


TYPES: dict[str, TensorType] = {
    t.name: t
    for t in (
        TensorType("F32", 0, 1, 4),
        TensorType("F16", 1, 1, 2),
        TensorType("Q4_0", 2, 32, 18),
        TensorType("Q4_1", 3, 32, 20),
        TensorType("Q5_0", 6, 32, 22),
        TensorType("Q5_1", 7, 32, 24),
        TensorType("Q8_0", 8, 32, 34),
        TensorType("Q8_1", 9, 32, 36),
        TensorType("Q2_K", 10, 256, 84),
        TensorType("Q3_K", 11, 256, 110),
        TensorType("Q4_K", 12, 256, 144),
        TensorType("Q5_K", 13, 256, 176),
        TensorType("Q6_K", 14, 256, 210),
        TensorType("Q8_K", 15, 256, 292),
        TensorType("IQ2_XXS", 16, 256, 66),
        TensorType("IQ2_XS", 17, 256, 74),
        TensorType("IQ3_XXS", 18, 256, 98),
        TensorType("IQ1_S", 19, 256, 50),
        TensorType("IQ4_NL", 20, 32, 18),
        TensorType("IQ3_S", 21, 256, 110),
        TensorType("IQ2_S", 22, 256, 82),
        TensorType("IQ4_XS", 23, 256, 136),
        TensorType("I8", 24, 1, 1),
        TensorType("I16", 25, 1, 2),
        TensorType("I32", 26, 1, 4),
        TensorType("I64", 27, 1, 8),
        TensorType("F64", 28, 1, 8),
        TensorType("IQ1_M", 29, 256, 56),
        TensorType("BF16", 30, 1, 2),
        TensorType("TQ1_0", 34, 256, 54),
        TensorType("TQ2_0", 35, 256, 66),
        TensorType("MXFP4", 39, 32, 17),
    )
}
TYPES_BY_ID: dict[int, TensorType] = {t.id: t for t in TYPES.values()}


class TensorSpec(Struct, frozen=True):
    """One tensor: its GGUF name, its shape with the row length first (as GGUF writes it), its type."""

    name: str
    shape: tuple[int, ...]
    type: TensorType

    @property
    def bytes(self) -> int:
        """Bytes in the file, without alignment."""
        return self.type.bytes_of(self.shape)
