"""``--fail-if-slower``: whether a comparison shows a loss of speed beyond a limit."""

from __future__ import annotations

from msgspec import Struct

from bakeoff.analysis.compare import RATES, Compared, Comparison, Pair


class Gate(Struct, frozen=True, kw_only=True):
    """What a limit on a loss of speed comes to.

    ``slower``: the whole interval lies beyond the limit. ``open``: some of it does, so that neither is shown.
    ``held``: none of it does. ``unjudged``: there is no interval, or the two are unlike.
    """

    limit: float
    slower: tuple[tuple[Pair, Comparison], ...]
    open: tuple[tuple[Pair, Comparison], ...]
    held: int
    unjudged: tuple[tuple[Pair, Comparison], ...]

    @property
    def judged(self) -> int:
        return len(self.slower) + len(self.open) + self.held


def gate(compared: Compared, limit: float) -> Gate:
    """Every speed of every pair, by the intervals that the comparison shows.

    Slower by more than 5 % is a rate below 0.95 of the reference's, or a time above 1.05 of it.
    """
    found: dict[str, list[tuple[Pair, Comparison]]] = {"slower": [], "open": [], "held": [], "unjudged": []}
    for pair in compared.pairs:
        for each in pair.comparisons:
            if each.is_speed:
                found[_state(each, limit)].append((pair, each))
    return Gate(limit=limit, slower=tuple(found["slower"]), open=tuple(found["open"]), held=len(found["held"]),
                unjudged=tuple(found["unjudged"]))  # fmt: skip


def _state(each: Comparison, limit: float) -> str:
    ratio = each.ratio
    if ratio is None or ratio.low is None or ratio.high is None:
        return "unjudged"
    if each.metric.endswith(RATES):
        worst, best, beyond = ratio.low, ratio.high, 1 - limit
        return "slower" if best < beyond else "held" if worst >= beyond else "open"
    worst, best, beyond = ratio.high, ratio.low, 1 + limit
    return "slower" if best > beyond else "held" if worst <= beyond else "open"
