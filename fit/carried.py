"""The fitted numbers as the package carries them: ``bakeoff/planning/fitted.json``."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from bakeoff.models.weights import kv_bytes
from bakeoff.planning.formula import VENDORS, layer_seconds, reading_seconds
from fit import processors
from fit.data import Row, Rows, chip, others, shape
from fit.judge import Misses, vendor_widths
from fit.solve import PREFILL_OWN, PREFILL_SHARED, Problem, decode_numbers, prefill_numbers

_DIGITS = 4


def fitted(rows: Rows, problem: Problem, misses: Misses, theta: Any, prefill_theta: Any) -> dict[str, Any]:
    """Everything that the planner needs, rounded to four digits."""
    shared_decode = decode_numbers(theta, np.array([0]))
    shared_prefill, _ = prefill_numbers(prefill_theta, np.array([0]))
    numbers = {
        "vendors": {vendor: _own(theta, prefill_theta, index) for index, vendor in enumerate(VENDORS)},
        "shared": {
            name: getattr(shared_decode, name) for name in ("launch_s", "hop_s", "dies_loss")
        } | {
            name: getattr(shared_prefill, name) for name in PREFILL_SHARED if hasattr(shared_prefill, name)
        },
        "log_width": {
            "decode": vendor_widths(problem, misses.decode),
            "prefill": vendor_widths(problem, misses.prefill),
        },
        "core_rate_per_bandwidth": _core_rates(rows.dense),
        "experts": _experts(rows.experts, theta),
        "ollama_s": _ollama(theta),
        "processor": processors.numbers(processors.rows()),
        "fitted_on": {"rows": len(rows.dense), "chips": len(set(problem.names.tolist()))},
    }  # fmt: skip
    rounded = _rounded(numbers)
    assert isinstance(rounded, dict)
    return rounded


def predicted(theta: Any, name: str, model: str, quant: str, cache_tokens: int = 64) -> float:
    """Decode rate of a model on one chip with a current engine."""
    known = chip(name)
    assert known is not None
    arch, read, _, _ = shape(model, quant)
    row = Row("", "CUDA" if known.vendor == "nvidia" else "", known, 1, arch, quant, read, 0,
              kv_bytes(arch, cache_tokens), 0, 512, 1.0, 0.0, early=False, prefill_dropped="")  # fmt: skip
    return float(np.exp(Problem([row]).decode_log_tps(theta, np.array([0]))[0]))


def _own(theta: Any, prefill_theta: Any, index: int) -> dict[str, float]:
    decode = decode_numbers(theta, np.array([index]))
    prefill, _ = prefill_numbers(prefill_theta, np.array([index]))
    names = ("step_cycles", "efficiency", "bytes_per_cycle", "cache_weight")
    return {name: float(getattr(decode, name)[0]) for name in names} | {
        name: float(getattr(prefill, name)[0]) for name in PREFILL_OWN
    }


def _core_rates(rows: list[Row]) -> dict[str, float]:
    """Core cycles per byte of bandwidth, for a chip whose cores are not known."""
    found: dict[str, dict[str, float]] = {vendor: {} for vendor in VENDORS}
    for row in rows:
        found[row.chip.vendor][row.chip.name] = row.chip.cores.rate / row.chip.bandwidth
    return {vendor: median(rates.values()) for vendor, rates in found.items()}


def _experts(rows: list[Row], theta: Any) -> dict[str, float]:
    """By how much a layer of experts takes more steps than a dense one, and the spread of that in the time."""
    problem, ratios = Problem(rows), []
    for at in range(len(rows)):
        some = np.array([at])
        fit = decode_numbers(theta, problem.vendor[some])
        one = type(problem.chip)(**{name: getattr(problem.chip, name)[some] for name in problem.chip.__struct_fields__})
        reading = reading_seconds(problem.read[some], problem.cache[some], one, fit)
        steps = problem.layers[some] * layer_seconds(one, fit)
        ratios.append(float(((1 / rows[at].decode_tps - reading) / steps)[0]))
    return {"step_factor": max(1.0, median(ratios)), "rows": len(rows)}


def _ollama(theta: Any) -> float:
    """Seconds per token that Ollama takes more than llama.cpp is predicted to: the median over published rows."""
    extra = [
        1 / float(line["decode_tps"]) - 1 / predicted(theta, line["chip"], line["model"], line["quant"])
        for line in others()
        if line["engine"] == "ollama"
    ]
    return max(0.0, median(extra))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return value if isinstance(value, int | str) else float(f"{float(value):.{_DIGITS}g}")
