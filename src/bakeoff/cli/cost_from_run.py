"""Numbers of a sum that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.economics.inputs import Input
from bakeoff.economics.ranges import as_range
from bakeoff.errors import UsageError
from bakeoff.units import GIB, one_line

if TYPE_CHECKING:
    from bakeoff.analysis.summary import CellSummary
    from bakeoff.economics.ranges import Range
    from bakeoff.results.records import Host, Run, Trial

WIDEST = ("wall", "system", "soc", "package", "gpu")
"""Scopes of power, the one that leaves least of the machine out first."""


class Measured(Struct, frozen=True, kw_only=True):
    """What a run tells. ``hardware`` is the machine's name as price lists have it, None where it has none."""

    case: dict[str, Input]
    contained: tuple[str, ...]
    notes: list[str]
    hardware: str | None


def from_run(text: str) -> Measured:
    """Rates, watts and tokens of ``RUN[#CELL]``. Raises UsageError and FileError."""
    run, cell = _cell(text)
    source = f"run {run.started.id}, {one_line(cell.opened.subject.text)}, {one_line(cell.opened.workload.name)}"
    case, contained = _rates(cell, source)
    if "tps" not in case:
        raise UsageError(f"{source}: no rate was measured, so nothing can be summed. See 'bakeoff runs show'.")
    notes = [finding.evidence for finding in cell.findings if finding.severity == "severe"]
    notes = [f"The rates of this run are in doubt: {evidence}" for evidence in notes]
    power, more = _power(cell, source)
    trials = [trial for trial in run.trials_of(cell.opened.cell) if trial.status == "ok"]
    case |= power | _tokens(trials, cell, source)
    return Measured(case=case, contained=contained, notes=notes + more, hardware=_hardware(run.started.host))


def _rates(cell: CellSummary, source: str) -> tuple[dict[str, Input], tuple[str, ...]]:
    """Decode and prefill of one stream; under load all streams together, in which the prompts are."""
    if cell.load is not None:
        figure = cell.load.output_tps
        words = f"{source}, all streams together, prompts in it"
        return ({"tps": Input(value=as_range(figure), source=words)} if figure else {}), ("prefill_tps",)
    figures = {"tps": cell.metrics.get("decode_tps"), "prefill_tps": cell.metrics.get("prefill_tps")}
    found = {name: Input(value=as_range(figure), source=source) for name, figure in figures.items() if figure}
    return found, ()


def _power(cell: CellSummary, source: str) -> tuple[dict[str, Input], list[str]]:
    """Watts and idle watts of the widest scope that was measured."""
    watts, idle = (cell.energy.figures.get(name, {}) for name in ("power_w", "idle_w"))
    scope = next((scope for scope in WIDEST if watts.get(scope) is not None), None)
    if scope is None:
        return {}, []
    found = {}
    for name, figure in (("watts", watts.get(scope)), ("idle_watts", idle.get(scope))):
        if figure is not None:
            found[name] = Input(value=as_range(figure), source=f"{source}, scope {scope}")
    if scope in ("wall", "system"):
        return found, []
    return found, [f"Watts are of the {scope} alone, without the rest of the machine. --watts at the wall has it all."]


def _tokens(trials: Sequence[Trial], cell: CellSummary, source: str) -> dict[str, Input]:
    """Tokens of a call, as they were asked for and answered in the run."""
    from bakeoff.measurement.metrics import output_tokens

    found = {}
    for name, of in (("tokens_in", _prompt_tokens), ("tokens_out", output_tokens)):
        value = _mean(trials, of)
        if value is not None:
            words = f"{source}, mean of {len(trials)} trials"
            if name == "tokens_out":
                words += _remarks(trials, cell)
            found[name] = Input(value=value, source=words)
    return found


def _remarks(trials: Sequence[Trial], cell: CellSummary) -> str:
    """How much of it was thinking, and whether the run cut it."""
    words = ""
    parts = [(trial.usage.reasoning_tokens, trial.usage.output_tokens) for trial in trials]
    if all(part is not None and whole for part, whole in parts):
        thinking = sum(part or 0 for part, _ in parts) / sum(whole or 0 for _, whole in parts)
        words = f", {thinking:.0%} of them thinking"
    elif any("r" in trial.timeline.kinds for trial in trials):
        chunks = "".join(trial.timeline.kinds for trial in trials)
        words = f", about {chunks.count('r') / len(chunks):.0%} of them thinking"
    if any(trial.finish == "length" for trial in trials):
        words += f"; the run ended answers at {cell.opened.workload.max_tokens} tokens, real ones may be longer"
    return words


def _prompt_tokens(trial: Trial) -> int | None:
    return trial.usage.prompt_tokens


def _mean(trials: Sequence[Trial], of: Callable[[Trial], int | None]) -> Range | None:
    from bakeoff.measurement.metrics import as_figure
    from bakeoff.stats.intervals import mean_interval

    values = [float(value) for trial in trials if (value := of(trial)) is not None]
    return as_range(as_figure(mean_interval(values))) if values and len(values) == len(trials) else None


def _hardware(host: Host) -> str | None:
    """One GPU, or a Mac with its memory: what price lists name."""
    if len(host.gpus) == 1 and "apple" not in host.gpus[0].name.lower():
        return host.gpus[0].name
    if "apple" in host.cpu.lower():
        return f"{host.cpu} {round(host.memory_bytes / GIB)} GB"
    return None


def _cell(text: str) -> tuple[Run, CellSummary]:
    """The run, and the cell that is named by its number or its workload's name; of a single one just that."""
    from bakeoff.analysis.summary import summarize
    from bakeoff.folders import runs_folder
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run

    name, mark, wanted = text.rpartition("#")
    if not mark:
        name, wanted = text, ""
    run = read_run(find_run(runs_folder(), name or None))
    cells = summarize(run).cells
    named = [cell for cell in cells if wanted in (str(cell.opened.cell), cell.opened.workload.name, "")]
    if len(named) == 1:
        return run, named[0]
    listed = "; ".join(
        f"#{cell.opened.cell} {one_line(cell.opened.subject.text)}, {one_line(cell.opened.workload.name)}"
        for cell in cells[:10]
    )
    which = f"has no cell {wanted!r}" if wanted and not named else "has more than one cell: name one"
    raise UsageError(f"Run {run.started.id} {which if cells else 'has no cell'}. It has: {listed or 'none'}.")
