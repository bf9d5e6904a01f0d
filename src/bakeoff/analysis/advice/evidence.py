"""What this machine's own runs say of a model: how fast it decoded, and whether a quantization cost answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from bakeoff.analysis.predicted import same_machine
from bakeoff.analysis.quality import summarize_quality
from bakeoff.analysis.quality_pairs import Verdict
from bakeoff.analysis.summary import summarize
from bakeoff.models.catalogue import MODELS
from bakeoff.models.names import names_of
from bakeoff.planning.rows import Row
from bakeoff.results.records import Figure, Host, Model, Run


class Rate(Struct, frozen=True, kw_only=True):
    """A measured decode rate, and the run that has it."""

    engine: str
    model: Model
    decode: Figure
    run: str


class Difference(Struct, frozen=True, kw_only=True):
    """What a run of tasks says of quantization ``b`` against ``a`` of one model."""

    a: Model
    b: Model
    verdict: Verdict
    run: str


class Evidence(Struct, frozen=True, kw_only=True):
    """All that was measured on this machine, the oldest first."""

    rates: tuple[Rate, ...] = ()
    differences: tuple[Difference, ...] = ()


def evidence(runs: Iterable[Run], host: Host) -> Evidence:
    """From the runs of this machine. Cells with a severe finding or under load, and scripts, tell no rate."""
    rates, differences = list[Rate](), list[Difference]()
    for run in runs:
        if not same_machine(run.started.host, host):
            continue
        for cell in summarize(run).cells:
            subject, decode = cell.opened.subject, cell.metrics["decode_tps"]
            sound = all(finding.severity != "severe" for finding in cell.findings)
            if decode is not None and sound and cell.opened.workload.requests is None:
                rates.append(Rate(engine=subject.engine, model=subject.model, decode=decode, run=run.started.id))
        differences += _differences(run)
    return Evidence(rates=tuple(rates), differences=tuple(differences))


def _differences(run: Run) -> list[Difference]:
    judged = summarize_quality(run)
    if judged is None:
        return []
    models = {each.side.opened.subject.text: each.side.opened.subject.model for each in judged.subjects}
    return [
        Difference(a=models[pair.a], b=models[pair.b], verdict=pair.verdict, run=run.started.id)
        for pair in judged.pairs
        if pair.a in models and pair.b in models
    ]


def is_row(model: Model, name: str, quant: str) -> bool:
    """Whether the weights that were measured are this model at this quantization."""
    if (model.quant or "").upper() != quant.upper():
        return False
    told = model.name.lower().removeprefix("synthetic ")
    arch = MODELS.get(name)
    known = {name.lower()} | ({arch.name.lower(), arch.source.lower()} if arch else set())
    known |= {each.name.lower() for engine in names_of(name).values() for each in engine}
    return told in known


def rate_of(found: Evidence, row: Row, engines: Sequence[str]) -> Rate | None:
    """The newest measured rate of that row by one of these engines."""
    every = [rate for rate in found.rates if rate.engine in engines and is_row(rate.model, row.model, row.quant)]
    return every[-1] if every else None


def with_measured(rows: Sequence[Row], found: Evidence, engines: Sequence[str]) -> list[Row]:
    """The rows, with the measured rate where there is one, carried to the context as the planner carries its own."""
    made = []
    for row in rows:
        rate = rate_of(found, row, engines)
        if rate is None or not row.speed.decode.point:
            made.append(row)
            continue
        deeper = row.speed.decode_at_context.point / row.speed.decode.point
        at_context = structs.replace(
            rate.decode,
            point=rate.decode.point * deeper,
            low=None if rate.decode.low is None else rate.decode.low * deeper,
            high=None if rate.decode.high is None else rate.decode.high * deeper,
        )
        speed = structs.replace(row.speed, decode=rate.decode, decode_at_context=at_context)
        made.append(structs.replace(row, speed=speed, measurements=1))
    return made


def difference_of(found: Evidence, model: str, quant: str, other: str) -> Difference | None:
    """The newest comparison of two quantizations of a model, whichever way round."""
    for each in reversed(found.differences):
        for a, b in ((each.a, each.b), (each.b, each.a)):
            if is_row(a, model, quant) and is_row(b, model, other):
                return each
    return None
