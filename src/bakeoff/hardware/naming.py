"""Names of chips brought to one form, so that people, drivers and the catalogue can meet.

``NVIDIA GeForce RTX 4090``, ``rtx-4090`` and ``4090`` are one chip; ``m3-max-48gb`` names a memory size,
``Apple M3 Max 40c`` a number of GPU cores.
"""

from __future__ import annotations

import re

from msgspec import Struct

_MEMORY = re.compile(r"(?<![\d.])(\d{1,4}) ?gi?b\b|(?<![a-z\d.])(\d{1,4}) ?g\b")
_CORES = re.compile(r"(?<![a-z\d])(\d{1,3}) ?(?:c|cores?)(?: gpu)?\b")
_MARKS = re.compile(r"\((?:r|tm|c)\)|[®™©]|@.*$|\b\d{1,2}th gen\b|\b480gb\b")
"""Trade marks, clocks, and the 480 GB in the driver's name of a GH200, which are its processor's."""

_NO_NAMES = frozenset({
    "nvidia", "geforce", "tesla", "amd", "radeon", "instinct", "intel", "apple", "graphics", "gpu", "cpu", "processor",
    "chip", "series", "generation", "blackwell", "workstation", "server", "edition", "with", "w",
})  # fmt: skip
_SHORT = re.compile(r"(?:rtx|gtx|rx|arc)(?=[a-z]?\d)")


class Name(Struct, frozen=True):
    """A name's letters and digits without maker and filler, and what it says of memory (GB) and cores."""

    key: str
    memory_gb: int | None = None
    cores: int | None = None


def parse_name(text: str) -> Name:
    """The parts of a chip's name, in any case, with spaces, dashes or underscores."""
    words = re.sub(r"[\s_\-/,()\[\]+.]+", " ", _MARKS.sub(" ", text.casefold())).strip()
    memory, words = _taken(_MEMORY, words)
    cores, words = _taken(_CORES, words)
    words = re.sub(r"\bmobile\b", "laptop", words)
    kept = [word for word in words.split() if word not in _NO_NAMES]
    return Name(re.sub(r"[^a-z0-9]", "", "".join(kept)), memory, cores)


def short_forms(key: str) -> set[str]:
    """The key and what people shorten it to: ``rtx4070tisuper``, ``4070tisuper``, ``4070tis``."""
    forms = {key, _SHORT.sub("", key, count=1)}
    return forms | {re.sub(r"(?<=[\di])super$", "s", form) for form in forms}


def _taken(pattern: re.Pattern[str], words: str) -> tuple[int | None, str]:
    """The first number that the pattern finds, and the words without it."""
    match = pattern.search(words)
    if match is None:
        return None, words
    number = next(group for group in match.groups() if group is not None)
    return int(number), words[: match.start()] + " " + words[match.end() :]
