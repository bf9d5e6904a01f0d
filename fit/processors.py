"""Decode on processors without a GPU: numbers out of published rows, and how well they predict a processor left out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import geometric_mean, median

import numpy as np

from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import kv_bytes
from bakeoff.planning.formula import Processor, cornered, processor_seconds
from bakeoff.planning.placement import work
from bakeoff.planning.speed import DEPTH_OF_BENCH
from fit.data import processors, threads, unpacking

NODE_S, THREAD_S = 0.45e-6, 0.15e-6
"""Seconds that a node of ggml's graph takes of itself, and more for each thread. A Core i9-13900K's took 0.47 µs with
one thread, 1.04 with 8 (llama.cpp pull request 9461); an EPYC's 2.0 with 4 threads, 3.0 with 8 (pull request 9598)."""
COVERAGE = 0.8
_EFFICIENCIES = np.linspace(0.3, 1.0, 141)


@dataclass(frozen=True)
class Row:
    """One measurement: bytes per second, vector operations per second, what a token asks."""

    machine: str
    model: str
    quant: str
    bandwidth: float
    flops: float
    cores: int
    layers: int
    size: float
    parameters: float
    plain: float
    decode_tps: float


@dataclass(frozen=True)
class Judged:
    """Natural logarithms of predicted over measured: of each row without its machine, now and by bytes alone."""

    rows: list[Row]
    misses: list[float]
    by_bytes: list[float]


def rows() -> list[Row]:
    """Every measurement of ``processors.csv``."""
    return [_row(line) for line in processors()]


def numbers(of: list[Row]) -> dict[str, float]:
    """What the planner needs: see ``formula.Processor``, and how wide an interval must be."""
    fit, misses = fitted(of), judged(of).misses
    machines = [row.machine for row in of]
    return {
        "efficiency": fit.efficiency,
        "operations_per_weight": fit.operations_per_weight,
        "node_s": NODE_S,
        "thread_s": THREAD_S,
        "plain_cost": plain_cost(),
        "flops_per_bandwidth": median(row.flops / row.bandwidth for row in _largest(of)),
        "log_width": _width(machines, misses),
        "machines": len(set(machines)),
    }


def judged(of: list[Row]) -> Judged:
    """Each machine's rows predicted from the others alone, and by the median share of the bandwidth over bytes."""
    misses, by_bytes = [], []
    for row in of:
        others = [other for other in of if other.machine != row.machine]
        misses.append(float(np.log(predicted(row, fitted(others)) / row.decode_tps)))
        share = median(other.size * other.decode_tps / other.bandwidth for other in _largest(others))
        by_bytes.append(float(np.log(share * row.bandwidth / row.size / row.decode_tps)))
    return Judged(of, misses, by_bytes)


def fitted(of: list[Row]) -> Processor:
    """The efficiency at which the median machine's largest model, the least bound by its cores, is hit."""
    fits = [
        Processor(efficiency=share, operations_per_weight=operations_per_weight(), node_s=NODE_S, thread_s=THREAD_S)
        for share in _EFFICIENCIES
    ]
    found = [min(fits, key=lambda fit: abs(np.log(predicted(row, fit) / row.decode_tps))) for row in _largest(of)]
    share = median(fit.efficiency for fit in found)
    return min(fits, key=lambda fit: abs(fit.efficiency - share))


def predicted(row: Row, fit: Processor) -> float:
    """Tokens per second."""
    weights = row.parameters * (1 + row.plain * (plain_cost() - 1))
    steps, memory, unpacked = processor_seconds(
        row.layers, row.size, weights, row.bandwidth * fit.efficiency, row.flops, row.cores, fit
    )
    return float(1 / (steps + cornered(memory, unpacked)))


def operations_per_weight() -> float:
    """Vector operations in whose time a weight is unpacked and multiplied: the median of processors on few threads."""
    return median(costs())


def costs() -> list[float]:
    """The same of each processor."""
    return [
        int(line["threads"]) * float(line["gflops_per_thread"]) * 1e9
        / (float(line["weights"]) * float(line["decode_tps"]))
        for line in threads()
    ]  # fmt: skip


def plain_cost() -> float:
    """By how much a weight of a type that llama.cpp does not repack costs more: mean over mean of the types' rates."""
    rates: dict[str, list[float]] = {"0": [], "1": []}
    for line in unpacking():
        rates[line["repacked"]].append(float(line["weights_per_s"]))
    return geometric_mean(rates["1"]) / geometric_mean(rates["0"])


def _largest(of: list[Row]) -> list[Row]:
    """Of each machine the row of the most bytes."""
    kept: dict[str, Row] = {}
    for row in of:
        if row.machine not in kept or row.size > kept[row.machine].size:
            kept[row.machine] = row
    return list(kept.values())


def _width(machines: list[str], misses: list[float]) -> float:
    """The miss that four in five of the rows do not pass, each machine of one weight; wider, since there are few."""
    counts = {machine: machines.count(machine) for machine in machines}
    wanted, reached = COVERAGE * (len(counts) + 1), 0.0
    for miss, machine in sorted(zip((abs(miss) for miss in misses), machines, strict=True)):
        reached += 1 / counts[machine]
        if reached >= wanted - 1e-9:
            return miss
    return max(abs(miss) for miss in misses)


def _row(line: dict[str, str]) -> Row:
    arch = find(line["model"])
    asked = work(arch, tensors(arch, line["quant"]))
    return Row(
        machine=line["machine"],
        model=line["model"],
        quant=line["quant"],
        bandwidth=float(line["bandwidth_gbps"]) * 1e9,
        flops=float(line["gflops"]) * 1e9,
        cores=int(line["cores"]),
        layers=arch.layers,
        size=asked.read_bytes + kv_bytes(arch, DEPTH_OF_BENCH),
        parameters=asked.parameters,
        plain=asked.plain,
        decode_tps=float(line["decode_tps"]),
    )
