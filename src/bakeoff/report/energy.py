"""Energy on the screen: one line a cell and scope, where a meter told any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.summary import CellSummary
from bakeoff.results.records import Figure
from bakeoff.units import figure_text, one_line, significant

COLUMNS = {
    "energy_j_per_token": "\nJ/token",
    "net_energy_j_per_token": "above\nidle",
    "energy_j_per_answer": "J/\nanswer",
    "power_w": "\nwatts",
    "idle_w": "idle,\nwatts",
}


def energy_parts(cells: Sequence[CellSummary]) -> Iterator[RenderableType]:
    """The table, and a sentence for each scope; nothing where no energy is known."""
    rows = [(cell, scope) for cell in cells for scope in _known(cell)]
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("\nenergy", overflow="fold")
    table.add_column("", no_wrap=True)
    for head in COLUMNS.values():
        table.add_column(head, justify="right", no_wrap=True)
    for cell, scope in rows:
        figures = (cell.energy.figures[name].get(scope) for name in COLUMNS)
        table.add_row(one_line(cell.opened.workload.name), scope, *map(_text, figures))
    yield Text()
    yield table
    widest = rows[-1][1]
    told = [(figure, cell) for cell, scope in rows if scope == widest and (figure := _per_joule(cell, scope))]
    for figure, cell in told[:1]:
        yield Text(
            f"{significant(figure.point)} tokens per joule at scope {widest}: a kilowatt-hour makes "
            f"{significant(figure.point * 3.6e6, 2)} tokens of {one_line(cell.opened.workload.name)}."
        )


def _known(cell: CellSummary) -> list[str]:
    found = cell.energy.figures.get("energy_j_per_token", {})
    return [scope for scope, figure in found.items() if figure is not None]


def _per_joule(cell: CellSummary, scope: str) -> Figure | None:
    return cell.energy.figures.get("tokens_per_joule", {}).get(scope)


def _text(figure: Figure | None) -> str:
    return "–" if figure is None else figure_text(figure.point, figure.low, figure.high)
