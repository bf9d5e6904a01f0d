"""The GPUs that a Linux or Windows system reports: their names, memory, and what of it is taken."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Literal

from msgspec import Struct

from bakeoff.hardware.reader import Reader
from bakeoff.units import MIB

AMDGPU_IDS = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
"""Where libdrm keeps the names of AMD's devices: ``744C,\tC8,\tAMD Radeon RX 7900 XTX``."""


class FoundGpu(Struct, frozen=True, kw_only=True):
    """One GPU as the system reports it. ``memory_bytes`` is None where it has none of its own (GB10, Jetson).

    ``shared_bytes`` is what of the host's memory the driver lets it use besides (AMD's GTT), where it says so.
    """

    name: str
    vendor: Literal["nvidia", "amd"]
    memory_bytes: int | None = None
    used_bytes: int | None = None
    shared_bytes: int | None = None
    driver: str | None = None


def found_gpus(reader: Reader) -> tuple[FoundGpu, ...]:
    """All GPUs whose driver answers, NVIDIA's first."""
    return nvidia_gpus(reader) + amd_gpus(reader)


def nvidia_gpus(reader: Reader) -> tuple[FoundGpu, ...]:
    """NVIDIA GPUs as ``nvidia-smi`` lists them; none where it is not there."""
    fields = "name,memory.total,memory.used,driver_version"
    listing = reader.output("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits")
    gpus = []
    for line in listing.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4 and parts[0]:
            name, total, used, driver = parts
            if "nvgpu" in name:  # a Jetson, which tells its board only elsewhere
                name = reader.text("/proc/device-tree/model").strip("\0 \n") or name
            gpus.append(
                FoundGpu(
                    name=name, vendor="nvidia", memory_bytes=_mebibytes(total), used_bytes=_mebibytes(used),
                    driver=driver or None,
                )
            )  # fmt: skip
    return tuple(gpus)


def amd_gpus(reader: Reader) -> tuple[FoundGpu, ...]:
    """AMD GPUs as the kernel's driver shows them under ``/sys/class/drm``."""
    found = []
    for path in reader.paths("/sys/class/drm/card*/device/mem_info_vram_total"):
        folder, _, _ = path.rpartition("/")
        card = folder.split("/")[-2]
        if not re.fullmatch(r"card\d+", card):
            continue
        found.append(
            FoundGpu(
                name=_amd_name(reader, folder, card),
                vendor="amd",
                memory_bytes=_integer(reader.text(path)),
                used_bytes=_integer(reader.text(f"{folder}/mem_info_vram_used")),
                shared_bytes=_integer(reader.text(f"{folder}/mem_info_gtt_total")),
            )
        )
    return tuple(found)


def _amd_name(reader: Reader, folder: str, card: str) -> str:
    """The card's own product name, else libdrm's name of the device, else what ``rocm-smi`` says."""
    own = reader.text(f"{folder}/product_name").strip()
    if own:
        return own
    device, revision = (reader.text(f"{folder}/{part}").strip().lower() for part in ("device", "revision"))
    named = _libdrm_name(reader, device.removeprefix("0x"), revision.removeprefix("0x"))
    return named or _rocm_name(reader, card) or f"AMD GPU {device or 'without a device number'}"


def _libdrm_name(reader: Reader, device: str, revision: str) -> str:
    for table in AMDGPU_IDS:
        for line in reader.text(table).splitlines():
            parts = [part.strip() for part in line.split(",", 2)]
            if len(parts) == 3 and parts[0].lower() == device and parts[1].lower() == revision:
                return parts[2]
    return ""


def _rocm_name(reader: Reader, card: str) -> str:
    with suppress(ValueError, AttributeError):
        cards = json.loads(reader.output("rocm-smi", "--showproductname", "--json"))
        for key in ("Card Series", "Card series", "Device Name"):
            name = str(cards.get(card, {}).get(key, "")).strip()
            if name and not name.lower().startswith(("0x", "n/a")):
                return name
    return ""


def _mebibytes(text: str) -> int | None:
    return int(text) * MIB if text.isdecimal() else None


def _integer(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None
