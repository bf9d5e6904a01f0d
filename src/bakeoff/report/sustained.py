"""Speed over time as a small chart and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bakeoff.analysis.sustained import Change, Sustained
from bakeoff.results.records import Figure
from bakeoff.units import figure_text, listed, seconds_text, significant

_ROWS = 4
_COLUMNS_A_BIN = 2
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def course_chart(course: Sustained) -> Iterator[str]:
    """Lines from zero up, so that heights are speeds; none where there is nothing to draw."""
    rates = [None if each.decode_tps is None else each.decode_tps.point for each in course.bins]
    top = max((rate for rate in rates if rate is not None), default=0.0)
    if top <= 0:
        return
    scale = max(significant(top), significant(top / 2), key=len)
    labels = {_ROWS - 1: significant(top), _ROWS // 2 - 1: significant(top / 2)}
    for row in reversed(range(_ROWS)):
        cells = "".join(_cell(rate, row, top) * _COLUMNS_A_BIN for rate in rates)
        yield f"  {labels.get(row, ''):>{len(scale)}} │{cells}".rstrip()
    hot = "".join(("!" if each.throttled else " ") * _COLUMNS_A_BIN for each in course.bins)
    yield f"  {'0':>{len(scale)}} └{'─' * len(hot)}"
    if "!" in hot:
        yield f"  {'':>{len(scale)}}  {hot}  ! held back by heat or power".rstrip()
    end = _minutes(course.span_s)
    yield f"  {'':>{len(scale)}}  0{end:>{max(len(end) + 1, len(hot) - 1)}}"


def _cell(rate: float | None, row: int, top: float) -> str:
    """One character of a bin's column, to an eighth of a row."""
    eighths = 0 if rate is None else round(rate / top * _ROWS * 8) - row * 8
    return _EIGHTHS[min(8, max(0, eighths))]


def course_sentences(course: Sustained) -> Iterator[str]:
    """The first minute beside what was kept up, and when that changed."""
    first, steady, over = course.first_tps, course.steady_tps, course.steady_over_first
    if first is not None and steady is not None and over is not None:
        yield (
            f"Over {_minutes(course.span_s)}: {_tps(first)} tokens/s in the first minute, {_tps(steady)} in the end, "
            f"{_times(over)}."
        )
    if course.changes is None:
        yield "Too few trials to tell when the speed changed: take longer, or fewer --max-tokens."
    elif not course.changes:
        yield "The speed did not change by steps of 3 % or more."
    else:
        told = [_change(change) for change in course.changes]
        yield f"The speed {listed(told)}.{_heat(course)}"


def _change(change: Change) -> str:
    by = change.ratio.point - 1
    return f"{'rose' if by > 0 else 'fell'} by {abs(by):.0%} after {_minutes(change.at_s)}"


def _heat(course: Sustained) -> str:
    """What the sensors say of it."""
    temperatures = [each.temperature_c for each in course.bins if each.temperature_c is not None]
    if not temperatures:
        return ""
    return f" The hottest sensor went from {temperatures[0]:.0f} to {max(temperatures):.0f} °C."


def _tps(figure: Figure) -> str:
    return figure_text(figure.point, figure.low, figure.high)


def _times(ratio: Figure) -> str:
    return f"{figure_text(ratio.point, ratio.low, ratio.high)} times that"


def _minutes(seconds: float) -> str:
    """Whole minutes where they are meant: ``10 min``, else ``3 min 20 s`` or ``45 s``."""
    whole = math.floor(seconds / 60 + 0.5)
    return f"{whole} min" if whole and abs(seconds - whole * 60) < 1 else seconds_text(seconds)
