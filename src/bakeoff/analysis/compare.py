"""Two cells set against each other, metric by metric: the ratio, its interval, and what that shows.

All intervals of one comparison hold together with 95 %: each is made with 1 − 0.05 / m, where m is how many there are
(Bonferroni). The verdicts are read off those intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bakeoff.analysis.likeness import Difference, differences
from bakeoff.analysis.pairing import pairs_of
from bakeoff.analysis.sides import ENERGY, MEMORY, Measure, Side, measures
from bakeoff.results.records import Figure
from bakeoff.stats.correlation import lag_one
from bakeoff.stats.intervals import Interval
from bakeoff.stats.quantiles import quotient_of_quantiles
from bakeoff.stats.ratios import inverted, paired_quotient, quotient
from bakeoff.stats.verdicts import MARGIN, Code, in_words, times, trials_wanted, verdict

CONFIDENCE = 0.95
RATES = ("_tps", "_rps")
"""How the names of those metrics end of which more is better."""
FEWEST_PAIRS = 3
BEYOND = 1e12
"""No two computers differ by as much: a meter or a server has told nonsense."""
SURE = 0.01
"""How seldom chance must give a correlation for it to be told: it is looked for in every cell."""


class Comparison(Struct, frozen=True, kw_only=True):
    """One metric of two cells. ``ratio`` is b's figure over a's; the verdict is about b.

    ``advantage`` is the same ratio turned so that above 1 is the better side of b: more tokens a second, less time,
    fewer joules. ``unlike`` says why it is not judged. ``in_rounds``: the trials were compared round by round.
    """

    metric: str
    a: Figure | None
    b: Figure | None
    ratio: Figure | None
    advantage: Interval | None
    verdict: Code
    words: str
    unlike: tuple[str, ...] = ()
    in_rounds: bool = False
    trials_wanted: int | None = None

    @property
    def is_speed(self) -> bool:
        return not self.metric.startswith((MEMORY, ENERGY))


class Pair(Struct, frozen=True, kw_only=True):
    """Two cells, ``a`` the reference. ``caveats`` say what else limits what the comparison means."""

    a: Side
    b: Side
    differences: tuple[Difference, ...]
    comparisons: tuple[Comparison, ...]
    caveats: tuple[str, ...]


class Compared(Struct, frozen=True, kw_only=True):
    """Everything that was compared. ``judged`` intervals have ``each_confidence``, all of them together 95 %."""

    pairs: tuple[Pair, ...]
    unmatched: tuple[Side, ...]
    margin: float
    judged: int
    each_confidence: float


class _Open(Struct, frozen=True, kw_only=True):
    """A comparison before it is known how many there are."""

    metric: str
    a: Measure | None
    b: Measure | None
    unlike: tuple[str, ...]

    @property
    def is_judged(self) -> bool:
        """Whether there is an interval to be had: a quantile of few requests has none."""
        return not self.unlike and _is_known(self.a) and _is_known(self.b)


def compare(
    sets: Sequence[Sequence[Side]],
    *,
    reference: Side | None = None,
    margin: float = MARGIN,
    wanted: Sequence[str] = (),
) -> Compared:
    """The cells of the first set against those of the others, or the cells of a single set against each other."""
    matched, unmatched = pairs_of(sets, reference)
    opened = [(a, b, differences(a, b)) for a, b in matched]
    lists = [list(_open(a, b, apart, wanted)) for a, b, apart in opened]
    judged = sum(each.is_judged for each_list in lists for each in each_list)
    confidence = 1 - (1 - CONFIDENCE) / max(1, judged)
    pairs = tuple(
        Pair(
            a=a,
            b=b,
            differences=tuple(apart),
            comparisons=tuple(_closed(each, _same_rounds(a, b), confidence, margin) for each in each_list),
            caveats=tuple(_caveats(a, b)),
        )
        for (a, b, apart), each_list in zip(opened, lists, strict=True)
    )
    return Compared(pairs=pairs, unmatched=tuple(unmatched), margin=margin, judged=judged, each_confidence=confidence)


def _open(a: Side, b: Side, apart: Sequence[Difference], wanted: Sequence[str]) -> Iterator[_Open]:
    ours, theirs = measures(a, wanted), measures(b, wanted)
    for metric in dict.fromkeys((*ours, *theirs)):
        here, there = ours.get(metric), theirs.get(metric)
        if here is None and there is None:
            continue
        if metric.startswith((MEMORY, ENERGY)) and (here is None or there is None):
            continue
        why = tuple(each.what for each in apart if each.bar(metric))
        yield _Open(metric=metric, a=here, b=there, unlike=why)
    for kind in (MEMORY, ENERGY):
        yield from _scopes_apart(kind, ours, theirs)


def _scopes_apart(kind: str, ours: dict[str, Measure], theirs: dict[str, Measure]) -> Iterator[_Open]:
    """Where both were measured, but in no scope in common."""
    here, there = ([name for name in each if name.startswith(kind)] for each in (ours, theirs))
    if here and there and not set(here) & set(there):
        yield _Open(metric=kind, a=ours[here[0]], b=theirs[there[0]], unlike=("scope",))


def _is_known(measure: Measure | None) -> bool:
    if measure is None:
        return False
    return len(measure.parts) > 1 or (bool(measure.values) and measure.figure.low is not None)


def _same_rounds(a: Side, b: Side) -> bool:
    """Whether both were measured by turns, in the same rounds of one run."""
    return a.run.started.id == b.run.started.id and a.cell.opened.entrant == b.cell.opened.entrant


def _closed(each: _Open, same_rounds: bool, confidence: float, margin: float) -> Comparison:
    if each.unlike:
        return _unjudged(each, "unlike", f"unlike: {', '.join(each.unlike)}")
    if each.a is None or each.b is None:
        return _unjudged(each, "too_few_trials", f"not known of {'A' if each.a is None else 'B'}")
    found = _quotient(each.a, each.b, same_rounds, confidence)
    if found is None:
        return _unjudged(each, "too_few_trials", "no ratio: one of them is zero, or as good as")
    ratio, in_rounds = found
    advantage = ratio if each.metric.endswith(RATES) else inverted(ratio)
    code = verdict(advantage, margin)
    words = in_words(code, advantage, margin, *_better_and_worse(each.metric))
    return Comparison(
        metric=each.metric,
        a=each.a.figure,
        b=each.b.figure,
        ratio=Figure(point=ratio.point, low=ratio.low, high=ratio.high, confidence=confidence, n=ratio.n),
        advantage=advantage,
        verdict=code,
        words=f"{times(ratio)}: a peak has no interval" if each.metric.startswith(MEMORY) else words,
        in_rounds=in_rounds,
        trials_wanted=trials_wanted(advantage, margin) if code == "too_few_trials" else None,
    )


def _unjudged(each: _Open, code: Code, words: str) -> Comparison:
    return Comparison(
        metric=each.metric,
        a=each.a.figure if each.a else None,
        b=each.b.figure if each.b else None,
        ratio=None,
        advantage=None,
        verdict=code,
        words=words,
        unlike=each.unlike,
    )


def _better_and_worse(metric: str) -> tuple[str, str]:
    return ("less", "more") if metric.startswith((MEMORY, ENERGY)) else ("faster", "slower")


def _quotient(a: Measure, b: Measure, same_rounds: bool, confidence: float) -> tuple[Interval, bool] | None:
    """b over a, and whether it was made round by round; None where it is no ratio."""
    in_rounds = _in_rounds(a, b) if same_rounds else None
    try:
        if in_rounds is not None:
            found = paired_quotient(*in_rounds, confidence)
        elif a.parts and b.parts:
            found = quotient(a.parts, b.parts, confidence)
        elif a.p is not None and a.values and b.values:
            found = quotient_of_quantiles(a.values, b.values, a.p, confidence)
        else:
            found = Interval(b.figure.point / a.figure.point, None, None, 1)
    except (ValueError, ArithmeticError):
        return None
    told = (found.point, found.low or found.point, found.high or found.point)
    return (found, in_rounds is not None) if all(1 / BEYOND < value < BEYOND for value in told) else None


def _in_rounds(a: Measure, b: Measure) -> tuple[list[tuple[float, float]], list[tuple[float, float]]] | None:
    """The trials of the rounds that both have; None where they are not all of one side's, or fewer than 3."""
    ours, theirs = dict(zip(a.rounds, a.parts, strict=False)), dict(zip(b.rounds, b.parts, strict=False))
    common = sorted(ours.keys() & theirs.keys())
    if len(common) < max(FEWEST_PAIRS, min(len(a.parts), len(b.parts))):
        return None
    return [ours[number] for number in common], [theirs[number] for number in common]


def _caveats(a: Side, b: Side) -> Iterator[str]:
    """Severe findings of either cell, and trials that resemble the ones before them."""
    ours, theirs = list(_limits(a)), list(_limits(b))
    for limit in dict.fromkeys((*ours, *theirs)):
        where = "A and B" if limit in ours and limit in theirs else "A" if limit in ours else "B"
        yield f"{where}: {limit}"


def _limits(side: Side) -> Iterator[str]:
    for finding in side.cell.findings:
        if finding.severity == "severe":
            yield finding.evidence
    measure = measures(side, ("decode_tps",)).get("decode_tps")
    found = lag_one([y / x for y, x in measure.parts if x]) if measure else None
    if found is not None and found.p < SURE and found.widening > 1:
        yield (
            f"its trials resemble the ones before them (r = {found.r:.1f}), so that its interval should be about "
            f"{found.widening:.1f} times as wide"
        )
