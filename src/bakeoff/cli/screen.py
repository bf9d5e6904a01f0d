"""Where tables and sentences are printed."""

from __future__ import annotations

import re
import sys
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

_PADDING = re.compile(r" +(?=\n)")


class _Unpadded:
    """A text file whose lines end where their words do."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(_PADDING.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def screen() -> Console:
    """Standard output; in a file or a pipe without the blanks by which Rich fills its lines to the window's width."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(file=cast("IO[str]", _Unpadded(sys.stdout)), highlight=False)
