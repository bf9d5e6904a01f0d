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
from bakeoff.results.runfile import read_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.hardware.machine import Machine
    from bakeoff.models.architecture import Architecture
    from bakeoff.models.quants import TensorSpec
    from bakeoff.results.records import Prediction, Reading, Run, Trial, Window

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "h100"
FILES = ("r1-7b-q4_k_m", "r1-7b-q8_0", "r1-14b-q4_k_m", "r1-14b-q8_0", "r1-32b-q4_k_m", "r1-70b-q4_k_m")
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
    runs = [read_run(EXAMPLES / f"{name}.jsonl") for name in FILES]
    return tuple(Example(run, summarize(run).cells) for run in runs)


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
    """Decode and prefill as the planner alone predicted them, each low, point, high.

    A later run on the same machine stored intervals that earlier cells had changed. On one chip the planner's own
    interval is the same share of every point; the first file, in which nothing had been learned, has it.
    """
    own, first = cell.opened.predicted, examples()[0].cell(TALK).opened.predicted
    assert own is not None
    assert first is not None
    taught = own.decode_tps.point != own.plain_decode_tps
    return _interval(own, first if taught else own, "decode"), _interval(own, first if taught else own, "prefill")


def _interval(own: Prediction, like: Prediction, what: str) -> tuple[float, float, float]:
    point = float(getattr(own, f"plain_{what}_tps"))
    figure = getattr(like, f"{what}_tps")
    return point * figure.low / figure.point, point, point * figure.high / figure.point
