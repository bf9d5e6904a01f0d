"""The formulas of one trial, and of a cell from its trials; pure. Seconds, tokens, tokens per second.

TTFT        request fully sent → first chunk with text, reasoning or answer
TTFA        request fully sent → first chunk of answer, after reasoning
decode      Σ(n − 1) / Σ(t_last − t_first) over the trials
prefill     prompt tokens evaluated / the engine's prefill time; without one, tokens / TTFT, a lower bound
TPOT        (t_last − t_first) / (n − tokens of the first chunk)
ITL         the gap between chunks of one token each, or counted by the stream
latency     request fully sent → last byte
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from bakeoff.measurement.thinking import ANSWER
from bakeoff.results.records import Figure, Trial
from bakeoff.stats.intervals import Interval, mean_interval, ratio_of_sums

_S = 1e9
_SHORTEST_S, _LONGEST_S = 1e-9, 1e9
"""What a clock can have measured: a nanosecond to three decades. A server may claim anything."""
LONGEST_NS = round(_LONGEST_S * _S)


def output_tokens(trial: Trial) -> int | None:
    """Tokens generated: the engine's report, else the stream's own count, else the number of chunks."""
    if trial.usage.output_tokens is not None:
        return trial.usage.output_tokens
    if trial.timeline.tokens:
        return trial.timeline.tokens[-1]
    return len(trial.timeline.at_ns) or None


def tokens_from(trial: Trial) -> str:
    """Where the count comes from: ``usage``, ``stream`` or ``chunks``."""
    if trial.usage.output_tokens is not None:
        return "usage"
    return "stream" if trial.timeline.tokens else "chunks"


def ttft_s(trial: Trial) -> float | None:
    return _seconds(trial.timeline.at_ns[0]) if trial.timeline.at_ns else None


def ttfa_s(trial: Trial) -> float | None:
    """None where no answer came, as when the reasoning never ended; equal to TTFT without reasoning."""
    first = trial.timeline.kinds.find(ANSWER)
    return _seconds(trial.timeline.at_ns[first]) if first >= 0 else None


def decode_span_s(trial: Trial) -> float | None:
    """First to last chunk with text; None where they arrived as one."""
    at_ns = trial.timeline.at_ns
    return (_seconds(at_ns[-1] - at_ns[0]) or None) if len(at_ns) > 1 else None


def decode_intervals(trial: Trial) -> int | None:
    """n − 1, the intervals between the tokens; None below two tokens."""
    n = output_tokens(trial)
    return n - 1 if n is not None and n > 1 else None


def tpot_s(trial: Trial) -> float | None:
    n, span = output_tokens(trial), decode_span_s(trial)
    first = trial.timeline.tokens[0] if trial.timeline.tokens else 1
    return span / (n - first) if n is not None and span is not None and n > first else None


def itl_gaps(trial: Trial) -> list[tuple[float, int]] | None:
    """(seconds, tokens) from each chunk to the next; None where the chunks' tokens are not known."""
    timeline = trial.timeline
    counts: Sequence[int]
    if timeline.tokens is not None:
        counts = timeline.tokens
    elif len(timeline.at_ns) == trial.usage.output_tokens:
        counts = range(1, len(timeline.at_ns) + 1)
    else:
        return None
    gaps = [((b - a) / _S, n - m) for (a, b), (m, n) in zip(pairwise(timeline.at_ns), pairwise(counts), strict=True)]
    return gaps or None


def coarse_chunks(trial: Trial) -> int:
    """How many chunks came in one read with the chunk before: their own times are not known."""
    return sum(a == b for a, b in pairwise(trial.timeline.at_ns))


def latency_s(trial: Trial) -> float | None:
    return None if trial.end_ns is None else _seconds(trial.end_ns)


def load_s(trial: Trial) -> float | None:
    seconds = trial.engine.load_s
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST_S else None


def _seconds(ns: int) -> float | None:
    """None where no clock can have measured it: before the request, or decades after it."""
    return ns / _S if 0 <= ns <= LONGEST_NS else None


