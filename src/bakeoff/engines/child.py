"""The embedded engine's child process: ``python -m bakeoff.engines.child``.

It reads one ``ChildConfig`` line from standard input, answers one ``ChildReply`` line on standard output, and
serves until standard input closes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import msgspec
from msgspec import Struct

ALL_LAYERS = 9999
"""More than any model has."""


class ChildConfig(Struct, frozen=True):
    """What the child is to serve; None leaves it to llama.cpp. ``gpu_layers`` -1 is all.

    ``context`` is what each of the ``slots`` holds, which answer at once.
    """

    model: str
    context: int
    threads: int
    gpu_layers: int | None = None
    flash_attention: bool | None = None
    slots: int = 1


class ChildReply(Struct, frozen=True):
    """Where it serves, or why it does not; ``gpu`` names the accelerator in use, if any."""

    url: str = ""
    gpu: str | None = None
    error: str | None = None


def main() -> None:
    """Serve until standard input closes."""
    reply_fd = os.dup(1)
    os.dup2(2, 1)  # whatever llama.cpp prints goes to the log, not between our lines
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildConfig)
    server = None
    try:
        import xllamacpp

        server = xllamacpp.Server(_params(config))
        reply = ChildReply(url=server.listening_address, gpu=_gpu(xllamacpp.get_device_info()))
    except (RuntimeError, ImportError, OSError) as error:
        reply = ChildReply(error=str(error))
    os.write(reply_fd, msgspec.json.encode(reply) + b"\n")
    if server is not None:
        sys.stdin.buffer.read()
    os._exit(0)  # the server's own threads must not keep us


def _params(config: ChildConfig) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config.model
    params.n_ctx = config.context * config.slots
    params.n_parallel = config.slots
    params.cpuparams.n_threads = config.threads
    params.cpuparams_batch.n_threads = config.threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.endpoint_metrics = True
    params.cache_ram_mib = 0  # its default keeps every prompt it has seen: memory grows with each trial
    params.verbosity = 4  # the least at which it tells where the model went
    if config.gpu_layers is not None:
        params.n_gpu_layers = config.gpu_layers if config.gpu_layers >= 0 else ALL_LAYERS
    if config.flash_attention is not None:
        kinds = xllamacpp.llama_flash_attn_type
        on, off = kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED, kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.flash_attn_type = on if config.flash_attention else off
    return params


def _gpu(devices: list[dict[str, object]]) -> str | None:
    return next((str(device.get("description")) for device in devices if "GPU" in str(device.get("type"))), None)


if __name__ == "__main__":
    main()
