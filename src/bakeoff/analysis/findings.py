"""Findings: facts that limit what a figure means, each with its evidence and what to do about it.

Each check is a function from a cell to a finding or None; ``CHECKS`` is the enumeration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from bakeoff.measurement import metrics
from bakeoff.measurement.truncation import cut_words
from bakeoff.results.records import CellOpened, Figure, Host, Trial
from bakeoff.units import bytes_text, seconds_text

Severity = Literal["info", "warning", "severe"]

FEWEST_TRIALS = 5
DISAGREEMENT = 0.05
SHORTEST_COMPARED = 32
RELOAD_S = 0.1
SHORTEST_LOAD_S = 0.25
"""Ollama looks every 250 ms whether a model is loaded, and was seen to report 109 ms for one that was."""
CLOCK_STEP_NS = 1_000_000
BUSY_SHARE = 0.1
QUEUED_SHARE = 0.05
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
    host: Host
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


def no_trials(cell: Cell) -> Finding | None:
    if cell.timed:
        return None
    return Finding(
        code="no_trials",
        severity="severe",
        evidence="the run ended before a trial of this cell",
        advice="There is nothing to go by: run again.",
    )


def failed_trials(cell: Cell) -> Finding | None:
    lost = [trial for trial in cell.timed if trial.status != "ok"]
    if not lost:
        return None
    return Finding(
        code="failed_trials",
        severity="severe" if not cell.ok else "warning",
        evidence=f"{len(lost)} of {len(cell.timed)} trials failed or were cut: {lost[0].error or 'nobody knows why'}",
        advice="They are kept in the run file and left out of the rates.",
    )


def cache_hit(cell: Cell) -> Finding | None:
    allowed = cell.opened.template_tokens or 0
    hits = [t for t in cell.ok if (t.usage.cached_tokens or 0) > allowed]
    if not hits:
        return None
    most = max(hits, key=lambda t: t.usage.cached_tokens or 0)
    asked = cell.opened.workload.cache == "warm"
    whole = f"of {most.usage.prompt_tokens} " if most.usage.prompt_tokens is not None else ""
    return Finding(
        code="cache_hit",
        severity="info" if asked else "severe",
        evidence=f"{len(hits)} of {len(cell.ok)} trials took up to {most.usage.cached_tokens} {whole}"
        "prompt tokens from the engine's cache",
        advice="TTFT here is that of a repeated prompt: do not compare it with a fresh one."
        if asked
        else "TTFT is too good. Switch the server's prompt cache off and run again.",
    )


def prompt_truncated(cell: Cell) -> Finding | None:
    workload = cell.opened.workload
    repeated = workload.cache == "warm"
    cut = [words for t in cell.timed
           if (words := cut_words(t.usage, workload.prompt, workload.context, repeated=repeated))]  # fmt: skip
    if not cut:
        return None
    return Finding(
        code="prompt_truncated",
        severity="severe",
        evidence=f"the server cut the prompt in {len(cut)} of {len(cell.timed)} trials: {cut[0]}",
        advice="It answered another prompt than it was sent. Raise --context, or shorten the prompt.",
    )


def other_models(cell: Cell) -> Finding | None:
    count = cell.opened.subject.settings.get("other_models_loaded")
    if not isinstance(count, int) or not count:
        return None
    return Finding(
        code="other_models_loaded",
        severity="warning",
        evidence=f"the server held {count} other model{'s' if count != 1 else ''} in memory",
        advice="They take memory that this one may have needed. Unload them (ollama stop MODEL) and run again.",
    )


def partly_on_gpu(cell: Cell) -> Finding | None:
    share = cell.opened.subject.settings.get("gpu_share")
    if not isinstance(share, float) or not 0 < share < 1:
        return None
    return Finding(
        code="partly_on_gpu",
        severity="info",
        evidence=f"{share:.0%} of the model's memory was on the GPU",
        advice="The rest ran on the processor. A smaller quantization or context may fit whole.",
    )


def cache_unproven(cell: Cell) -> Finding | None:
    if not cell.ok or all(t.usage.cached_tokens is not None for t in cell.ok):
        return None
    return Finding(
        code="cache_unproven",
        severity="info",
        evidence="the engine does not say how much of a prompt came from its cache",
        advice="Each prompt was unique from its first words, so that nothing should match."
        if cell.opened.workload.cache == "cold"
        else "The prompt was repeated with the cache left on: whether TTFT is a cached one is not known, and there is "
        "no prefill rate.",
    )


def reload(cell: Cell) -> Finding | None:
    loads = [load for t in cell.ok if (load := metrics.load_s(t)) is not None and load > RELOAD_S]
    if not loads:
        return None
    where = f"{len(loads)} of {len(cell.ok)} trials, up to {seconds_text(max(loads))}"
    if max(loads) < SHORTEST_LOAD_S:
        return Finding(
            code="reload",
            severity="warning",
            evidence=f"the server took its time to have the model ready in {where}",
            advice="Too short for a load, but TTFT holds it: its machine is busy, or its disk is slow.",
        )
    return Finding(
        code="reload",
        severity="severe",
        evidence=f"the model was loaded inside {where}",
        advice="TTFT holds the load. Something else used the engine, or it had to make room: run alone.",
    )


def rate_limited(cell: Cell) -> Finding | None:
    waits = [trial.waited_s for trial in cell.timed if trial.waited_s is not None]
    if not waits:
        return None
    return Finding(
        code="rate_limited",
        severity="info",
        evidence=f"the server's rate limit held {len(waits)} of {len(cell.timed)} trials back, "
        f"{seconds_text(sum(waits))} in all",
        advice="No figure holds the waits. Others who share the limit may slow the answers themselves.",
    )


def early_stop(cell: Cell) -> Finding | None:
    """By the tokens counted; where only chunks were, by what the engine says."""
    wanted = cell.opened.workload.max_tokens
    counted = [t for t in cell.ok if metrics.tokens_from(t) != "chunks"]
    short = [n for t in counted if (n := metrics.output_tokens(t) or 0) < wanted]
    stopped = len(short) + sum(t.finish == "stop" and metrics.tokens_from(t) == "chunks" for t in cell.ok)
    if not stopped:
        return None
    shortest = f", the shortest after {min(short)}" if short else ""
    return Finding(
        code="early_stop",
        severity="warning",
        evidence=f"{stopped} of {len(cell.ok)} answers ended before {wanted} tokens{shortest}",
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


def one_piece(cell: Cell) -> Finding | None:
    whole = [t for t in cell.ok if metrics.client_decode_parts(t) is None or metrics.tpot_s(t) is None]
    if not whole:
        return None
    return Finding(
        code="one_piece",
        severity="severe",
        evidence=f"{len(whole)} of {len(cell.ok)} answers came in one piece or as one token: no time between tokens",
        advice="There is no decode rate. Go round what gathers the stream, a proxy perhaps, or raise --max-tokens.",
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
    cut = [t for t in cell.ok if metrics.ttfa_s(t) is None]
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
        evidence=f"{len(cell.ok)} trial{'s' if len(cell.ok) != 1 else ''}",
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


def on_battery(cell: Cell) -> Finding | None:
    if cell.host.power_source != "battery":
        return None
    return Finding(
        code="on_battery",
        severity="warning",
        evidence="the machine ran on battery, which many slow down to spare",
        advice="Plug it in and run again.",
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


def preempted(cell: Cell) -> Finding | None:
    lost = [n for t in cell.ok if t.engine_counts and (n := t.engine_counts.preemptions)]
    if not lost:
        return None
    return Finding(
        code="preempted",
        severity="severe",
        evidence=f"in {len(lost)} of {len(cell.ok)} trials the engine's KV cache was full: it threw out "
        f"{sum(lost)} requests and evaluated them again",
        advice="Rates hold that work twice. Give the engine more memory, fewer streams, or a shorter --context.",
    )


def queued(cell: Cell) -> Finding | None:
    """Waiting for a turn that is more than ``QUEUED_SHARE`` of the time to the first token."""
    waits = [(_queue_s(t), ttft) for t in cell.ok if (ttft := metrics.ttft_s(t))]
    long = [wait for wait, ttft in waits if wait is not None and wait > QUEUED_SHARE * ttft]
    if not long:
        return None
    return Finding(
        code="queued",
        severity="warning",
        evidence=f"in {len(long)} of {len(cell.ok)} trials the request waited for its turn, up to "
        f"{seconds_text(max(long))}",
        advice="TTFT holds the wait. Fewer streams at once, or an engine set up for more, would measure the model.",
    )


def _queue_s(trial: Trial) -> float | None:
    """The request's own wait where the engine tells it, else that of all requests of the time."""
    if trial.engine.queue_s is not None:
        return trial.engine.queue_s
    return trial.engine_counts.queue_s if trial.engine_counts else None


