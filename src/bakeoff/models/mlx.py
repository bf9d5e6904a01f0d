"""The weights as MLX and as safetensors hold them.

``mlx_lm convert -q`` makes groups of 64 values with a half-precision scale and bias (mlx.core.quantize,
mode "affine"): 4.5 and 8.5 bits per weight. Linear and embedding layers are quantized where their rows divide
into groups, norms and biases stay in half precision. Tensors keep GGUF's names and shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.errors import UsageError
from bakeoff.models.quants import TYPES, TensorSpec, TensorType
from bakeoff.models.recipes import shapes

if TYPE_CHECKING:
    from bakeoff.models.architecture import Architecture

_GROUP = 64
# No GGUF file holds these types, so their number is none of ggml's.
MLX_TYPES: dict[str, TensorType] = {
    f"{bits}bit": TensorType(f"{bits}bit", -bits, _GROUP, _GROUP * bits // 8 + 4) for bits in (4, 8)
}


def mlx_tensors(arch: Architecture, quant: str) -> tuple[TensorSpec, ...]:
    """Every tensor at ``4bit`` or ``8bit``. Raises UsageError on anything else."""
    quantized = MLX_TYPES.get(quant.strip().lower())
    if quantized is None:
        raise UsageError(f"No MLX quantization {quant!r}. Known: {', '.join(MLX_TYPES)}.")
    return tuple(
        TensorSpec(name, shape, quantized if len(shape) > 1 and shape[0] % _GROUP == 0 else TYPES["F16"])
        for name, shape in shapes(arch)
        if name != "rope_freqs.weight"
    )


def half_tensors(arch: Architecture, type_name: str = "BF16") -> tuple[TensorSpec, ...]:
    """Every tensor in that type (``BF16``, ``F16`` or ``F32``), as published safetensors files are."""
    return tuple(
        TensorSpec(name, shape, TYPES[type_name]) for name, shape in shapes(arch) if name != "rope_freqs.weight"
    )
