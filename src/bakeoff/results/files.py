"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bakeoff.errors import FileError


def write_text(path: Path, text: str) -> None:
    """Write the text to a neighbour and move it into place. Raises FileError; an old file then stays as it was.

    What is no file, a device or a pipe, is written to as it is.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise FileError(f"Cannot write {path}: {error.strerror or error}.") from error
