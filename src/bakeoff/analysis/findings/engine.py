"""What the engine is, and what else it did."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.findings.servers import more_at_once
from bakeoff.measurement import metrics
from bakeoff.results.records import Trial
from bakeoff.units import seconds_text

RELOAD_S = 0.1
SHORTEST_LOAD_S = 0.25
"""Ollama looks every 250 ms whether a model is loaded, and was seen to report 109 ms for one that was."""
QUEUED_SHARE = 0.05


def scripted(cell: Cell) -> Finding | None:
    """The scripted engine, which measures nothing."""
    if cell.opened.subject.engine != "scripted":
        return None
    return Finding(
        code="scripted",
        severity="severe",
        evidence="a script invented these times; nothing was measured",
        advice="Name a real engine to measure it.",
    )


def synthetic(cell: Cell) -> Finding | None:
    """Random weights."""
    if not cell.opened.subject.model.synthetic:
        return None
    return Finding(
        code="synthetic",
        severity="info",
        evidence="random weights in the model's exact shape",
        advice="Speed and memory are real; answers are noise, so none is shown.",
    )


def reload(cell: Cell) -> Finding | None:
    """A model load of over 0.1 s inside a trial; severe from 0.25 s on."""
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
    ollama = " Ollama also reloads for a client that asks for another context." * (
        cell.opened.subject.engine == "ollama"
    )
    return Finding(
        code="reload",
        severity="severe",
        evidence=f"the model was loaded inside {where}",
        advice=f"TTFT holds the load. Something else used the engine, or it had to make room: run alone.{ollama}",
    )


def shared_engine(cell: Cell) -> Finding | None:
    """Requests of others: running or waiting when it began, or ended in it beside our own."""
    ours = cell.opened.workload.concurrency
    shared = [
        counts
        for counts in cell.counts()
        if (counts.running or 0) + (counts.waiting or 0) > 0 or (not cell.under_load and (counts.requests or 0) > ours)
    ]
    if not shared:
        return None
    return Finding(
        code="shared_engine",
        severity="severe",
        evidence=f"in {cell.of(shared)} the engine answered others as well",
        advice="They share its time and its batches: run when nobody else uses it.",
    )


def queued(cell: Cell) -> Finding | None:
    """One request alone waited for its turn, for more than 5 % of its time to the first token."""
    waits = [(_queue_s(t), ttft) for t in cell.ok if (ttft := metrics.ttft_s(t))]
    long = [wait for wait, ttft in waits if wait is not None and wait > QUEUED_SHARE * ttft]
    if not long:
        return None
    return Finding(
        code="queued",
        severity="warning",
        evidence=f"in {len(long)} of {len(cell.ok)} trials the request waited for its turn, up to "
        f"{seconds_text(max(long))}",
        advice="TTFT holds the wait. Others use the engine: run alone, or let it answer more at "
        f"once{more_at_once(cell)}.",
    )


def _queue_s(trial: Trial) -> float | None:
    """The request's own wait where the engine tells it, else that of all requests of the time."""
    if trial.engine.queue_s is not None:
        return trial.engine.queue_s
    return trial.engine_counts.queue_s if trial.engine_counts else None


def preempted(cell: Cell) -> Finding | None:
    """The engine's KV cache was full, so that it threw requests out and evaluated them again."""
    lost = [counts.preemptions for counts in cell.counts() if counts.preemptions]
    if not lost:
        return None
    streams = cell.opened.workload.concurrency
    fewer = f"--concurrency below {streams}" if streams > 1 else "fewer streams"
    more = "--memory-utilization" if cell.opened.subject.engine == "vllm" else "more memory"
    return Finding(
        code="preempted",
        severity="severe",
        evidence=f"in {cell.of(lost)} the engine's KV cache was full: it threw out {sum(lost)} requests and "
        "evaluated them again",
        advice=f"Rates hold that work twice. Give the engine {more}, {fewer}, or a shorter --context.",
    )


def rate_limited(cell: Cell) -> Finding | None:
    """The server's rate limit held trials back."""
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
