"""Claims → verdicts: every claim of a file, each by the checks of its metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from bakeoff.analysis.claims.checks import agreement, answers, commands, fits, hardware, method, sizes, speeds, sums
from bakeoff.analysis.claims.claim import Claim, Claims, Stated
from bakeoff.analysis.claims.measured import Measured, measured_evidence
from bakeoff.analysis.claims.quantity import Quantity
from bakeoff.analysis.claims.subject import machine_of
from bakeoff.analysis.claims.verdict import Checked, Evidence, judged
from bakeoff.hardware.dated import Dated, specifications

_BY_FIGURE: dict[str, Callable[[Claim, Quantity], Iterator[Evidence]]] = {
    "decode": speeds.decode,
    "prefill": speeds.prefill,
    "ttft": speeds.ttft,
    "weights": sizes.weights,
    "disk": sizes.disk,
    "download_time": sizes.download_time,
    "kv_cache": sizes.kv_cache,
    "memory": sizes.memory,
    "parameters": sizes.parameter_count,
    "size_ratio": sizes.size_ratio,
    "bandwidth": hardware.bandwidth,
    "memory_size": hardware.memory_size,
    "gpu_memory": hardware.gpu_memory,
    "gpu_cores": hardware.gpu_cores,
    "power": hardware.power,
    "accuracy_difference": sums.accuracy_difference,
}
_BY_WORD: dict[str, Callable[[Claim], Iterator[Evidence]]] = {
    "fits": fits.fits,
    "only_fit": fits.only_fit,
    "recommended": fits.recommended,
    "bottleneck": speeds.bottleneck,
    "answer": answers.answer,
    "command": commands.command,
    "versions": agreement.versions,
    "code": agreement.code,
    "licence": hardware.licence,
}
_OWN_RUN = "a run of your own on it: bakeoff run {engine}:{model}@{quant}, then verify --run last"
_NEEDED: dict[str, str] = {
    **dict.fromkeys(("decode", "prefill", "ttft", "memory"), _OWN_RUN),
    "power": "a meter at the same scope during a run of your own on it (bakeoff doctor lists meters)",
    "method": "the publication's single runs",
    "answer": "the answer in plain words",
    "price": "a dated price list: name one under 'references'",
    "download_time": "the rate of the line that it was fetched by",
    "accuracy_difference": "more items: bakeoff quality tells how small a difference they can show",
    "ratio": "runs of both on one host: bakeoff compare",
    "sum": "the figures that the sum was made of, instead of ranges",
    "code": "the page's own text",
    "command": "a list of the engine's names, or the command itself on that machine",
}


def verify(claims: Claims, cells: Sequence[Measured] = (), only: Sequence[str] = ()) -> list[Checked]:
    """Each claim's verdict, in the file's order; ``only`` those of these ids."""
    return [_checked(claims, one, cells) for name, one in claims.stated.items() if not only or name in only]


def specifications_of(checked: Iterable[Checked]) -> Iterator[Dated]:
    """The rows of the catalogue that claims were checked with, each once."""
    named = ((each.claim, name) for each in checked for name in (each.claim.hardware, *each.claim.among) if name)
    yield from dict.fromkeys(dated for claim, name in named for dated in specifications(machine_of(claim, name)))


def _checked(claims: Claims, one: Stated, cells: Sequence[Measured]) -> Checked:
    claim = one.claim
    evidence = list(_evidence(claims, one))
    if one.figure is not None:
        evidence += measured_evidence(claim, one.figure, cells)
    evidence += hardware.references(claim, one.figure, claims.about.date)
    return judged(claim, evidence, claim.needed or _needed(claim))


def _evidence(claims: Claims, one: Stated) -> Iterator[Evidence]:
    claim, figure, stated = one.claim, one.figure, claims.stated
    if claim.metric in _BY_WORD:
        yield from _BY_WORD[claim.metric](claim)
    elif claim.metric == "commands_cover":
        yield from commands.commands_cover(claim, stated)
    elif claim.metric == "likeness":
        yield from agreement.likeness(claim, stated)
    elif claim.metric == "method" and claims.about.protocol is not None:
        yield from method.method(claim, claims.about.protocol, stated)
    elif figure is not None:
        yield from _of_figure(claim, figure, claims)


def _of_figure(claim: Claim, figure: Quantity, claims: Claims) -> Iterator[Evidence]:
    match claim.metric:
        case "sum":
            yield from sums.total(claim, figure, claims.stated)
        case "ratio":
            yield from sums.ratio(claim, figure, claims.stated)
        case "price":
            yield from hardware.price(claim, figure, claims.about.date)
        case "break_even":
            yield from sums.break_even(claim, figure, claims.stated)
        case _:
            yield from _BY_FIGURE[claim.metric](claim, figure)


def _needed(claim: Claim) -> str:
    words = _NEEDED.get(claim.metric, "evidence that Bakeoff does not have")
    return words.format(engine=claim.engine or "ENGINE", model=claim.model or "MODEL", quant=claim.quant or "QUANT")
