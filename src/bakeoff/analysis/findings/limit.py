"""Whether a figure can be: no stream decodes faster than its weights are read."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding, Severity
from bakeoff.units import significant

LARGEST_CACHE_BYTES = {"cpu": 1152 << 20, "gpu": 256 << 20}
"""No last-level cache is larger: AMD's EPYC 9684X has 1,152 MB of L3 (Tom's Hardware, 2024-10), the Instinct MI300X
256 MB of Infinity Cache (ServeTheHome, 2023-12). Run files do not tell the machine's own: smaller models are let be."""


def above_limit(cell: Cell) -> Finding | None:
    """One stream decodes faster than the memory's bandwidth allows; severe where its whole interval does."""
    predicted, figure = cell.opened.predicted, cell.metrics["decode_tps"] or cell.metrics["engine_decode_tps"]
    if predicted is None or figure is None or not _limited(cell) or figure.point <= predicted.limit_tps:
        return None
    assumed = predicted.limit_assumed
    severity: Severity = "severe" if (figure.low or figure.point) > predicted.limit_tps else "warning"
    attached = " that the server does not guess ahead (speculative decoding)," * cell.opened.subject.attached
    return Finding(
        code="above_limit",
        severity="info" if assumed else severity,
        evidence=f"{significant(figure.point)} tokens/s are above the {significant(predicted.limit_tps)} at which this "
        "machine could read the weights once a token" + ", if its memory is as slow as was assumed" * assumed,
        advice="Measure its bandwidth: bakeoff plan --calibrate."
        if assumed
        else f"Do not believe it before you know why: check{attached} that the model is the one named, and the "
        "bandwidth that was reckoned with ('bakeoff plan --calibrate').",
    )


def _limited(cell: Cell) -> bool:
    """Whether the limit holds: one stream of fresh prompts, no speculation, more weights than a cache can hold."""
    subject, predicted = cell.opened.subject, cell.opened.predicted
    if cell.under_load or cell.opened.workload.concurrency > 1 or cell.opened.workload.cache == "warm":
        return False
    speculates = any("speculative" in str(value) for value in subject.settings.values())
    size = subject.model.size_bytes
    return not speculates and predicted is not None and (size or 0) > LARGEST_CACHE_BYTES[predicted.device]
