"""Speeds: against the bandwidth limit, the planner's interval and others' measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.expression import show_number
from bakeoff.analysis.claims.published import published_decode, published_neighbour
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.subject import depth, engine_of, fit_of, of_claim, placed, placed_at_best, work_of
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict, against_interval, unless_slower
from bakeoff.hardware.catalogue import known_as
from bakeoff.planning.placement import Part, Placement, Work, bandwidth_limit_tps, parts
from bakeoff.planning.speed import decode_tps, prefill_tps, ttft_s
from bakeoff.results.records import Figure
from bakeoff.units import bytes_text, seconds_text

PROMPT = 45
"""Tokens of a prompt whose length is not told: two sentences."""


def decode(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """One answer's tokens a second. The limit holds for one stream without speculation."""
    if (claim.streams or 1) > 1:
        yield Evidence(source="predicted", words="the limit and the plan are of one stream; this is of several")
        return
    asked, where = work_of(claim), placed(claim)
    yield _limit(claim, claimed, asked, placed_at_best(claim))
    yield _predicted(claim, claimed, decode_tps(asked, where, depth(claim), engine_of(claim)), where)
    direct = published_decode(claim, claimed)
    near = direct or published_neighbour(claim, claimed)
    if near is not None:
        yield near


def _limit(claim: Claim, claimed: Quantity, asked: Work, where: Placement) -> Evidence:
    limit = bandwidth_limit_tps(asked, where)
    ends: dict[str, Verdict] = {}
    for end, value in (("low", claimed.low - claimed.slack[0]), ("high", claimed.high - claimed.slack[1])):
        if math.isfinite(value) and value > limit:
            ends[end] = "impossible"
    held = parts(asked, where)
    words = _one_part(claimed, held[0], limit) if len(held) == 1 else _several(claim, claimed, asked, where, limit)
    return Evidence(
        source="arithmetic",
        words=words,
        verdict="impossible" if ends else None,
        high=limit,
        ends=ends,
        formula="tokens/s ≤ 1 / Σ over devices of (bytes read a token / bandwidth)",
        given=tuple(_given(asked, held)),
    )


def _one_part(claimed: Quantity, part: Part, limit: float) -> str:
    rates = [f"× {value:g} tok/s = {part.read_bytes * value / 1e9:,.0f} GB/s" for value in _ends(claimed)]
    return (
        f"{_gb(part.read_bytes)} read a token {', '.join(rates)}, of {part.bandwidth / 1e9:,.0f} GB/s that there are: "
        f"{_most(limit)}"
    )


def _several(claim: Claim, claimed: Quantity, asked: Work, where: Placement, limit: float) -> str:
    held = parts(asked, where)
    steps = [
        f"{_who(part)} {_gb(part.read_bytes)} at {part.bandwidth / 1e9:,.0f} GB/s: "
        f"{seconds_text(part.read_bytes / part.bandwidth)}"
        for part in held
    ]
    words = f"a token reads of {' + '.join(steps)}, in all {seconds_text(1 / limit)}: {_most(limit)}"
    host = next((part for part in held if part.device is None), None)
    fastest = max(_ends(claimed))
    if host is None or fastest <= limit:
        return words
    left = 1 / fastest - sum(part.read_bytes / part.bandwidth for part in held if part.device is not None)
    if left > 0:
        words += f"; {fastest:g} tok/s would need {host.read_bytes / left / 1e9:,.0f} GB/s of the host"
    return words + _best_split(claim, asked)


def _best_split(claim: Claim, asked: Work) -> str:
    """How fast it could be with as many layers on the GPU as fit there."""
    most = fit_of(claim).gpu_layers
    where = placed(claim, layers=most)
    limit = bandwidth_limit_tps(asked, where)
    return f"; even with the {most} of {asked.arch.layers} layers that fit on the GPU {_most(limit)}"


def _predicted(claim: Claim, claimed: Quantity, figure: Figure, where: Placement) -> Evidence:
    low, high = figure.low or figure.point, figure.high or figure.point
    verdict, ends = against_interval(claimed, low, figure.point, high)
    verdict, why = unless_slower(claim, verdict, claimed, low)
    words = f"planned for {engine_of(claim)}: {_interval(claimed, low, figure.point, high)}"
    split = where.gpu_layers is not None and where.devices
    words += f", with {where.gpu_layers} of {of_claim(claim).architecture.layers} layers on the GPU" if split else ""
    return Evidence(
        source="predicted",
        words=f"{words}; {_where_ends(ends)}{why}",
        verdict=verdict,
        low=low,
        point=figure.point,
        high=high,
        ends={} if why else ends,
        formula="docs/prediction.md; time a token = steps + bytes read / (bandwidth × efficiency)",
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
    asked, where = work_of(claim), placed(claim)
    best = placed_at_best(claim)
    least = 1 / bandwidth_limit_tps(asked, best)
    early = claimed.most < least
    yield Evidence(
        source="arithmetic",
        words=f"before the first token all weights are read once: not under {claimed.shown(least)}",
        verdict="impossible" if early else None,
        low=least,
        formula="seconds ≥ Σ over devices of (bytes read a token / bandwidth)",
        given=tuple(_given(asked, parts(asked, best))),
    )
    tokens = claim.prompt_tokens or PROMPT
    figure = ttft_s(asked, where, tokens, engine_of(claim))
    low, high = figure.low or figure.point, figure.high or figure.point
    verdict, ends = against_interval(claimed, low, figure.point, high)
    later = claimed.least > high
    words = f"planned for a prompt of {tokens} tokens: {_interval(claimed, low, figure.point, high)}"
    if later:
        words += "; what the server, its queue and the client add before the first token is not in the plan"
    yield Evidence(source="predicted", words=words, verdict=None if later else verdict, low=low, point=figure.point,
                   high=high, ends={} if later else ends)  # fmt: skip


def prefill(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Prompt tokens a second, by the plan alone."""
    asked, where = work_of(claim), placed(claim)
    figure = prefill_tps(asked, where, claim.prompt_tokens or 512, engine_of(claim))
    yield _predicted(claim, claimed, figure, where)


def bottleneck(claim: Claim) -> Iterator[Evidence]:
    """Where the time of a token goes in a split model, and what a bus could do in either reading of *bottleneck*."""
    from bakeoff.planning.speed import PCIE_BYTES_S

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
        given=tuple(_given(asked, parts(asked, where))),
    )


def _ends(claimed: Quantity) -> list[float]:
    values = [value for value in (claimed.low, claimed.high) if math.isfinite(value)]
    return list(dict.fromkeys(values))


def _who(part: Part) -> str:
    return part.device.chip if part.device else "the host's memory"


def _gb(size: float) -> str:
    return f"{show_number(size / 1e9)} GB"


def _most(limit: float) -> str:
    return f"at most {show_number(limit)} tok/s"


def _given(asked: Work, held: list[Part]) -> Iterator[Given]:
    yield Given(
        name=f"bytes of {asked.arch.short} read a token",
        value=bytes_text(asked.read_bytes),
        source="every tensor by the quantization's recipe, without the input embedding",
    )
    for part in held:
        chips = known_as(part.device.chip) if part.device else ()
        source = f"{chips[0].source} ({chips[0].date})" if chips else "the stated host, or the claim"
        yield Given(name=f"bandwidth of {_who(part)}", value=f"{part.bandwidth / 1e9:,.1f} GB/s", source=source)
