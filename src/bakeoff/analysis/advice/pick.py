"""The choice: machine, model, quantization and engine, by the rules and from numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from bakeoff.analysis.advice.evidence import Difference, Evidence, difference_of, rate_of, with_measured
from bakeoff.errors import UsageError
from bakeoff.hardware.machine import Machine
from bakeoff.models.mlx import MLX_TYPES
from bakeoff.models.names import EngineKind, engine_name, names_of
from bakeoff.models.weights import parameters
from bakeoff.planning.choice import Needs
from bakeoff.planning.rows import Asked, Row, choices, plan
from bakeoff.planning.setup.weights import weights_of
from bakeoff.planning.sources import Source

MANY_STREAMS = 4
"""From so many on, an engine made to batch is worth its set-up; an assumption."""
_LLAMA: tuple[EngineKind, ...] = ("ollama", "llamacpp")
_MLX_TWIN = {"Q4_K_M": "4bit", "Q4_0": "4bit", "Q8_0": "8bit"}
EngineRule = Literal["mlx_where_measured", "vllm_for_many", "usual_engine"]


class Site(Struct, frozen=True, kw_only=True):
    """A machine with its plan, in the order of ``sources``, and what was measured on it."""

    machine: Machine
    sources: Sequence[Source]
    rows: Sequence[Row]
    found: Evidence = Evidence()


class Pick(Struct, frozen=True, kw_only=True):
    """What to take on one machine. ``reason`` is the planner's; ``size`` the model's parameters.

    ``name`` is the engine's own for it, empty where none is known. ``run`` has the rate where it was measured;
    ``equal`` what showed a smaller quantization to be as good; ``beaten`` is the rate of llama.cpp or Ollama that
    MLX's, measured, is above.
    """

    site: Site
    row: Row
    reason: str
    keeps: bool
    size: int
    engine: EngineKind
    engine_rule: EngineRule
    name: str
    run: str | None = None
    equal: Difference | None = None
    beaten: str | None = None


def pick(site: Site, asked: Asked, needs: Needs) -> Pick | None:
    """The best of one machine; None where nothing fits."""
    many = asked.streams >= MANY_STREAMS and _is_nvidia(site.machine)
    served = _best(site, _vllm_rows(site, asked, needs), needs) if many else None
    if served is not None and served[2] and served[0].fit.gpu_layers == served[0].layers:
        return _made(site, served, "vllm", "vllm_for_many")
    plain = [row for row in site.rows if row.quant not in MLX_TYPES]
    rows = with_measured(plain, site.found, _LLAMA)
    best = _best(site, rows, needs)
    if best is None:
        return None
    row, equal = _as_good(site, rows, best[0], needs)
    best = (row, best[1], best[2])
    faster = _mlx(site, row)
    if faster is not None:
        return _made(site, (faster[0], best[1], best[2]), "mlx", "mlx_where_measured", equal, faster[1])
    return _made(site, best, _usual(site, row, asked), "usual_engine", equal)


def best_of(picks: Sequence[Pick]) -> Pick:
    """Between machines."""
    return max(picks, key=lambda each: (each.keeps, each.size if each.keeps else 0, each.row.likely_tps))


def next_larger(taken: Pick) -> Row | None:
    """The smallest model asked about that is larger than the one taken: its fastest row there."""
    sizes = sizes_of(taken.site)
    larger = sorted((size, name) for name, size in sizes.items() if size > taken.size)
    rows = [row for row in taken.site.rows if larger and row.model == larger[0][1] and row.quant not in MLX_TYPES]
    return max(rows, key=lambda row: (row.fits != "no", row.likely_tps), default=None)


def sizes_of(site: Site) -> dict[str, int]:
    """Parameters of each model asked about."""
    return {source.name: parameters(source.architecture) for source in site.sources}


_Best = tuple[Row, str, bool]


def _best(site: Site, rows: Sequence[Row], needs: Needs) -> _Best | None:
    sizes = sizes_of(site)
    taken = [(row, reason) for _, row, reason in choices(rows, needs) if row is not None]
    fast = [each for each in taken if each[0].likely_tps >= needs.tps]
    if fast:
        row, reason = max(fast, key=lambda each: sizes[each[0].model])
        return row, reason, True
    slow = [row for row in rows if row.fits != "no" and row.max_context >= needs.context]
    if not slow:
        return None
    row = max(slow, key=lambda each: each.likely_tps)
    return row, next((why for each, why in taken if each is row), ""), False


def _as_good(site: Site, rows: Sequence[Row], row: Row, needs: Needs) -> tuple[Row, Difference | None]:
    """A smaller quantization that tasks run here showed to be equivalent, else the row itself."""
    smaller = [
        each
        for each in rows
        if each.model == row.model
        and each.fit.weights_bytes < row.fit.weights_bytes
        and each.fits == row.fits
        and each.likely_tps >= max(needs.tps, row.likely_tps)
    ]
    for each in sorted(smaller, key=lambda each: each.fit.weights_bytes):
        difference = difference_of(site.found, row.model, row.quant, each.quant)
        if difference is not None and difference.verdict == "equivalent":
            return each, difference
    return row, None


def _mlx(site: Site, row: Row) -> tuple[Row, str] | None:
    """MLX's row of that model, and the rate that it beats, where both were measured here and do not overlap."""
    twin = next((each for each in site.rows if each.model == row.model and each.quant == _MLX_TWIN.get(row.quant)),
                None)  # fmt: skip
    ours = rate_of(site.found, row, _LLAMA)
    theirs = rate_of(site.found, twin, ("mlx",)) if twin else None
    if twin is None or ours is None or theirs is None:
        return None
    if (theirs.decode.low or theirs.decode.point) <= (ours.decode.high or ours.decode.point):
        return None
    return with_measured([twin], site.found, ("mlx",))[0], f"{ours.decode.point:.3g} ({ours.engine}, run {ours.run})"


