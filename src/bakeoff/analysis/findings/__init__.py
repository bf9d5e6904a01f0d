"""Findings: facts that limit what a figure means, each with its evidence and what to do about it.

Each check is a function from a cell to a finding or None; its docstring says what provokes it. ``CHECKS`` is the
enumeration, in the order in which findings are shown; docs/findings.md lists them for users. ``unlike_hosts`` alone
looks at two runs.
"""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.analysis.findings import (
    answers,
    cache,
    engine,
    heat,
    host,
    limit,
    load,
    memory,
    power,
    series,
    timing,
    tips,
    tokens,
    trials,
)
from bakeoff.analysis.findings.asked import Asked, asked
from bakeoff.analysis.findings.base import Cell, Finding, Severity
from bakeoff.analysis.findings.host import unlike_hosts

__all__ = ["ALONE", "CHECKS", "Asked", "Cell", "Check", "Finding", "Severity", "asked", "findings_of", "unlike_hosts"]

Check = Callable[[Cell], Finding | None]

CHECKS: tuple[Check, ...] = (
    engine.scripted,
    engine.synthetic,
    answers.no_trials,
    answers.failed_trials,
    timing.impossible_times,
    limit.above_limit,
    answers.prompt_truncated,
    cache.cache_hit,
    tokens.hidden_reasoning,
    load.over_saturated,
    load.fell_behind,
    load.streams_queued,
    load.client_busy,
    engine.preempted,
    engine.shared_engine,
    engine.queued,
    engine.reload,
    tokens.chunk_counted,
    tokens.one_piece,
    engine.rate_limited,
    timing.clock_step,
    trials.wide_interval,
    series.bimodal,
    series.drift,
    series.first_trial_slow,
    series.outliers,
    trials.warm_up_unsettled,
    heat.not_sustained,
    host.throttled,
    host.cooled_down,
    memory.swapped,
    memory.memory_pressure,
    memory.weights_from_disk,
    host.busy_host,
    host.on_battery,
    power.power_source_changed,
    power.plug_elsewhere,
    power.energy_disagreement,
    power.energy_withheld,
    memory.other_models,
    memory.partly_on_gpu,
    timing.disagreement,
    answers.early_stop,
    answers.context_exceeds_training,
    answers.thinking_cut,
    trials.budget_cut,
    trials.too_few_trials,
    trials.constant_data,
    timing.coarse_timing,
    cache.cache_unproven,
    tokens.itl_unknown,
    tokens.prefill_lower_bound,
    memory.memory_preallocated,
    power.phase_energy_withheld,
    power.idle_gpu_counted,
    power.meter_failed,
    power.one_reading_for_all,
    tips.context_unused,
    tips.slow_disk,
    tips.engine_outdated,
    tips.one_at_a_time,
    tokens.not_reported,
)

ALONE: frozenset[Check] = frozenset(
    {
        engine.queued,
        trials.wide_interval,
        trials.too_few_trials,
        trials.constant_data,
        series.bimodal,
        series.first_trial_slow,
        series.outliers,
    }
)
"""Of trials that run one by one. Under load, requests wait for each other and differ by design, and the figures are
those of the windows."""


def findings_of(cell: Cell) -> list[Finding]:
    """What limits this cell's figures, in the order of ``CHECKS``."""
    checks = (check for check in CHECKS if not (cell.under_load and check in ALONE))
    return [finding for check in checks if (finding := check(cell)) is not None]
