"""Cells under load as a table, a small chart and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.load import Quantiles
from bakeoff.analysis.summary import CellSummary
from bakeoff.analysis.sweep import PAYING, Step, Sweep
from bakeoff.report.sweeps import sweeps_of
from bakeoff.results.records import CellOpened, Figure, Slo
from bakeoff.units import figure_text, seconds_text, significant

BAR = 28


def load_parts(cells: Sequence[CellSummary]) -> Iterator[RenderableType]:
    """What a screen shows of cells under load, sweep by sweep."""
    by_number = {cell.opened.cell: cell for cell in cells}
    for sweep in sweeps_of(cells):
        yield _table(sweep, by_number)
        yield Text("\n".join(_chart(sweep)), no_wrap=True, overflow="fold")
        for line in _sentences(sweep):
            yield Text(line)


def _table(sweep: Sweep, cells: dict[int, CellSummary]) -> Table:
    at_a_rate = sweep.cells[0].workload.rate_rps is not None
    limits = any(load.goodput_rps is not None for load in sweep.loads)
    first, per_token = _Times("first token", sweep, "ttft_s"), _Times("per token", sweep, "tpot_s")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    heads = ["due\na second" if at_a_rate else "\nstreams", "tokens/s\nin all", "tokens/s\neach"]
    heads += [first.head, per_token.head, *(["answered\na second"] if at_a_rate else [])]
    for head in [*heads, *(["in time\na second"] if limits else []), "\nrequests"]:
        table.add_column(head, justify="right", no_wrap=True)
    for opened, load in zip(sweep.cells, sweep.loads, strict=True):
        rate = opened.workload.rate_rps
        table.add_row(
            f"{rate:g}" if rate is not None else str(opened.workload.concurrency),
            _rate(load.output_tps),
            _point(cells[opened.cell].metrics.get("decode_tps")),
            first.text(load.ttft_s),
            per_token.text(load.tpot_s),
            *([_point(load.achieved_rps)] if at_a_rate else []),
            *([_point(load.goodput_rps)] if limits else []),
            f"{load.requests}" + (f" (+{load.lost} lost)" if load.lost else ""),
        )
    return table


class _Times:
    """Medians and 99 % of a time in one unit: milliseconds while all are under a second."""

    def __init__(self, what: str, sweep: Sweep, name: str) -> None:
        longest = max((times["p99"].point for load in sweep.loads if (times := getattr(load, name))), default=0.0)
        unit, self._scale = ("ms", 1000.0) if longest < 1 else ("s", 1.0)
        self.head = f"{what}, {unit}\np50 / p99"

    def text(self, times: Quantiles) -> str:
        if not times:
            return "–"
        return " / ".join(significant(times[p].point * self._scale) for p in ("p50", "p99"))


def _rate(figure: Figure | None) -> str:
    return figure_text(figure.point, figure.low, figure.high) if figure else "–"


def _point(figure: Figure | None) -> str:
    return significant(figure.point) if figure else "–"


def _chart(sweep: Sweep) -> Iterator[str]:
    """The total rate of each load as a bar from zero on."""
    rates = [load.output_tps.point if load.output_tps else 0.0 for load in sweep.loads]
    top = max(rates)
    if len(rates) < 2 or top <= 0:
        return
    labels = [_load_text(opened) for opened in sweep.cells]
    yield ""
    for label, rate in zip(labels, rates, strict=True):
        yield f"  {label:>{max(map(len, labels))}} │{_bar(rate / top)} {significant(rate)}"
    yield ""


def _bar(share: float) -> str:
    """To an eighth of a character."""
    whole, eighths = divmod(round(max(0.0, share) * BAR * 8), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def _load_text(opened: CellOpened) -> str:
    rate = opened.workload.rate_rps
    if rate is not None:
        return f"{rate:g} a second"
    return f"{opened.workload.concurrency} stream{'s' if opened.workload.concurrency > 1 else ''}"


def _sentences(sweep: Sweep) -> Iterator[str]:
    yield from _knee(sweep)
    slo = sweep.cells[0].workload.slo
    if slo is not None:
        yield f"In time: {limits_text(slo)}."
    at_a_rate = sweep.cells[0].workload.rate_rps is not None
    busy = "the load was full" if at_a_rate else "every stream was busy"
    yield (
        f"In all: tokens that arrived while {busy}, over that time; ± is half of the 95 % interval over windows. Each: "
        "while its answer was written. Times run from when a request was due."
    )


def limits_text(slo: Slo) -> str:
    """What a request had to keep, in words."""
    names = {"first token": slo.ttft_s, "per token": slo.tpot_s, "longest gap": slo.itl_s, "whole": slo.latency_s}
    return ", ".join(f"{name} within {seconds_text(limit)}" for name, limit in names.items() if limit is not None)


def _knee(sweep: Sweep) -> Iterator[str]:
    """Where another doubling of the streams stops paying, as far as the intervals tell."""
    if not sweep.steps:
        return
    share = f"{PAYING:.0%}"
    last = sweep.steps[-1]
    if sweep.knee is not None:
        after = next(step for step in sweep.steps if step.streams == sweep.knee)
        yield (
            f"The knee is at {_streams(sweep.knee)}: twice as many give {_gain(after)}, less than the {share} from "
            "which a doubling pays."
        )
    elif all(step.verdict == "pays" for step in sweep.steps):
        yield f"No knee up to {_streams(last.to)}: the last doubling gave {_gain(last)}. More streams may give more."
    elif sweep.knee_to is not None:
        yield (
            f"The knee lies between {sweep.knee_from} and {_streams(sweep.knee_to)}: more windows (--runs) would tell "
            "whether the doublings between them pay."
        )
    else:
        doubt = next(step for step in sweep.steps if step.verdict == "cannot_tell")
        yield (
            f"Too few windows to tell whether a doubling beyond {_streams(doubt.streams)} gives {share} more: it gave "
            f"{_gain(doubt)}. More windows: a larger --runs."
        )


def _streams(number: int | None) -> str:
    return f"{number} stream{'s' if number != 1 else ''}"


def _gain(step: Step) -> str:
    """By how much the total rate changes with each doubling: ``40% more (+35% to +45%)``."""
    gain = step.gain
    bounds = f" ({gain.low - 1:+.0%} to {gain.high - 1:+.0%})" if gain.low is not None and gain.high is not None else ""
    return f"{abs(gain.point - 1):.0%} {'more' if gain.point >= 1 else 'less'}{bounds}"
