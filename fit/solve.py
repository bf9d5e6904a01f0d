"""Least squares on the logarithm of time, with a loss that lets outliers go, and with priors that hold few rows.

A parameter is fitted as a logarithm: common value × a vendor's own factor. The prior on the factor (standard
deviation below, in logarithms) draws vendors with few chips to the common value. A chip's rows together weigh as
the square root of their number, so that no chip measured often stands for its vendor.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.planning.formula import (
    BATCH,
    CORNER,
    VENDORS,
    Chip,
    Decode,
    Prefill,
    attention_operations,
    batch_seconds,
    layer_seconds,
    operations_per_second,
    pipelined,
    reading_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fit.data import Row

# Prior median and standard deviation of the logarithm. Vendors' factors follow the common value.
DECODE_COMMON = {
    "step_cycles": (1e5, 1.0),
    "slack": (0.10, 0.7),
    "bytes_per_cycle": (14.0, 1.0),
    "cache_weight": (2.0, 0.5),
}
DECODE_OWN = {"step_cycles": 0.5, "slack": 0.7, "bytes_per_cycle": 0.5, "cache_weight": 0.5}
DECODE_SHARED = {
    "launch_s": (40e-6, 1.0),
    "hop_s": (100e-6, 1.0),
    "dies_loss": (0.1, 0.7),
}
PREFILL_OWN = {
    "operations_per_cycle": (250.0, 0.5),
    "attention_weight": (4.0, 0.7),
    "cost_f16": (1.0, 0.2),
    "cost_k": (1.0, 0.2),
    "cost_q8_0": (1.0, 0.1),
}
PREFILL_SHARED = {
    "operations_per_joule": (0.5e12, 0.5),
    "old_loss": (1.3, 0.3),
    "datacentre_gain": (1.5, 0.3),
    "pipelining": (0.5, 0.3),
    "early": (1.0, 0.3),
}
BEST_EFFICIENCY = 0.95
"""No memory gives more of its published bandwidth than this."""


class Problem:
    """A set of rows as arrays, and the two fits on any part of them."""

    def __init__(self, rows: Sequence[Row], corner: float = CORNER) -> None:
        def of(name: str) -> Any:
            return np.array([float(getattr(row, name)) for row in rows])

        self.rows, self.corner = rows, corner
        self.names = np.array([row.chip.name for row in rows])
        self.vendor = np.array([VENDORS.index(row.chip.vendor) for row in rows])
        self.read, self.cache, self.parameters = of("read_bytes"), of("cache_bytes"), of("parameters")
        self.gpus, self.prompt, self.early = of("gpus"), of("prompt"), of("early")
        self.layers = np.array([row.arch.layers for row in rows], float)
        self.width = np.array([row.arch.heads * row.arch.head_dim for row in rows], float)
        self.quant = np.array([quant_kind(row.quant) for row in rows])
        self.decode = np.log(of("decode_tps"))
        self.prefill = np.log(np.maximum(of("prefill_tps"), 1e-9))
        count = Counter(self.names.tolist())
        self.weight = np.array([count[name] ** -0.5 for name in self.names.tolist()])
        self.chip = chip_arrays(rows)

    def decode_log_tps(self, theta: Any, at: Any) -> Any:
        """Logarithm of the predicted decode rate of the rows ``at``."""
        fit = decode_numbers(theta, self.vendor[at])
        chip = _some(self.chip, at)
        steps = self.layers[at] * layer_seconds(chip, fit)
        reading = reading_seconds(self.read[at], self.cache[at], chip, fit, self.corner)
        return -np.log(steps + reading + (self.gpus[at] - 1) * fit.hop_s)

    def prefill_log_tps(self, theta: Any, at: Any, decode_theta: Any) -> Any:
        """Logarithm of the predicted prefill rate of the rows ``at``."""
        fit, early = prefill_numbers(theta, self.vendor[at])
        chip, prompt, kind = _some(self.chip, at), self.prompt[at], self.quant[at]
        costs = {"F16": fit.cost_f16, "K": fit.cost_k, "Q8_0": fit.cost_q8_0}
        cost = np.select([kind == name for name in costs], list(costs.values()), 1.0)
        cost = cost * np.where(self.early[at] * (self.vendor[at] == 0) > 0, early, 1.0)
        attention = fit.attention_weight * attention_operations(self.width[at], self.layers[at], prompt)
        work = (2 * self.parameters[at] * cost + attention) * prompt / operations_per_second(chip, fit)
        batches = np.ceil(prompt / BATCH)
        batch = batch_seconds(self.layers[at], self.read[at], chip, decode_numbers(decode_theta, self.vendor[at]))
        return -np.log((work * pipelined(batches, self.gpus[at], fit.pipelining) + batches * batch) / prompt)

    def fit_decode(self, at: Any, start: Any = None) -> Any:
        """The decode parameters that fit the rows ``at``."""
        return self._solve(
            lambda theta: self.decode_log_tps(theta, at) - self.decode[at], DECODE_PRIOR, at, 0.05, start
        )

    def fit_prefill(self, at: Any, decode_theta: Any, start: Any = None) -> Any:
        """The prefill parameters that fit the rows ``at``."""

        def misfit(theta: Any) -> Any:
            return self.prefill_log_tps(theta, at, decode_theta) - self.prefill[at]

        return self._solve(misfit, PREFILL_PRIOR, at, 0.1, start)

    def _solve(self, misfit: Any, prior: Any, at: Any, scale: float, start: Any) -> Any:
        from scipy.optimize import least_squares

        centre, spread = prior
        root = np.sqrt(self.weight[at])

        def residuals(theta: Any) -> Any:
            z = misfit(theta) / scale
            soft = np.sign(z) * np.sqrt(2 * (np.sqrt(1 + z**2) - 1))
            return np.concatenate([soft * root, (theta - centre) / spread])

        return least_squares(residuals, centre if start is None else start, xtol=1e-7, ftol=1e-7).x


def quant_kind(quant: str) -> str:
    """Which of the costs of prefill a quantization has."""
    if quant in ("F16", "BF16", "F32"):
        return "F16"
    if "_K" in quant:
        return "K"
    return "Q8_0" if quant == "Q8_0" else "Q4_0"


def chip_arrays(rows: Sequence[Row]) -> Chip:
    """The chips of the rows as arrays."""
    nvidia = np.array([row.chip.vendor == "nvidia" for row in rows])
    capability = np.array([row.chip.cores.capability or 0 for row in rows])
    launched = np.array([row.backend == "CUDA" and (row.early or row.gpus > 1) for row in rows])
    launched |= np.array([row.backend == "CUDA" for row in rows]) & (capability < 8)
    return Chip(
        bandwidth=np.array([row.chip.bandwidth for row in rows]),
        core_rate=np.array([row.chip.cores.rate for row in rows]),
        clock_ghz=np.array([row.chip.cores.clock_ghz for row in rows]),
        watts=np.array([row.chip.watts if row.chip.watts and row.chip.vendor == "nvidia" else np.inf for row in rows]),
        launched=launched * 1.0,
        two_dies=np.array([row.chip.cores.dies > 1 for row in rows]) * 1.0,
        old=(nvidia & (capability < 8)) * 1.0,
        datacentre=(nvidia & np.isin(capability, (8.0, 9.0, 10.0))) * 1.0,
    )


def decode_numbers(theta: Any, vendor: Any) -> Decode:
    """The formula's numbers for each row's vendor."""
    value = dict(zip(DECODE_NAMES, np.exp(theta), strict=True))
    own = {name: value[name] * np.array([value[f"{name} {v}"] for v in VENDORS])[vendor] for name in DECODE_COMMON}
    return Decode(
        step_cycles=own["step_cycles"],
        efficiency=1 / (1 / BEST_EFFICIENCY + own["slack"]),
        bytes_per_cycle=own["bytes_per_cycle"],
        cache_weight=own["cache_weight"],
        **{name: value[name] for name in DECODE_SHARED},
    )


def prefill_numbers(theta: Any, vendor: Any) -> tuple[Prefill, float]:
    """The formula's numbers for each row's vendor, and what NVIDIA's rows of May 2024 took more than later ones."""
    value = dict(zip(PREFILL_NAMES, np.exp(theta), strict=True))
    own = {name: np.array([value[f"{name} {v}"] for v in VENDORS])[vendor] for name in PREFILL_OWN}
    shared = {name: value[name] for name in PREFILL_SHARED}
    numbers = {name: shared[name] for name in Prefill.__struct_fields__ if name in shared}
    numbers["pipelining"] = np.minimum(numbers["pipelining"], 1.0)
    return Prefill(**own, **numbers), shared["early"]


def _some(chip: Chip, at: Any) -> Chip:
    return Chip(**{name: getattr(chip, name)[at] for name in Chip.__struct_fields__})


def _prior(entries: Mapping[str, tuple[float, float]]) -> Any:
    return (
        np.log(np.array([median for median, _ in entries.values()])),
        np.array([spread for _, spread in entries.values()]),
    )


_DECODE = (
    DECODE_COMMON | {f"{name} {v}": (1.0, DECODE_OWN[name]) for name in DECODE_COMMON for v in VENDORS} | DECODE_SHARED
)
_PREFILL = {f"{name} {v}": prior for name, prior in PREFILL_OWN.items() for v in VENDORS} | PREFILL_SHARED
DECODE_NAMES, DECODE_PRIOR = tuple(_DECODE), _prior(_DECODE)
PREFILL_NAMES, PREFILL_PRIOR = tuple(_PREFILL), _prior(_PREFILL)
