"""Where in a TOML text each key and each value stands, so that an error can name its line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Keys and places in lists, from the top: ``("subjects", 0, "subject")``."""

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:""?(?!"))?|"(?:\\.|[^"\\\n])*"|'
    r"'''.*?'''(?:''?(?!'))?|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\r\n]+")


class Places:
    """The places of a text that ``tomllib`` has read without an error; nothing else is promised of any other text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}
        self._top()

    def key(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of the key, or of the nearest thing around it that stands in the text."""
        return self._line_and_column(self._nearest(path, self._keys))

    def value(self, path: Path) -> tuple[int, int]:
        """Line and column, from 1, of the value, or of the nearest thing around it."""
        return self._line_and_column(self._nearest(path, self._values))

    def _nearest(self, path: Path, first: dict[Path, int]) -> int:
        for length in range(len(path), 0, -1):
            for places in (first, self._values, self._keys):
                if path[:length] in places:
                    return places[path[:length]]
        return 0

    def _line_and_column(self, at: int) -> tuple[int, int]:
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _next(self, sign: str) -> bool:
        """Step over a sign if it is next."""
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def _top(self) -> None:
        table: Path = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            start = self._at
            if self._next("["):
                table = self._header(start)
            else:
                self._pair(table)
            if self._skip(_GAP) == "" and self._at == start:
                return  # no TOML after all: better no place than no end

    def _header(self, start: int) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the table that the pairs below belong to."""
        many = self._next("[")
        path: Path = ()
        for key, _ in self._dotted():
            path = self._inside((*path, key))
            self._keys.setdefault(path, start)
        if many:
            path = path[:-1] if path and isinstance(path[-1], int) else path
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = (*path, self._lengths[path] - 1)
            self._keys[path] = start
        self._next("]]" if many else "]")
        return path

    def _inside(self, path: Path) -> Path:
        """A list of tables stands for its last one."""
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _dotted(self) -> Iterator[tuple[str, int]]:
        """The parts of a key, each with its place."""
        while True:
            self._skip(_SPACE)
            start = self._at
            word = self._skip(_BARE) or self._skip(_STRING)
            if not word:
                return
            yield _unquoted(word), start
            self._skip(_SPACE)
            if not self._next("."):
                return

    def _pair(self, table: Path) -> None:
        path = table
        for key, start in self._dotted():
            path = (*path, key)
            self._keys.setdefault(path, start)
        self._next("=")
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._values[path] = self._at
        if self._next("["):
            self._members(path, "]")
        elif self._next("{"):
            self._members(path, "}")
        elif not self._skip(_STRING):
            self._skip(_PLAIN)

    def _members(self, path: Path, end: str) -> None:
        """The members of a list or of a table within a line."""
        index = 0
        while self._at < len(self._text):
            self._skip(_GAP)
            if self._next(end):
                return
            start = self._at
            if end == "]":
                self._value((*path, index))
            else:
                self._pair(path)
            index += 1
            self._skip(_GAP)
            self._next(",")
            if self._at == start:
                return


def _unquoted(word: str) -> str:
    """A key without its quotes; escapes in it are read as JSON has them, which TOML's are but for one."""
    import msgspec

    if word[0] == "'":
        return word[1:-1]
    if word[0] != '"':
        return word
    try:
        return msgspec.json.decode(word.encode(), type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return word[1:-1]
