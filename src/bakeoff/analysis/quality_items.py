"""Answers by task: what each task's answers come to on the mean; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from bakeoff.quality.thinking import Thinking, parts, thinking
from bakeoff.results.answers import Answer

GRADED = ("right", "wrong", "truncated")
"""Verdicts that count. What cannot be told, and what never came, is counted beside them."""

ByItem = dict[str, float]
"""A figure by task: the mean over its samples."""


def graded(answers: Iterable[Answer]) -> list[Answer]:
    """Those whose verdict counts; a truncated one is wrong."""
    return [answer for answer in answers if answer.verdict in GRADED]


def came(answers: Iterable[Answer]) -> list[Answer]:
    """Those that came at all, whatever they are worth."""
    return [answer for answer in answers if answer.verdict != "failed"]


def item_means(answers: Iterable[Answer]) -> ByItem:
    """The share that is right, of each task that has graded answers."""
    return means_of(graded(answers), lambda answer: float(answer.verdict == "right"))


def means_of(answers: Iterable[Answer], value: Callable[[Answer], float | None]) -> ByItem:
    """The mean of a figure over each task's answers that have it; tasks without any are left out."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for answer in answers:
        figure = value(answer)
        if figure is not None:
            found[answer.item].append(figure)
    return {item: fmean(values) for item, values in found.items()}


def sums_of(answers: Sequence[Answer], value: Callable[[Answer], float | None]) -> ByItem | None:
    """The sum of a figure over each task's answers; None where any answer lacks it."""
    found: defaultdict[str, float] = defaultdict(float)
    for answer in answers:
        figure = value(answer)
        if figure is None:
            return None
        found[answer.item] += figure
    return dict(found)


def seconds(answer: Answer) -> float | None:
    """Request fully sent → last byte."""
    return _seconds(answer.end_ns)


def first_token_s(answer: Answer) -> float | None:
    return _seconds(answer.first_ns)


def first_answer_s(answer: Answer) -> float | None:
    """Until the first token of the answer, behind any reasoning; None where it never came."""
    return _seconds(answer.answer_ns)


def output_tokens(answer: Answer) -> float | None:
    """Reasoning and answer together."""
    if answer.reasoning_tokens is None or answer.answer_tokens is None:
        return None
    return float(answer.reasoning_tokens + answer.answer_tokens)


def reasoning_tokens(answer: Answer) -> float | None:
    return None if answer.reasoning_tokens is None else float(answer.reasoning_tokens)


def answer_tokens(answer: Answer) -> float | None:
    return None if answer.answer_tokens is None else float(answer.answer_tokens)


def thoughts(answer: Answer, opens_thinking: bool | None) -> Thinking:
    """The counts of its reasoning; where it has none, as with models that think aloud, of its whole text."""
    if answer.reasoning:
        return thinking(answer.reasoning)
    said = parts(answer.text, opens_thinking)
    return thinking(said.reasoning or said.answer or "")


def _seconds(ns: int | None) -> float | None:
    return ns / 1e9 if ns is not None and 0 <= ns <= 10**18 else None
