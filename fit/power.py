"""``python -m fit.power``: how often a difference in accuracy is seen, by tasks and samples, on simulated answers.

Two subjects answer the same tasks. The first is right with a chance of 70 % on the mean; most tasks are easy for it or
hard, as a beta distribution has it. The second's chances are lower in proportion. Everything goes through the package's
own tests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.stats.paired import mcnemar, sign_flip
from bakeoff.stats.power import ALPHA, mcnemar_power, power, smallest_visible, smallest_visible_flips
from fit.markdown import table, write_figures

PAGE = Path(__file__).parent.parent / "docs" / "quality.md"
SEED = 20_241_125
ACCURACY = 0.7
SPREAD = (0.513, 0.22)
"""Of the chances, as a beta distribution: of one answer each, 21 % of the tasks come out unlike."""
DIFFERENCE = 0.05
TASKS, SAMPLES = (50, 100, 300, 600), (1, 2, 4, 8)
RUNS = 4000
RUNS_OF_SEVERAL = 400
"""Simulated runs: a permutation test takes its time."""

Means = NDArray[np.float64]
"""The share of right samples: one row a run, one column a task."""


def simulated(runs: int, tasks: int, samples: int, difference: float = 0.0, seed: int = SEED) -> tuple[Means, Means]:
    """Both subjects' means; the second's true accuracy is lower by ``difference``."""
    rng = np.random.default_rng(seed)
    chances = rng.beta(*SPREAD, size=(runs, tasks))
    first = rng.binomial(samples, chances) / samples
    second = rng.binomial(samples, chances * (1 - difference / ACCURACY)) / samples
    return first, second


def seen(tasks: int, samples: int, difference: float, runs: int | None = None) -> float:
    """The share of runs in which the test that such answers get calls it a difference."""
    runs = runs or (RUNS if samples == 1 else RUNS_OF_SEVERAL)
    first, second = simulated(runs, tasks, samples, difference)
    off = second - first
    if samples == 1:
        flips = zip((off < 0).sum(axis=1).tolist(), (off > 0).sum(axis=1).tolist(), strict=True)
        return sum(mcnemar(*each) < ALPHA for each in flips) / runs
    return sum(sign_flip(row) < ALPHA for row in off.tolist()) / runs


def stated(tasks: int, samples: int, difference: float) -> tuple[float, float | None]:
    """(how often the package says that it is seen, the smallest difference that is in 80 % of all runs)."""
    off = np.subtract(*reversed(simulated(200, 1000, samples, difference)))
    if samples == 1:
        flipped = float((off != 0).mean())
        return mcnemar_power(difference, flipped, tasks), smallest_visible_flips(flipped, tasks)
    deviation = float(off.std())
    return power(difference, deviation, tasks), smallest_visible(deviation, tasks)


def figures() -> str:
    """The tables."""
    rows, smallest = [], []
    for tasks in TASKS:
        told = [stated(tasks, samples, DIFFERENCE) for samples in SAMPLES]
        found = [seen(tasks, samples, DIFFERENCE) for samples in SAMPLES]
        rows.append([str(tasks), *(f"{a:.0%} ({b:.0%})" for a, (b, _) in zip(found, told, strict=True))])
        smallest.append([str(tasks), *("–" if s is None else f"{100 * s:.1f}" for _, s in told)])
    false = [[f"{seen(300, samples, 0.0):.1%}" for samples in SAMPLES]]
    heads = ["tasks", *(f"{n} sample{'s' if n > 1 else ''}" for n in SAMPLES)]
    return "\n\n".join(
        (
            f"How often a difference of {100 * DIFFERENCE:.0f} points is seen, of {RUNS:,} simulated runs, of "
            f"{RUNS_OF_SEVERAL} with several samples (in brackets: as the package states it):",
            table(heads, rows),
            "The smallest difference that is seen in four of five runs, in points:",
            table(heads, smallest),
            "False alarms of the same tests, of 300 tasks without a difference:",
            table(heads[1:], false),
        )
    ).replace("%", " %")


def main() -> None:
    """Write the tables into the page."""
    write_figures(PAGE, figures())
    print(f"Written: docs/{PAGE.name}")


if __name__ == "__main__":
    main()
