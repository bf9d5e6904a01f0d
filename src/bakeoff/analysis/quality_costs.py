"""What a right answer costs: all that was spent on the tasks, over how many answers came out right; pure.

Wrong, truncated and ungraded answers are paid for too, as whoever waits for a right one pays for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from bakeoff.analysis.energy import scopes_of, spent
from bakeoff.analysis.quality_items import came, output_tokens, seconds, sums_of
from bakeoff.measurement.metrics import as_figure
from bakeoff.results.answers import Answer
from bakeoff.results.records import Figure, Metered, Trial
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.stats.ratios import inverted

Value = Callable[[Answer], float | None]


class PerCorrect(Struct, frozen=True, kw_only=True):
    """Σ over tasks / right answers. None where something was not told of every answer, or none was right.

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
        seconds=_over_right(there, seconds),
        tokens=_over_right(there, output_tokens),
        dollars=None if per_second is None else _over_right(there, partial(_dollars, per_second)),
        joules={scope: _over_right(there, partial(_joules, metered, scope)) for scope in energy_scopes(there)},
    )


def energy_scopes(answers: Sequence[Answer]) -> list[str]:
    """The scopes of which any energy was told."""
    return scopes_of([_watched(answer) for answer in answers])


def _over_right(answers: Sequence[Answer], value: Value) -> Figure | None:
    """The interval is that of right answers per cost, turned over: a task without a right answer is no division by 0.

    ``high`` is None where it cannot be told from no right answers at all.
    """
    spent_on = sums_of(answers, value)
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


def _joules(metered: Sequence[Metered], scope: str, answer: Answer) -> float | None:
    found = spent(_watched(answer), metered, scope)
    return found.joules if found is not None else None


def _watched(answer: Answer) -> Trial:
    """An answer as that which meters were read around."""
    return Trial(cell=0, index=0, purpose="timed", status="ok", started="", seed=answer.seed, readings=answer.readings)
