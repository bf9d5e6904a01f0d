"""Your own runs set beside claims: a cell counts where its machine, engine, model and quantization are the claim's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.subject import engine_of, layers_on_gpu, machine_of, quant_of
from bakeoff.analysis.claims.verdict import Evidence, Verdict
from bakeoff.analysis.summary import CellSummary, summarize
from bakeoff.errors import UsageError
from bakeoff.hardware.chips import known_as
from bakeoff.models.catalogue import find
from bakeoff.models.names import names_of
from bakeoff.results.records import Figure, Host, Model, Run
from bakeoff.units import GIB, figure_text, one_line

TOLERANCE = 0.05
"""A claimed figure and a measured one that differ by no more are the same: what two fair set-ups differ by."""
LIKE_LENGTH = 2.0
"""Depths in the cache that differ by no more than this factor, or by little in tokens, are alike."""
LITTLE_DEPTH = 1024
LITTLE_PROMPT = 32
"""So many tokens more or less of a prompt are alike where the time to read it is measured."""


class Measured(Struct, frozen=True, kw_only=True):
    """One cell of one run. ``prompt_tokens`` is the mean of its trials; None where the engine counted none."""

    run: str
    host: Host
    cell: CellSummary
    prompt_tokens: float | None = None


def measured_cells(runs: Sequence[Run]) -> list[Measured]:
    """Every cell of these runs."""
    return [
        Measured(run=run.started.id, host=run.started.host, cell=cell, prompt_tokens=_prompt(run, cell))
        for run in runs
        for cell in summarize(run).cells
    ]


def _prompt(run: Run, cell: CellSummary) -> float | None:
    counted = [trial.usage.prompt_tokens for trial in run.trials_of(cell.opened.cell) if trial.status == "ok"]
    known = [tokens for tokens in counted if tokens is not None]
    return sum(known) / len(known) if known else None


def measured_evidence(claim: Claim, claimed: Quantity, cells: Sequence[Measured]) -> list[Evidence]:
    """What your runs say of it: a verdict from cells of the like, and of near ones why they give none."""
    figure_of = _FIGURES.get(claim.metric)
    if figure_of is None or claim.hardware is None:
        return []
    found = []
    for each in cells:
        figure = figure_of(claim, each.cell)
        if figure is None or not _same_model(claim, each.cell.opened.subject.model):
            continue
        found.append(_compared(claim, claimed, each, figure))
    return found


def _compared(claim: Claim, claimed: Quantity, each: Measured, figure: Figure) -> Evidence:
    low, high = figure.low or figure.point, figure.high or figure.point
    unlike = list(_unlike(claim, each))
    covered = claimed.least * (1 - TOLERANCE) <= high and low <= claimed.most * (1 + TOLERANCE)
    scale = claimed.scale
    text = figure_text(figure.point / scale, low / scale, high / scale)
    synthetic = ", synthetic weights" if each.cell.opened.subject.model.synthetic else ""
    words = f"your run {one_line(each.run)} measured {text} {claimed.unit}{synthetic} ({figure.n} trials)"
    verdict: Verdict | None = None if unlike else "holds" if covered else "does_not_hold"
    return Evidence(
        source="measured",
        words=words + (f"; it decides nothing here, being unlike: {', '.join(unlike)}" if unlike else ""),
        verdict=verdict,
        low=low,
        point=figure.point,
        high=high,
        reference=one_line(each.run),
    )


def _rate(name: str) -> Callable[[Claim, CellSummary], Figure | None]:
    return lambda _, cell: cell.metrics.get(name)


def _power(claim: Claim, cell: CellSummary) -> Figure | None:
    scopes = cell.energy.figures.get("power_w") or {}
    return scopes.get(claim.scope or "wall")


def _memory(_: Claim, cell: CellSummary) -> Figure | None:
    peaks = cell.peak_memory_bytes
    return next((figure for scope in ("gpu", "unified", "process") if (figure := peaks.get(scope))), None)


_FIGURES: dict[str, Callable[[Claim, CellSummary], Figure | None]] = {
    "decode": _rate("decode_tps"),
    "prefill": _rate("prefill_tps"),
    "ttft": _rate("ttft_s"),
    "power": _power,
    "memory": _memory,
}


def _same_model(claim: Claim, model: Model) -> bool:
    """Whether the run's model is the claim's by the catalogue, by an engine's name for it, or by shape in its name."""
    if claim.model is None:
        return True
    arch, name = find(claim.model), model.name.lower()
    if claim.quant is not None and not _same_quant(claim.quant, model.quant, name):
        return False
    wanted = {arch.short.lower(), arch.name.lower(), arch.source.lower()}
    engines = {known.name.lower() for names in names_of(arch.short).values() for known in names}
    return name in engines or any(name == each or name.startswith(f"{each}-") or f"{each}-" in name for each in wanted)


def _same_quant(wanted: str, measured: str | None, name: str) -> bool:
    if measured is None:
        return wanted.lower() in name
    try:
        return quant_of(measured) == quant_of(wanted)
    except UsageError:
        return False


def _unlike(claim: Claim, each: Measured) -> list[str]:
    """In what the cell differs from the claim so far that its figure is of something else."""
    opened, work = each.cell.opened, each.cell.opened.workload
    found = []
    if not _same_machine(claim, each.host):
        found.append("machine")
    if claim.engine is not None and opened.subject.engine != engine_of(claim):
        found.append("engine")
    if work.concurrency != (claim.streams or 1) or work.arrival != "closed":
        found.append("load")
    if work.cache == "warm" and claim.metric in ("ttft", "prefill"):
        found.append("prompt cache")
    if _lengths_apart(claim, each):
        found.append("length")
    on_gpu, wanted = opened.subject.settings.get("layers_on_gpu"), layers_on_gpu(claim)
    if wanted is not None and on_gpu is not None and on_gpu != wanted:
        found.append("layers on the GPU")
    severe = [finding.code for finding in each.cell.findings if finding.severity == "severe"]
    return found + [f"finding {code}" for code in severe]


def _lengths_apart(claim: Claim, each: Measured) -> bool:
    """Whether prompts or answers were so much longer or shorter that the figure is another."""
    prompt, asked = each.prompt_tokens, claim.prompt_tokens
    if claim.metric in ("ttft", "prefill"):
        return prompt is not None and asked is not None and _apart(prompt, asked, LITTLE_PROMPT)
    if claim.answer_tokens is None:
        return False
    here, there = each.cell.opened.workload.max_tokens / 2, claim.answer_tokens / 2
    if prompt is not None and asked is not None:
        here, there = here + prompt, there + asked
    return _apart(here, there, LITTLE_DEPTH / 2)


def _apart(a: float, b: float, little: float) -> bool:
    return abs(a - b) > little and max(a, b) > LIKE_LENGTH * min(a, b)


def _same_machine(claim: Claim, host: Host) -> bool:
    machine = machine_of(claim)
    if not machine.devices:
        return any(chip.name == machine.name for chip in known_as(host.cpu))
    device = machine.devices[0]
    if device.vendor == "apple":
        chips = [chip for gpu in host.gpus for chip in known_as(gpu.name)] or list(known_as(host.cpu))
        same_size = abs(host.memory_bytes - device.memory_bytes) < GIB
        return same_size and any(chip.name == device.chip for chip in chips)
    chips_of = [{chip.name for chip in known_as(gpu.name)} for gpu in host.gpus]
    return len(chips_of) == len(machine.devices) and all(device.chip in names for names in chips_of)