def shared_engine(cell: Cell) -> Finding | None:
    """Requests of others: running or waiting when a trial began, or ended in it beside our own."""
    ours = cell.opened.workload.concurrency
    shared = [
        t
        for t in cell.ok
        if (counts := t.engine_counts)
        and ((counts.requests or 0) > ours or (counts.running or 0) + (counts.waiting or 0) > 0)
    ]
    if not shared:
        return None
    return Finding(
        code="shared_engine",
        severity="severe",
        evidence=f"in {len(shared)} of {len(cell.ok)} trials the engine answered others as well",
        advice="They share its time and its batches: run when nobody else uses it.",
    )


def memory_preallocated(cell: Cell) -> Finding | None:
    settings = cell.opened.subject.settings
    share, cache = settings.get("memory_utilization"), settings.get("kv_cache_bytes")
    taken = f"{share:.0%} of its device's memory" if isinstance(share, float) else None
    taken = f"{bytes_text(cache)} for its KV cache" if isinstance(cache, int) else taken
    if taken is None or all(t.memory_peak_bytes is None for t in cell.ok):
        return None
    return Finding(
        code="memory_preallocated",
        severity="info",
        evidence=f"the engine took {taken} at once when it started, needed or not",
        advice="Its memory is a reservation: 'bakeoff plan' says what the model itself needs.",
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
    if cell.ok and all(t.memory_peak_bytes is None for t in cell.ok):
        missing.append("the memory of its process")
    if not missing:
        return None
    return Finding(
        code="not_reported",
        severity="info",
        evidence=f"not told, or not in every trial: {', '.join(missing)}",
        advice="Their figures are left out: they are not zero.",
    )


CHECKS: tuple[Callable[[Cell], Finding | None], ...] = (
    scripted,
    synthetic,
    no_trials,
    failed_trials,
    prompt_truncated,
    cache_hit,
    preempted,
    shared_engine,
    queued,
    reload,
    chunk_counted,
    one_piece,
    rate_limited,
    clock_step,
    wide_interval,
    busy_host,
    on_battery,
    other_models,
    partly_on_gpu,
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
    memory_preallocated,
    not_reported,
)


def findings_of(cell: Cell) -> list[Finding]:
    """What limits this cell's figures, in the order of ``CHECKS``."""
    return [finding for check in CHECKS if (finding := check(cell)) is not None]
