"""Which weights they were: a digest of their bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bakeoff.errors import FileError
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_PIECE_BYTES = 16 << 20
TOLD_FROM_BYTES = 1 << 30
"""Less takes a second or two."""


def weights_digest(files: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> str:
    """``sha256:`` and 64 hexadecimal digits of the files' bytes one after another, as ``cat FILE… | sha256sum`` has it.

    ``progress`` is told before each piece how many bytes are done, and how many there are, unless it takes but a
    moment. FileError if a file cannot be read.
    """
    digest = hashlib.sha256()
    total = sum(_size(path) for path in files)
    tell = progress if progress is not None and total >= TOLD_FROM_BYTES else None
    done = 0
    for path in files:
        for piece in _pieces(path):
            if tell is not None:
                tell(done, total)
            digest.update(piece)
            done += len(piece)
    return f"sha256:{digest.hexdigest()}"


def _pieces(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, in pieces that are good until the next one is taken."""
    piece = memoryview(bytearray(_PIECE_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while size := file.readinto(piece):
                yield piece[:size]
    except OSError as error:
        raise _unreadable(path, error) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError(f"{plain_text(str(path))} cannot be read ({error.strerror}). Check the path and its rights.")
