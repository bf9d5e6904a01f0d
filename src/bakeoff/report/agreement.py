"""How far next tokens agree with the reference's, in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from bakeoff.analysis.agreement import Agreed, AgreementSummary
from bakeoff.results.records import Figure
from bakeoff.stats.divergence import ROUNDING
from bakeoff.stats.verdicts import percent
from bakeoff.units import one_line, significant


def agreement_sentences(summary: AgreementSummary) -> Iterator[str]:
    """What was asked, each subject, the reference against itself, and what all that does not tell."""
    floor, reference = summary.floor, one_line(summary.reference)
    yield (
        f"Next tokens, each given the same tokens before it, at {floor.places} of the {summary.tokens} places of "
        f"{reference}'s own greedy answers to {floor.tasks} tasks; by up to {summary.top} likeliest of each:"
    )
    for other in summary.others:
        yield f"  {one_line(other.name)}: {_words(other)}."
    yield f"  {reference} against itself, while it wrote and when it was given the same: {_words(floor)}."
    yield (
        "  That tells how far the distributions moved. It does not rank nearly lossless quantizations by accuracy: "
        "what counts there is which answers come out right."
    )


def _words(agreed: Agreed) -> str:
    same = f"the same likeliest token at {_percent(agreed.same)} of places"
    places = f"{agreed.unnamed} place{'s' if agreed.unnamed > 1 else ''}"
    unnamed = f" (at most: at {places} it is not among them)" if agreed.unnamed else ""
    ratio = f"the reference's token ×{_bounds(agreed.log_ratio, _factor)} as likely{unnamed}"
    kl = (
        "no KL above rounding"
        if agreed.kl.point < ROUNDING
        else f"KL at least {_bounds(agreed.kl, _nats)} nats a token"
    )
    return f"{same}; {ratio}; {kl} ({percent(agreed.lump)} of the probability taken as one lump)"


def _percent(figure: Figure) -> str:
    point = f"{100 * figure.point:.1f} %"
    if figure.low is None or figure.high is None:
        return point
    return f"{point} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def _bounds(figure: Figure, text: Callable[[float], str]) -> str:
    if figure.low is None or figure.high is None or text(figure.low) == text(figure.high):
        return text(figure.point)
    return f"{text(figure.point)} ({text(figure.low)}–{text(figure.high)})"


def _factor(log_ratio: float) -> str:
    return significant(math.exp(min(log_ratio, 700.0)), 3)


def _nats(value: float) -> str:
    return "0" if value < ROUNDING else significant(value, 2)
