"""Evidence for or against a claim, from four sources kept apart, and the one verdict that follows from it.

- ``arithmetic``: sums, sizes known exactly, the bandwidth limit. It alone can say *impossible*, and goes first.
- ``measured``: your own runs of the like on the like.
- ``published``: others' measurements and specifications in the package, or named in the file of claims.
- ``predicted``: the planner's memory, or its 80 % interval of a speed.

Evidence without a verdict of its own is told, and decides nothing. Of what decides, the first source in this order
does: where two disagree both are shown. Nothing that decides: the claim cannot be checked here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.quantity import Quantity

Verdict = Literal["holds", "does_not_hold", "cannot_check", "impossible"]
Source = Literal["measured", "predicted", "published", "arithmetic"]
ORDER: tuple[Source, ...] = ("arithmetic", "measured", "published", "predicted")

FAR = 2.0
"""An end of a claim is refuted by an 80 % interval only from twice its half-width on (on a log scale). A claim just
outside is no contradiction: one in five true ones is. At twice the width it would be one in a hundred, if misses were
normal; those on chips the fit had not seen have reached further (docs/prediction.md)."""


class Given(Struct, frozen=True, kw_only=True):
    """One number that evidence rests on, in words with its unit, and where it comes from."""

    name: str
    value: str
    source: str


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source says, worked out. ``verdict`` None: it says something, but not whether the claim holds.

    ``low``, ``point`` and ``high`` are the source's own figure in base units (seconds, bytes, …); ``ends`` its
    verdict on each end of a claimed range.
    """

    source: Source
    words: str
    verdict: Verdict | None = None
    low: float | None = None
    point: float | None = None
    high: float | None = None
    ends: dict[str, Verdict] = {}
    formula: str = ""
    given: tuple[Given, ...] = ()
    reference: str = ""


class Checked(Struct, frozen=True, kw_only=True):
    """A claim with its verdict, that of each end of a range, and what would be needed where it cannot be checked."""

    claim: Claim
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    ends: dict[str, Verdict]
    needed: str


def judged(claim: Claim, evidence: Sequence[Evidence], needed: str) -> Checked:
    """The verdict that the evidence comes to."""
    ranked = sorted(evidence, key=lambda each: ORDER.index(each.source))
    verdict: Verdict = "cannot_check"
    if any(each.verdict == "impossible" for each in ranked):
        verdict = "impossible"
    else:
        for each in ranked:
            if each.verdict is not None and each.verdict != "cannot_check":
                verdict = each.verdict
                break
    return Checked(
        claim=claim,
        verdict=verdict,
        evidence=tuple(ranked),
        ends=_ends(ranked),
        needed=needed if verdict == "cannot_check" else "",
    )


def _ends(ranked: Sequence[Evidence]) -> dict[str, Verdict]:
    """Each end's verdict: impossible where arithmetic says so, else by the first source that tells."""
    found: dict[str, Verdict] = {}
    for each in ranked:
        for end, verdict in each.ends.items():
            if found.get(end, "cannot_check") == "cannot_check":
                found[end] = verdict
    return found


def against_interval(
    claimed: Quantity, low: float, point: float, high: float
) -> tuple[Verdict | None, dict[str, Verdict]]:
    """A claim of a positive figure against a predicted one and its 80 % interval, and each of its ends apart.

    The claim holds where any of it lies in the interval, does not from ``FAR`` half-widths on, and between is open.
    """
    ends: dict[str, Verdict] = {}
    for end, value in (("low", claimed.low), ("high", claimed.high)):
        if math.isfinite(value):
            slack = claimed.slack[0 if end == "low" else 1] * claimed.scale
            ends[end] = _at(value * claimed.scale, slack, low, point, high)
    if claimed.least <= high and low <= claimed.most:
        return "holds", ends
    decided: Verdict | None = "does_not_hold" if all(verdict == "does_not_hold" for verdict in ends.values()) else None
    return decided, ends


def _at(value: float, slack: float, low: float, point: float, high: float) -> Verdict:
    """One end, with what its rounding covers."""
    if value - slack <= high and low <= value + slack:
        return "holds"
    if value <= 0:
        return "does_not_hold"
    bound = high if value > point else low
    reach = abs(math.log(bound / point))
    away = abs(math.log(value / point)) / reach if reach else (0.0 if value == point else math.inf)
    return "does_not_hold" if away > FAR else "cannot_check"


def unless_slower(claim: Claim, verdict: Verdict | None, claimed: Quantity, low: float) -> tuple[Verdict | None, str]:
    """The verdict on a speed whose engine nobody named: too slow refutes nothing, as a slower engine would do that."""
    if claim.engine is None and verdict == "does_not_hold" and claimed.most < low:
        return None, "; no engine is named, and a slower one would explain it"
    return verdict, ""


def exact(claimed: Quantity, value: float, words: str, source: Source = "arithmetic", wrong: Verdict = "does_not_hold",
          formula: str = "", given: tuple[Given, ...] = (), reference: str = "") -> Evidence:  # fmt: skip
    """Evidence of a value in base units that is known: it is what the claim says, or it is not."""
    return Evidence(
        source=source,
        words=words,
        verdict="holds" if claimed.covers(value) else wrong,
        point=value,
        formula=formula,
        given=given,
        reference=reference,
    )
