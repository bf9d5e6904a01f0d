"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from bakeoff.errors import FileError


def write_text(path: Path, text: str) -> None:
    """Write the text to a neighbour and move it into place. Raises FileError; an old file then stays as it was."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileError(f"Cannot write {path}: {error.strerror or error}.") from error
