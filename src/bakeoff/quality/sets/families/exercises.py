"""What a programming exercise is: its words, two solutions that differ in their way, and arguments to try."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from string import Formatter
from typing import Any

from msgspec import Struct

Arguments = tuple[Any, ...]


class Exercise(Struct, frozen=True, kw_only=True):
    """A function to be written.

    ``text`` says what ``signature`` returns, with figures in braces that ``figures`` draws. Both solutions take the
    arguments and then the figures. ``arguments`` gives the hidden cases, the edges among them.
    """

    signature: str
    text: str
    figures: Callable[[Random], tuple[Any, ...]]
    first: Callable[..., Any]
    other: Callable[..., Any]
    arguments: Callable[[Random], Sequence[Arguments]]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.signature.partition("(")[0]

    def question(self, figures: tuple[Any, ...]) -> str:
        """The words with their figures."""
        return f"Write a Python function `{self.signature}`. {self.text.format(*figures)}"

    def figures_in(self, prompt: str) -> list[int | str]:
        """The figures of a prompt, as its words give them."""
        parts = list(Formatter().parse(self.text))
        pattern = "".join(re.escape(words) + ("(.+?)" if place is not None else "") for words, place, *_ in parts)
        found = re.search(pattern, prompt)
        if found is None:
            raise ValueError(f"not the words of {self.name}")
        places = [place for _, place, *_ in parts if place is not None]
        by_place = dict(zip(places, found.groups(), strict=True))
        return [int(figure) if figure.isdigit() else figure for _, figure in sorted(by_place.items())]


def integers(rng: Random, count: int, low: int = -50, high: int = 50) -> list[int]:
    """So many integers, both bounds included."""
    return [rng.randint(low, high) for _ in range(count)]


def letters(rng: Random, count: int, alphabet: str = "abcde") -> str:
    """A text of so many letters."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def sentence(rng: Random, words: int) -> str:
    """So many made-up words of one to nine letters."""
    return " ".join(letters(rng, rng.randint(1, 9), "aeilnorst") for _ in range(words))
