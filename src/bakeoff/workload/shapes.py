"""Shapes: workloads by their lengths in tokens, named as llama-bench names them, or by a kind of text.

========================  =============================================================================
``pp512``                 a prompt of 512 tokens; one token of answer, since a time to first token needs one
``tg128``                 128 tokens of answer, from as short a prompt as there is
``pp512+tg128``           both in one request
``tg128 @ d4096``         128 tokens of answer behind a prompt of 4096: decode at depth
``chat``, ``code``, …     a text of that kind, of a length that ``KINDS`` states, or ``chat1024+tg64``
========================  =============================================================================
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import plain_text
from bakeoff.workload.words import Kind, draw, text_of

KINDS: dict[Kind, tuple[int, int]] = {
    "chat": (256, 256),
    "code": (512, 512),
    "summary": (2048, 256),
    "long": (8192, 256),
}
"""Tokens of the prompt and of the answer. Round numbers that we chose, not anybody's average."""

MOST_TOKENS = 10_000_000
_NAME = re.compile(
    r"(?:(?P<kind>pp|[a-z]{3,}) ?(?P<prompt>[0-9]{1,9})?)?"
    r"(?:(?:^| ?\+ ?)tg ?(?P<answer>[0-9]{1,9}))?"
    r"(?: ?@ ?d(?P<depth>[0-9]{1,9}))?"
)
_HINT = "Write pp512, tg128, pp512+tg128, 'tg128 @ d4096', or " + ", ".join(KINDS) + " (or summary4096+tg512)"


CountTokens = Callable[[str], Awaitable[int | None]]
"""A text → how many prompt tokens the engine counts for it, its template's own among them; None: it does not say."""

MOST_COUNTS = 24
LEAST_WORDS, PROBE_WORDS, FEW_TOKENS = 2, 64, 8
_ENDINGS = (".", " a", " it", " the", " also", " there", " before", " somehow", " together")
"""What may follow the last word where whole words hit the length too coarsely: 1 to 9 letters."""


class Shape(Struct, frozen=True):
    """``prompt_tokens`` in, as the engine counts them; ``max_tokens`` out; of what kind the text is."""

    name: str
    kind: Kind
    prompt_tokens: int
    max_tokens: int


def parse_shape(text: str) -> Shape:
    """Read one shape; its name is made uniform. Raises UsageError with what would have been right."""
    match = _NAME.fullmatch(" ".join(text.split()).lower())
    if match is None or not match[0]:
        raise UsageError(f"{_short(text)} is no shape. {_HINT}.")
    word, prompt, answer = match["kind"], _count(match["prompt"], text), _count(match["answer"], text)
    depth = None if match["depth"] in (None, "0") else _count(match["depth"], text)
    if word in (None, "pp"):
        return _plain(text, word, prompt, answer, depth)
    kind = next((known for known in KINDS if known == word), None)
    if kind is None:
        near = difflib.get_close_matches(word, KINDS, 1, 0.5)
        raise UsageError(f"{_short(text)} is no shape.{f' Did you mean {near[0]}?' if near else ''} {_HINT}.")
    if depth is not None:
        raise UsageError(f"{_short(text)}: a kind of text has its length behind its name: write {kind}{depth}.")
    tokens, most = prompt or KINDS[kind][0], answer or KINDS[kind][1]
    return Shape(f"{kind}{prompt or ''}" + (f"+tg{answer}" if answer else ""), kind, tokens, most)


def _plain(text: str, word: str | None, prompt: int | None, answer: int | None, depth: int | None) -> Shape:
    """llama-bench's own. It counts prompt and answer apart; in one request they are timed apart all the same."""
    if word is None and answer is not None:
        name = f"tg{answer}" + (f" @ d{depth}" if depth else "")
        return Shape(name, "plain", depth or 1, answer)
    if word is None or prompt is None:
        raise UsageError(f"{_short(text)} is no shape. {_HINT}.")
    if depth:
        raise UsageError(
            f"{_short(text)}: a prompt at a depth is one whose beginning is cached, which not every engine can be "
            f"made to do. Take pp{prompt + depth}, or 'tg{answer or 128} @ d{prompt + depth}'."
        )
    return Shape(f"pp{prompt}" + (f"+tg{answer}" if answer else ""), "plain", prompt, answer or 1)


def _count(digits: str | None, text: str) -> int | None:
    if digits is None:
        return None
    if not 1 <= int(digits) <= MOST_TOKENS:
        raise UsageError(f"{_short(text)}: {digits} tokens are no length. Take 1 to {MOST_TOKENS}.")
    return int(digits)


def _short(text: str) -> str:
    return repr(plain_text(text)[:60])


