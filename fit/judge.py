"""How well the fit predicts chips that it has not seen, and how wide an interval must be for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.planning.formula import VENDORS
from fit.solve import Problem

COVERAGE = 0.8
BORROWED = 3.0
"""Chips' worth of weight that the other vendors' misses have in a vendor's interval: it counts where chips are few."""


@dataclass(frozen=True)
class Misses:
    """Logarithms of predicted / measured where the row's chip was left out; NaN where a row has no such figure.

    ``width``: half-width of the 80 % interval in logarithms that the other chips' misses gave, one a row.
    """

    decode: Any
    prefill: Any
    decode_width: Any
    prefill_width: Any


def leave_out_chips(problem: Problem) -> Misses:
    """Fit once per chip without it, and predict it."""
    every = np.arange(len(problem.rows))
    with_prefill = np.array([not row.prefill_dropped for row in problem.rows])
    decode_start = problem.fit_decode(every)
    prefill_start = problem.fit_prefill(every[with_prefill], decode_start)
    decode, prefill = np.zeros(len(every)), np.full(len(every), np.nan)
    for name in sorted(set(problem.names.tolist())):
        seen, unseen = every[problem.names != name], every[problem.names == name]
        theta = problem.fit_decode(seen, decode_start)
        decode[unseen] = problem.decode_log_tps(theta, unseen) - problem.decode[unseen]
        unseen = unseen[with_prefill[unseen]]
        if len(unseen):
            own = problem.fit_prefill(seen[with_prefill[seen]], theta, prefill_start)
            prefill[unseen] = problem.prefill_log_tps(own, unseen, theta) - problem.prefill[unseen]
    return Misses(decode, prefill, _widths(problem, decode), _widths(problem, prefill))


def width(problem: Problem, misses: Any, vendor: int | None, without: str = "") -> float:
    """The miss that 80 % of a vendor's rows do not pass, those of one chip left aside; None is an unseen vendor."""
    known = np.isfinite(misses) & (problem.names != without)
    own = known & (problem.vendor == vendor)
    chips = len(set(problem.names[own].tolist()))
    weight = np.where(own, problem.weight, 0.0)
    rest = np.where(known & ~own, problem.weight, 0.0)
    share = BORROWED / max(chips, 1) if vendor is not None and chips else 1.0
    if chips:
        rest = rest / rest.sum() * weight.sum() * share
    weight = weight + rest
    order = np.argsort(np.abs(np.where(known, misses, 0.0)))
    reached = np.cumsum(weight[order]) / weight.sum()
    # The quantile of n misses that covers a new one: (n + 1) / n of the share wanted.
    count = max(len(set(problem.names[known].tolist())) if vendor is None else chips + BORROWED, 2)
    wanted = min(COVERAGE * (count + 1) / count, 0.99)
    return float(np.abs(misses[order])[np.searchsorted(reached, wanted)])


def _widths(problem: Problem, misses: Any) -> Any:
    widths = np.zeros(len(misses))
    for name in sorted(set(problem.names.tolist())):
        rows = problem.names == name
        widths[rows] = width(problem, misses, int(problem.vendor[rows][0]), without=name)
    return widths


def vendor_widths(problem: Problem, misses: Any) -> dict[str, float]:
    """The half-width for each vendor, and for one not seen."""
    found = {vendor: width(problem, misses, index) for index, vendor in enumerate(VENDORS)}
    return found | {"other": width(problem, misses, None)}
