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
        return _by_field(texts, reasoning)
    whole = "".join(texts)
    span = _reasoning_span(whole, opens_thinking)
    if span is None:
        return ANSWER * len(texts)
    start, end, answer_from = span
    kinds, position = [], 0
    for text in texts:
        first, position = position, position + len(text)
        if position > answer_from:
            kinds.append(ANSWER)
        elif max(first, start) < min(position, end):
            kinds.append(REASONING)
        else:
            kinds.append(NEITHER)
    return "".join(kinds)


def _by_field(texts: Sequence[str], reasoning: Sequence[str]) -> str:
    kinds, answering = [], False
    for text, thought in zip(texts, reasoning, strict=True):
        answering = answering or bool(text.strip())
        kinds.append(ANSWER if text and answering else REASONING if thought else NEITHER)
    return "".join(kinds)


def _reasoning_span(whole: str, opens_thinking: bool | None) -> tuple[int, int, int] | None:
    """Where reasoning begins and ends, and where the answer begins, the space around each left out.

    None without any reasoning. Where it was cut off, it and the answer's beginning are at the end of the text.
    """
    opening = _skip_space(whole, 0)
    closing = whole.find(CLOSING)
    if whole.startswith(OPENING, opening):
        opening += len(OPENING)
    elif closing < 0 and not opens_thinking:
        return None
    end = closing if closing >= 0 else len(whole)
    answer_from = _skip_space(whole, end + len(CLOSING)) if closing >= 0 else len(whole)
    return _skip_space(whole, opening), len(whole[:end].rstrip()), answer_from


def _skip_space(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip())


def template_opens_thinking(template: str | None) -> bool | None:
    """Whether a Jinja chat template's generation prompt leaves ``<think>`` open; None without a template.

    An empty ``<think></think>`` in it is how a template switches reasoning off when it is told to.
    """
    if not template:
        return None
    tail = template.rpartition("add_generation_prompt")[2]
    return tail.count(OPENING) > tail.count(CLOSING)
