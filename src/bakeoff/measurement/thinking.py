"""Which chunks of a stream are reasoning and which are answer; pure.

Engines either part the two themselves, or leave ``<think>…</think>`` in the text. A chat template may already
hold the opening tag, so that the stream carries only the closing one.
"""

from __future__ import annotations

from collections.abc import Sequence

OPENING, CLOSING = "<think>", "</think>"
REASONING, ANSWER, NEITHER = "r", "a", "-"


def kinds_of(texts: Sequence[str], reasoning: Sequence[str], opens_thinking: bool | None) -> str:
    """One letter a chunk: ``r`` reasoning, ``a`` answer, ``-`` only a tag or the space around one.

    ``texts`` and ``reasoning`` are what each chunk carried as content and as the engine's own reasoning field.
    ``opens_thinking`` says that the template holds the opening tag (None: not known). Where the engine parts
    reasoning itself, content is answer. A chunk that ends reasoning and begins the answer is answer.
    """
    if any(reasoning):
        return "".join(_by_field(text, thought) for text, thought in zip(texts, reasoning, strict=True))
    whole = "".join(texts)
    start, end = _reasoning_span(whole, opens_thinking)
    if end == 0:
        return ANSWER * len(texts)
    answer_from = _skip_space(whole, end + len(CLOSING)) if end < len(whole) else len(whole)
    kinds, position = [], 0
    for text in texts:
        first, position = position, position + len(text)
        if position > answer_from:
            kinds.append(ANSWER)
        elif max(first, start) < min(position, end) and whole[max(first, start) : min(position, end)].strip():
            kinds.append(REASONING)
        else:
            kinds.append(NEITHER)
    return "".join(kinds)


def _by_field(text: str, thought: str) -> str:
    if text.strip():
        return ANSWER
    return REASONING if thought else NEITHER


def _reasoning_span(whole: str, opens_thinking: bool | None) -> tuple[int, int]:
    """Where reasoning begins and ends; (0, 0) without any; to the end of the text where it was cut off."""
    lead = len(whole) - len(whole.lstrip())
    closing = whole.find(CLOSING)
    if whole.startswith(OPENING, lead):
        return lead + len(OPENING), closing if closing >= 0 else len(whole)
    if closing >= 0:
        return 0, closing
    return (0, len(whole)) if opens_thinking else (0, 0)


def _skip_space(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip())


def template_opens_thinking(template: str | None) -> bool | None:
    """Whether a Jinja chat template's generation prompt leaves ``<think>`` open; None without a template."""
    if not template:
        return None
    tail = template.rpartition("add_generation_prompt")[2]
    return OPENING in tail and CLOSING not in tail
