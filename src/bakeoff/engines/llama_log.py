"""What llama.cpp writes into its log: where it put the model, and why it could not start."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from bakeoff.engines.launch import Cause
from bakeoff.results.records import MemoryPart
from bakeoff.units import MIB

_LOAD = "loading model tensors"
_LAYERS = re.compile(r"offloaded (\d{1,6})/(\d{1,6}) layers to GPU")
_BUFFER = re.compile(r"(\S{1,60}) +(model|KV|RS|compute|output) buffer size = +(\d{1,9}\.\d\d) MiB")
_WHAT = {"model": "weights", "KV": "kv_cache", "RS": "state", "compute": "compute", "output": "output"}
_IGNORED = "--gpu-layers option will be ignored"

_LESS = "Lower --context or --gpu-layers, or take a smaller quantization."
_LIBRARY = (
    "A library that this llama-server was built with is not here: install it (of CUDA: the runtime libraries of "
    "that version), or name another build with --program."
)
CAUSES = (
    Cause("out of memory", _LESS),
    Cause("insufficient memory", _LESS),
    Cause("unable to allocate", _LESS),
    Cause("failed to allocate buffer", _LESS),
    Cause("failed to allocate compute", _LESS),
    Cause("couldn't bind", "Another program took the port in that moment: run again."),
    Cause("unknown model architecture", "This llama.cpp is older than the model: update it."),
    Cause("unknown pre-tokenizer type", "This llama.cpp is older than the model: update it."),
    Cause("not within the file bounds", "The file is not whole: get it again."),
    Cause("cannot open shared object file", _LIBRARY),
    Cause("Library not loaded", _LIBRARY),
    Cause("CUDA driver version is insufficient", "Update the NVIDIA driver."),
    Cause("no kernel image is available", "This llama-server was built for other GPUs: name another with --program."),
    Cause("error: invalid argument", "This llama-server does not know that option: update llama.cpp."),
    Cause("error loading model", "Get the file again, or update llama.cpp."),
)
"""The likely failures, as llama.cpp and the loader of programs word them; the first that is found counts."""


class Loaded(Struct, frozen=True, kw_only=True):
    """Where the model went. ``layers`` counts the output as one. ``gpu_ignored``: there is no GPU that it can use.

    Sizes are the log's, in steps of 0.01 MiB. Empty where the log does not tell.
    """

    layers_on_gpu: int | None = None
    layers: int | None = None
    memory: tuple[MemoryPart, ...] = ()
    gpu_ignored: bool = False

    @property
    def device(self) -> Literal["cpu", "gpu", "unknown"]:
        """Whether any of it is on an accelerator."""
        if not self.memory:
            return "unknown"
        return "gpu" if any(on_accelerator(part.device) for part in self.memory) else "cpu"


def placement_settings(
    gpu_layers: int | None, flash_attention: bool | None, gpu: str | None, loaded: Loaded
) -> dict[str, str | int | bool]:
    """What was asked of llama.cpp about its devices, and what came of it, for the description; unset ones left out."""
    all_of_it = {
        "gpu_layers": layers_text(gpu_layers),
        "flash_attention": flash_attention,
        "gpu": gpu,
        "layers_on_gpu": loaded.layers_on_gpu,
        "layers": loaded.layers,
    }
    return {name: value for name, value in all_of_it.items() if value is not None}


def layers_text(gpu_layers: int | None) -> int | str:
    """A number of layers as users write it."""
    return "auto" if gpu_layers is None else "all" if gpu_layers < 0 else gpu_layers


def on_accelerator(device: str) -> bool:
    """Whether a buffer of this name lies there: ``CUDA0`` does; ``CPU_Mapped`` and ``CUDA_Host`` are the host's."""
    return not device.startswith("CPU") and not device.endswith("_Host")


def read_load(log: str) -> Loaded:
    """The last load in a log: a server that tries out what fits writes of several.

    Weights and caches add up over a device's buffers; compute buffers are reserved anew, so the last one counts.
    """
    text = log[max(0, log.rfind(_LOAD)) :]
    layers = _LAYERS.search(text)
    sizes: dict[tuple[str, str], float] = {}
    for device, kind, size in _BUFFER.findall(text):
        key = (_WHAT[kind], device)
        sizes[key] = float(size) + (0 if kind == "compute" else sizes.get(key, 0))
    return Loaded(
        layers_on_gpu=int(layers[1]) if layers else None,
        layers=int(layers[2]) if layers else None,
        memory=tuple(
            MemoryPart(what=what, device=device, bytes=round(size * MIB)) for (what, device), size in sizes.items()
        ),
        gpu_ignored=_IGNORED in log,
    )
