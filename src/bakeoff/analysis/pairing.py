"""Which cells are set against which: those that were asked the same."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.analysis.sides import Side
from bakeoff.results.records import Workload


def pairs_of(
    sets: Sequence[Sequence[Side]], reference: Side | None = None
) -> tuple[list[tuple[Side, Side]], list[Side]]:
    """(reference, other) for every other cell, and the cells that have no counterpart.

    Of several sets the first one is the reference. Of a single set it is the subject of ``reference``, or the first
    one; where it holds one subject only, it is that cell alone. A cell's counterpart was asked the same; failing that,
    its workload has the same name, or there is only one.
    """
    if len(sets) > 1:
        references, others = list(sets[0]), [side for each in sets[1:] for side in each]
    else:
        references, others = _parted(sets[0], reference or sets[0][0])
    pairs, left = [], []
    for other in others:
        match = _counterpart(other, references)
        if match is None:
            left.append(other)
        else:
            pairs.append((match, other))
    return pairs, left


def _parted(cells: Sequence[Side], reference: Side) -> tuple[list[Side], list[Side]]:
    entrant = reference.cell.opened.entrant
    same = [side for side in cells if side.cell.opened.entrant == entrant]
    if len(same) == len(cells):
        return [reference], [side for side in cells if side is not reference]
    return same, [side for side in cells if side.cell.opened.entrant != entrant]


def _counterpart(other: Side, references: Sequence[Side]) -> Side | None:
    def fit(side: Side) -> tuple[bool, bool, bool]:
        mine, theirs = side.cell.opened, other.cell.opened
        return (
            _asked(mine.workload) == _asked(theirs.workload),
            mine.workload.name == theirs.workload.name,
            mine.subject.text == theirs.subject.text,
        )

    best = max(references, key=fit, default=None)
    if best is None or not (any(fit(best)[:2]) or len(references) == 1):
        return None
    return best


def _asked(work: Workload) -> tuple[object, ...]:
    """What one workload has in common with another that asks the same."""
    text = (work.shape,) if work.shape is not None else (work.prompt, work.prompt_tokens if work.prompt is None else 0)
    return (*text, work.max_tokens, work.cache, work.concurrency, work.arrival, work.rate_rps, work.context)
