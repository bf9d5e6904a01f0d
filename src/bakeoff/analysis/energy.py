"""What a cell's tokens and answers cost in energy, by scope; scopes are never added up or mixed.

energy_j_per_token            Σ joules / Σ output tokens, prefill and all
prefill_energy_j_per_token    Σ joules until the first token / Σ prompt tokens evaluated
decode_energy_j_per_token     Σ joules from the first token to the last / Σ (n − 1)
tokens_per_joule              Σ output tokens / Σ joules
energy_j_per_answer           joules of one answer, mean
power_w, peak_power_w         Σ joules / Σ seconds; the highest reading of a trial, mean over trials
idle_w                        the same scope's level before anything ran
net_…                         the same with joules above the idle level alone: joules − idle_w × seconds
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from bakeoff.measurement.meters.power import INTEGRAL
from bakeoff.measurement.metrics import as_figure, decode_intervals, evaluated_prompt_tokens, output_tokens
from bakeoff.results.records import Figure, Metered, Phase, Reading, Trial, Window
from bakeoff.stats.intervals import mean_interval, ratio_of_sums

SCOPES = ("gpu", "package", "soc", "system", "wall")
"""From the chip to the wall."""
IDLE_METRICS = ("energy_j_per_token", "tokens_per_joule", "energy_j_per_answer")
"""Those that are given net of idle as well."""
ENERGY_METRICS = (
    "energy_j_per_token", "prefill_energy_j_per_token", "decode_energy_j_per_token", "tokens_per_joule",
    "energy_j_per_answer", "power_w", "peak_power_w", "idle_w", *(f"net_{name}" for name in IDLE_METRICS),
)  # fmt: skip

_MOST_J, _MOST_W, _LONGEST_S = 1e12, 1e6, 1e7
"""More than a machine uses in a run, and draws, and for how long: a file may claim anything."""

ByScope = dict[str, Figure | None]
Watched = Trial | Window


class Spent(Struct, frozen=True, kw_only=True):
    """The energy of one stretch of one trial in one scope. ``idle_j``: what idling would have taken meanwhile.

    ``half_j``: the meters leave it open by so much, on either side.
    """

    joules: float
    span_s: float
    peak_w: float | None
    idle_j: float | None
    method: str
    half_j: float = 0.0

    @property
    def net_j(self) -> float | None:
        return None if self.idle_j is None else self.joules - self.idle_j


class Work(Struct, frozen=True):
    """What was done in a stretch, in tokens, and what it took."""

    tokens: float
    spent: Spent


def energy_metrics(
    trials: Sequence[Trial],
    metered: Sequence[Metered] = (),
    *,
    windows: Sequence[Window] = (),
    totals: Sequence[tuple[float, float]] = (),
) -> dict[str, ByScope]:
    """Every figure of ``ENERGY_METRICS`` by scope; scopes that no meter told are absent.

    ``trials`` are those that count. Under load these are ``windows`` instead, each with the tokens and seconds of its
    steady part in ``totals``: the power of the whole window is taken for that part's. A figure is only given where
    each of them has its part.
    """
    found: dict[str, ByScope] = {name: {} for name in ENERGY_METRICS}
    for scope in scopes_of(windows or trials):
        figures = _under_load(windows, totals, metered, scope) if windows else _one_by_one(trials, metered, scope)
        for name, figure in figures.items():
            found[name][scope] = figure
    return found


class EnergySummary(Struct, frozen=True, kw_only=True):
    """A cell's energy: each of ``ENERGY_METRICS`` by scope, and how each scope's came about."""

    figures: dict[str, ByScope]
    methods: dict[str, str]


def energy_summary(
    trials: Sequence[Trial],
    metered: Sequence[Metered],
    *,
    windows: Sequence[Window] = (),
    totals: Sequence[tuple[float, float]] = (),
    of_the_run: Sequence[Trial] = (),
) -> EnergySummary:
    """All of one cell. ``of_the_run``: where it is its run's only cell, all trials, for a meter read by hand."""
    figures = energy_metrics(trials, metered, windows=windows, totals=totals)
    methods = energy_methods(windows or trials)
    read = by_hand(of_the_run, metered)
    if read is not None and "wall" not in methods:
        figures["energy_j_per_token"]["wall"] = by_hand_figure(*read)
        methods["wall"] = f"{read[0].method}, the whole run with its warm-ups and pauses"
    return EnergySummary(figures=figures, methods=methods)


