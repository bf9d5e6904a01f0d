"""``python -m fit.coverage``: how often the intervals hold the truth, on runs whose truth is known.

Simulated trials have a constant number of tokens and log-normal times; with a correlation, each trial's noise
follows that of the one before it (an AR(1) process). Everything goes through the package's own code: its intervals,
its rule for when a cell has enough, its ratios of two cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.results.records import Timeline, Trial, Usage
from bakeoff.run.plan import Protocol
from bakeoff.run.rules import enough, enough_windows
from bakeoff.stats.drift import drift
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.stats.modes import two_modes
from bakeoff.stats.outliers import outliers
from bakeoff.stats.ratios import paired_quotient, quotient
from fit.markdown import table, write_figures

PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"
TOKENS = 128
TRUE_TPS = 100.0
SEED = 20_241_125
MOST = Protocol().most

Times = NDArray[np.float64]
"""Seconds: one row a run, one column a trial."""


def times(runs: int, n: int, noise: float, correlation: float = 0.0, seed: int = SEED) -> Times:
    """Times whose mean gives the true rate."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(size=(runs, n))
    for i in range(1, n):
        shocks[:, i] = correlation * shocks[:, i - 1] + math.sqrt(1 - correlation**2) * shocks[:, i]
    seconds: Times = TOKENS / TRUE_TPS * np.exp(noise * shocks - noise**2 / 2)
    return seconds


def holds(interval: Interval, truth: float = TRUE_TPS) -> bool:
    """Whether the truth lies within it."""
    return interval.low is not None and interval.high is not None and interval.low <= truth <= interval.high


def of_trials(seconds: Sequence[float]) -> Interval:
    """A cell's rate, as a run gives it."""
    return ratio_of_sums([float(TOKENS)] * len(seconds), seconds)


def coverage(n: int, runs: int, noise: float = 0.04, correlation: float = 0.0) -> float:
    """The share of runs of ``n`` trials whose interval holds the true rate."""
    return sum(holds(of_trials(row)) for row in times(runs, n, noise, correlation).tolist()) / runs


def stopped_by_trials(seconds: Sequence[float]) -> int:
    """After how many trials a cell has enough, by the runner's own rule."""
    trials = [_trial(each) for each in seconds]
    return next(n for n in range(1, MOST + 1) if enough(trials[:n], Protocol()))


def stopped_by_windows(seconds: Sequence[float]) -> int:
    """The same of windows of load."""
    parts = [(float(TOKENS), each) for each in seconds]
    return next(n for n in range(1, MOST + 1) if enough_windows(parts[:n], stopped=False, protocol=Protocol()))


def coverage_stopped(
    stop: Callable[[Sequence[float]], int], runs: int, noise: float, correlation: float = 0.0
) -> tuple[float, float]:
    """The share of runs that end by this rule whose interval holds the true rate; and how many trials they took."""
    held = taken = 0
    for row in times(runs, MOST, noise, correlation).tolist():
        n = stop(row)
        taken += n
        held += holds(of_trials(row[:n]))
    return held / runs, taken / runs


def coverage_of_ratio(
    n: int, m: int, runs: int, noise: tuple[float, float] = (0.04, 0.04), common: float = 0.0, *, paired: bool = False
) -> float:
    """The share of comparisons whose interval holds the true ratio; ``common`` is the share of noise in common."""
    both = np.random.default_rng(SEED + 1).normal(size=(runs, max(n, m)))
    held = 0
    for here, there, shared in zip(_shocks(runs, n, 2), _shocks(runs, m, 3), both, strict=True):
        a, b = (
            [(float(TOKENS), math.exp(deviation * x - deviation**2 / 2)) for x in mixed]
            for deviation, mixed in zip(noise, (_mix(here, shared, common), _mix(there, shared, common)), strict=True)
        )
        held += holds(paired_quotient(a, b) if paired else quotient(a, b), truth=1.0)
    return held / runs


def coverage_of_stopped_ratio(runs: int, noise: float) -> float:
    """The same of two cells that each had enough by the rule."""
    held = 0
    for here, there in zip(times(runs, MOST, noise).tolist(), times(runs, MOST, noise, seed=SEED + 4), strict=True):
        a, b = ([(float(TOKENS), each) for each in row[: stopped_by_trials(row)]] for row in (here, there.tolist()))
        held += holds(quotient(a, b), truth=1.0)
    return held / runs


