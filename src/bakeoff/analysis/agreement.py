"""How far the next tokens of a run's subjects agree with its reference's; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from bakeoff.measurement.metrics import as_figure
from bakeoff.results.answers import Foretold, Likeliest, ReferenceAnswer
from bakeoff.results.records import Figure, Run
from bakeoff.stats.accuracy import accuracy
from bakeoff.stats.divergence import shared_kl
from bakeoff.stats.intervals import Interval, mean_interval


class Agreed(Struct, frozen=True, kw_only=True):
    """One subject against the reference: means over tasks of means over places, with intervals over tasks.

    ``same``: the share of places where both hold the same token likeliest. ``kl``: of the divergence of the subject
    from the reference, in nats a token, a lower bound. ``lump``: the reference's probability that it takes as one lump.
    ``log_ratio``: ln of how likely the subject holds the reference's own token, over how likely the reference does;
    where the subject does not name it (``unnamed`` places) it counts as likely as the least that it names.
    """

    name: str
    tasks: int
    places: int
    same: Figure
    kl: Figure
    log_ratio: Figure
    unnamed: int
    lump: float


class AgreementSummary(Struct, frozen=True, kw_only=True):
    """``floor`` is the reference against itself: while it wrote, against when it was given its own tokens.

    ``tokens`` are those of its answers, of which some are the places that all were asked at; ``top`` likeliest tokens
    were told of each.
    """

    reference: str
    floor: Agreed
    others: tuple[Agreed, ...]
    tokens: int
    top: int


class _Place(Struct, frozen=True):
    same: float
    kl: float
    lump: float
    log_ratio: float
    unnamed: bool


def summarize_agreement(run: Run) -> AgreementSummary | None:
    """None where the reference was not asked."""
    answers = {record.item: record for record in run.reference_answers if record.places}
    told = {(record.entrant, record.item): record for record in run.foretold if record.item in answers}
    names = {opened.entrant: opened.subject.text for opened in run.answering}
    reference = next((record.entrant for record in answers.values()), None)
    if reference is None or reference not in names:
        return None
    read = {item: told[reference, item] for item in answers if (reference, item) in told}
    if not read:
        return None

    def against(entrant: int) -> Agreed | None:
        pairs = [(item, told[entrant, item].at) for item in read if (entrant, item) in told]
        return _agreed(names[entrant], [_task(answers[item], read[item], at) for item, at in pairs])

    floor = _agreed(names[reference], [_task(answers[item], read[item], answers[item].written) for item in read])
    assert floor is not None
    return AgreementSummary(
        reference=names[reference],
        floor=floor,
        others=tuple(each for entrant in names if entrant != reference and (each := against(entrant)) is not None),
        tokens=sum(len(answers[item].answer) for item in read),
        top=max(len(at.ids) for record in read.values() for at in record.at),
    )


def _task(answer: ReferenceAnswer, read: Foretold, other: Sequence[Likeliest]) -> list[_Place]:
    tokens = (answer.answer[place] for place in answer.places)
    return [_place(token, p, q) for token, p, q in zip(tokens, read.at, other, strict=True)]


def _place(token: int, p: Likeliest, q: Likeliest) -> _Place:
    of_p, of_q = (dict(zip(side.ids, side.logprobs, strict=True)) for side in (p, q))
    kl, lump = shared_kl(of_p, of_q)
    ratio = of_q.get(token, min(q.logprobs)) - of_p.get(token, min(p.logprobs))
    return _Place(float(p.ids[0] == q.ids[0]), kl, lump, ratio, token not in of_q)


def _agreed(name: str, tasks: Sequence[Sequence[_Place]]) -> Agreed | None:
    if not tasks:
        return None

    def means(of: Callable[[_Place], float]) -> list[float]:
        return [math.fsum(map(of, places)) / len(places) for places in tasks]

    lumps = means(lambda place: place.lump)
    return Agreed(
        name=name,
        tasks=len(tasks),
        places=sum(map(len, tasks)),
        same=as_figure(accuracy(means(lambda place: place.same))),
        kl=as_figure(_above_zero(mean_interval(means(lambda place: place.kl)))),
        log_ratio=as_figure(mean_interval(means(lambda place: place.log_ratio))),
        unnamed=sum(place.unnamed for places in tasks for place in places),
        lump=math.fsum(lumps) / len(lumps),
    )


def _above_zero(interval: Interval) -> Interval:
    """A divergence is never below zero; Student's interval of a few may reach there."""
    low = None if interval.low is None else max(0.0, interval.low)
    return Interval(interval.point, low, interval.high, interval.n)
