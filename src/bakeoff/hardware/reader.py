"""What detection may ask of the system: files, lists of files, programs. Tests answer from recorded texts."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

LARGEST_FILE = 4 << 20
"""Bytes that are read of any one file: ``/proc/cpuinfo`` of 512 threads has under one million."""

TIMEOUT_S = 10.0


class Reader(Protocol):
    """One system. What is absent, forbidden or fails reads as empty; nothing here raises."""

    @property
    def platform(self) -> str:
        """``linux``, ``darwin`` or ``win32``, as ``sys.platform`` has them."""
        ...

    def text(self, path: str) -> str:
        """The file's text."""
        ...

    def paths(self, pattern: str) -> list[str]:
        """Paths that match a shell pattern, sorted."""
        ...

    def output(self, *command: str) -> str:
        """What a program writes, stripped; empty where it is missing, fails or takes over ten seconds."""
        ...

    def memory_bytes(self) -> int:
        """Memory of the machine."""
        ...

    def usable_cores(self) -> int:
        """Logical cores that this process may run on."""
        ...


class System:
    """This system."""

    @property
    def platform(self) -> str:
        return sys.platform

    def text(self, path: str) -> str:
        try:
            with Path(path).open("rb") as file:
                return file.read(LARGEST_FILE).decode("utf-8", "replace")
        except OSError:
            return ""

    def paths(self, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - absolute patterns, which pathlib does not take

    def output(self, *command: str) -> str:
        if shutil.which(command[0]) is None:
            return ""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def memory_bytes(self) -> int:
        import psutil

        return int(psutil.virtual_memory().total)

    def usable_cores(self) -> int:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


SYSTEM: Reader = System()
