"""Shapes: workloads by their lengths in tokens, named as llama-bench names them, or by a kind of text."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["plain", "chat", "code", "summary", "long"]


class Shape(Struct, frozen=True):
    """``prompt_tokens`` in, as the engine counts them; ``max_tokens`` out; of what kind the text is."""

    name: str
    kind: Kind
    prompt_tokens: int
    max_tokens: int
