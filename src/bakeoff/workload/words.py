"""Texts of any length from a small vocabulary, and others of the same length: words in another order.

The words are common ones, which tokenizers hold whole. Where each is one token, as in SmolLM2's vocabulary with and
without a space before it, a text in another order has exactly as many tokens.
"""

from __future__ import annotations

import random
from typing import Literal

Kind = Literal["plain", "chat", "code", "summary", "long"]

_EVERYDAY = """
time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work government number night point home water room
mother area money story fact month lot right study book eye job word business issue side kind head house
service friend father power hour game line end member law car city community name president team minute idea
body information back parent face others level office door health person art war history party result change
reason research girl moment air teacher force education good new first last long great little own other old
big high small large next early young important few public bad same able
"""
_IDENTIFIERS = """
value index count list name key item data result path file line text size type node left right start end total
first last next length width height user table row column field state event error message request response
input output buffer token word number string array object method function class return import for while if
else true false not and or in is print open read write close add remove update delete insert find sort merge
split join map filter reduce range sum max min average test check load save parse format build run stop wait
send call
"""
_ASKED: dict[Kind, str] = {
    "plain": "",
    "chat": "I chose these words. What do you make of them? Talk about it at length.",
    "code": "Write a Python module with a function for each of these words, each with a docstring and a test.",
    "summary": "Summarise the text above in several paragraphs.",
    "long": "Say what the text above is about, part by part, in detail.",
}
"""What follows the words: something whose answer is long, for engines that cannot be told how long it is to be."""

_BREAK = "\n\n"
FEW_WORDS = 4
"""Below this a text is made unlike another by other words, since it has too few orders."""


def draw(kind: Kind, count: int, seed: int) -> tuple[str, ...]:
    """The first ``count`` of an endless row of words; the same seed begins with the same ones."""
    rng = random.Random(seed)  # noqa: S311 (a workload, not a secret)
    return tuple(rng.choices(vocabulary(kind), k=count))


def text_of(kind: Kind, words: tuple[str, ...], ending: str = "") -> str:
    """The words with single spaces between them, the ending right behind, then what is asked about them."""
    asked = _ASKED[kind]
    return " ".join(words) + ending + (f"{_BREAK}{asked}" if asked else "")


def another(text: str, kind: Kind, seed: int) -> str:
    """A text made by ``text_of``, unlike it from its first words on: all but the last word in another order."""
    body, rest = text.partition(_BREAK)[::2] if _ASKED[kind] else (text, "")
    *words, last = body.split(" ")
    rng = random.Random(seed)  # noqa: S311 (a workload, not a secret)
    if len(words) < FEW_WORDS:
        words = rng.choices(vocabulary(kind), k=len(words))
    else:
        rng.shuffle(words)
    return " ".join([*words, last]) + (f"{_BREAK}{rest}" if rest else "")


def vocabulary(kind: Kind) -> list[str]:
    """The words that texts of a kind are made of."""
    return (_IDENTIFIERS if kind == "code" else _EVERYDAY).split()
