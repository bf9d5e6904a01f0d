"""The run files of examples/h100 and what was recorded beside them, read."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.analysis.summary import CellSummary, summarize
from bakeoff.hardware.catalogue import find_machine
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.results.records import Figure
from bakeoff.results.runfile import read_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.hardware.machine import Machine
    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec
    from bakeoff.results.records import Reading, Run, Trial, Window

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "h100"
FILES = ("r1-7b-q4_k_m", "r1-7b-q8_0", "r1-14b-q4_k_m", "r1-14b-q8_0", "r1-32b-q4_k_m", "r1-70b-q4_k_m")
SPLIT_FILE, QUALITY_FILE = "r1-70b-q4_k_m-split", "smollm2-quality"
TALK, PROMPT, SPLIT = "train problem", "pp512", "split"


@dataclass(frozen=True)
class Example:
    """One run file: a model at a quantization, whole on the GPU in its first cells."""

    run: Run
    cells: tuple[CellSummary, ...]

    @property
    def name(self) -> str:
        model = self.cells[0].opened.subject.model
        return f"{self.model} {model.quant}"

    @property
    def model(self) -> str:
        return self.cells[0].opened.subject.model.name.removeprefix("synthetic ")

    def cell(self, workload: str, layers: str = "") -> CellSummary:
        """The cell of that workload, of the first subject or of that with so many layers on the GPU."""
        return next(
            cell
            for cell in self.cells
            if cell.opened.workload.name == workload and cell.opened.subject.text.endswith(layers)
        )

    def shape(self) -> tuple[Architecture, Sequence[TensorSpec]]:
        arch = find(self.model)
        return arch, tensors(arch, str(self.cells[0].opened.subject.model.quant))

    def layers(self) -> int:
        return self.shape()[0].layers

    def seconds(self) -> float:
        """Of one token of the talk."""
        return 1 / rate(self.cell(TALK))

    def weights_on_gpu(self) -> int:
        return on_gpu(self.cell(TALK), "weights")


@cache
def examples() -> tuple[Example, ...]:
    """All of them, in the order of the page."""
    return tuple(read(name) for name in FILES)


@cache
def read(name: str) -> Example:
    run = read_run(EXAMPLES / f"{name}.jsonl")
    return Example(run, summarize(run).cells)


@dataclass(frozen=True)
class First:
    """A figure of the first runs, and what the planner had said before them, low, point and high."""

    measured: Figure
    predicted: tuple[float, float, float] | None


@cache
def first() -> dict[tuple[str, str, str, str], First]:
    """By model, workload, layers asked for on the GPU, and metric."""
    with (EXAMPLES / "first.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["model"], row["workload"], row["gpu_layers"], row["metric"]): First(
                Figure(point=float(row["measured"]), low=float(row["low"]), high=float(row["high"])),
                (float(row["predicted_low"]), float(row["predicted"]), float(row["predicted_high"]))
                if row["predicted"]
                else None,
            )
            for row in csv.DictReader(file)
        }


@cache
def record(name: str) -> Any:
    """What one of the JSON files holds."""
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))


@cache
def slots() -> list[dict[str, float]]:
    """The requests of many streams as the server's log has them."""
    with (EXAMPLES / "slots.csv").open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@cache
def machine() -> Machine:
    """The card as the catalogue has it."""
    return find_machine("H100 SXM")


def rate(cell: CellSummary, metric: str = "decode_tps") -> float:
    """Tokens a second of a cell; under load those of all streams together."""
    figure = cell.load.output_tps if cell.load else cell.metrics[metric]
    assert figure is not None
    return figure.point


def on_gpu(cell: CellSummary, what: str = "") -> int:
    """Bytes of the engine's own allocations on the GPU, all or those of one kind."""
    parts = cell.opened.engine_memory
    return sum(part.bytes for part in parts if part.device == "CUDA0" and what in ("", part.what))


def readings(example: Example, quantity: str) -> list[Reading]:
    """Every reading of the GPU of that kind, of all trials and windows."""
    watched: list[Trial | Window] = [*example.run.trials, *example.run.windows]
    return [
        reading
        for each in watched
        for reading in each.readings
        if reading.scope == "gpu" and reading.quantity == quantity
    ]


def foreseen(cell: CellSummary) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Decode and prefill as predicted before the cell was measured, each low, point, high."""
    own = cell.opened.predicted
    assert own is not None
    return _interval(own.decode_tps), _interval(own.prefill_tps)


def _interval(figure: Figure) -> tuple[float, float, float]:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.point, figure.high