class Fitted(Struct, frozen=True, kw_only=True):
    """A text and what the engine counted for it; ``words.another`` makes more of the same length.

    ``tokens`` None: the engine does not count, and the text has as many words as tokens were asked for.
    """

    text: str
    target: int
    tokens: int | None
    counted: int

    @property
    def off(self) -> int | None:
        """By how many tokens it misses."""
        return None if self.tokens is None else self.tokens - self.target

    @property
    def remark(self) -> str:
        """A sentence where the length is not the one asked for; empty where it is."""
        if self.tokens is None:
            return f"The engine counts no prompt tokens: {self.target} words were sent for {self.target} tokens."
        if self.off == 0:
            return ""
        return (
            f"No prompt of {self.target} tokens was found in {self.counted} tries: the nearest has {self.tokens}, "
            f"{abs(self.tokens - self.target)} {'more' if self.tokens > self.target else 'fewer'}."
        )


async def fit_text(target: Shape, count_tokens: CountTokens, seed: int) -> Fitted:
    """A text of the shape's kind with exactly its prompt tokens, as the engine counts them, else the nearest found.

    Nearly every word is a token, so the number of words is found by a secant from below; where one word too many
    jumps over the target, the last word gets one of a few endings. At most ``MOST_COUNTS`` questions, short texts
    first; what ``count_tokens`` raises goes through.
    """
    search = _Search(target, count_tokens, seed)
    if await search.count(LEAST_WORDS) is None:
        words = draw(target.kind, max(LEAST_WORDS, target.prompt_tokens), seed)
        return Fitted(text=text_of(target.kind, words), target=target.prompt_tokens, tokens=None, counted=1)
    await search.by_words()
    await search.by_endings()
    return search.nearest()


class _Search:
    """The texts tried so far, by their number of words and their ending, and what was counted."""

    def __init__(self, target: Shape, count_tokens: CountTokens, seed: int) -> None:
        self._shape = target
        self._count_tokens = count_tokens
        self._seed = seed
        self._counts: dict[tuple[int, str], int] = {}

    async def count(self, words: int, ending: str = "") -> int | None:
        tokens = await self._count_tokens(self._text(words, ending))
        if tokens is not None:
            self._counts[words, ending] = tokens
        return tokens

    async def by_words(self) -> None:
        """Find the most words that do not pass the target; stop where words count for less than half of before:

        the server cuts the prompt.
        """
        words, expected = LEAST_WORDS + min(PROBE_WORDS, max(0, self._missing(LEAST_WORDS))), 1.0
        while self._goes_on() and (words, "") not in self._counts:
            before = self._counts[self._below(), ""]
            tokens = await self.count(words)
            if tokens is None or tokens - before <= max(0.0, expected / 2 - FEW_TOKENS):
                return
            words, expected = self._guess()

    async def by_endings(self) -> None:
        """Where one word more jumps over the target: endings of the text below it, and of one a word shorter.

        The likeliest first, by how many tokens a letter has been.
        """
        below, above = self._below(), self._above()
        if above is None or self._missing(below) <= 0:
            return
        least = self._counts[LEAST_WORDS, ""]
        letters = len(self._text(above, "")) - len(self._text(LEAST_WORDS, ""))
        a_letter = (self._counts[above, ""] - least) / max(1, letters)
        last_word = len(self._text(below, "")) - len(self._text(below - 1, ""))
        likely = {
            (words, ending): abs(self._missing(below) - a_letter * (len(ending) - shorter))
            for words, shorter in ((below, 0), (below - 1, last_word))
            for ending in _ENDINGS
            if words >= LEAST_WORDS
        }
        for words, ending in sorted(likely, key=lambda tried: likely[tried]):
            if not self._goes_on():
                return
            await self.count(words, ending)

    def nearest(self) -> Fitted:
        """The best of what was tried; of equals the first."""
        target = self._shape.prompt_tokens
        words, ending = min(self._counts, key=lambda tried: abs(self._counts[tried] - target))
        return Fitted(
            text=self._text(words, ending),
            target=target,
            tokens=self._counts[words, ending],
            counted=len(self._counts),
        )

    def _text(self, words: int, ending: str) -> str:
        return text_of(self._shape.kind, draw(self._shape.kind, words, self._seed), ending)

    def _goes_on(self) -> bool:
        return len(self._counts) < MOST_COUNTS and self._shape.prompt_tokens not in self._counts.values()

    def _missing(self, words: int) -> int:
        return self._shape.prompt_tokens - self._counts[words, ""]

    def _below(self) -> int:
        """The longest text tried that is not too long; the shortest where all are."""
        return max((w for w, end in self._counts if not end and self._missing(w) >= 0), default=LEAST_WORDS)

    def _above(self) -> int | None:
        """The shortest text tried that is too long."""
        return min((w for w, end in self._counts if not end and self._missing(w) < 0), default=None)

    def _guess(self) -> tuple[int, float]:
        """How many words next, and how many tokens more than the longest text below the target they should make.

        Until one is too long by the slope so far, rounded down; then between the two nearest.
        """
        below, above = self._below(), self._above()
        if above is None:
            slope = (self._counts[below, ""] - self._counts[LEAST_WORDS, ""]) / max(1, below - LEAST_WORDS)
            more = max(1, int(self._missing(below) / slope)) if slope > 0 else 1
            return below + more, more * slope
        slope = (self._counts[above, ""] - self._counts[below, ""]) / (above - below)
        more = min(max(1, round(self._missing(below) / slope)), above - below - 1)
        return below + more, 0.0
