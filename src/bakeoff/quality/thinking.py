"""What a reasoning text shows, counted by simple rules; pure, and linear in its length.

* A **step** is a paragraph (parted by a blank line) or, within one, each line that begins with a number, a bullet or a
  word of order (first, next, then, finally, step 3).
* A **verification passage** is a run of sentences within one paragraph that each begin by saying that something is
  looked at again: wait, hold on, let me check, verify, double-check, "is that right?", and their like.
* A **loop** is the end of the text where one passage is repeated at least three times, whole words alike, and at least
  ``LOOP_WORDS`` words are so repeated. ``repeated_share`` is the share of eight-word sequences that occurred before.

A word is a run of letters and figures; each Chinese or Japanese character is a word.
"""

from __future__ import annotations

import re

from msgspec import Struct

OPENING, CLOSING = "<think>", "</think>"
NGRAM = 8
LOOP_REPEATS = 3
LOOP_WORDS = 40
MOST_CHARACTERS = 2_000_000


class Parts(Struct, frozen=True):
    """A reply's reasoning (None: it has none) and its answer (None: it never came)."""

    reasoning: str | None
    answer: str | None


class Thinking(Struct, frozen=True, kw_only=True):
    """The counts of one reasoning text. A loop's figures are 0 where there is none."""

    words: int
    steps: int
    verifications: int
    repeated_share: float
    loop_words: int
    loop_period: int


_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]|[^\W_]+")
_PARAGRAPH_END = re.compile(r"\n[ \t\r]*\n")
_STEP = re.compile(
    r"^[ \t>#*]{0,8}(?:(?:\d{1,3}[.)]|[-•*])[ \t]|(?:step \d|first|second|third|next|then|finally|lastly)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n")
_VERIFIES = re.compile(
    r"^\W{0,6}(?:(?:but|hmm|ok|okay|so|alright|now|actually|and|no)\b,?\s?){0,3}"
    r"(?:wait\b|hold on|hang on|let(?:'s| me| us) (?:just )?(?:quickly |also )?"
    r"(?:double[- ]?check|re-?check|check|verify|re-?verify|confirm|re-?examine|re-?consider|make sure|test|re-?read|"
    r"go over|go back|see if (?:that|this))|(?:to|i(?:'ll| will| should| need to| can| want to)) "
    r"(?:double[- ]?check|re-?check|check|verify|confirm|make sure)|double[- ]?check|checking|verifying|verification|"
    r"is (?:that|this|it) (?:right|correct)|does (?:that|this|it) make sense|am i (?:right|sure|missing)|"
    r"did i|that (?:doesn't|does not|can't|cannot) be right|sanity check|"
    r"等等|等一下|让我(?:再)?(?:检查|验证|确认)|验证|检查)",
    re.IGNORECASE,
)


def parts(reply: str, opens_thinking: bool | None = None) -> Parts:
    """A reply's reasoning and its answer, parted by the tags; either may be None.

    Text before a closing tag is reasoning with or without an opening one. ``opens_thinking`` says that the chat
    template already held the opening tag, so that a reply without any tag is reasoning that never ended.
    """
    text = reply.lstrip()
    opened = text.startswith(OPENING)
    thought, closed, rest = text.removeprefix(OPENING).partition(CLOSING)
    if closed:
        return Parts(thought.strip() or None, rest.strip() or None)
    if opened or opens_thinking:
        return Parts(thought.strip() or None, None)
    return Parts(None, text.rstrip() or None)


def thinking(reasoning: str) -> Thinking:
    """The counts of a reasoning text; of more than two million characters the first are read."""
    text = reasoning[:MOST_CHARACTERS].replace("’", "'")
    words = [word.lower() for word in _WORD.findall(text)]
    paragraphs = [paragraph for paragraph in _PARAGRAPH_END.split(text) if paragraph.strip()]
    loop_words, loop_period = loop(words)
    return Thinking(
        words=len(words),
        steps=sum(_steps(paragraph) for paragraph in paragraphs),
        verifications=sum(_verifications(paragraph) for paragraph in paragraphs),
        repeated_share=repeated_share(words),
        loop_words=loop_words,
        loop_period=loop_period,
    )


def repeated_share(words: list[str]) -> float:
    """The share of sequences of ``NGRAM`` words that occurred earlier in the text; 0 for a text with none."""
    sequences = [hash(tuple(words[start : start + NGRAM])) for start in range(len(words) - NGRAM + 1)]
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0


def loop(words: list[str]) -> tuple[int, int]:
    """How many words at the end only repeat one passage, and how many words that passage has; (0, 0) for no loop.

    By the failure function of Knuth, Morris and Pratt over the reversed words: a stretch of n words whose longest
    border has b repeats every n − b words. The longest stretch with enough repeats is taken.
    """
    backwards = words[::-1]
    border = [0] * len(backwards)
    best = (0, 0)
    for place in range(1, len(backwards)):
        length = border[place - 1]
        while length and backwards[place] != backwards[length]:
            length = border[length - 1]
        border[place] = length + (backwards[place] == backwards[length])
        stretch, period = place + 1, place + 1 - border[place]
        if stretch >= LOOP_WORDS and stretch >= LOOP_REPEATS * period:
            best = (stretch, period)
    return best


def _steps(paragraph: str) -> int:
    marked = sum(_STEP.match(line) is not None for line in paragraph.splitlines())
    return max(1, marked)


def _verifications(paragraph: str) -> int:
    """Runs of verifying sentences in one paragraph."""
    verifies = [_VERIFIES.match(part.strip()) is not None for part in _SENTENCE_END.split(paragraph) if part.strip()]
    return sum(now and not before for before, now in zip([False, *verifies], verifies, strict=False))
