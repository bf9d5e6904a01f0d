"""A run as the one object that ``--json`` writes, by METHOD's names."""

from __future__ import annotations

from typing import Any

import msgspec

from bakeoff.analysis.summary import CellSummary, Summary
from bakeoff.report.sweeps import sweep_documents
from bakeoff.results.records import SCHEMA


def run_document(summary: Summary, file: str) -> dict[str, Any]:
    """Everything that was found, as plain values: seconds, bytes, tokens; a missing figure is null."""
    started = summary.run.started
    return {
        "schema": SCHEMA,
        "run": started.id,
        "file": file,
        "host": msgspec.to_builtins(started.host),
        "cells": [_cell(cell) for cell in summary.cells],
        "sweeps": sweep_documents(summary.cells),
        "failures": [msgspec.to_builtins(failure) for failure in summary.run.failures],
    }


def _cell(cell: CellSummary) -> dict[str, Any]:
    subject, workload = cell.opened.subject, cell.opened.workload
    figures = {name: msgspec.to_builtins(figure) for name, figure in cell.metrics.items()}
    energy: dict[str, Any] = {name: msgspec.to_builtins(found) for name, found in cell.energy.figures.items()}
    memory = {scope: msgspec.to_builtins(figure) for scope, figure in cell.peak_memory_bytes.items()}
    return {
        "subject": {
            "text": subject.text,
            "engine": subject.engine,
            "engine_version": subject.engine_version,
            "model": subject.model.name,
            "quant": subject.model.quant,
            "synthetic": subject.model.synthetic,
            "digest": subject.model.digest,
            "size_bytes": subject.model.size_bytes,
            "attached": subject.attached,
            "settings": subject.settings,
        },
        "start": msgspec.to_builtins(cell.opened.start),
        "engine_memory": msgspec.to_builtins(cell.opened.engine_memory),
        "workload": msgspec.to_builtins(workload),
        "metrics": {**figures, "peak_memory_bytes": memory, **energy},
        "energy_methods": cell.energy.methods,
        "load": msgspec.to_builtins(cell.load),
        "predicted": msgspec.to_builtins(cell.opened.predicted),
        "sustained": msgspec.to_builtins(cell.sustained),
        "trials": msgspec.to_builtins(cell.trials),
        "findings": [msgspec.to_builtins(finding) for finding in cell.findings],
    }
