"""Speeds: against the bandwidth limit, the planner's interval and others' measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from bakeoff.analysis.claims.checks.inputs import HOST, of_bandwidth, of_plan, of_reading
from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.expression import show_number
from bakeoff.analysis.claims.published import published_decode, published_neighbour
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.subject import (
    depth,
    engine_of,
    fit_of,
    layers_placed,
    of_claim,
    placed,
    placed_at_best,
    work_of,
)
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict, against_interval, unless_slower
from bakeoff.analysis.findings.limit import LARGEST_CACHE_BYTES
from bakeoff.models.names import ENGINE_WORDS
from bakeoff.planning.placement import Part, Placement, Work, parts
from bakeoff.planning.speed import PCIE_BYTES_S, decode_tps, prefill_tps, ttft_s
from bakeoff.results.records import Figure
from bakeoff.units import bytes_text, seconds_text

PROMPT = 45
"""Tokens of a prompt whose length is not told: two sentences."""
DECODE = "tokens/s = 1 / Σ of the seconds below (docs/prediction.md), its interval by the misses on chips unseen"
PREFILL = "seconds = the prompt's operations / rate + its batches' steps and reading (docs/prediction.md)"
CACHES = "the largest caches there are: EPYC 9684X 1,152 MB (Tom's Hardware), Instinct MI300X 256 MB (ServeTheHome)"


def decode(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """One answer's tokens a second. The limit holds for one stream without speculation."""
    if (claim.streams or 1) > 1:
        yield Evidence(source="predicted", words="the limit and the plan are of one stream; this is of several")
        return
    asked, where = work_of(claim), placed(claim)
    yield _limit(claim, claimed, asked, placed_at_best(claim))
    figure = decode_tps(asked, where, depth(claim), engine_of(claim))
    yield _predicted(claim, claimed, figure, where, DECODE, tuple(of_plan(claim, asked, where)))
    direct = published_decode(claim, claimed)
    near = direct or published_neighbour(claim, claimed)
    if near is not None:
        yield near


class Reader(Struct, frozen=True, kw_only=True):
    """Memory that a token is read from, and how much of it: readers go one after the other."""

    name: str
    read_bytes: float
    bandwidth: float
    chip: str | None

    @property
    def seconds(self) -> float:
        return self.read_bytes / self.bandwidth


def readers(claim: Claim, asked: Work, where: Placement) -> list[Reader]:
    """Who reads how much of a token. GPUs share a token out only with Ollama for sure: others can read at once."""
    held = parts(asked, where)
    devices = [part for part in held if part.device is not None]
    found = [_reader(part) for part in devices]
    if len(found) > 1 and claim.engine != "ollama":
        size, bandwidth = (sum(getattr(each, key) for each in found) for key in ("read_bytes", "bandwidth"))
        name = f"{len(found)} × {found[0].name} at once"
        found = [Reader(name=name, read_bytes=size, bandwidth=bandwidth, chip=found[0].chip)]
    return found + [_reader(part) for part in held if part.device is None]


def _reader(part: Part) -> Reader:
    chip = part.device.chip if part.device else None
    return Reader(name=chip or HOST, read_bytes=part.read_bytes, bandwidth=part.bandwidth, chip=chip)


def _may_be_cached(asked: Work, where: Placement) -> bool:
    """Whether the weights are so few that a cache may hold them, and no memory bounds their speed."""
    kinds = {"cpu" if part.device is None else "gpu" for part in parts(asked, where)}
    return asked.read_bytes <= max(LARGEST_CACHE_BYTES[kind] for kind in kinds)