def energy_methods(watched: Sequence[Watched]) -> dict[str, str]:
    """How each scope's energy came about; where it differs from trial to trial, all the ways."""
    ways: dict[str, dict[str, None]] = {}
    for each in watched:
        for reading in each.readings:
            if reading.quantity == "power_w" and reading.phase == "trial":
                ways.setdefault(reading.scope, {})[reading.method] = None
    return {scope: "; ".join(found) for scope, found in ways.items()}


def scopes_of(watched: Sequence[Watched]) -> list[str]:
    """The scopes of which any energy was told, or withheld."""
    told = {reading.scope for each in watched for reading in each.readings if reading.quantity == "energy_j"}
    return [scope for scope in SCOPES if scope in told]


def spent(watched: Watched, metered: Sequence[Metered], scope: str, phase: Phase = "trial") -> Spent | None:
    """What one trial or window took in a scope, all its devices together; None where any of them is withheld."""
    mine = [reading for reading in watched.readings if reading.scope == scope and reading.phase == phase]
    energies = [reading for reading in mine if reading.quantity == "energy_j"]
    if not energies or not all(_is_sound(reading) for reading in energies):
        return None
    best: dict[tuple[str, str], Reading] = {}
    for reading in energies:
        best.setdefault((reading.meter, reading.detail), reading)
    told = [reading.high for reading in mine if reading.quantity == "power_w" and reading.high is not None]
    peaks = [high for high in told if 0 <= high <= _MOST_W]
    idle = [idle_w(metered, scope, meter, device) for meter, device in best]
    spans = [reading.span_s or 0.0 for reading in best.values()]
    known = [watts for watts in idle if watts is not None]
    return Spent(
        joules=sum(reading.value or 0.0 for reading in best.values()),
        span_s=max(spans),
        peak_w=sum(peaks) if len(peaks) == len(best) else None,
        idle_j=sum(watts * span for watts, span in zip(known, spans, strict=True)) if len(known) == len(idle) else None,
        method="; ".join(dict.fromkeys(reading.method for reading in best.values())),
        half_j=sum(_half_j(reading) for reading in best.values()),
    )


def idle_w(metered: Sequence[Metered], scope: str, meter: str, device: str) -> float | None:
    """The idle level of one device, as the first meters told it."""
    for each in metered:
        for reading in each.idle:
            named = (reading.scope, reading.meter, reading.quantity, reading.phase)
            if named != (scope, meter, "power_w", "idle") or _device(reading) != device:
                continue
            if reading.value is not None and 0 <= reading.value <= _MOST_W:
                return reading.value
    return None


def by_hand(trials: Sequence[Trial], metered: Sequence[Metered]) -> tuple[Reading, int] | None:
    """What went through a wall meter over a whole run, read by hand, and all the tokens of that run."""
    readings = [reading for each in metered for reading in each.idle if reading.phase == "run"]
    tokens = sum(output_tokens(trial) or 0 for trial in trials)
    return (readings[0], tokens) if len(readings) == 1 and tokens else None


def by_hand_figure(reading: Reading, tokens: int) -> Figure | None:
    """Joules per token of a whole run; the interval is what the meter's last digit leaves open."""
    if not _is_sound(reading) or reading.value is None or reading.low is None or reading.high is None:
        return None
    return Figure(
        point=reading.value / tokens, low=reading.low / tokens, high=reading.high / tokens, confidence=1.0, n=1
    )


def _one_by_one(trials: Sequence[Trial], metered: Sequence[Metered], scope: str) -> Mapping[str, Figure | None]:
    whole = _works(trials, metered, scope, "trial", output_tokens)
    figures = _whole(whole, answers=True)
    figures["prefill_energy_j_per_token"] = _per_token(
        _works(trials, metered, scope, "prefill", evaluated_prompt_tokens)
    )
    figures["decode_energy_j_per_token"] = _per_token(_works(trials, metered, scope, "decode", decode_intervals))
    return figures


def _under_load(
    windows: Sequence[Window], totals: Sequence[tuple[float, float]], metered: Sequence[Metered], scope: str
) -> Mapping[str, Figure | None]:
    works = []
    for window, (tokens, span_s) in zip(windows, totals, strict=False):
        told = spent(window, metered, scope)
        if told is not None and tokens > 0 and told.span_s > 0:
            works.append(Work(tokens, _part(told, span_s / told.span_s)))
    figures = _whole(works if len(works) == len(windows) else [], answers=False)
    return {**figures, "prefill_energy_j_per_token": None, "decode_energy_j_per_token": None}


