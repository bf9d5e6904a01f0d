"""Predicted against measured: how far off the planner was, and what a machine's own runs teach it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from bakeoff.analysis.summary import CellSummary, summarize
from bakeoff.planning.learned import Correction, DeviceKind, correction
from bakeoff.results.records import Figure, Host, Prediction, Run


class Miss(Struct, frozen=True, kw_only=True):
    """One predicted figure and the measured one; ``off`` is measured over predicted less one."""

    predicted: Figure
    measured: Figure
    off: float
    inside: bool


def decode_miss(cell: CellSummary) -> Miss | None:
    """How far off the decode rate was; None where nothing was predicted or measured."""
    prediction = cell.opened.predicted
    return _miss(prediction.decode_tps, cell.metrics["decode_tps"]) if prediction else None


def learned(runs: Iterable[Run], host: Host) -> dict[DeviceKind, Correction]:
    """What the sound cells of this machine's runs teach, for the processor and for the GPUs.

    A machine is the same with the same processor, memory and GPUs. Of cells of one model and quantization the
    newest counts. Cells with a severe finding, measured while others had the processor, or under load, teach nothing.
    """
    ratios: dict[DeviceKind, dict[tuple[str, str | None], tuple[float | None, float | None]]] = {"cpu": {}, "gpu": {}}
    for run in runs:
        if not same_machine(run.started.host, host):
            continue
        for cell in summarize(run).cells:
            prediction = cell.opened.predicted
            if prediction is not None and _teaches(cell):
                model = cell.opened.subject.model
                known = ratios[prediction.device].get((model.name, model.quant), (None, None))
                new = _ratios(cell, prediction)
                ratios[prediction.device][(model.name, model.quant)] = (new[0] or known[0], new[1] or known[1])
    found = {}
    for kind, of_kind in ratios.items():
        decode = [ratio for ratio, _ in of_kind.values() if ratio is not None]
        prefill = [ratio for _, ratio in of_kind.values() if ratio is not None]
        made = correction(decode, prefill)
        if made is not None:
            found[kind] = made
    return found


def same_machine(a: Host, b: Host) -> bool:
    """Whether two runs were made on machines that do not differ in what computes."""
    return (a.cpu, a.cores_logical, a.arch, [gpu.name for gpu in a.gpus]) == (
        b.cpu,
        b.cores_logical,
        b.arch,
        [gpu.name for gpu in b.gpus],
    )


def _teaches(cell: CellSummary) -> bool:
    alone = cell.opened.workload.requests is None
    return (
        alone
        and cell.trials.ok > 1
        and all(
            finding.severity != "severe" and finding.code not in ("busy_host", "wide_interval")
            for finding in cell.findings
        )
    )


def _ratios(cell: CellSummary, prediction: Prediction) -> tuple[float | None, float | None]:
    return (
        _ratio(cell.metrics["decode_tps"], prediction.plain_decode_tps),
        _ratio(cell.metrics["prefill_tps"], prediction.plain_prefill_tps),
    )


def _ratio(measured: Figure | None, predicted: float) -> float | None:
    ratio = measured.point / predicted if measured and predicted > 0 else 0.0
    return ratio if ratio > 0 and math.isfinite(ratio) else None


def _miss(predicted: Figure, measured: Figure | None) -> Miss | None:
    if measured is None or predicted.low is None or predicted.high is None or not predicted.point:
        return None
    return Miss(
        predicted=predicted,
        measured=measured,
        off=measured.point / predicted.point - 1,
        inside=predicted.low <= measured.point <= predicted.high,
    )
