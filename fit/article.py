"""The article that compared an RTX 4090 and an M3 Max, figure by figure beside the plan."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.hardware.catalogue import find_machine
from bakeoff.planning.choice import Needs
from bakeoff.planning.placement import offloaded
from bakeoff.planning.rows import Asked, Row, plan
from bakeoff.planning.sources import sources_of
from bakeoff.planning.speed import Placement, bandwidth_limit_tps, decode_tps, ttft_s, work

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bakeoff.hardware.machine import Machine
    from bakeoff.planning.sources import Source
    from bakeoff.results.records import Figure

CLAIMS = Path(__file__).parent / "article.csv"
CONTEXT, DEPTH, PROMPT = 2048, 300, 45
ON_GPU = 0.4
INTRODUCTION = f"""# An article's figures beside the plan

An article of March 2025 compared DeepSeek R1 distills on an RTX 4090 (24 GB, in a host with 64 GB of DDR5) and an
M3 Max (48 GB, 40 GPU cores), with Ollama 0.5.7 and a context of {CONTEXT:,} tokens. This page is written by
`make fit-report`: the plan's figure beside each of the article's, with 80 % intervals. Nothing of the article went
into the plan. *Limit* is what the memory's bandwidth allows: every byte of the weights read once a token."""


class Claim(Struct, frozen=True, kw_only=True):
    """One published figure; ``low`` and ``high`` in its unit, None where it is a word."""

    metric: str
    hardware: str
    model: str
    quant: str
    low: float | None
    high: float | None
    words: str


def page() -> str:
    """The page, in Markdown."""
    claims = _claims()
    return (
        "\n\n".join(
            [
                INTRODUCTION,
                "## Tokens per second",
                _table(
                    "| machine | model | article | plan | limit | and so |",
                    (_decode(c) for c in claims if c.metric == "decode"),
                ),
                f"Decode at a depth of {DEPTH} tokens: a short prompt and half of 512 tokens of answer. The 70B on the "
                f"RTX 4090 is planned as the article ran it, with {ON_GPU:.0%} of the layers on the GPU.",
                "## Time to first token, 7B at Q4_K_M",
                _table(
                    "| machine | model | article | plan | and so |", (_ttft(c) for c in claims if c.metric == "ttft")
                ),
                "## What fits",
                _table(
                    "| machine | model | article | plan | and so |", (_fits(c) for c in claims if c.metric == "fits")
                ),
                "## Bytes of weights",
                _table("| model | article | plan | and so |", (_weights(c) for c in claims if c.metric == "weights")),
            ]
        )
        + "\n"
    )


def _claims() -> list[Claim]:
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        return [
            Claim(
                metric=row["metric"],
                hardware=row["hardware"],
                model=row["model"],
                quant=row["quant"],
                low=float(row["low"]) if row["low"] else None,
                high=float(row["high"]) if row["high"] else None,
                words=row["words"].replace("-", "–"),
            )
            for row in csv.DictReader(file)
        ]


def _decode(claim: Claim) -> str:
    machine, source = find_machine(claim.hardware), _source(claim)
    asked, placed = work(source.architecture, source.tensors), _placed(machine, source)
    figure, limit = decode_tps(asked, placed, DEPTH, "ollama"), bandwidth_limit_tps(asked, placed)
    assert claim.low is not None
    assert claim.high is not None
    cells = (machine.name, _model(claim), claim.words, _figure(figure, 1), f"{limit:.3g}")
    return _line(*cells, _decode_verdict(claim.low, claim.high, figure, limit))


def _decode_verdict(low: float, high: float, figure: Figure, limit: float) -> str:
    assert figure.low is not None
    assert figure.high is not None
    if low > limit:
        return "impossible: above the limit"
    if high > limit:
        return f"the upper end is impossible: no more than {limit:.3g} can be read"
    if high < figure.low:
        return (
            f"slower than chips of its kind were measured: {low / limit:.0%} to {high / limit:.0%} of the limit, "
            f"where the plan expects {figure.low / limit:.0%} to {figure.high / limit:.0%}"
        )
    if low > figure.high:
        return "faster than planned, though below the limit"
    return "agrees"


def _ttft(claim: Claim) -> str:
    machine, source = find_machine(claim.hardware), _source(claim)
    figure = ttft_s(work(source.architecture, source.tensors), _placed(machine, source), PROMPT, "ollama")
    assert claim.low is not None
    assert claim.high is not None
    assert figure.low is not None
    assert figure.high is not None
    overlap = claim.low <= figure.high and claim.high >= figure.low
    verdict = "agrees" if overlap else f"the plan is for a prompt of {PROMPT} tokens on llama.cpp alone; the article's "
    if not overlap:
        verdict += "holds what its script and Ollama's server add before the first token"
    return _line(machine.name, _model(claim), claim.words, _figure(figure, 1000) + " ms", verdict)


def _fits(claim: Claim) -> str:
    row = _row(claim)
    fit = row.fit
    shown = f"{fit.fits.replace('_', ', ')}: {fit.total_bytes / 1e9:.1f} GB of {fit.usable_bytes / 1e9:.1f}"
    said = {"Yes": "yes", "Marginal": "tight", "No (offload)": "split"}[claim.words]
    if said == fit.fits:
        verdict = "agrees"
    elif fit.fits == "yes_if":
        verdict = f"only {fit.condition}"
    else:
        verdict = f"fits with up to {fit.max_context:,} tokens of context"
    return _line(row.hardware, _model(claim), claim.words, shown, verdict)


def _weights(claim: Claim) -> str:
    assert claim.low is not None
    assert claim.high is not None
    source = _source(claim)
    size = (source.file_bytes or 0) / 1e9
    if claim.low * 0.95 <= size <= claim.high * 1.05:
        verdict = "agrees"
    elif size < claim.low:
        verdict = "too large"
    else:
        why = "parameters were rounded down" if claim.quant == "F16" else "it spends more bits than its name says"
        verdict = f"too small: {size / claim.high - 1:.0%} more, since {why}"
    return _line(_model(claim), claim.words, f"{size:.1f} GB", verdict)


def _placed(machine: Machine, source: Source) -> Placement:
    layers = None
    if source.name == "r1-70b" and not machine.devices[0].unified:
        layers = offloaded(round(ON_GPU * source.architecture.layers))
    return Placement(devices=machine.devices, host=machine.host, gpu_layers=layers)


def _row(claim: Claim) -> Row:
    asked = Asked(context=CONTEXT, engine="ollama")
    return plan(find_machine(claim.hardware), [_source(claim)], asked, Needs(context=CONTEXT))[0]


def _source(claim: Claim) -> Source:
    return sources_of(f"{claim.model}@{claim.quant}", ())[0]


def _model(claim: Claim) -> str:
    return f"{claim.model} {claim.quant}"


def _figure(figure: Figure, scale: float) -> str:
    assert figure.low is not None
    assert figure.high is not None
    return f"{figure.point * scale:.3g} ({figure.low * scale:.3g}–{figure.high * scale:.3g})"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(heading: str, lines: Iterable[str]) -> str:
    rule: Sequence[str] = ["---"] * (heading.count("|") - 1)
    return "\n".join([heading, _line(*rule), *lines])
