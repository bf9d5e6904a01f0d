"""Whether tokens were counted, and by whom; what nobody told."""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.measurement import metrics
from bakeoff.measurement.thinking import REASONING
from bakeoff.results.records import Trial


def chunk_counted(cell: Cell) -> Finding | None:
    """No token counts from the server: chunks were counted in their place."""
    chunks = [t for t in cell.ok if metrics.tokens_from(t) == "chunks"]
    if not chunks:
        return None
    return Finding(
        code="chunk_counted",
        severity="severe",
        evidence=f"the server reports no token counts in {len(chunks)} of {len(cell.ok)} trials: chunks were counted",
        advice="A chunk may hold several tokens: rates are too low by an unknown factor. A newer server may report "
        "usage in its streams (stream_options.include_usage).",
    )


def hidden_reasoning(cell: Cell) -> Finding | None:
    """The server counts reasoning tokens that its stream does not show."""
    hidden = [t for t in cell.ok if (t.usage.reasoning_tokens or 0) > 0 and REASONING not in t.timeline.kinds]
    if not hidden:
        return None
    unseen = sum(t.usage.reasoning_tokens or 0 for t in hidden)
    counted = sum(t.usage.output_tokens or 0 for t in hidden)
    whole = f" of {counted}" if counted else ""
    factor = f"{counted / (counted - unseen):.1f} times " if counted > unseen else ""
    return Finding(
        code="hidden_reasoning",
        severity="severe",
        evidence=f"in {len(hidden)} of {len(cell.ok)} trials the server counted {unseen}{whole} tokens as reasoning "
        "that it did not stream",
        advice=f"They are in the count, but their time is in TTFT: decode rate and TPOT look {factor}too good. "
        "Switch reasoning off at the server, or take one that streams it; latency and TTFT hold as they are.",
    )


def one_piece(cell: Cell) -> Finding | None:
    """Answers without any time between their tokens."""
    whole = [t for t in cell.ok if metrics.client_decode_parts(t) is None or metrics.tpot_s(t) is None]
    if not whole or cell.opened.workload.max_tokens < 2:
        return None
    return Finding(
        code="one_piece",
        severity="severe",
        evidence=f"{len(whole)} of {len(cell.ok)} answers came in one piece or as one token: no time between tokens",
        advice="There is no decode rate. Go round what gathers the stream, a proxy perhaps, or raise "
        f"--max-tokens ({cell.opened.workload.max_tokens} so far).",
    )


def itl_unknown(cell: Cell) -> Finding | None:
    """How many tokens a chunk holds is not known, so there is no inter-token latency."""
    if not cell.ok or cell.metrics["itl_s"] is not None:
        return None
    return Finding(
        code="itl_unknown",
        severity="info",
        evidence="chunks hold an unknown number of tokens",
        advice="There is no inter-token latency; time per output token (TPOT) stands alone.",
    )


def prefill_lower_bound(cell: Cell) -> Finding | None:
    """The engine does not tell its prefill time, so that the rate is reckoned from TTFT."""
    if cell.metrics["prefill_tps"] is None or not any(metrics.prefill_is_lower_bound(t) for t in cell.ok):
        return None
    return Finding(
        code="prefill_lower_bound",
        severity="info",
        evidence="the engine does not tell its prefill time and evaluated tokens",
        advice="Prefill is prompt tokens over TTFT: a lower bound, the looser the shorter the prompt.",
    )


_UNREPORTED: dict[str, Callable[[Trial], bool]] = {
    "the engine's own decode time": lambda t: (
        metrics.decode_intervals(t) is not None and metrics.engine_decode_parts(t) is None
    ),
    "prompt tokens": lambda t: metrics.prefill_parts(t) is None and not t.usage.cached_tokens,
    "model loads": lambda t: metrics.load_s(t) is None,
}


def not_reported(cell: Cell) -> Finding | None:
    """Figures that are null because nobody told what they are made of."""
    missing = [what for what, lacks in _UNREPORTED.items() if any(lacks(t) for t in cell.ok)]
    if cell.watched and not cell.readings("memory_bytes") and all(w.memory_peak_bytes is None for w in cell.watched):
        missing.append("the memory of its process")
    if not missing:
        return None
    return Finding(
        code="not_reported",
        severity="info",
        evidence=f"not told, or not in every trial: {', '.join(missing)}",
        advice="Their figures are left out: they are not zero.",
    )