def _limit(claim: Claim, claimed: Quantity, asked: Work, where: Placement) -> Evidence:
    if _may_be_cached(asked, where):
        words = f"{_gb(asked.read_bytes)} read a token may lie in a cache of the processor: no memory bounds the rate"
        return Evidence(source="arithmetic", words=words, reference=CACHES, given=tuple(_given(asked, [])))
    held = readers(claim, asked, where)
    limit = 1 / sum(each.seconds for each in held)
    ends: dict[str, Verdict] = {}
    for end, value in (("low", claimed.low - claimed.slack[0]), ("high", claimed.high - claimed.slack[1])):
        if math.isfinite(value) and value > limit:
            ends[end] = "impossible"
    words = _one_reader(claimed, held[0], limit) if len(held) == 1 else _several(claim, claimed, asked, held, limit)
    return Evidence(
        source="arithmetic",
        words=words,
        verdict="impossible" if ends else None,
        high=limit,
        ends=ends,
        formula="tokens/s ≤ 1 / Σ over what reads one after the other of (bytes read a token / bandwidth)",
        given=tuple(_given(asked, held)),
    )


def _one_reader(claimed: Quantity, held: Reader, limit: float) -> str:
    rates = [f"× {value:g} tok/s = {held.read_bytes * value / 1e9:,.0f} GB/s" for value in _ends(claimed)]
    return (
        f"{_gb(held.read_bytes)} read a token {', '.join(rates)}, of {held.bandwidth / 1e9:,.0f} GB/s that there are: "
        f"{_most(limit)}"
    )


def _several(claim: Claim, claimed: Quantity, asked: Work, held: list[Reader], limit: float) -> str:
    steps = [
        f"{each.name} {_gb(each.read_bytes)} at {each.bandwidth / 1e9:,.0f} GB/s: {seconds_text(each.seconds)}"
        for each in held
    ]
    words = f"a token reads of {' + '.join(steps)}, in all {seconds_text(1 / limit)}: {_most(limit)}"
    host, fastest = held[-1], max(_ends(claimed))
    if host.name != HOST or fastest <= limit:
        return words
    left = 1 / fastest - sum(each.seconds for each in held[:-1])
    if left > 0:
        words += f"; {fastest:g} tok/s would need {host.read_bytes / left / 1e9:,.0f} GB/s of the host"
    return words + _best_split(claim, asked)


def _best_split(claim: Claim, asked: Work) -> str:
    """How fast it could be with as many layers on the GPU as fit there."""
    most = fit_of(claim).gpu_layers
    limit = 1 / sum(each.seconds for each in readers(claim, asked, placed(claim, layers=most)))
    return f"; even with the {most} of {asked.arch.layers} layers that fit on the GPU {_most(limit)}"


def _predicted(
    claim: Claim, claimed: Quantity, figure: Figure, where: Placement, formula: str, given: tuple[Given, ...]
) -> Evidence:
    low, high = figure.low or figure.point, figure.high or figure.point
    verdict, ends = against_interval(claimed, low, figure.point, high)
    verdict, why = unless_slower(claim, verdict, claimed, low)
    words = f"planned for {ENGINE_WORDS[engine_of(claim)]}: {_interval(claimed, low, figure.point, high)}"
    layers = layers_placed(claim)
    if where.devices and layers is not None:
        words += f", with {layers} of {of_claim(claim).architecture.layers} layers on the GPU"
    return Evidence(
        source="predicted",
        words=f"{words}; {_where_ends(ends)}{why}",
        verdict=verdict,
        low=low,
        point=figure.point,
        high=high,
        ends={} if why else ends,
        formula=formula,
        given=given,
    )


def _interval(claimed: Quantity, low: float, point: float, high: float) -> str:
    low, point, high = (bound / claimed.scale for bound in (low, point, high))
    return f"{show_number(point)} {claimed.unit}, 80 % interval {show_number(low)}–{show_number(high)}"


def _where_ends(ends: dict[str, Verdict]) -> str:
    said = {"holds": "inside", "cannot_check": "just outside", "does_not_hold": "far outside", "impossible": ""}
    if len(set(ends.values())) == 1:
        return f"the claim is {said[next(iter(ends.values()))]}"
    return ", ".join(f"its {'lower' if end == 'low' else 'upper'} end is {said[v]}" for end, v in ends.items())


