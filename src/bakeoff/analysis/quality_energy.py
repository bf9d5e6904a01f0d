"""The energy of answers: each one's own, or that of a block of them together, whichever is known better; pure.

A block also holds the moments between its answers, in which they are graded, a share 1 − s of its time. Its answers
then took E − idle power × that time, where an idle level is known, E − h ≤ … ≤ E + h by the meter. It was no less than
s × E − h, since the engine draws no more in between than while it answers; nor can an edge be off by more than h = the
meter's ± / s, since that is told at the mean power of the block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from bakeoff.analysis.energy import Spent, scopes_of, spent
from bakeoff.analysis.quality_items import ByItem, seconds
from bakeoff.results.answers import Answer
from bakeoff.results.records import Metered, Trial


class AnswersEnergy(Struct, frozen=True, kw_only=True):
    """Joules by task, of all its samples, and between what their sum lies by what the meters leave open."""

    by_item: ByItem
    low_j: float
    high_j: float


class _Part(Struct, frozen=True):
    """The joules of some answers, one each, and the bounds of their sum."""

    joules: Sequence[float]
    low_j: float
    high_j: float


def energy_scopes(answers: Sequence[Answer]) -> list[str]:
    """The scopes of which any energy was told, or withheld."""
    return scopes_of([_watched(answer) for answer in answers])


def answers_energy(answers: Sequence[Answer], metered: Sequence[Metered], scope: str) -> AnswersEnergy | None:
    """Of all answers, in the order in which they came; None where the energy of any of them cannot be told."""
    by_item: defaultdict[str, float] = defaultdict(float)
    low_j = high_j = 0.0
    rest = list(answers)
    while rest:
        members, part = _last_part(rest, metered, scope)
        if part is None:
            return None
        for answer, joules in zip(members, part.joules, strict=True):
            by_item[answer.item] += joules
        low_j, high_j = low_j + part.low_j, high_j + part.high_j
        del rest[len(rest) - len(members) :]
    return AnswersEnergy(by_item=dict(by_item), low_j=low_j, high_j=high_j)


def _last_part(
    answers: Sequence[Answer], metered: Sequence[Metered], scope: str
) -> tuple[Sequence[Answer], _Part | None]:
    """The answers of the last one's block, and their energy; without a block that one alone."""
    last = answers[-1]
    block = answers[len(answers) - last.block :] if 1 < last.block <= len(answers) else ()
    together = _together(block, spent(_watched(last), metered, scope, "block")) if block else None
    members = block if together else answers[-1:]
    apart = _apart([spent(_watched(answer), metered, scope) for answer in members])
    if together and apart:
        return members, min((apart, together), key=lambda part: part.high_j - part.low_j)
    return members, together or apart


def _apart(each: Sequence[Spent | None]) -> _Part | None:
    known = [told for told in each if told is not None]
    if len(known) < len(each):
        return None
    joules = [told.joules for told in known]
    halves = [min(told.half_j, told.joules) for told in known]
    return _Part(joules, sum(joules) - sum(halves), sum(joules) + sum(told.half_j for told in known))


def _together(block: Sequence[Answer], told: Spent | None) -> _Part | None:
    """Shared out by time, since one engine draws about as much for one answer as for another."""
    times = [seconds(answer) or 0.0 for answer in block]
    whole = sum(times)
    if told is None or whole <= 0 or told.span_s <= 0:
        return None
    share = min(1.0, whole / told.span_s)
    half = told.half_j / share
    least = told.joules * share
    joules = max(least, told.joules - (1 - share) * (told.idle_j or 0.0))
    return _Part([joules * time / whole for time in times], max(0.0, least - half), joules + half)


def _watched(answer: Answer) -> Trial:
    """An answer as that which meters were read around."""
    return Trial(cell=0, index=0, purpose="timed", status="ok", started="", seed=answer.seed, readings=answer.readings)
