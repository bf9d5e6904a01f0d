"""Claims with their verdicts, as a screen and as the one object that ``--json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.claims.claim import Claim, Claims
from bakeoff.analysis.claims.subject import quant_of
from bakeoff.analysis.claims.verdict import Checked, Evidence, Verdict
from bakeoff.errors import UsageError
from bakeoff.models.catalogue import find
from bakeoff.units import one_line

SCHEMA = 1
VERDICTS: tuple[Verdict, ...] = ("impossible", "does_not_hold", "cannot_check", "holds")
"""In the order of the screen."""
_HEADS = {
    "impossible": "Impossible",
    "does_not_hold": "Does not hold",
    "cannot_check": "Cannot be checked here",
    "holds": "Holds",
}
_WORDS = {"impossible": "impossible", "does_not_hold": "does not hold", "cannot_check": "open", "holds": "holds"}
_MARKS = {"impossible": "✗", "does_not_hold": "✗", "cannot_check": "?", "holds": "✓"}
_STYLES = {"impossible": "bold red", "does_not_hold": "red", "cannot_check": "yellow", "holds": "green"}


class VerifiedSet(Struct, frozen=True, kw_only=True):
    """One file of claims and what was found of each."""

    claims: Claims
    checked: Sequence[Checked]


def verify_document(sets: Sequence[VerifiedSet], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Every claim, its verdict and its evidence: base units (seconds, bytes, tokens a second, watts, …)."""
    every = [each for one in sets for each in one.checked]
    return {
        "schema": SCHEMA,
        "summary": _counts(every),
        "sets": [
            {
                "name": one.claims.name,
                "title": one.claims.about.title,
                "source": one.claims.about.source,
                "date": one.claims.about.date,
                "url": one.claims.about.url,
                "summary": _counts(one.checked),
            }
            for one in sets
        ],
        "claims": [_claim(one.claims.name, each) for one in sets for each in one.checked],
        "notes": list(notes),
    }


def _counts(checked: Sequence[Checked]) -> dict[str, int]:
    return {verdict: sum(each.verdict == verdict for each in checked) for verdict in VERDICTS}


def _claim(name: str, each: Checked) -> dict[str, Any]:
    claim = each.claim
    return {
        "id": claim.id,
        "set": name,
        "statement": claim.statement,
        "hardware": claim.hardware,
        "model": find(claim.model).short if claim.model else None,
        "quant": _quant(claim),
        "engine": claim.engine,
        "engine_version": claim.engine_version,
        "metric": claim.metric,
        "claimed": claim.claimed,
        "implied": claim.implied,
        "verdict": each.verdict,
        "ends": each.ends,
        "evidence": [_evidence(one) for one in each.evidence],
        "needed": each.needed or None,
        "note": claim.note,
    }


def _quant(claim: Claim) -> str | None:
    try:
        return quant_of(claim.quant) if claim.quant else None
    except UsageError:
        return claim.quant


def _evidence(one: Evidence) -> dict[str, Any]:
    figure = {"low": one.low, "point": one.point, "high": one.high}
    return {
        "source": one.source,
        "verdict": one.verdict,
        "words": one.words,
        **{name: value if value is None or abs(value) < float("inf") else None for name, value in figure.items()},
        "ends": one.ends,
        "formula": one.formula or None,
        "inputs": [msgspec.to_builtins(given) for given in one.given],
        "reference": one.reference or None,
    }


def print_verified(
    sets: Sequence[VerifiedSet], console: Console, explain: bool = False, notes: Sequence[str] = ()
) -> None:
    """Write the whole screen: how many of each, then the impossible ones, those that fail, the open, the others."""
    console.print(Group(*(part for one in sets for part in _set(one, explain))))
    for note in notes:
        console.print(Text(f"· {one_line(note)}", "dim"))


def _set(one: VerifiedSet, explain: bool) -> Iterator[RenderableType]:
    about = one.claims.about
    yield Text(one_line(about.title), "bold")
    yield Text(f"{one_line(about.source)} ({one_line(about.date)})", "dim")
    yield Text()
    yield _summary(one.checked)
    for verdict in VERDICTS:
        found = [each for each in one.checked if each.verdict == verdict]
        if found:
            yield Text(f"\n{_HEADS[verdict]} ({len(found)})", "bold")
        for each in found:
            yield from _shown(each, explain)
    yield Text()
    if not explain:
        yield Text(
            "--explain shows all evidence with its formulas, inputs and sources; --only ID a single claim.", "dim"
        )


def _summary(checked: Sequence[Checked]) -> Text:
    counts = _counts(checked)
    total = len(checked)
    return Text.assemble(
        f"{total} claim{'s' if total != 1 else ''}: ",
        (f"{counts['holds']} hold", "green"),
        ", ",
        (f"{counts['does_not_hold']} do not", "red"),
        ", ",
        (f"{counts['impossible']} {'is' if counts['impossible'] == 1 else 'are'} impossible", "bold red"),
        ", ",
        (f"{counts['cannot_check']} cannot be checked here", "yellow"),
        ".",
    )


def _shown(each: Checked, explain: bool) -> Iterator[RenderableType]:
    claim = each.claim
    claimed = "implied" if claim.implied else "claimed"
    line = Table.grid()
    line.add_column(width=2)
    line.add_row(Text(_MARKS[each.verdict], _STYLES[each.verdict]), Text(one_line(claim.statement)))
    yield line
    yield _hanging(Text(f"{claim.id}, {claimed}: {one_line(claim.claimed)}{_ends(each)}", "dim"), 2)
    for one in each.evidence if explain else _decisive(each):
        yield _hanging(_sentence(one), 2)
        if explain:
            yield from _explained(one)
    if each.needed:
        yield _hanging(Text(f"needed: {one_line(each.needed)}"), 2)
    if claim.note:
        yield _hanging(Text(one_line(claim.note), "dim"), 2)


def _decisive(each: Checked) -> list[Evidence]:
    """The evidence that bears the verdict; where nothing does, what there is."""
    bearing = [one for one in each.evidence if one.verdict == each.verdict]
    return bearing or list(each.evidence)


def _ends(each: Checked) -> str:
    if len(set(each.ends.values())) < 2:
        return ""
    words = {"low": "lower", "high": "upper"}
    return "".join(
        f", {words.get(end, end)} end {_WORDS[verdict]}" for end, verdict in sorted(each.ends.items(), reverse=True)
    )


def _sentence(one: Evidence) -> Text:
    style = _STYLES[one.verdict] if one.verdict else "dim"
    return Text.assemble((f"{one.source}: ", style), one_line(one.words))


def _explained(one: Evidence) -> Iterator[RenderableType]:
    """How it was reckoned, from what, and where that comes from."""
    if one.formula:
        yield _hanging(Text(f"formula: {one_line(one.formula)}", "dim"), 4)
    for given in one.given:
        yield _hanging(Text(f"· {one_line(given.name)}: {one_line(given.value)} ({one_line(given.source)})", "dim"), 4)
    if one.reference and one.reference not in one.words:
        yield _hanging(Text(f"from {one_line(one.reference)}", "dim"), 4)


def _hanging(text: Text, indent: int) -> Padding:
    return Padding(text, (0, 0, 0, indent), expand=False)