def _vllm_rows(site: Site, asked: Asked, needs: Needs) -> list[Row]:
    served = Asked(context=asked.context, engine="vllm", streams=asked.streams)
    return plan(site.machine, list(_vllm_sources(site)), served, needs)


def _vllm_sources(site: Site) -> Iterator[Source]:
    for arch in dict.fromkeys(source.architecture for source in site.sources if names_of(source.name)):
        for known in names_of(arch.short)["vllm"]:
            weights = weights_of("vllm", arch, known.quant)
            yield Source(name=arch.short, quant=weights.quant, architecture=arch, tensors=weights.specs,
                         file_bytes=weights.download_bytes)  # fmt: skip


def _usual(site: Site, row: Row, asked: Asked) -> EngineKind:
    measured = rate_of(site.found, row, _LLAMA)
    if measured is not None and asked.streams == 1:
        return "ollama" if measured.engine == "ollama" else "llamacpp"
    return "ollama" if asked.streams == 1 and _name("ollama", row) is not None else "llamacpp"


def _name(engine: EngineKind, row: Row) -> str | None:
    """The engine's own name for the row; None where it offers none, or nobody knows it."""
    try:
        known = engine_name(engine, row.model, row.quant) if names_of(row.model) else None
    except UsageError:
        return None
    return f"{known.name}:{known.file}" if known and known.file else known.name if known else None


def _is_nvidia(machine: Machine) -> bool:
    return bool(machine.devices) and machine.devices[0].vendor == "nvidia"


def _made(
    site: Site, best: _Best, engine: EngineKind, rule: EngineRule, equal: Difference | None = None,
    beaten: str | None = None,
) -> Pick:  # fmt: skip
    row, reason, keeps = best
    rate = rate_of(site.found, row, ("mlx",) if engine == "mlx" else _LLAMA) if row.measurements else None
    return Pick(
        site=site, row=row, reason=reason, keeps=keeps, size=sizes_of(site)[row.model], engine=engine,
        engine_rule=rule, name=_name(engine, row) or "", run=rate.run if rate else None, equal=equal,
        beaten=beaten,
    )  # fmt: skip
