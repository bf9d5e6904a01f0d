"""One answer's record, from its stream and its score."""

from __future__ import annotations

from typing import Any, Literal

from bakeoff.measurement.metrics import output_tokens
from bakeoff.measurement.thinking import ANSWER, REASONING
from bakeoff.quality.tasks import Score
from bakeoff.results.answers import Answer, Verdict
from bakeoff.results.records import Trial

LONGEST_TEXT = 4_000_000
"""Characters that are kept and graded: more than any context that a model has."""

TokensFrom = Literal["usage", "stream", "chunks"]


def was_cut(trial: Trial, max_tokens: int) -> bool:
    """Whether the token limit ended it."""
    tokens = trial.usage.output_tokens
    return trial.finish == "length" or (tokens is not None and tokens >= max_tokens)


def answer_of(trial: Trial, said: tuple[str, str], score: Score | None, **place: Any) -> Answer:
    """``said`` is the reasoning that the engine parted, and its text; no ``score``: the stream failed."""
    reasoning, answer, told = token_split(trial)
    at_ns, first = trial.timeline.at_ns, trial.timeline.kinds.find(ANSWER)
    verdict: Verdict = score.verdict if score is not None else "failed"
    return Answer(
        **place,
        seed=trial.seed,
        started=trial.started,
        verdict=verdict,
        basis=score.basis if score else "",
        note=score.note if score else "",
        reasoning=said[0][:LONGEST_TEXT],
        text=said[1][:LONGEST_TEXT],
        finish=trial.finish,
        reasoning_tokens=reasoning,
        answer_tokens=answer,
        tokens_from=told,
        first_ns=at_ns[0] if at_ns else None,
        answer_ns=at_ns[first] if first >= 0 else None,
        last_ns=at_ns[-1] if at_ns else None,
        end_ns=trial.end_ns,
        usage=trial.usage,
        engine=trial.engine,
        others_cpu=trial.others_cpu,
        waited_s=trial.waited_s,
        readings=trial.readings,
        error=trial.error,
    )


def token_split(trial: Trial) -> tuple[int | None, int | None, TokensFrom]:
    """(tokens of reasoning, of the answer, how that is known); a closing tag between them counts as reasoning.

    By the engine's own count of reasoning; else by its running count where the answer begins; else in proportion to the
    chunks of either kind, which are whole tokens more or less.
    """
    whole, timeline, usage = output_tokens(trial), trial.timeline, trial.usage
    if whole is None or whole < 0:
        return None, None, "chunks"
    if usage.reasoning_tokens is not None and usage.output_tokens is not None:
        thought = min(max(0, usage.reasoning_tokens), whole)
        return thought, whole - thought, "usage"
    kinds = timeline.kinds
    counted: TokensFrom = "usage" if usage.output_tokens is not None else "stream" if timeline.tokens else "chunks"
    if REASONING not in kinds:
        return 0, whole, counted
    first = kinds.find(ANSWER)
    if first < 0:
        return whole, 0, counted
    if timeline.tokens is not None:
        thought = min(max(0, timeline.tokens[first - 1]), whole)
        return thought, whole - thought, "stream"
    thought = round(whole * first / len(kinds))
    return thought, whole - thought, "chunks"
