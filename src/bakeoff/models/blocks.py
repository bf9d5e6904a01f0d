"""Random weights as ggml keeps them: quantized blocks, each with a scale of its own.

The layouts are those of ggml-common.h. Every block draws its own scale from a log-normal distribution: with one
scale for all, llama.cpp decodes far faster than with real weights; with these, as fast.
"""

from __future__ import annotations

from math import exp, prod, sqrt
from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.models.quants import TensorSpec

SCALE_SIGMA = 0.35
_POOL_BYTES = 32 << 20
_CHUNK_BYTES = 4 << 20
_BIAS = 0.02


class _Layout(Struct, frozen=True):
    """Where a block keeps its half-precision scale, and what one unit of it makes of uniformly random bits.

    ``spread`` is the root mean square of a weight at scale 1. ``minimum`` is where the half-precision offset
    stands and ``centre`` the multiple of the scale that centres the weights on zero. ``halves`` is where the
    K-quants' packed 6-bit pairs begin and ``pairs`` where Q2_K's 4-bit pairs do: of each pair, sub-scale and
    sub-minimum are made equal, so that the weights stay centred.
    """

    scale: int
    spread: float
    minimum: int | None = None
    centre: float = 0.0
    halves: int | None = None
    pairs: int | None = None


def _rms(low: int, high: int, centre: float = 0.0) -> float:
    """Root mean square distance from ``centre`` of the integers from ``low`` to ``high``."""
    return sqrt(sum((value - centre) ** 2 for value in range(low, high + 1)) / (high - low + 1))


_SIX_BITS = _rms(0, 63)
_LAYOUTS: dict[str, _Layout] = {
    "Q4_0": _Layout(0, _rms(-8, 7)),
    "Q4_1": _Layout(0, _rms(0, 15, 7.5), minimum=2, centre=-7.5),
    "Q5_0": _Layout(0, _rms(-16, 15)),
    "Q5_1": _Layout(0, _rms(0, 31, 15.5), minimum=2, centre=-15.5),
    "Q8_0": _Layout(0, _rms(-128, 127)),
    "Q2_K": _Layout(80, _rms(0, 15) * _rms(0, 3, 1.5), minimum=82, centre=1.5, pairs=0),
    "Q3_K": _Layout(108, _rms(-32, 31) * _rms(-4, 3)),
    "Q4_K": _Layout(0, _SIX_BITS * _rms(0, 15, 7.5), minimum=2, centre=7.5, halves=4),
    "Q5_K": _Layout(0, _SIX_BITS * _rms(0, 31, 15.5), minimum=2, centre=15.5, halves=4),
    "Q6_K": _Layout(208, _rms(-128, 127) * _rms(-32, 31)),
}
_PLAIN = ("F32", "F16", "BF16")


class RandomWeights:
    """Makes the weights of one file. The same seed gives the same bytes; about 60 MB of memory in all.

    Random bits come from one pool, at offsets drawn anew for each chunk; scales are drawn for every block.
    Matrices have a root mean square of 1/√(row length), so that activations neither die nor grow; norms are 1.
    """

    def __init__(self, seed: int) -> None:
        import numpy as np

        self._random = np.random.default_rng(seed)
        self._bits = np.frombuffer(self._random.bytes(_POOL_BYTES), dtype=np.uint8)
        self._normal = self._random.standard_normal(_CHUNK_BYTES // 2, dtype=np.float32)

    def chunks(self, tensor: TensorSpec) -> Iterator[memoryview]:
        """The tensor's bytes, in order. Raises UsageError on a type that cannot be made."""
        check_type(tensor)
        type_, rms = tensor.type, 1 / sqrt(tensor.shape[0])
        if type_.name in _PLAIN:
            return self._plain(tensor, rms)
        layout = _LAYOUTS[type_.name]
        blocks, most = prod(tensor.shape) // type_.block, _CHUNK_BYTES // type_.block_bytes
        return (
            self._blocks(layout, min(most, blocks - start), type_.block_bytes, rms).data
            for start in range(0, blocks, most)
        )

    def _blocks(self, layout: _Layout, count: int, size: int, rms: float) -> NDArray[np.uint8]:
        start = int(self._random.integers(self._bits.size - count * size))
        blocks = self._bits[start : start + count * size].reshape(count, size).copy()
        scales = self._scales(count, rms / layout.spread)
        _put(blocks, layout.scale, scales)
        if layout.minimum is not None:
            _put(blocks, layout.minimum, scales * layout.centre)
        if layout.halves is not None:
            _pair_halves(blocks[:, layout.halves : layout.halves + 12])
        if layout.pairs is not None:
            _pair_nibbles(blocks[:, layout.pairs : layout.pairs + 16])
        return blocks

    def _scales(self, count: int, rms: float) -> NDArray[np.float32]:
        """Log-normal scales with that root mean square."""
        import numpy as np

        draws = self._random.standard_normal(count, dtype=np.float32)
        draws *= SCALE_SIGMA
        np.exp(draws, out=draws)
        draws *= rms / exp(SCALE_SIGMA**2)
        return draws

    def _plain(self, tensor: TensorSpec, rms: float) -> Iterator[memoryview]:
        """Unquantized values: norms and rotary factors 1, biases small, matrices normal."""
        import numpy as np

        count, most = prod(tensor.shape), self._normal.size // 2
        for start in range(0, count, most):
            size = min(most, count - start)
            at = int(self._random.integers(self._normal.size - size + 1))
            if len(tensor.shape) > 1:
                values = self._normal[at : at + size] * np.float32(rms)
            elif tensor.name.endswith(".bias"):
                values = self._normal[at : at + size] * np.float32(_BIAS)
            else:
                values = np.ones(size, dtype=np.float32)
            yield _encoded(values, tensor.type.name).data


def check_type(tensor: TensorSpec) -> None:
    """UsageError if random weights of the tensor's type cannot be made."""
    if tensor.type.name not in _LAYOUTS and tensor.type.name not in _PLAIN:
        raise UsageError(
            f"Bakeoff makes no random weights of type {tensor.type.name} (tensor {tensor.name}). "
            f"It makes {', '.join((*_PLAIN, *_LAYOUTS))}; name another quantization."
        )


def _put(blocks: NDArray[np.uint8], at: int, values: NDArray[np.float32]) -> None:
    """Write one half-precision number into each block."""
    import numpy as np

    blocks[:, at : at + 2] = values.astype("<f2").view(np.uint8).reshape(-1, 2)


def _pair_halves(packed: NDArray[np.uint8]) -> None:
    """Make each 6-bit sub-minimum equal to its sub-scale (packed as ggml's get_scale_min_k4 reads them)."""
    packed[:, 4:8] = packed[:, 0:4]
    _pair_nibbles(packed[:, 8:12])


def _pair_nibbles(packed: NDArray[np.uint8]) -> None:
    packed &= 15
    packed |= packed << 4


def _encoded(values: NDArray[np.float32], type_name: str) -> NDArray[np.generic]:
    import numpy as np

    if type_name == "F32":
        return values
    if type_name == "F16":
        return values.astype("<f2")
    return (values.view(np.uint32) >> 16).astype(np.uint16)
