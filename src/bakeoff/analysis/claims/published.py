"""Others' measurements of one stream's decode rate, each with its source, set beside a claim of the like.

``published.csv`` has one row a measurement. A model counts as the same where its shape is: the weights' values do not
change the speed. llama.cpp and Ollama are made comparable by the planner's own figure for what Ollama adds to a token.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources
from typing import Any

from msgspec import Struct

from bakeoff.analysis.claims.checks.inputs import FITTED
from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.subject import (
    engine_of,
    layers_placed,
    machine_of,
    of_claim,
    placed,
    quant_of,
    source_of,
    work_of,
)
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict, unless_slower
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import find
from bakeoff.models.names import ENGINE_WORDS
from bakeoff.planning.placement import work
from bakeoff.planning.speed import decode_tps
from bakeoff.units import bytes_text, seconds_text, significant

TOLERANCE = 0.10
"""Two people's measurements of one chip and model differ by so much: other builds, clocks, settings."""
_SHAPE = ("family", "layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim")


class Row(Struct, frozen=True, kw_only=True):
    """One published measurement; ``tokens`` generated, from an empty or short context."""

    chip: str
    gpus: int
    model: str
    quant: str
    engine: str
    decode_tps: float
    tokens: int
    source: str
    date: str


@cache
def rows() -> tuple[Row, ...]:
    """All measurements in the package."""
    text = resources.files("bakeoff.analysis.claims").joinpath("published.csv").read_text("utf-8")
    return tuple(
        Row(
            chip=row["chip"],
            gpus=int(row["gpus"]),
            model=row["model"],
            quant=row["quant"],
            engine=row["engine"],
            decode_tps=float(row["decode_tps"]),
            tokens=int(row["tokens"]),
            source=row["source"],
            date=row["date"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def published_decode(claim: Claim, claimed: Quantity) -> Evidence | None:
    """What others measured of the same model's shape, quantization and chips; None where nobody did."""
    found = _of_the_like(claim)
    if not found:
        return None
    engine = engine_of(claim)
    rates = [_as_engine(claim, row, engine) for row in found]
    ends: dict[str, Verdict] = {
        end: "holds" if min(rates) * (1 - TOLERANCE) <= value <= max(rates) * (1 + TOLERANCE) else "does_not_hold"
        for end, value in (("low", claimed.low), ("high", claimed.high))
        if math.isfinite(value)
    }
    inside = [claimed.least * (1 - TOLERANCE) <= rate <= claimed.most * (1 + TOLERANCE) for rate in rates]
    listed = "; ".join(_told(row, rate, engine) for row, rate in zip(found, rates, strict=True))
    verdict, why = unless_slower(claim, "holds" if any(inside) else "does_not_hold", claimed, min(rates))
    return Evidence(
        source="published",
        words=f"others measured {listed}{why}",
        verdict=verdict,
        low=min(rates),
        high=max(rates),
        ends={} if why else ends,
        **_conversion(claim, found, rates),
        reference="; ".join(f"{row.source} ({row.date})" for row in found),
    )


def published_neighbour(claim: Claim, claimed: Quantity) -> Evidence | None:
    """What others measured of the model nearest in size on the same chips, at the same quantization.

    It decides only where more bytes were read faster, or fewer slower, than the claim says, by more than the tolerance.
    """
    asked, engine = work_of(claim), engine_of(claim)
    sized = [(_read_bytes(row), row) for row in _on_the_same(claim)]
    near = [pair for pair in sized if 0.5 <= pair[0] / asked.read_bytes <= 2]
    if not near:
        return None
    size, row = min(near, key=lambda pair: abs(math.log(pair[0] / asked.read_bytes)))
    rate = _as_engine(claim, row, engine)
    too_slow = size >= asked.read_bytes and rate > claimed.most * (1 + TOLERANCE) and claim.engine is not None
    too_fast = size <= asked.read_bytes and rate < claimed.least * (1 - TOLERANCE)
    relation = "more" if size > asked.read_bytes else "fewer"
    return Evidence(
        source="published",
        words=f"nearest that others measured on it: {_told(row, rate, engine)}, which reads {relation} bytes a token: "
        f"{bytes_text(size)} against {bytes_text(asked.read_bytes)}",
        verdict="does_not_hold" if too_slow or too_fast else None,
        point=rate,
        **_conversion(claim, [row], [rate]),
        reference=f"{row.source} ({row.date})",
    )


def _on_the_same(claim: Claim) -> list[Row]:
    """Rows of the claim's chips and quantization, where the claim's model lies whole on them."""
    machine = machine_of(claim)
    if not machine.devices or layers_placed(claim) is not None or (claim.streams or 1) > 1:
        return []
    chip, count, quant = machine.devices[0].chip, len(machine.devices), of_claim(claim).quant
    return [row for row in rows() if (row.chip, row.gpus, quant_of(row.quant)) == (chip, count, quant)]


def _of_the_like(claim: Claim) -> list[Row]:
    """Those of the claim's model, one for each source and engine."""
    kept: dict[tuple[str, str], Row] = {}
    for row in _on_the_same(claim):
        if _same_shape(find(row.model), of_claim(claim).architecture):
            kept.setdefault((row.source, row.engine), row)
    return list(kept.values())


def _read_bytes(row: Row) -> float:
    source = source_of(row.model, row.quant)
    return work(source.architecture, source.tensors).read_bytes


def _same_shape(a: Architecture, b: Architecture) -> bool:
    return all(getattr(a, name) == getattr(b, name) for name in _SHAPE) and abs(a.vocab - b.vocab) < 0.05 * b.vocab


def _as_engine(claim: Claim, row: Row, engine: str) -> float:
    """The rate that the row's engine would have had as the claim's, where both are llama.cpp or Ollama."""
    if row.engine == engine or {row.engine, engine} != {"llamacpp", "ollama"}:
        return row.decode_tps
    added = _added(claim)
    return 1 / (1 / row.decode_tps + (added if engine == "ollama" else -added))


def _added(claim: Claim) -> float:
    """Seconds that Ollama adds to a token, by the planner."""
    asked, where = work_of(claim), placed(claim)
    return 1 / decode_tps(asked, where, engine="ollama").point - 1 / decode_tps(asked, where, engine="llamacpp").point


_CONVERTED = "Ollama's rate = 1 / (1 / llama.cpp's + what Ollama adds to a token)"


def _conversion(claim: Claim, found: list[Row], rates: list[float]) -> dict[str, Any]:
    """How another engine's rate came out; nothing where none did."""
    if all(row.decode_tps == rate for row, rate in zip(found, rates, strict=True)):
        return {}
    added = Given(name="what Ollama adds to a token", value=seconds_text(_added(claim)), source=FITTED)
    return {"formula": _CONVERTED, "given": (added,)}


def _told(row: Row, rate: float, engine: str) -> str:
    text = f"{significant(row.decode_tps)} tok/s with {ENGINE_WORDS.get(row.engine, row.engine)} "
    text += f"({row.model} {row.quant}, {row.date})"
    if rate != row.decode_tps:
        text += f", which is about {significant(rate)} with {ENGINE_WORDS.get(engine, engine)}"
    return text
