"""What a right answer costs: all that was spent on the tasks, over how many answers came out right; pure.

Wrong, truncated and ungraded answers are paid for too, as whoever waits for a right one pays for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import Struct, structs

from bakeoff.analysis.quality_energy import answers_energy, energy_scopes
from bakeoff.analysis.quality_items import ByItem, came, output_tokens, seconds, sums_of
from bakeoff.measurement.metrics import as_figure
from bakeoff.results.answers import Answer
from bakeoff.results.records import Figure, Metered
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.stats.ratios import inverted


class PerCorrect(Struct, frozen=True, kw_only=True):
    """Σ over tasks / right answers. None where something was not told of every answer, or none was right.

    The interval of ``joules`` is wider by what the meters leave open of their sum, whatever the chance of that.
    ``dollars`` are the seconds at what an hour of the machine costs, where that was said.
    """

    seconds: Figure | None = None
    tokens: Figure | None = None
    dollars: Figure | None = None
    joules: dict[str, Figure | None] = {}


def per_correct(answers: Sequence[Answer], metered: Sequence[Metered], price_per_hour: float | None) -> PerCorrect:
    """The costs of one subject's right answers, each with a 95 % interval over tasks."""
    there = came(answers)
    per_second = None if price_per_hour is None else price_per_hour / 3600
    return PerCorrect(
        seconds=_over_right(there, sums_of(there, seconds)),
        tokens=_over_right(there, sums_of(there, output_tokens)),
        dollars=None if per_second is None else _over_right(there, sums_of(there, partial(_dollars, per_second))),
        joules={scope: _joules_over_right(there, metered, scope) for scope in energy_scopes(there)},
    )


def _over_right(answers: Sequence[Answer], spent_on: ByItem | None) -> Figure | None:
    """The interval is that of right answers per cost, turned over: a task without a right answer is no division by 0.

    ``high`` is None where it cannot be told from no right answers at all.
    """
    right = sums_of(answers, lambda answer: float(answer.verdict == "right"))
    if not spent_on or not right or sum(right.values()) == 0 or sum(spent_on.values()) <= 0:
        return None
    items = sorted(spent_on)
    rate = ratio_of_sums([right[item] for item in items], [spent_on[item] for item in items])
    if rate.low is None or rate.high is None:
        return as_figure(Interval(1 / rate.point, None, None, rate.n))
    if rate.low <= 0:
        return as_figure(Interval(1 / rate.point, 1 / rate.high, None, rate.n))
    return as_figure(inverted(rate))


def _dollars(per_second: float, answer: Answer) -> float | None:
    took = seconds(answer)
    return None if took is None else took * per_second


def _joules_over_right(answers: Sequence[Answer], metered: Sequence[Metered], scope: str) -> Figure | None:
    energy = answers_energy(answers, metered, scope)
    figure = _over_right(answers, energy.by_item) if energy is not None else None
    if energy is None or figure is None:
        return figure
    whole_j = sum(energy.by_item.values())
    low, high = (
        None if bound is None else bound * meters_j / whole_j
        for bound, meters_j in ((figure.low, energy.low_j), (figure.high, energy.high_j))
    )
    return structs.replace(figure, low=low, high=high)
