"""A model's files out of the system's page cache, so that a start reads them from the disk as the first one does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

PageCache = Literal["cold", "warm", "unknown"]

_SAMPLES = 64


def drop_page_cache(paths: Sequence[Path]) -> PageCache:
    """Drop what is cached of these files, and look whether it is gone; needs no more than the right to read them.

    *warm*: some of it is still there, since another program holds it. *unknown*: this system or file system does
    neither (Linux does both, for files on a disk).
    """
    if sys.platform != "linux":
        return "unknown"
    try:
        held = [_drop(path) for path in paths]
    except OSError:
        return "unknown"
    return "warm" if any(held) else "cold"


def _drop(path: Path) -> bool:
    """Whether any of the sampled pages of one file is still cached."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(file)  # pages not yet written cannot be dropped
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # looking must not read ahead
        size = os.fstat(file).st_size
        return any(_cached(file, size * sample // _SAMPLES) for sample in range(_SAMPLES))
    finally:
        os.close(file)


def _cached(file: int, offset: int) -> bool:
    """Whether a byte can be read without waiting for the disk."""
    try:
        return bool(os.preadv(file, [bytearray(1)], offset, os.RWF_NOWAIT))
    except BlockingIOError:
        return False
