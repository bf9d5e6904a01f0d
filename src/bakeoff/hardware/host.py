"""What this machine is, for the head of a run file."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

from bakeoff.results.records import Gpu, Host


def this_host() -> Host:
    """Describe this machine: nothing that identifies its owner, nothing that needs rights."""
    import psutil

    return Host(
        cpu=cpu_name(),
        cores_physical=psutil.cpu_count(logical=False),
        cores_logical=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        os=_system(),
        arch=platform.machine(),
        python=platform.python_version(),
        bakeoff=metadata.version("bakeoff"),
        power_source=_power_source(),
        gpus=nvidia_gpus(),
    )


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """Threads for an engine on the CPU: one a physical core, as far as this process may use them."""
    import psutil

    return max(1, min(psutil.cpu_count(logical=False) or 1, usable_cores()))


def cpu_name() -> str:
    """The processor as it names itself."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware") and value.strip():
                return " ".join(value.split())
    if sys.platform == "darwin":
        name = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
        if name:
            return name
    return platform.processor() or platform.machine() or "unknown"


def nvidia_gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs as ``nvidia-smi`` lists them; none where it is not there."""
    if shutil.which("nvidia-smi") is None:
        return ()
    listing = _output(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"])
    gpus = []
    for line in listing.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 3:
            mebibytes = int(fields[1]) if fields[1].isdigit() else None
            memory = mebibytes * 2**20 if mebibytes is not None else None
            gpus.append(Gpu(name=fields[0], memory_bytes=memory, driver=fields[2]))
    return tuple(gpus)


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.release()}"


def _power_source() -> Literal["mains", "battery", "unknown"]:
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None:
        return "unknown" if sys.platform == "darwin" else "mains"
    if battery.power_plugged is None:
        return "unknown"
    return "mains" if battery.power_plugged else "battery"


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
