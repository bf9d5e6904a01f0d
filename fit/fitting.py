"""The whole fit, from the published rows to the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fit.carried import fitted
from fit.data import Rows, load
from fit.judge import Misses, leave_out_chips
from fit.solve import Problem


@dataclass(frozen=True)
class Result:
    """Rows, misses on chips left out, parameters on all rows, and the numbers for the package."""

    rows: Rows
    problem: Problem
    misses: Misses
    theta: Any
    numbers: dict[str, Any]


def everything() -> Result:
    """Load, leave chips out, fit on all."""
    rows = load()
    problem = Problem(rows.dense)
    misses = leave_out_chips(problem)
    theta, prefill_theta = parameters(problem)
    return Result(rows, problem, misses, theta, fitted(rows, problem, misses, theta, prefill_theta))


def parameters(problem: Problem) -> tuple[Any, Any]:
    """The parameters of decode and of prefill on all rows."""
    every = np.arange(len(problem.rows))
    theta = problem.fit_decode(every)
    with_prefill = np.array([not row.prefill_dropped for row in problem.rows])
    return theta, problem.fit_prefill(every[with_prefill], theta)
