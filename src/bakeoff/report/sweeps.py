"""Sweeps of loads for other tools: as plain values, and as rows of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from bakeoff.analysis.load import LoadSummary, Quantiles
from bakeoff.analysis.summary import CellSummary
from bakeoff.analysis.sweep import Sweep, sweeps
from bakeoff.report.export import safe_field
from bakeoff.results.records import CellOpened, Figure
from bakeoff.units import one_line

QUANTILES = ("p50", "p90", "p95", "p99")
_TIMES = ("ttft_s", "tpot_s", "itl_s", "latency_s")
_RATES = ("output_tps", "output_tps_per_stream", "offered_rps", "achieved_rps", "goodput_rps")
COLUMNS = (
    "run", "engine", "model", "quant", "synthetic", "workload", "max_tokens", "arrival", "concurrency", "rate_rps",
    *(f"{rate}{end}" for rate in _RATES for end in ("", "_low", "_high")),
    "decode_tps",
    *(f"{time.removesuffix('_s')}_{p}_s" for time in _TIMES for p in QUANTILES),
    "windows", "requests", "lost", "at_once", "client_cpu", "stopped",
)  # fmt: skip


def sweeps_of(cells: Sequence[CellSummary]) -> list[Sweep]:
    """The sweeps that these cells make."""
    return sweeps((cell.opened, cell.load) for cell in cells if cell.load is not None)


def sweep_documents(cells: Sequence[CellSummary]) -> list[dict[str, Any]]:
    """Each sweep as plain values; ``cells`` are the numbers of its cells in the run, the lightest load first."""
    numbers = {cell.opened.cell: place for place, cell in enumerate(cells)}
    return [
        {
            "subject": sweep.cells[0].subject.text,
            "cells": [numbers[opened.cell] for opened in sweep.cells],
            "steps": msgspec.to_builtins(sweep.steps),
            "knee": sweep.knee,
            "knee_from": sweep.knee_from,
            "knee_to": sweep.knee_to,
        }
        for sweep in sweeps_of(cells)
    ]


def loads_csv(run_id: str, cells: Sequence[CellSummary]) -> str:
    """One row for each cell under load, sweep by sweep: a chart's data."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    by_number = {cell.opened.cell: cell for cell in cells}
    for sweep in sweeps_of(cells):
        for opened, load in zip(sweep.cells, sweep.loads, strict=True):
            row = _row(run_id, opened, load, by_number[opened.cell].metrics.get("decode_tps"))
            writer.writerow([safe_field(row[name]) for name in COLUMNS])
    return out.getvalue()


def _row(run_id: str, opened: CellOpened, load: LoadSummary, decode: Figure | None) -> dict[str, object]:
    subject, work = opened.subject, opened.workload
    row: dict[str, object] = {
        "run": run_id,
        "engine": subject.engine,
        "model": subject.model.name,
        "quant": subject.model.quant,
        "synthetic": subject.model.synthetic,
        "workload": work.name,
        "max_tokens": work.max_tokens,
        "arrival": work.arrival,
        "concurrency": work.concurrency if work.rate_rps is None else None,
        "rate_rps": work.rate_rps,
        "decode_tps": decode.point if decode else None,
        "stopped": one_line(load.stopped) if load.stopped else None,
    }
    for rate in _RATES:
        figure: Figure | None = getattr(load, rate)
        row |= {rate: None, f"{rate}_low": None, f"{rate}_high": None}
        if figure is not None:
            row |= {rate: figure.point, f"{rate}_low": figure.low, f"{rate}_high": figure.high}
    for time in _TIMES:
        found: Quantiles = getattr(load, time)
        row |= {f"{time.removesuffix('_s')}_{p}_s": found[p].point if p in found else None for p in QUANTILES}
    return row | {name: getattr(load, name) for name in ("windows", "requests", "lost", "at_once", "client_cpu")}
