"""Whether the answers are what was asked for."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.findings.servers import larger_context
from bakeoff.measurement import metrics
from bakeoff.measurement.truncation import cut_words


def no_trials(cell: Cell) -> Finding | None:
    """A cell was opened, but has no timed trial."""
    if cell.timed:
        return None
    resume = cell.asked.unfinished
    return Finding(
        code="no_trials",
        severity="severe",
        evidence="the run ended before a trial of this cell",
        advice=f"There is nothing to go by: 'bakeoff runs resume {resume}' measures it."
        if resume
        else "There is nothing to go by: run again.",
    )


def failed_trials(cell: Cell) -> Finding | None:
    """Trials ended in an error, or were cut; severe where none is left."""
    lost = [trial for trial in cell.timed if trial.status != "ok"]
    if not lost:
        return None
    return Finding(
        code="failed_trials",
        severity="severe" if not cell.ok else "warning",
        evidence=f"{len(lost)} of {len(cell.timed)} trials failed or were cut: {lost[0].error or 'nobody knows why'}",
        advice="They are kept in the run file and left out of the rates.",
    )


def prompt_truncated(cell: Cell) -> Finding | None:
    """The server's own count of prompt tokens shows that it cut the prompt."""
    workload = cell.opened.workload
    repeated = workload.cache == "warm"
    cut = [words for t in cell.timed
           if (words := cut_words(t.usage, workload.prompt, workload.context, repeated=repeated))]  # fmt: skip
    if not cut:
        return None
    twice = 2 * workload.context if workload.context is not None else None
    return Finding(
        code="prompt_truncated",
        severity="severe",
        evidence=f"the server cut the prompt in {len(cut)} of {len(cell.timed)} trials: {cut[0]}",
        advice=f"It answered another prompt than it was sent. {larger_context(cell, twice)}, or shorten the prompt.",
    )


def early_stop(cell: Cell) -> Finding | None:
    """Answers ended before --max-tokens; where only chunks were counted, by what the engine says."""
    wanted = cell.opened.workload.max_tokens
    counted = [t for t in cell.ok if metrics.tokens_from(t) != "chunks"]
    short = [n for t in counted if (n := metrics.output_tokens(t) or 0) < wanted]
    stopped = len(short) + sum(t.finish == "stop" and metrics.tokens_from(t) == "chunks" for t in cell.ok)
    if not stopped:
        return None
    shortest = f", the shortest after {min(short)}" if short else ""
    lower = f"--max-tokens {min(short)}" if short and min(short) > 1 else "a lower --max-tokens"
    return Finding(
        code="early_stop",
        severity="warning",
        evidence=f"{stopped} of {len(cell.ok)} answers ended before {wanted} tokens{shortest}",
        advice=f"Trials of unlike length: compare only with cells of like length, or take {lower}.",
    )


def thinking_cut(cell: Cell) -> Finding | None:
    """Answers that never came: the model still thought at --max-tokens."""
    cut = [t for t in cell.ok if metrics.ttfa_s(t) is None]
    if not cut or cell.opened.subject.model.synthetic:
        return None
    most = cell.opened.workload.max_tokens
    return Finding(
        code="thinking_cut",
        severity="info",
        evidence=f"{len(cut)} of {len(cell.ok)} answers still thought at {most} tokens",
        advice=f"There is no time to the first answer; --max-tokens {4 * most} may show one.",
    )


def context_exceeds_training(cell: Cell) -> Finding | None:
    """The context asked for is longer than the model was trained to."""
    trained, context = cell.opened.subject.model.context_trained, cell.opened.workload.context
    if trained is None or context is None or context <= trained:
        return None
    return Finding(
        code="context_exceeds_training",
        severity="warning",
        evidence=f"context {context}, but the model was trained to {trained}",
        advice=f"Answers beyond {trained} tokens are not to be trusted: take --context {trained}.",
    )
