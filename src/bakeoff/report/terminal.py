"""A run as a screen: what was run, the figures with their intervals, what limits them, and in words."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.findings import Finding
from bakeoff.analysis.predicted import decode_miss
from bakeoff.analysis.summary import CellSummary, Summary
from bakeoff.report.energy import energy_parts
from bakeoff.report.load import load_parts
from bakeoff.report.sustained import course_chart, course_sentences
from bakeoff.results.records import CellOpened, Figure, Host, Start, Subject
from bakeoff.units import bytes_text, figure_text, one_line, seconds_text, significant

INTERACTIVE_TPS = 10
"""The usual floor of interactive use: below it, waiting is what one does."""
THOUGHT, ANSWER = 2000, 500
"""The example in words: a reasoning model that thinks 2,000 tokens and answers with 500."""
_STYLES = {"severe": "bold red", "warning": "yellow", "info": "dim"}
_KEPT_FOR_JSON = ("not_reported", "itl_unknown")
"""Why a figure is missing that this screen does not show."""
_MARKS = {"severe": "✗", "warning": "!", "info": "·"}


def print_summary(summary: Summary, path: str, console: Console) -> None:
    """Write the whole screen."""
    console.print(Group(*_parts(summary, path)))


def screen_svg(summary: Summary, path: str, title: str) -> str:
    """The same screen as a picture, 80 columns wide, which loads nothing from anywhere."""
    console = Console(record=True, width=80, file=io.StringIO(), highlight=False, force_terminal=True)
    print_summary(summary, path, console)
    return re.sub(r"@font-face\s*\{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)


def _parts(summary: Summary, path: str) -> Iterator[RenderableType]:
    started = summary.run.started
    yield Text.assemble(("Bakeoff", "bold"), f" run {one_line(started.id)}")
    yield Text(host_line(started.host), style="dim")
    advised: set[str] = set()
    for _, group in groupby(summary.cells, key=lambda cell: cell.opened.subject):
        cells = list(group)
        yield Text()
        yield _title(cells[0].opened)
        alone = [cell for cell in cells if cell.load is None]
        if alone:
            yield _figures(alone)
            yield from _sentences(alone)
        yield from load_parts(cells)
        yield from energy_parts(cells)
        yield from _courses(cells)
        yield from _predictions(cells)
        yield from _findings(cells, advised)
    for failure in summary.run.failures:
        yield Text()
        yield Text(f"✗ {one_line(failure.subject)} was not measured: {one_line(failure.error)}", style="bold red")
    if summary.run.ended is None or summary.run.ended.status == "interrupted":
        yield Text("\nThis run was interrupted: it holds what was measured until then.", style="yellow")
    if summary.cells:
        yield Text("\n± is half of the 95 % interval over the trials.", style="dim")
    yield Text(f"Everything is in {path}", style="dim")


def host_line(host: Host) -> str:
    """The machine in one line."""
    cores = f"{host.cores_logical} core{'s' if host.cores_logical != 1 else ''}"
    gpus = ", ".join(one_line(gpu.name) for gpu in host.gpus) or "no GPU found"
    power = " · on battery" if host.power_source == "battery" else ""
    memory = f"{bytes_text(host.memory_bytes)} memory"
    return f"{one_line(host.cpu)}, {cores}, {memory} · {gpus} · {one_line(host.os)}{power}"


def _title(opened: CellOpened) -> Text:
    subject, model = opened.subject, opened.subject.model
    text = Text(one_line(" ".join(filter(None, (model.name, model.quant)))), style="bold cyan")
    size = f" · {bytes_text(model.size_bytes)}" if model.size_bytes else ""
    version = f" ({one_line(subject.engine_version)})" if subject.engine_version else ""
    text.append(f"{size} · {one_line(subject.engine)}{version}", style="default not bold")
    if model.synthetic and not model.name.startswith("synthetic"):
        text.append(" · synthetic weights", style="magenta not bold")
    text.append(_layers(subject) + _start(opened.start), style="default not bold")
    return text


def _layers(subject: Subject) -> str:
    on_gpu, layers, asked = (subject.settings.get(name) for name in ("layers_on_gpu", "layers", "gpu_layers"))
    if on_gpu is not None and layers:
        return f" · {one_line(f'{on_gpu} of {layers}')} layers on the GPU"
    return f" · --gpu-layers {one_line(str(asked))}" if asked not in (None, "auto") else ""


def _start(start: Start | None) -> str:
    if start is None:
        return ""
    cache = {"cold": " from a cold page cache", "warm": " with its files in the page cache"}
    return f" · ready in {seconds_text(start.ready_s)}{cache.get(start.page_cache, '')}"


def _figures(cells: list[CellSummary]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    first, answer = _TimeColumn(cells, "ttft_s"), _TimeColumn(cells, "ttfa_s")
    thinks = any(_thinks(cell) for cell in cells)
    heads = ["\ntokens/s", f"first\ntoken, {first.unit}", "prompt\ntokens/s", "peak\nmemory", "\ntrials"]
    for head in [*heads, *([f"first word of\nanswer, {answer.unit}"] if thinks else [])]:
        table.add_column(head, justify="right", no_wrap=True)
    for cell in cells:
        counts = cell.trials
        lost = counts.failed + counts.truncated
        row = [
            one_line(cell.opened.workload.name),
            _rate(cell.metrics["decode_tps"]),
            first.text(cell),
            _rate(cell.metrics["prefill_tps"]),
            _memory(cell.peak_memory_bytes),
            f"{counts.ok}" + (f" (+{lost} lost)" if lost else ""),
        ]
        table.add_row(*row, *([answer.text(cell)] if thinks else []))
    return table


class _TimeColumn:
    """One time of several cells in one unit: milliseconds while all are under a second."""

    def __init__(self, cells: list[CellSummary], metric: str) -> None:
        self._metric = metric
        longest = max((figure.point for cell in cells if (figure := cell.metrics[metric])), default=0.0)
        self.unit, self._scale = ("ms", 1000) if longest < 1 else ("s", 1)

    def text(self, cell: CellSummary) -> str:
        figure = cell.metrics[self._metric]
        if figure is None:
            return "–"
        scaled = (None if bound is None else bound * self._scale for bound in (figure.low, figure.high))
        return figure_text(figure.point * self._scale, *scaled)


def _thinks(cell: CellSummary) -> bool:
    if cell.opened.subject.model.synthetic:
        return False
    first, answer = cell.metrics["ttft_s"], cell.metrics["ttfa_s"]
    return first is not None and (answer is None or answer.point > first.point)


def _rate(figure: Figure | None) -> str:
    return figure_text(figure.point, figure.low, figure.high) if figure else "–"


def _memory(scopes: dict[str, Figure | None]) -> str:
    """Of the scope that matters most, since they are never added up."""
    for scope, words in (("gpu", " GPU"), ("unified", ""), ("process", ""), ("engine", "")):
        figure = scopes.get(scope)
        if figure is not None:
            return f"{bytes_text(figure.point)}{words}"
    return "–"


def _sentences(cells: list[CellSummary]) -> Iterator[RenderableType]:
    """What the figures mean to someone who waits for an answer; silent where a figure cannot be trusted."""
    sound = [cell for cell in cells if all(finding.severity != "severe" for finding in cell.findings)]
    rates = [figure.point for cell in sound if (figure := cell.metrics["decode_tps"])]
    if not rates:
        return
    slowest = min(rates)
    pace = f"{'above' if slowest >= INTERACTIVE_TPS else 'below'} the {INTERACTIVE_TPS} or so that feel interactive"
    yield Text(
        f"At {significant(slowest)} tokens a second ({pace}), {ANSWER} tokens of answer take "
        f"{seconds_text(ANSWER / slowest, 2)}, and {THOUGHT:,} tokens of thinking before them "
        f"{seconds_text(THOUGHT / slowest, 2)} more."
    )


def _courses(cells: list[CellSummary]) -> Iterator[RenderableType]:
    """The speed over time of those that were sustained."""
    for cell in cells:
        if cell.sustained is not None:
            yield Text("\n".join(course_chart(cell.sustained)), no_wrap=True, overflow="fold")
            yield Text("\n".join(course_sentences(cell.sustained)))


def _predictions(cells: list[CellSummary]) -> Iterator[RenderableType]:
    """How far off the planner was, of the first cell that tells."""
    for cell in cells:
        miss = decode_miss(cell)
        if miss is None:
            continue
        predicted = miss.predicted
        low, high = (significant(bound, 2) for bound in (predicted.low or 0, predicted.high or 0))
        where = "within" if miss.inside else "outside"
        side = "above" if miss.off >= 0 else "below"
        prediction = cell.opened.predicted
        pace = " The processor's cores set the pace, not its memory." if prediction and prediction.cores_bound else ""
        yield Text(
            f"Predicted for the {one_line(cell.opened.workload.name)}: {significant(predicted.point, 2)} tokens/s "
            f"({low}–{high}); measured is {abs(miss.off):.0%} {side} that, {where} the interval.{pace}"
        )
        return


def _findings(cells: list[CellSummary], advised: set[str]) -> Iterator[RenderableType]:
    """Each finding once, with the cells that it limits; what to do about it where the screen has not said so yet."""
    where: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    for cell in cells:
        for finding in cell.findings:
            if finding.code in _KEPT_FOR_JSON:
                continue
            key = (finding.code, finding.evidence)
            where.setdefault(key, (finding, []))[1].append(cell.opened.workload.name)
    for finding, names in where.values():
        at = f"{one_line(', '.join(names))}: " if len(names) < len(cells) else ""
        line = f"{_MARKS[finding.severity]} {at}{one_line(finding.evidence)}."
        if finding.advice not in advised:
            line += f" {one_line(finding.advice)}"
            advised.add(finding.advice)
        yield Text(line, style=_STYLES[finding.severity])
