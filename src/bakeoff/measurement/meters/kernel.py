"""What Linux tells in files: under ``/proc`` and ``/sys``, or under another root that looks like them."""

from __future__ import annotations

import glob
import os
from typing import Literal

from msgspec import Struct

MOST_BYTES = 4 << 20
"""Of any one file: ``smaps`` of a process with ten thousand mappings has as much."""

Readable = Literal["ready", "denied", "missing"]


class Kernel(Struct, frozen=True):
    """The files of one system. Whatever is absent, forbidden or gone in the middle reads as None; nothing raises."""

    root: str = ""

    def text(self, path: str) -> str | None:
        """The file's text."""
        try:
            return self.read(path)
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """The one whole number that a file of sysfs holds."""
        return whole(self.text(path))

    def state(self, path: str) -> Readable:
        """Whether the file can be read now, and if not whether a right is what lacks."""
        try:
            self.read(path)
        except PermissionError:
            return "denied"
        except OSError:
            return "missing"
        return "ready"

    def paths(self, pattern: str) -> list[str]:
        """Paths that match a shell pattern, sorted, without the root."""
        found = glob.glob(f"{self.root}{pattern}")  # noqa: PTH207 - absolute patterns, which pathlib does not take
        return sorted(path.removeprefix(self.root) for path in found)

    def names(self, folder: str) -> list[str]:
        """What a folder holds."""
        try:
            return os.listdir(f"{self.root}{folder}")  # noqa: PTH208 - names alone, many times a second
        except OSError:
            return []

    def write(self, path: str, text: str) -> bool:
        """Whether the file took it."""
        try:
            file = os.open(f"{self.root}{path}", os.O_WRONLY)
            try:
                return os.write(file, text.encode()) == len(text)
            finally:
                os.close(file)
        except OSError:
            return False

    def read(self, path: str) -> str:
        """The file's text; raises OSError. Without buffers: it is called many times a second."""
        file = os.open(f"{self.root}{path}", os.O_RDONLY)
        try:
            parts, left = [], MOST_BYTES
            while left > 0 and (part := os.read(file, min(left, 1 << 16))):
                parts.append(part)
                left -= len(part)
            return b"".join(parts).decode("utf-8", "replace")
        finally:
            os.close(file)


KERNEL = Kernel()


def whole(text: str | None) -> int | None:
    """The whole number that the text is; None where it is none."""
    try:
        return int(text) if text is not None and len(text) < 40 else None
    except ValueError:
        return None


def kibibytes(text: str, key: str) -> int | None:
    """Bytes of one line ``Key:   1234 kB``, as ``status`` and ``smaps_rollup`` have them."""
    at = text.find(f"\n{key}:") + 1 if not text.startswith(f"{key}:") else 0
    if not text.startswith(f"{key}:", at):
        return None
    words = text[at + len(key) + 1 :].split(None, 2)
    number = whole(words[0]) if len(words) > 1 and words[1] == "kB" else None
    return None if number is None or number < 0 else number * 1024
