"""Which of several NVIDIA GPUs an engine sees, chosen as ``nvidia-smi`` numbers them."""

from __future__ import annotations

from bakeoff.errors import UsageError
from bakeoff.hardware.reader import SYSTEM, Reader
from bakeoff.units import plain_text


def gpu_environment(gpu: str | None, reader: Reader = SYSTEM) -> dict[str, str]:
    """What makes CUDA show one GPU alone, named by its index in PCI order or by its UUID; nothing where None is named.

    CUDA's own order is by speed, and to a GPU that is not there it answers by showing none: the engine would run
    on the processor. Raises UsageError where there is no such GPU.
    """
    if gpu is None:
        return {}
    listing = reader.output("nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader")
    rows = [[part.strip() for part in line.split(",", 2)] for line in listing.splitlines()]
    gpus = [(index, uuid, name) for index, uuid, name in (row for row in rows if len(row) == 3)]
    if not any(gpu in (index, uuid) for index, uuid, _ in gpus):
        here = "; ".join(f"{index} is {name} ({uuid})" for index, uuid, name in gpus)
        there_is = f"There are: {here}." if gpus else "nvidia-smi shows none."
        raise UsageError(f"There is no NVIDIA GPU {gpu[:60]!r} here. {plain_text(there_is)[:400]}")
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": gpu}