def ttft(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """The first token: it cannot come before every weight was read once; the plan leaves out server and client."""
    asked, where, best = work_of(claim), placed(claim), placed_at_best(claim)
    if not _may_be_cached(asked, best):
        held = readers(claim, asked, best)
        least = sum(each.seconds for each in held)
        yield Evidence(
            source="arithmetic",
            words=f"before the first token all weights are read once: not under {claimed.shown(least)}",
            verdict="impossible" if claimed.most < least else None,
            low=least,
            formula="seconds ≥ Σ over what reads one after the other of (bytes read a token / bandwidth)",
            given=tuple(_given(asked, held)),
        )
    tokens = claim.prompt_tokens or PROMPT
    figure = ttft_s(asked, where, tokens, engine_of(claim))
    low, high = figure.low or figure.point, figure.high or figure.point
    verdict, ends = against_interval(claimed, low, figure.point, high)
    later = {end: bound * claimed.scale > high for end, bound in (("low", claimed.low), ("high", claimed.high))}
    ends = {end: "cannot_check" if later[end] and found != "holds" else found for end, found in ends.items()}
    words = f"planned for a prompt of {tokens} tokens: {_interval(claimed, low, figure.point, high)}"
    if any(later[end] and found == "cannot_check" for end, found in ends.items()):
        words += "; what the server, its queue and the client add before the first token is not in the plan"
    yield Evidence(
        source="predicted",
        words=words,
        verdict=None if claimed.least > high else verdict,
        low=low,
        point=figure.point,
        high=high,
        ends=ends,
        formula=f"{PREFILL}, and one token",
        given=tuple(_given(asked, readers(claim, asked, where))),
    )


def prefill(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Prompt tokens a second, by the plan alone."""
    asked, where = work_of(claim), placed(claim)
    figure = prefill_tps(asked, where, claim.prompt_tokens or 512, engine_of(claim))
    given = tuple(_given(asked, readers(claim, asked, where)))
    yield _predicted(claim, claimed, figure, where, PREFILL, given)


def bottleneck(claim: Claim) -> Iterator[Evidence]:
    """Where the time of a token goes in a split model, and what a bus could do in either reading of *bottleneck*."""
    asked, where = work_of(claim), placed(claim)
    held = {("host_memory" if part.device is None else "gpu_memory"): part for part in parts(asked, where)}
    times = {name: part.read_bytes / part.bandwidth for name, part in held.items()}
    crossing = 2 * 4 * asked.arch.hidden
    times["pcie"] = crossing / PCIE_BYTES_S
    most = max(times, key=lambda name: times[name])
    words = ", ".join(
        f"{name.replace('_', ' ').replace('pcie', 'PCIe').replace('gpu', 'GPU')} {seconds_text(seconds, 2)}"
        for name, seconds in times.items()
    )
    host = held.get("host_memory")
    streamed = (
        f"; if the host's {_gb(host.read_bytes)} crossed PCIe at {PCIE_BYTES_S / 1e9:.0f} GB/s for each token instead, "
        f"{_most(PCIE_BYTES_S / host.read_bytes)}"
        if host
        else ""
    )
    yield Evidence(
        source="arithmetic",
        words=f"time of a token: {words} (only {bytes_text(crossing)} of hidden values cross the bus){streamed}",
        verdict="holds" if most == claim.claimed else "does_not_hold",
        formula="bytes / bandwidth of each; 2 crossings × hidden size × 4 bytes",
        given=tuple(_given(asked, [_reader(part) for part in parts(asked, where)])),
    )


def _ends(claimed: Quantity) -> list[float]:
    values = [value for value in (claimed.low, claimed.high) if math.isfinite(value)]
    return list(dict.fromkeys(values))


def _gb(size: float) -> str:
    return f"{show_number(size / 1e9)} GB"


def _most(limit: float) -> str:
    return f"at most {show_number(limit)} tok/s"


def _given(asked: Work, held: list[Reader]) -> Iterator[Given]:
    yield of_reading(asked)
    for each in held:
        yield of_bandwidth(each.name, each.bandwidth, each.chip)
