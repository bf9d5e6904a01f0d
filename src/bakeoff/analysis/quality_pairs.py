"""Two subjects on the same tasks: whose answers are right more often, how sure that is, and who thinks longer; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from msgspec import Struct, structs

from bakeoff.analysis.quality_items import (
    ByItem,
    answer_tokens,
    came,
    first_answer_s,
    graded,
    item_means,
    means_of,
    output_tokens,
    reasoning_tokens,
    seconds,
    thoughts,
)
from bakeoff.quality.thinking import Thinking
from bakeoff.results.answers import Answer, Answering, TaskSet
from bakeoff.results.records import Figure, Subject
from bakeoff.stats.intervals import BOOTSTRAP_FROM, Interval, mean_interval
from bakeoff.stats.paired import holm, mcnemar, newcombe, sign_flip
from bakeoff.stats.power import ALPHA, smallest_visible, smallest_visible_flips
from bakeoff.stats.ratios import paired_quotient

FEWEST = 6
"""Of five tasks, even all flipped one way come about by chance in 6 % of all cases."""
MOST_SHARE = 0.05
"""With more truncated, or more ungraded, there is no verdict on accuracy."""

Verdict = Literal[
    "better", "worse", "no_difference_seen", "equivalent", "near_ties", "too_few_items", "truncated", "ungraded"
]


class Side(Struct, frozen=True, kw_only=True):
    """One subject with its answers, and what its reasoning shows, by item and sample."""

    opened: Answering
    answers: Sequence[Answer]
    thought: Mapping[tuple[str, int], Thinking]

    @property
    def name(self) -> str:
        return self.opened.subject.text

    @property
    def reasons(self) -> bool:
        """Whether it thinks before it answers: by its template, or by any of its answers."""
        return bool(self.opened.opens_thinking) or any(answer.reasoning_tokens for answer in self.answers)

    def share(self, verdict: str) -> float:
        """Of all answers that came, those of a verdict."""
        there = came(self.answers)
        return sum(answer.verdict == verdict for answer in there) / len(there) if there else 0.0


class Change(Struct, frozen=True, kw_only=True):
    """A figure of the answers, task by task: the second's mean less the first's, and over it where both are above 0.

    ``seen``: the interval of the difference does not hold 0.
    """

    a: float
    b: float
    difference: Figure
    ratio: Figure | None
    seen: bool


class Flips(Struct, frozen=True):
    """The tasks that only one had right: of several samples, right in more than half of them."""

    a_only: tuple[str, ...]
    b_only: tuple[str, ...]


class Pair(Struct, frozen=True, kw_only=True):
    """``b`` against ``a``. ``p`` is of the test alone, ``p_adjusted`` of all comparisons of the run together (Holm).

    ``smallest_visible_difference``: what this many tasks and samples show in 80 % of all cases, given the spread that
    was seen; None where they show none. ``same_texts``: answers that are alike to the letter.
    """

    a: str
    b: str
    items: int
    samples: int
    difference: Figure | None
    flips: Flips
    p: float | None
    p_adjusted: float | None
    test: str
    interval: str
    smallest_visible_difference: float | None
    verdict: Verdict
    margin: float | None
    same_texts: int
    answers: int
    thinking: dict[str, Change | None]


def pairs(sides: Sequence[Side], reference: int, tasks: TaskSet, margin: float | None) -> tuple[Pair, ...]:
    """Every other subject against the reference; with several, each by so much stricter a measure."""
    others = [side for number, side in enumerate(sides) if number != reference]
    found = [_pair(sides[reference], other, tasks, len(others), margin) for other in others]
    tested = [pair.p for pair in found if pair.p is not None]
    adjusted = iter(holm(tested))
    whole = [structs.replace(pair, p_adjusted=next(adjusted)) if pair.p is not None else pair for pair in found]
    return tuple(
        structs.replace(pair, verdict=_verdict(pair, sides[reference], other, tasks))
        for pair, other in zip(whole, others, strict=True)
    )


def _pair(a: Side, b: Side, tasks: TaskSet, comparisons: int, margin: float | None) -> Pair:
    ours, theirs = item_means(a.answers), item_means(b.answers)
    items = [item.id for item in tasks.items if item.id in ours and item.id in theirs]
    differences = [theirs[item] - ours[item] for item in items]
    alpha = ALPHA / comparisons
    single = all(len(graded(side.answers)) == len(item_means(side.answers)) for side in (a, b))
    flips = Flips(
        tuple(item for item in items if ours[item] > 0.5 >= theirs[item]),
        tuple(item for item in items if theirs[item] > 0.5 >= ours[item]),
    )
    interval = _interval(ours, theirs, items, single=single, confidence=1 - alpha) if items else None
    test = "exact McNemar" if single else "paired sign-flip permutation"
    several = "bootstrap over tasks" if len(items) >= BOOTSTRAP_FROM else "Student's t over tasks"
    p = None
    if items:
        p = mcnemar(len(flips.a_only), len(flips.b_only)) if single else sign_flip(differences, tasks.seed)
    texts = _texts(a), _texts(b)
    both = texts[0].keys() & texts[1].keys()
    return Pair(
        a=a.name,
        b=b.name,
        items=len(items),
        samples=tasks.samples,
        difference=_figure(interval, 1 - alpha) if interval else None,
        flips=flips,
        p=p,
        p_adjusted=None,
        test=test,
        interval="Newcombe, paired" if single else several,
        smallest_visible_difference=_smallest(differences, flips, single=single, alpha=alpha),
        verdict="too_few_items",
        margin=margin,
        same_texts=sum(texts[0][place] == texts[1][place] for place in both),
        answers=len(both),
        thinking={name: change(a, b, value) for name, value in CHANGES.items()},
    )


def _interval(ours: ByItem, theirs: ByItem, items: Sequence[str], *, single: bool, confidence: float) -> Interval:
    if not single:
        found = mean_interval([theirs[item] - ours[item] for item in items], confidence)
        low, high = (None if bound is None else max(-1.0, min(1.0, bound)) for bound in (found.low, found.high))
        return Interval(found.point, low, high, found.n)
    counts = {(x, y): sum((ours[item], theirs[item]) == (x, y) for item in items) for x in (0, 1) for y in (0, 1)}
    return newcombe(counts[1, 1], counts[1, 0], counts[0, 1], counts[0, 0], confidence)


def _smallest(differences: Sequence[float], flips: Flips, *, single: bool, alpha: float) -> float | None:
    """Where nothing differed, as if one task had."""
    n = len(differences)
    if n < 2:
        return None
    if single:
        return smallest_visible_flips(max(1, len(flips.a_only) + len(flips.b_only)) / n, n, alpha)
    mean = fmean(differences)
    deviation = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    return smallest_visible(max(deviation, 1 / math.sqrt(n)), n, alpha)


def _verdict(pair: Pair, a: Side, b: Side, tasks: TaskSet) -> Verdict:
    """Truncated and ungraded answers first: with many of them, the accuracies are of the limit or of the grader."""
    if max(a.share("truncated"), b.share("truncated")) > MOST_SHARE:
        return "truncated"
    if max(a.share("ungraded"), b.share("ungraded")) > MOST_SHARE:
        return "ungraded"
    if pair.items < FEWEST or pair.difference is None or pair.p_adjusted is None:
        return "too_few_items"
    low, high = pair.difference.low, pair.difference.high
    if pair.margin and low is not None and high is not None and -pair.margin <= low and high <= pair.margin:
        return "equivalent"
    if pair.p_adjusted < ALPHA:
        return "better" if pair.difference.point > 0 else "worse"
    if tasks.temperature == 0 and same_weights(a, b) and pair.same_texts < pair.answers:
        return "near_ties"
    return "no_difference_seen"


def same_weights(a: Side, b: Side) -> bool:
    """Whether both are the same weights on unlike engines: by their digest, else by name and quantization."""
    here, there = a.opened.subject, b.opened.subject
    if _place(here) == _place(there):
        return False
    if here.model.digest and there.model.digest:
        return here.model.digest == there.model.digest
    return (here.model.name, here.model.quant) == (there.model.name, there.model.quant)


def _place(subject: Subject) -> tuple[object, ...]:
    """What computes."""
    return subject.engine, subject.engine_version, *(subject.settings.get(name) for name in ("device", "gpu_layers"))


def _texts(side: Side) -> dict[tuple[str, int], str]:
    return {(answer.item, answer.sample): answer.reasoning + answer.text for answer in came(side.answers)}


Of = Callable[[Side], ByItem]


def _by_answer(value: Callable[[Answer], float | None]) -> Of:
    return lambda side: means_of(came(side.answers), value)


def _by_thought(value: Callable[[Thinking], float]) -> Of:
    return lambda side: means_of(
        came(side.answers),
        lambda answer: value(side.thought[answer.item, answer.sample]),
    )


CHANGES: dict[str, Of] = {
    "output_tokens": _by_answer(output_tokens),
    "reasoning_tokens": _by_answer(reasoning_tokens),
    "answer_tokens": _by_answer(answer_tokens),
    "seconds": _by_answer(seconds),
    "ttfa_s": _by_answer(first_answer_s),
    "steps": _by_thought(lambda thought: thought.steps),
    "verifications": _by_thought(lambda thought: thought.verifications),
    "repeated_share": _by_thought(lambda thought: thought.repeated_share),
    "loops": _by_thought(lambda thought: float(thought.loop_words > 0)),
}
"""What is compared task by task beside right and wrong. Of answers without reasoning, steps are those of the answer."""


def thought_of(opened: Answering, answers: Sequence[Answer]) -> dict[tuple[str, int], Thinking]:
    """The counts of every answer that came."""
    return {(answer.item, answer.sample): thoughts(answer, opened.opens_thinking) for answer in came(answers)}


def change(a: Side, b: Side, of: Of) -> Change | None:
    """Over the tasks that both have it of; None below two."""
    ours, theirs = of(a), of(b)
    items = [item for item in ours if item in theirs]
    if len(items) < 2:
        return None
    first, second = fmean(ours[item] for item in items), fmean(theirs[item] for item in items)
    off = mean_interval([theirs[item] - ours[item] for item in items])
    ratio = None
    if first > 0 and second > 0:
        ratio = _figure(
            paired_quotient([(ours[item], 1.0) for item in items], [(theirs[item], 1.0) for item in items]), 0.95
        )
    seen = off.low is not None and off.high is not None and not off.low <= 0 <= off.high
    return Change(a=first, b=second, difference=_figure(off, 0.95), ratio=ratio, seen=seen)


def _figure(interval: Interval, confidence: float) -> Figure:
    return Figure(point=interval.point, low=interval.low, high=interval.high, confidence=confidence, n=interval.n)