def alarms(seen: Callable[[Sequence[float]], bool], n: int, runs: int, noise: float = 0.04) -> float:
    """The share of runs without anything to see in which something is seen."""
    return sum(seen(row) for row in times(runs, n, noise).tolist()) / runs


def drifts(values: Sequence[float]) -> bool:
    """Whether a trend is seen at 5 %."""
    found = drift(values)
    return found is not None and found.p < 0.05


def _shocks(runs: int, n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(SEED + seed).normal(size=(runs, n))


def _mix(own: NDArray[np.float64], shared: NDArray[np.float64], common: float) -> list[float]:
    mixed: list[float] = (math.sqrt(1 - common) * own + math.sqrt(common) * shared[: len(own)]).tolist()
    return mixed


def _trial(seconds: float) -> Trial:
    """One that decoded ``TOKENS`` intervals in that time."""
    timeline = Timeline(at_ns=(50_000_000, 50_000_000 + round(seconds * 1e9)), kinds="aa")
    usage = Usage(output_tokens=TOKENS + 1)
    return Trial(
        cell=0, index=0, purpose="timed", status="ok", started="", seed=0, timeline=timeline, usage=usage
    )  # fmt: skip


def figures(runs: int = 4000) -> str:
    """The tables of the page."""
    return "\n\n".join([_fixed(runs), _rules(runs), _ratios(runs), _alarms(runs)])


def _fixed(runs: int) -> str:
    rows = [
        [str(n), *(_share(coverage(n, runs, correlation=r)) for r in (0.0, 0.3, 0.6))] for n in (3, 5, 10, 20, 30, 40)
    ]
    return "Of a fixed number of trials, with 4 % noise:\n\n" + table(
        ["trials", "independent", "correlation 0.3", "correlation 0.6"], rows
    )


def _rules(runs: int) -> str:
    parts = []
    for words, stop in (("trials", stopped_by_trials), ("windows of load", stopped_by_windows)):
        rows = []
        for noise in (0.01, 0.02, 0.03, 0.04, 0.05, 0.08):
            free = coverage_stopped(stop, runs, noise)
            tied = [coverage_stopped(stop, runs, noise, r)[0] for r in (0.3, 0.6)]
            rows.append([_whole(noise), f"{free[1]:.1f}", *map(_share, [free[0], *tied])])
        heads = ["noise", f"{words}, on average", "independent", "correlation 0.3", "correlation 0.6"]
        parts.append(f"Under the rule that ends a cell, by {words}:\n\n{table(heads, rows)}")
    return "\n\n".join(parts)


def _ratios(runs: int) -> str:
    rows = []
    for n, m in ((3, 3), (5, 5), (10, 10), (20, 20), (3, 10), (5, 20)):
        apart = [coverage_of_ratio(n, m, runs, noise) for noise in ((0.04, 0.04), (0.08, 0.02), (0.02, 0.08))]
        shared = [coverage_of_ratio(n, m, runs, common=0.6, paired=paired) for paired in (False, True) if n == m]
        rows.append([f"{n} and {m}", *map(_share, apart), *(map(_share, shared) if shared else ("–", "–"))])
    rule = [[f"{_whole(noise)}", _share(coverage_of_stopped_ratio(runs, noise))] for noise in (0.02, 0.04, 0.055, 0.08)]
    heads = ["trials", "noise 4 % and 4 %", "8 % and 2 %", "2 % and 8 %", "60 % shared, apart", "60 % shared, in pairs"]
    return (
        "Of the ratio of two cells:\n\n" + table(heads, rows) + "\n\nOf two that each had enough by the rule:\n\n"
        + table(["noise", "independent"], rule)
    )  # fmt: skip


def _alarms(runs: int) -> str:
    seen: dict[str, Callable[[Sequence[float]], bool]] = {
        "outliers": lambda values: bool(outliers(values)),
        "drift": drifts,
        "two modes": lambda values: two_modes(values) is not None,
    }
    sizes = (5, 6, 10, 20)
    rows = [[name, *(_share(alarms(see, n, runs)) for n in sizes)] for name, see in seen.items()]
    return "False alarms, in runs of trials with nothing to see:\n\n" + table(
        ["what is seen", *(f"{n} trials" for n in sizes)], rows
    )


def _whole(value: float) -> str:
    return f"{100 * value:g} %"


def _share(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")


def main() -> None:
    """Write the tables into the page."""
    write_figures(PAGE, figures())
    print(f"Written: docs/{PAGE.name}")


if __name__ == "__main__":
    main()
