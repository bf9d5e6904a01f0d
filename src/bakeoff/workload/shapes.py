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
from typing import Literal

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import plain_text

Kind = Literal["plain", "chat", "code", "summary", "long"]

KINDS: dict[Kind, tuple[int, int]] = {
    "chat": (256, 256),
    "code": (512, 512),
    "summary": (2048, 256),
    "long": (8192, 256),
}
"""Tokens of the prompt and of the answer. Round numbers that we chose, not anybody's average."""

MOST_TOKENS = 10_000_000
_NAME = re.compile(
    r"(?:(?P<kind>pp|[a-z]{3,}) ?(?P<prompt>\d{1,9})?)?(?:(?:^| ?\+ ?)tg ?(?P<answer>\d{1,9}))?(?: ?@ ?d(?P<depth>\d{1,9}))?"
)
_HINT = "Write pp512, tg128, pp512+tg128, 'tg128 @ d4096', or " + ", ".join(KINDS) + " (or summary4096+tg512)"


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
    word, prompt, answer, depth = match["kind"], *(_count(match[name], text) for name in ("prompt", "answer", "depth"))
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
