"""What a machine costs against an API, as a screen and as the one object that ``--json`` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.economics.case import FIGURES, NAMES, inputs_of
from bakeoff.economics.inputs import INPUTS
from bakeoff.economics.ranges import Range
from bakeoff.economics.sensitivity import SWING, Swing
from bakeoff.economics.verdict import Answer
from bakeoff.report.cost_words import amount, answer_line, figure_value, within
from bakeoff.units import plain_text

SCHEMA = 1
BAR = 18
_ROWS = {
    "break_even_months": "break-even, months",
    "break_even_months_without_electricity": "  without electricity",
    "api_cost_per_month": "the API, a month",
    "local_cost_per_month": "this machine, a month",
    "electricity_cost_per_month": "  electricity",
    "hardware_cost_per_month": "  hardware",
    "local_cost_per_million_tokens": "a million tokens here, at this load",
    "full_load_cost_per_million_tokens": "a million tokens here, never idle",
    "cost_per_tps": "hardware, per token a second",
    "busy_share": "busy, of the day",
    "peak_busy_share": "busy, in the busiest hour",
    "peak_wait_s": "mean wait in it, at most",
}
_SHORT = {
    "tokens_out": "tokens generated a call",
    "api_input_price": "API price, tokens in",
    "api_output_price": "API price, tokens out",
}
_SWUNG = {
    "break_even_months": "the break-even (months)",
    "local_cost_per_million_tokens": "the cost of a million tokens here",
    "full_load_cost_per_million_tokens": "the cost of a million tokens here, never idle,",
    "api_cost_per_month": "the API's bill",
}


def cost_document(came: Answer, notes: Sequence[str]) -> dict[str, Any]:
    """Figures with their bounds; null where something is not known, and where the break-even is never."""
    months_ = came.figures["break_even_months"]
    return {
        "schema": SCHEMA,
        "currency": came.currency,
        "answer": answer_line(came),
        "verdict": came.verdict,
        "never": came.verdict == "never",
        "may_be_never": months_ is not None and math.isinf(months_.high),
        "earliest_break_even_months": None if months_ is None else _finite(months_.low),
        "can_do_the_load": came.can_do,
        **{name: _figure(value) for name, value in came.figures.items()},
        "inputs": {
            name: {
                "value": _figure(given.value),
                "unit": unit_of(name, came.currency),
                "words": NAMES[name],
                "source": given.source,
                "date": given.date,
            }
            for name, given in came.case.items()
        },
        "formulas": {name: formula.words for name, formula in FIGURES.items()},
        "left_out": [{"what": each.what, "options": each.options} for each in came.left_out],
        "sensitivity": {
            "figure": came.swung,
            "swings": [
                {
                    "input": each.name,
                    "low_input": each.low_input,
                    "high_input": each.high_input,
                    "at_low": _finite(each.at_low),
                    "at_high": _finite(each.at_high),
                }
                for each in came.swings
            ],
        },
        "notes": list(notes),
    }


def _figure(value: Range | None) -> dict[str, Any] | None:
    if value is None or math.isinf(value.point):
        return None
    low, high = _finite(value.low), _finite(value.high)
    return {"point": value.point, "low": low, "high": high, "confidence": value.confidence, "n": 1}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def unit_of(name: str, currency: str) -> str:
    """The unit of an input, with the sum's currency."""
    return currency if INPUTS[name].unit == "money" else INPUTS[name].unit


def print_cost(came: Answer, notes: Sequence[str], console: Console, *, explain: bool = False) -> None:
    """Write the whole screen: the answer, the figures, what is not in them, and what they hang on."""
    console.print(Group(*_parts(came, notes, explain)))


def _parts(came: Answer, notes: Sequence[str], explain: bool) -> Iterator[RenderableType]:
    yield Text(answer_line(came), "bold")
    yield Text()
    yield _table(came)
    if came.left_out:
        yield Text("\nLeft out:", "bold")
    for each in came.left_out:
        yield Text(f"· {each.what}: {', '.join(each.options)}", "dim")
    yield from _tornado(came)
    if explain:
        yield from _explained(came)
    if notes:
        yield Text()
    for note in notes:
        yield Text(f"· {plain_text(note)}", "dim")


def _table(came: Answer) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("between", no_wrap=True)
    for name, words in _ROWS.items():
        value = came.figures[name]
        alone = name == "break_even_months_without_electricity" and came.figures["electricity_cost_per_month"] is None
        if value is not None and not alone:
            table.add_row(words, figure_value(name, value.point, came.currency), within(name, value, came.currency))
    return table


def _tornado(came: Answer) -> Iterator[RenderableType]:
    """The inputs that matter most: what the figure is at each end, and a bar from the one to the other."""
    if came.swung is None:
        return
    ends = [end for each in came.swings for end in (each.at_low, each.at_high) if math.isfinite(end)]
    if not ends:
        return
    yield Text(f"\nWhat {_SWUNG[came.swung]} hangs on most:", "bold")
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(no_wrap=True)
    for each in came.swings:
        name = _SHORT.get(each.name, NAMES[each.name])
        table.add_row(
            f"{name}, {amount(each.low_input)} to {amount(each.high_input)}",
            " to ".join(figure_value(came.swung, end, came.currency) for end in (each.at_low, each.at_high)),
            bar(each, min(ends), max(ends)),
        )
    yield table
    if not all(each.ranged for each in came.swings):
        yield Text(f"What was given as one number is moved by {SWING:.0%} either way.", "dim")


def bar(swing: Swing, least: float, greatest: float) -> str:
    """``··████████▶``: from the one end to the other on a scale that all bars share; an arrow where it is never."""
    span = greatest - least or 1.0
    ends = sorted((swing.at_low, swing.at_high))
    low, high = (round((min(end, greatest) - least) / span * BAR) for end in ends)
    low = min(low, BAR - 1)
    filled = "█" * max(1, high - low)
    rest = "·" * (BAR - low - len(filled))
    return f"{'·' * low}{filled}{rest}{'▶' if math.isinf(ends[1]) else ''}"


def _explained(came: Answer) -> Iterator[RenderableType]:
    yield Text("\nEach figure, its formula and its inputs:", "bold")
    for name, formula in FIGURES.items():
        value = came.figures[name]
        if value is None:
            continue
        yield Text(f"{_ROWS[name].strip()} = {figure_value(name, value.point, came.currency)}")
        yield Text(f"  = {formula.words}", "dim")
        used = inputs_of(name, came.values).items()
        yield Text(f"  of {'; '.join(f'{_SHORT.get(each, NAMES[each])} {_shown(of)}' for each, of in used)}", "dim")
    yield Text("\nEach input and where it is from:", "bold")
    for name, given in came.case.items():
        unit = unit_of(name, came.currency)
        unit = "" if unit in ("share", "calls", "tokens", "years") else f" {unit}"
        date = f", {given.date}" if given.date else ""
        yield Text(f"{NAMES[name]}: {_shown(given.value)}{unit}  [{plain_text(given.source)}{date}]", "dim")


def _shown(value: Range) -> str:
    """An input, with its bounds where it has some."""
    return amount(value.low) if value.certain else f"{amount(value.point)} ({amount(value.low)}–{amount(value.high)})"
