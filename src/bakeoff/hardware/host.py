"""What this machine is, for the head of a run file."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Literal

from bakeoff.hardware.gpus import nvidia_gpus
from bakeoff.hardware.reader import SYSTEM, Reader
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
        gpus=tuple(Gpu(name=g.name, memory_bytes=g.memory_bytes, driver=g.driver) for g in nvidia_gpus(SYSTEM)),
    )


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    return SYSTEM.usable_cores()


def default_threads() -> int:
    """Threads for an engine on the CPU: one a physical core, as far as this process may use them."""
    import psutil

    return max(1, min(psutil.cpu_count(logical=False) or 1, usable_cores()))


def cpu_name(reader: Reader = SYSTEM) -> str:
    """The processor as it names itself."""
    if reader.platform == "linux":
        for line in reader.text("/proc/cpuinfo").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model", "Hardware") and value.strip():
                return " ".join(value.split())
    if reader.platform == "darwin":
        name = reader.output("sysctl", "-n", "machdep.cpu.brand_string")
        if name:
            return name
    return platform.processor() or platform.machine() or "unknown"


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
