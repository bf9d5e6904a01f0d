"""Findings: facts that limit what a figure means, each with its evidence and what to do about it.

Each check is a function from a cell to a finding or None; ``CHECKS`` is the enumeration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from bakeoff.measurement import metrics
from bakeoff.measurement.thinking import ANSWER, REASONING
from bakeoff.results.records import CellOpened, Figure, Trial
from bakeoff.units import seconds_text

Severity = Literal["info", "warning", "severe"]

FEWEST_TRIALS = 5
DISAGREEMENT = 0.05
SHORTEST_COMPARED = 32
RELOAD_S = 0.1
CLOCK_STEP_NS = 1_000_000
BUSY_SHARE = 0.1
WIDE_HALF_WIDTH = 0.1


class Finding(Struct, frozen=True, kw_only=True):
    """``severe``: the figure does not mean what it seems to. ``warning``: it may not. ``info``: good to know."""

    code: str
    severity: Severity
    evidence: str
    advice: str


class Cell(Struct, frozen=True, kw_only=True):
    """A cell with its trials and the figures made of them: what a check looks at."""

    opened: CellOpened
    timed: Sequence[Trial]
    ok: Sequence[Trial]
    metrics: dict[str, Figure | None]


def scripted(cell: Cell) -> Finding | None:
    if cell.opened.subject.engine != "scripted":
        return None
    return Finding(
        code="scripted",
        severity="severe",
        evidence="a script invented these times; nothing was measured",
        advice="Name a real engine to measure it.",
    )


def synthetic(cell: Cell) -> Finding | None:
    if not cell.opened.subject.model.synthetic:
        return None
    return Finding(
        code="synthetic",
        severity="info",
        evidence="random weights in the model's exact shape",
        advice="Speed and memory are real; answers are noise, so none is shown.",
    )


def failed_trials(cell: Cell) -> Finding | None:
    lost = [trial for trial in cell.timed if trial.status != "ok"]
    if not lost:
        return None
    return Finding(
        code="failed_trials",
        severity="severe" if not cell.ok else "warning",
        evidence=f"{len(lost)} of {len(cell.timed)} trials failed or were cut: {lost[0].error}",
        advice="They are kept in the run file and left out of the rates.",
    )


def cache_hit(cell: Cell) -> Finding | None:
    allowed = cell.opened.template_tokens or 0
    hits = [t for t in cell.ok if (t.usage.cached_tokens or 0) > allowed]
    if not hits:
        return None
    most = max(hits, key=lambda t: t.usage.cached_tokens or 0)
    asked = cell.opened.workload.cache == "warm"
    return Finding(
        code="cache_hit",
        severity="info" if asked else "severe",
        evidence=f"{len(hits)} of {len(cell.ok)} trials took up to {most.usage.cached_tokens} of "
        f"{most.usage.prompt_tokens} prompt tokens from the engine's cache",
        advice="TTFT here is that of a repeated prompt: do not compare it with a fresh one."
        if asked
        else "TTFT is too good. Switch the server's prompt cache off and run again.",
    )


def cache_unproven(cell: Cell) -> Finding | None:
    if not cell.ok or all(t.usage.cached_tokens is not None for t in cell.ok):
        return None
    return Finding(
        code="cache_unproven",
        severity="info",
        evidence="the engine does not say how much of a prompt came from its cache",
        advice="Each prompt was unique from its first words, so that nothing should match.",
    )


def reload(cell: Cell) -> Finding | None:
    loads = [t.engine.load_s for t in cell.ok if (t.engine.load_s or 0) > RELOAD_S]
    if not loads:
        return None
    return Finding(
        code="reload",
        severity="severe",
        evidence=f"the model was loaded inside {len(loads)} of {len(cell.ok)} trials, "
        f"up to {seconds_text(max(load for load in loads if load is not None))}",
        advice="TTFT holds the load. Something else used the engine, or it had to make room: run alone.",
    )


def early_stop(cell: Cell) -> Finding | None:
    wanted = cell.opened.workload.max_tokens
    lengths = [n for t in cell.ok if (n := metrics.output_tokens(t)) is not None and n < wanted]
    if not lengths:
        return None
    return Finding(
        code="early_stop",
        severity="warning",
        evidence=f"{len(lengths)} of {len(cell.ok)} answers ended before {wanted} tokens, "
        f"the shortest after {min(lengths)}",
        advice="Trials of unlike length: compare only with cells of like length, or lower --max-tokens.",
    )


def chunk_counted(cell: Cell) -> Finding | None:
    if not any(metrics.tokens_from(t) == "chunks" for t in cell.ok):
        return None
    return Finding(
        code="chunk_counted",
        severity="severe",
        evidence="the server reports no token counts, so chunks were counted",
        advice="A chunk may hold several tokens: rates are too low by an unknown factor.",
    )


def disagreement(cell: Cell) -> Finding | None:
    client, engine = cell.metrics["decode_tps"], cell.metrics["engine_decode_tps"]
    if client is None or engine is None:
        return None
    if min(metrics.output_tokens(t) or 0 for t in cell.ok) < SHORTEST_COMPARED:
        return None
    off = client.point / engine.point - 1
    if abs(off) <= DISAGREEMENT:
        return None
    return Finding(
        code="engine_and_client_disagree",
        severity="warning",
        evidence=f"decode by our clock is {abs(off):.0%} {'above' if off > 0 else 'below'} the engine's own figure",
        advice="A proxy, a busy network or a server that holds tokens back would do this.",
    )


def coarse_timing(cell: Cell) -> Finding | None:
    chunks = sum(len(t.timeline.at_ns) for t in cell.ok)
    coarse = sum(metrics.coarse_chunks(t) for t in cell.ok)
    if not chunks or coarse / chunks <= 0.05:
        return None
    return Finding(
        code="coarse_timing",
        severity="info",
        evidence=f"{coarse / chunks:.0%} of the chunks arrived together with the one before",
        advice="Times between tokens are smeared; rates over the whole answer are not.",
    )


def itl_unknown(cell: Cell) -> Finding | None:
    if not cell.ok or cell.metrics["itl_s"] is not None:
        return None
    return Finding(
        code="itl_unknown",
        severity="info",
        evidence="chunks hold an unknown number of tokens",
        advice="There is no inter-token latency; time per output token (TPOT) stands alone.",
    )


def prefill_lower_bound(cell: Cell) -> Finding | None:
    if cell.metrics["prefill_tps"] is None or not any(metrics.prefill_is_lower_bound(t) for t in cell.ok):
        return None
    return Finding(
        code="prefill_lower_bound",
        severity="info",
        evidence="the engine does not tell its prefill time and evaluated tokens",
        advice="Prefill is prompt tokens over TTFT: a lower bound.",
    )


def thinking_cut(cell: Cell) -> Finding | None:
    cut = [t for t in cell.ok if REASONING in t.timeline.kinds and ANSWER not in t.timeline.kinds]
    if not cut or cell.opened.subject.model.synthetic:
        return None
    return Finding(
        code="thinking_cut",
        severity="info",
        evidence=f"{len(cut)} of {len(cell.ok)} answers still thought at {cell.opened.workload.max_tokens} tokens",
        advice="There is no time to the first answer; raise --max-tokens to see one.",
    )


def clock_step(cell: Cell) -> Finding | None:
    steps = [abs(t.clock_step_ns) for t in cell.ok if t.clock in ("kernel", "mixed")]
    if not steps or max(steps) <= CLOCK_STEP_NS:
        return None
    return Finding(
        code="clock_step",
        severity="severe",
        evidence=f"the system's clock moved by {seconds_text(max(steps) / 1e9)} within a trial",
        advice="Something set the time. Run again.",
    )


def too_few_trials(cell: Cell) -> Finding | None:
    if not cell.ok or len(cell.ok) >= FEWEST_TRIALS:
        return None
    return Finding(
        code="too_few_trials",
        severity="info",
        evidence=f"{len(cell.ok)} trials",
        advice=f"The interval is wide for that. Take --runs auto, or at least {FEWEST_TRIALS}.",
    )


def wide_interval(cell: Cell) -> Finding | None:
    figure = cell.metrics["decode_tps"]
    if figure is None or figure.low is None or figure.high is None or not figure.point:
        return None
    half = (figure.high - figure.low) / 2 / figure.point
    if half <= WIDE_HALF_WIDTH:
        return None
    return Finding(
        code="wide_interval",
        severity="severe" if half > 0.5 else "warning",
        evidence=f"the trials differ so much that the rate is known to ±{half:.0%} only",
        advice="Close what else runs here and run again, with more trials.",
    )


def busy_host(cell: Cell) -> Finding | None:
    busy = [share for t in cell.ok if (share := t.others_cpu) is not None and share > BUSY_SHARE]
    if not busy:
        return None
    return Finding(
        code="busy_host",
        severity="warning",
        evidence=f"in {len(busy)} of {len(cell.ok)} trials other programs had up to {max(busy):.0%} of the processor",
        advice="The machine can do better than this: close them and run again.",
    )


def constant_data(cell: Cell) -> Finding | None:
    figure = cell.metrics["decode_tps"]
    if figure is None or figure.n < 2 or figure.low != figure.high:
        return None
    return Finding(
        code="constant_data",
        severity="info",
        evidence="every trial gave the same figure",
        advice="Real machines vary: this is a script, or a clock too coarse for the trial.",
    )


def context_exceeds_training(cell: Cell) -> Finding | None:
    trained, context = cell.opened.subject.model.context_trained, cell.opened.workload.context
    if trained is None or context is None or context <= trained:
        return None
    return Finding(
        code="context_exceeds_training",
        severity="warning",
        evidence=f"context {context}, but the model was trained to {trained}",
        advice=f"Answers beyond {trained} tokens are not to be trusted; lower --context.",
    )


CHECKS: tuple[Callable[[Cell], Finding | None], ...] = (
    scripted,
    synthetic,
    failed_trials,
    cache_hit,
    reload,
    chunk_counted,
    clock_step,
    wide_interval,
    busy_host,
    disagreement,
    early_stop,
    context_exceeds_training,
    thinking_cut,
    too_few_trials,
    constant_data,
    coarse_timing,
    cache_unproven,
    itl_unknown,
    prefill_lower_bound,
)


def findings_of(cell: Cell) -> list[Finding]:
    """What limits this cell's figures, in the order of ``CHECKS``."""
    return [finding for check in CHECKS if (finding := check(cell)) is not None]