def evaluated_prompt_tokens(trial: Trial) -> int | None:
    """Prompt tokens that were worked through in this trial, cached ones left out."""
    if trial.engine.prefill_tokens is not None:
        return trial.engine.prefill_tokens
    usage = trial.usage
    if usage.prompt_tokens is None or usage.cached_tokens is None:
        return None
    return usage.prompt_tokens - usage.cached_tokens


def prefill_is_lower_bound(trial: Trial) -> bool:
    """Whether the prefill rate has to be taken from TTFT, which holds more than the prefill."""
    return _engine_prefill_parts(trial) is None


def prefill_parts(trial: Trial) -> tuple[float, float] | None:
    """(tokens, seconds) of the prefill."""
    told = _engine_prefill_parts(trial)
    if told is not None:
        return told
    tokens = evaluated_prompt_tokens(trial)
    return _parts(tokens if tokens is not None else trial.usage.prompt_tokens, ttft_s(trial))


def _engine_prefill_parts(trial: Trial) -> tuple[float, float] | None:
    return _parts(evaluated_prompt_tokens(trial), trial.engine.prefill_s)


def client_decode_parts(trial: Trial) -> tuple[float, float] | None:
    return _parts(decode_intervals(trial), decode_span_s(trial))


def engine_decode_parts(trial: Trial) -> tuple[float, float] | None:
    return _parts(decode_intervals(trial), trial.engine.decode_s)


def output_parts(trial: Trial) -> tuple[float, float] | None:
    return _parts(output_tokens(trial), latency_s(trial))


def itl_parts(trial: Trial) -> tuple[float, float] | None:
    """(seconds, tokens) of all gaps together."""
    gaps = itl_gaps(trial) or []
    parts = _parts(sum(n for _, n in gaps), sum(s for s, _ in gaps))
    return (parts[1], parts[0]) if parts else None


def _parts(tokens: int | None, seconds: float | None) -> tuple[float, float] | None:
    """Both, where they are there and make a rate."""
    if tokens is None or seconds is None or tokens <= 0 or not _SHORTEST_S <= seconds <= _LONGEST_S:
        return None
    return tokens, seconds


Parts = Callable[[Trial], tuple[float, float] | None]

RATIOS: dict[str, Parts] = {
    "decode_tps": client_decode_parts,
    "engine_decode_tps": engine_decode_parts,
    "prefill_tps": prefill_parts,
    "itl_s": itl_parts,
    "output_tps": output_parts,
}
MEANS: dict[str, Callable[[Trial], float | None]] = {
    "ttft_s": ttft_s,
    "ttfa_s": ttfa_s,
    "tpot_s": tpot_s,
    "latency_s": latency_s,
    "load_s": load_s,
}
METRICS = ("ttft_s", "ttfa_s", "decode_tps", "engine_decode_tps", "prefill_tps", "itl_s", "tpot_s",
           "latency_s", "load_s", "output_tps")  # fmt: skip


def cell_metrics(trials: Sequence[Trial], *, repeated: bool = False) -> dict[str, Figure | None]:
    """Each metric over the trials that count, as a figure with its 95 % interval; None where unknown.

    A figure is only given where every trial has it: a rate of some of the trials would not be the cell's.
    ``repeated``: one prompt with the cache left on. Then there is a prefill rate only where the engine says how
    much of it was evaluated: all of the prompt over the time of a part of it would be absurd.
    """
    figures = {name: _figure(name, trials) for name in METRICS}
    if repeated and any(evaluated_prompt_tokens(trial) is None for trial in trials):
        figures["prefill_tps"] = None
    return figures


def _figure(name: str, trials: Sequence[Trial]) -> Figure | None:
    if not trials:
        return None
    if name in RATIOS:
        parts = [part for trial in trials if (part := RATIOS[name](trial)) is not None]
        if len(parts) < len(trials):
            return None
        return as_figure(ratio_of_sums([p[0] for p in parts], [p[1] for p in parts]))
    values = [value for trial in trials if (value := MEANS[name](trial)) is not None]
    return as_figure(mean_interval(values)) if len(values) == len(trials) else None


def as_figure(interval: Interval) -> Figure:
    """An interval as it goes into files."""
    return Figure(point=interval.point, low=interval.low, high=interval.high, n=interval.n)
