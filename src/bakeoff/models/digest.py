"""Which file it was: a digest of its bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bakeoff.errors import FileError
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from pathlib import Path


def file_digest(path: Path) -> str:
    """``sha256:`` and 64 hexadecimal digits of the file's bytes; FileError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        name = plain_text(str(path))
        raise FileError(f"{name} cannot be read ({error.strerror}). Check the path and its rights.") from error
