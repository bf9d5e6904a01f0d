"""What naive scripts make of trials, beside what is right; pure.

Each mistake is kept apart from the others: the naive figure and the true one differ by that mistake alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from bakeoff.measurement.metrics import (
    client_decode_parts,
    decode_span_s,
    output_parts,
    prefill_parts,
    ttft_s,
)
from bench.smollm2 import every, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.measurement.metrics import Parts
    from bakeoff.results.records import Trial


@dataclass(frozen=True)
class Mistake:
    """One figure as a naive script gives it, and as it is."""

    figure: str
    unit: str
    naive: float
    true: float

    @property
    def ratio(self) -> float:
        return self.naive / self.true


@dataclass(frozen=True)
class Start:
    """An engine started, how long it took to be ready, and the trials that followed at once.

    ``page_cache`` says whether the model's file lay in memory (*warm*) or came from the disk (*cold*).
    """

    load_s: float
    page_cache: str
    trials: Sequence[Trial]


def repeated_prompt(repeated: Sequence[Sequence[Trial]], fair: Sequence[Trial]) -> list[Mistake]:
    """Each of ``repeated`` is one prompt sent again and again, the cache left on; ``fair`` has unique ones.

    The naive prefill rate is the whole prompt over the engine's prefill time, which holds the evaluated part only.
    """
    everything = [trial for prompt in repeated for trial in prompt]
    again = [trial for prompt in repeated for trial in prompt[1:]]
    true_ttft_ms, true_prefill = 1e3 * fmean(every(ttft_s, fair)), _rate(prefill_parts, fair)
    return [
        mistake
        for which, trials in (("mean of the three", everything), ("second and third", again))
        for mistake in (
            Mistake(f"TTFT, {which}", "ms", 1e3 * fmean(every(ttft_s, trials)), true_ttft_ms),
            Mistake(f"prefill, {which}", "tok/s", _rate(_whole_prompt_parts, trials), true_prefill),
        )
    ]


def chunks_as_tokens(where: str, trials: Sequence[Trial]) -> list[Mistake]:
    """Chunks with text for tokens: the count, and the decode rate over the same seconds."""
    chunks = sum(len(trial.timeline.at_ns) for trial in trials)
    tokens, _ = total(output_parts, trials)
    return [
        Mistake(f"tokens of an answer, {where}", "", chunks / len(trials), tokens / len(trials)),
        Mistake(f"decode, {where}", "tok/s", _rate(_chunk_parts, trials), _rate(client_decode_parts, trials)),
    ]


def mean_of_rates(name: str, parts: Parts, trials: Sequence[Trial]) -> Mistake:
    """The arithmetic mean of each trial's own rate, against total tokens over total time of the same trials."""
    return Mistake(name, "tok/s", fmean(_rate(parts, [trial]) for trial in trials), _rate(parts, trials))


def load_in_a_trial(starts: Sequence[Start]) -> list[Mistake]:
    """The first trial's clock started before the model was loaded; true are the trials after it."""
    firsts = [start.trials[0] for start in starts]
    warm = [trial for start in starts for trial in start.trials[1:]]
    every_trial = [*firsts, *warm]
    load_s = sum(start.load_s for start in starts)
    with_it = f"all {len(starts[0].trials)}"
    tokens, seconds = total(output_parts, every_trial)
    naive_first = load_s / len(starts) + fmean(every(ttft_s, firsts))
    naive_mean = load_s / len(every_trial) + fmean(every(ttft_s, every_trial))
    true = fmean(every(ttft_s, warm))
    return [
        Mistake("TTFT, the first", "ms", 1e3 * naive_first, 1e3 * true),
        Mistake(f"TTFT, mean of {with_it}", "ms", 1e3 * naive_mean, 1e3 * true),
        Mistake(f"end to end, {with_it}", "tok/s", tokens / (load_s + seconds), _rate(output_parts, warm)),
        Mistake("decode, the first", "tok/s", _rate(client_decode_parts, firsts), _rate(client_decode_parts, warm)),
    ]


def _rate(parts: Parts, trials: Sequence[Trial]) -> float:
    tokens, seconds = total(parts, trials)
    return tokens / seconds


def _whole_prompt_parts(trial: Trial) -> tuple[float, float] | None:
    tokens, seconds = trial.usage.prompt_tokens, trial.engine.prefill_s
    return (tokens, seconds) if tokens and seconds else None


def _chunk_parts(trial: Trial) -> tuple[float, float] | None:
    span = decode_span_s(trial)
    return (len(trial.timeline.at_ns) - 1, span) if span else None
