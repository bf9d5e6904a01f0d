"""The plan: for each machine and model, what fits, how fast, and which quantization to take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from bakeoff.models.mlx import MLX_TYPES
from bakeoff.planning.choice import Choice, Fits, Needs, choose
from bakeoff.planning.fit import Fit, fit
from bakeoff.planning.learned import Correction, DeviceKind, corrected
from bakeoff.planning.placement import offloaded
from bakeoff.planning.speed import Engine, Placement, Speed, predict, work

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.planning.sources import Source

PROMPT_TOKENS = 500


class Asked(Struct, frozen=True, kw_only=True):
    """What every row is planned for. ``context`` is one stream's; ``streams`` share the machine."""

    context: int = 4096
    engine: Engine = "llamacpp"
    streams: int = 1
    kv_type: str = "F16"
    flash_attention: bool = True


class Row(Struct, frozen=True, kw_only=True):
    """One quantization of one model on one machine. ``file_bytes`` is None where nobody tells it.

    ``measurements``: how many of this machine's own the speeds rest on.
    """

    hardware: str
    model: str
    quant: str
    context: int
    fit: Fit
    speed: Speed
    file_bytes: int | None
    layers: int
    measurements: int = 0
    recommended: bool = False
    reason: str = ""

    @property
    def fits(self) -> Fits:
        return self.fit.fits

    @property
    def max_context(self) -> int:
        return self.fit.max_context

    @property
    def slow_tps(self) -> float:
        return self.speed.decode_at_context.low or 0.0

    @property
    def likely_tps(self) -> float:
        return self.speed.decode_at_context.point


def plan(
    machine: Machine,
    sources: Sequence[Source],
    asked: Asked,
    needs: Needs,
    learned: Mapping[DeviceKind, Correction] | None = None,
) -> list[Row]:
    """A row for each source, in order; of each model at most one is recommended, and all carry the reason.

    ``learned`` is what this machine's own runs taught; it is for this machine alone.
    """
    rows = [_taught(_row(machine, source, asked), machine, learned or {}) for source in sources]
    return list(_recommended(rows, needs))


def _taught(row: Row, machine: Machine, learned: Mapping[DeviceKind, Correction]) -> Row:
    whole = row.fit.gpu_layers == row.layers
    kind: DeviceKind | None = "cpu" if not machine.devices else "gpu" if whole else None
    if kind is None or kind not in learned:
        return row
    return structs.replace(row, speed=corrected(row.speed, learned[kind]), measurements=learned[kind].n)


def choices(rows: Iterable[Row], needs: Needs) -> list[tuple[str, Row | None, str]]:
    """Model, the row to take and why, for each model, in order."""
    chosen = []
    for model, group in _by_model(rows):
        choice = choose(group, needs)
        chosen.append((model, None if choice.index is None else group[choice.index], choice.reason))
    return chosen


def _row(machine: Machine, source: Source, asked: Asked) -> Row:
    engine: Engine = "mlx" if source.quant in MLX_TYPES else asked.engine
    fitted = fit(
        machine,
        source.architecture,
        source.tensors,
        context=asked.context,
        engine=engine,
        streams=asked.streams,
        kv_type=asked.kv_type,
        flash_attention=asked.flash_attention,
    )
    on_gpu = offloaded(fitted.gpu_layers) if fitted.fits in ("split", "no") else None
    placed = Placement(devices=machine.devices, host=machine.host, gpu_layers=on_gpu)
    speed = predict(
        work(source.architecture, source.tensors, asked.kv_type),
        placed,
        engine=engine,
        context=asked.context,
        prompt_tokens=PROMPT_TOKENS,
    )
    return Row(
        hardware=machine.name,
        model=source.name,
        quant=source.quant,
        context=asked.context,
        fit=fitted,
        speed=speed,
        file_bytes=source.file_bytes,
        layers=source.architecture.layers,
    )


def _recommended(rows: list[Row], needs: Needs) -> Iterable[Row]:
    for _, group in _by_model(rows):
        choice: Choice = choose(group, needs)
        for index, row in enumerate(group):
            yield structs.replace(row, recommended=index == choice.index, reason=choice.reason)


def _by_model(rows: Iterable[Row]) -> Iterable[tuple[str, list[Row]]]:
    for model, group in groupby(rows, key=lambda row: row.model):
        yield model, list(group)
