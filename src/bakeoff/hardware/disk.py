"""The class of speed of the disk that holds a folder: by what Linux says under ``/proc`` and ``/sys``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bakeoff.hardware.reader import SYSTEM, Reader

DiskKind = Literal["nvme", "ssd", "hard_disk", "card", "virtual", "network", "memory", "unknown"]

_WORDS: dict[DiskKind, str] = {
    "nvme": "NVMe SSD",
    "ssd": "SSD (SATA or USB)",
    "hard_disk": "hard disk, which reads large models slowly",
    "card": "memory card or eMMC",
    "virtual": "virtual disk, of a speed that only its host knows",
    "network": "network folder",
    "memory": "memory, not a disk",
    "unknown": "class not told by this system",
}
_BY_NAME: tuple[tuple[str, DiskKind], ...] = (
    ("nvme", "nvme"), ("vd", "virtual"), ("xvd", "virtual"), ("mmcblk", "card"), ("zram", "memory"),
)  # fmt: skip
_BY_FILE_SYSTEM: dict[str, DiskKind] = {
    "tmpfs": "memory", "ramfs": "memory", "nfs": "network", "nfs4": "network", "cifs": "network", "smb3": "network",
    "9p": "network", "virtiofs": "network", "fuse.sshfs": "network",
}  # fmt: skip
_BY_TURNING: dict[str, DiskKind] = {"0": "ssd", "1": "hard_disk"}
_ESCAPED = re.compile(r"\\([0-7]{3})")
_DEEPEST = 8


class Disk(Struct, frozen=True, kw_only=True):
    """``kind`` of the disk under a folder, ``device`` as the kernel names it where it was found, bytes."""

    kind: DiskKind
    device: str | None
    free_bytes: int
    total_bytes: int

    @property
    def described(self) -> str:
        """The class in words."""
        return _WORDS[self.kind]


def disk_of(folder: Path, reader: Reader = SYSTEM) -> Disk:
    """The disk that holds the folder, or would: of a folder that is not there yet, its nearest parent's."""
    here = folder.expanduser().absolute()
    here = next(path for path in (here, *here.parents) if path.exists()).resolve()
    usage = shutil.disk_usage(here)
    kind, device = _kind(here, reader) if reader.platform == "linux" else ("unknown", None)
    return Disk(kind=kind, device=device, free_bytes=usage.free, total_bytes=usage.total)


def _kind(folder: Path, reader: Reader) -> tuple[DiskKind, str | None]:
    number, file_system, source = _mount(folder, reader)
    if file_system in _BY_FILE_SYSTEM:
        return _BY_FILE_SYSTEM[file_system], None
    name = _name(number, source, reader)
    for _ in range(_DEEPEST):  # encryption, volumes and RAID lie on devices of their own
        below = reader.paths(f"/sys/class/block/{name}/slaves/*") if name else []
        if not below:
            break
        name = below[0].rpartition("/")[2]
    if not name:
        return "unknown", None
    for beginning, kind in _BY_NAME:
        if name.startswith(beginning):
            return kind, name
    told = _rotational(name, reader) if name.startswith("sd") else ""
    return _BY_TURNING.get(told, "unknown"), name


def _mount(folder: Path, reader: Reader) -> tuple[str, str, str]:
    """(device number, file system, source) of the mount that holds the folder; the last of equals covers the others."""
    best, found = -1, ("", "", "")
    for line in reader.text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 2:
            continue
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        if len(point.parts) >= best and folder.is_relative_to(point):
            best, found = len(point.parts), (fields[2], rest[0], rest[1])
    return found


def _name(number: str, source: str, reader: Reader) -> str:
    """The kernel's name of a block device: by its number, or its source where the file system has its own number."""
    for line in reader.text(f"/sys/dev/block/{number}/uevent").splitlines():
        if line.startswith("DEVNAME="):
            return line.removeprefix("DEVNAME=")
    if source.startswith("/dev/mapper/"):
        for path in reader.paths("/sys/class/block/dm-*/dm/name"):
            if reader.text(path).strip() == source.removeprefix("/dev/mapper/"):
                return path.split("/")[4]
        return ""
    return source.removeprefix("/dev/") if source.startswith("/dev/") else ""


def _rotational(name: str, reader: Reader) -> str:
    """``0`` or ``1``, from the device or, for a partition, the disk that it is on."""
    folder = f"/sys/class/block/{name}"
    return reader.text(f"{folder}/queue/rotational").strip() or reader.text(f"{folder}/../queue/rotational").strip()