def _part(told: Spent, share: float) -> Spent:
    idle_j = None if told.idle_j is None else told.idle_j * share
    return Spent(joules=told.joules * share, span_s=told.span_s * share, peak_w=told.peak_w, idle_j=idle_j,
                 method=told.method, half_j=told.half_j * share)  # fmt: skip


def _works(
    trials: Sequence[Trial],
    metered: Sequence[Metered],
    scope: str,
    phase: Phase,
    tokens_of: Callable[[Trial], int | None],
) -> list[Work]:
    """One a trial; none at all where a trial lacks its energy or its tokens."""
    works = []
    for trial in trials:
        told, tokens = spent(trial, metered, scope, phase), tokens_of(trial)
        if told is None or not tokens or tokens < 0:
            return []
        works.append(Work(tokens, told))
    return works


def _whole(works: Sequence[Work], *, answers: bool) -> dict[str, Figure | None]:
    """All figures of whole trials or windows."""
    figures: dict[str, Figure | None] = dict.fromkeys(ENERGY_METRICS)
    if not works:
        return figures
    gross = [work.spent.joules for work in works]
    net = [work.spent.net_j for work in works]
    figures |= _costs(works, gross, "", answers=answers)
    known = [joules for joules in net if joules is not None]
    if len(known) == len(net):
        figures |= _costs(works, known, "net_", answers=answers)
        idle = [(work.spent.idle_j or 0.0, work.spent.span_s) for work in works]
        figures["idle_w"] = Figure(point=sum(j for j, _ in idle) / sum(s for _, s in idle))
    figures["power_w"] = as_figure(ratio_of_sums(gross, [work.spent.span_s for work in works]))
    peaks = [work.spent.peak_w for work in works if work.spent.peak_w is not None]
    figures["peak_power_w"] = as_figure(mean_interval(peaks)) if len(peaks) == len(works) else None
    return figures


def _costs(works: Sequence[Work], joules: Sequence[float], prefix: str, *, answers: bool) -> dict[str, Figure | None]:
    tokens = [work.tokens for work in works]
    per_joule = as_figure(ratio_of_sums(tokens, joules)) if sum(joules) > 0 else None
    return {
        f"{prefix}energy_j_per_token": as_figure(ratio_of_sums(joules, tokens)),
        f"{prefix}tokens_per_joule": per_joule,
        f"{prefix}energy_j_per_answer": as_figure(mean_interval(joules)) if answers else None,
    }


def _per_token(works: Sequence[Work]) -> Figure | None:
    if not works:
        return None
    return as_figure(ratio_of_sums([work.spent.joules for work in works], [work.tokens for work in works]))


def ways_apart(watched: Sequence[Watched], scope: str) -> tuple[float, float] | None:
    """(joules by counters, joules by integrals) of the devices and trials that have both; None where none has."""
    counted = summed = 0.0
    for each in watched:
        by_way: dict[tuple[str, str], dict[bool, float]] = {}
        for reading in each.readings:
            if (reading.scope, reading.quantity, reading.phase) == (scope, "energy_j", "trial") and _is_sound(reading):
                ways = by_way.setdefault((reading.meter, reading.detail), {})
                ways[reading.method.startswith(INTEGRAL)] = reading.value or 0.0
        for ways in by_way.values():
            if len(ways) == 2:
                counted, summed = counted + ways[False], summed + ways[True]
    return (counted, summed) if counted > 0 else None


def _is_sound(reading: Reading) -> bool:
    """Whether it is an energy that can have been measured, over a time that can have passed."""
    span_s = reading.span_s
    return (
        reading.value is not None and 0 <= reading.value <= _MOST_J and span_s is not None and 0 < span_s < _LONGEST_S
    )


def _half_j(reading: Reading) -> float:
    value, high = reading.value or 0.0, reading.high
    return min(high, _MOST_J) - value if high is not None and high > value else 0.0


def _device(reading: Reading) -> str:
    """Which one it was, without what was remarked of it."""
    first = reading.detail.partition("; ")[0]
    return "" if first.startswith("not steady") else first
