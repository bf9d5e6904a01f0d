"""NVIDIA's library, loaded and initialised, or why it is not there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from bakeoff.measurement.meters.kernel import KERNEL, Kernel

_DRIVER = "/proc/driver/nvidia/version"
_INSTALL = "pip install 'bakeoff[nvidia]'"
_NO_PERMISSION = 4


class NoLibrary(Struct, frozen=True):
    """Why there is none: ``state`` as a meter has it, and the one command that would mend it."""

    state: Literal["denied", "missing", "failed"]
    reason: str
    fix: str = ""


def load() -> Any:
    """The module ``pynvml``; raises ImportError."""
    return importlib.import_module("pynvml")


def library(kernel: Kernel = KERNEL, load: Callable[[], Any] = load) -> Any | NoLibrary:
    """The library, initialised; or why not."""
    driver = kernel.state(_DRIVER) == "ready"
    try:
        nvml = load()
    except ImportError:
        if driver:
            return NoLibrary("missing", "an NVIDIA driver is here, but not the package nvidia-ml-py", _INSTALL)
        return NoLibrary("missing", "no NVIDIA driver is loaded")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value == _NO_PERMISSION:
            return NoLibrary("denied", f"NVIDIA's library refuses: {error}", "sudo bakeoff doctor")
        if driver:
            return NoLibrary("failed", f"NVIDIA's library fails: {error}", "nvidia-smi")
        return NoLibrary("missing", "no NVIDIA driver is loaded")
    return nvml
