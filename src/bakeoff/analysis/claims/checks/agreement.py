"""Whether things of one publication agree: requirements, figures set against each other, code and the language."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from bakeoff.analysis.claims.checks.inputs import FILE
from bakeoff.analysis.claims.checks.inputs import stated as in_file
from bakeoff.analysis.claims.checks.method import numbers, said
from bakeoff.analysis.claims.claim import Claim, Stated
from bakeoff.analysis.claims.verdict import Evidence, Given
from bakeoff.errors import UsageError
from bakeoff.units import one_line

FORMAT_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)
MEET = "from the highest of the lowest versions to the lowest of the highest"
PARSED = "the code, parsed and not run"


def versions(claim: Claim) -> Iterator[Evidence]:
    """Requirements such as ``3.10+`` and ``3.9-3.11``: whether they are one, overlap, or exclude each other."""
    given = [in_file(f"requirement {number}", text) for number, text in enumerate(claim.ranges, 1)]
    yield _versions(claim, *given)


def _versions(claim: Claim, *given: Given) -> Evidence:
    spans = [span(text) for text in claim.ranges]
    low, high = max(each[0] for each in spans), min(each[1] for each in spans)
    listed = " and ".join(claim.ranges)
    if low > high:
        return said(f"no version meets both {listed}", "impossible", *given, formula=MEET)
    if all(each == spans[0] for each in spans):
        return said(f"{listed} are the same", "holds", *given, formula=MEET)
    top = " and later" if high == (10**6,) else "" if high == low else f" to {_dotted(high)}"
    words = f"{listed} are not the same: only {_dotted(low)}{top} meets both"
    return said(words, "does_not_hold", *given, formula=MEET)


def span(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first and the last version that a requirement allows. Raises UsageError where it names none."""
    first, dash, second = text.replace("–", "-").partition("-")
    low, high = numbers(first), numbers(second) if dash else ()
    if not low or (dash and not high):
        raise UsageError(f"{text[:60]!r} names no version. Write it like '3.10+' or '3.9-3.11'.")
    if dash and high < low:
        raise UsageError(f"{text[:60]!r} is upside down: write the lower version first.")
    if dash:
        return low, high
    return low, ((10**6,) if text.strip().endswith("+") or ">=" in text else low)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def likeness(claim: Claim, stated: Mapping[str, Stated]) -> Iterator[Evidence]:
    """Whether the claims that are set against each other are of one thing in what they have to have in common."""
    others = [stated[name].claim for name in claim.of]
    apart = []
    for key in claim.same:
        values = {str(value) if (value := getattr(each, key)) is not None else "not told" for each in others}
        if len(values) > 1:
            apart.append(f"{key} ({' against '.join(sorted(values))})")
    yield said(
        f"they differ in {', '.join(apart)}" if apart else f"they are alike in {', '.join(claim.same)}",
        "does_not_hold" if apart else "holds",
        *(in_file(name, f"{stated[name].claim.metric} of {_subject(stated[name].claim)}") for name in claim.of),
        formula=f"{', '.join(claim.same)} of each, side by side",
    )


def _subject(claim: Claim) -> str:
    """What a claim is of, as far as it tells."""
    return " ".join(filter(None, (claim.model, claim.quant, claim.hardware and f"on {claim.hardware}"))) or "no model"


def code(claim: Claim) -> Iterator[Evidence]:
    """Whether Python can read the code. It is parsed, never run."""
    try:
        ast.parse(claim.code or "")
    except FORMAT_ERRORS as error:
        why = one_line(getattr(error, "msg", "") or str(error))[:120]
        if claim.copy_is_faithful:
            yield said(f"Python cannot read it: {why}", "does_not_hold", formula=PARSED, reference=FILE)
        else:
            words = f"Python cannot read it as it stands in the copy that was checked: {why}"
            yield said(words, None, formula=PARSED, reference=FILE)
        return
    yield said("Python reads it", "holds", formula=PARSED, reference=FILE)
