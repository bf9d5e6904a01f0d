"""Two subjects on the same tasks, in sentences and as one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bakeoff.analysis.quality_pairs import MOST_SHARE, Change, Pair
from bakeoff.stats.verdicts import percent
from bakeoff.units import one_line, significant

MOST_NAMED = 4
"""Tasks that only one had right, of which the names are shown."""
_THINKING = {
    "output_tokens": "tokens an answer",
    "steps": "steps",
    "verifications": "passages that verify",
    "loops": "answers that end in a loop",
    "ttfa_s": "seconds to the first word of the answer",
    "seconds": "seconds an answer",
}
"""What is told of the change in thinking; the rest is in ``--json``."""


def pair_sentences(pair: Pair, comparisons: int) -> Iterator[str]:
    """The verdict, what it rests on, what could have been seen, and the change in thinking."""
    yield verdict_words(pair)
    if pair.difference is not None and pair.p is not None:
        a_only, b_only = len(pair.flips.a_only), len(pair.flips.b_only)
        corrected = f", {_p(pair.p_adjusted)} for {comparisons} comparisons" if comparisons > 1 else ""
        alone = f"{a_only} came out right with {one_line(pair.a)} alone{_named(pair.flips.a_only)}"
        alone += f" and {b_only} with {one_line(pair.b)} alone{_named(pair.flips.b_only)}"
        yield f"Of {pair.items} tasks, {alone}: {pair.test}, {_p(pair.p)}{corrected}."
    visible = pair.smallest_visible_difference
    if pair.verdict in ("no_difference_seen", "equivalent", "better", "worse", "near_ties"):
        yield visible_words(pair, visible)
    yield from (line for line in (_thinking(pair, name, what) for name, what in _THINKING.items()) if line)


def verdict_words(pair: Pair) -> str:
    """The sentence that answers."""
    a, b = one_line(pair.a), one_line(pair.b)
    by = _difference(pair)
    match pair.verdict:
        case "better":
            return f"{b} is right more often than {a}, by {by}."
        case "worse":
            return f"{b} is right less often than {a}, by {by}."
        case "equivalent":
            return f"{b} and {a} are equivalent within ±{percent(pair.margin or 0)}: they differ by {by}."
        case "near_ties":
            return (
                f"{b} and {a} are the same weights, and their greedy answers part where two tokens are about as "
                f"likely: {pair.answers - pair.same_texts} of {pair.answers} texts differ. The accuracies differ by "
                f"{by}, which near-ties explain: that is no loss of quality."
            )
        case "no_difference_seen":
            return f"No difference seen between {b} and {a}: {by}."
        case "truncated" | "ungraded":
            words = "were cut by the token limit" if pair.verdict == "truncated" else "could not be graded"
            return f"No verdict on {b} against {a}: more than {percent(MOST_SHARE)} of answers {words}."
        case "too_few_items":
            return f"Too few tasks to tell {b} from {a}: {pair.items}. Ask for more with --items."


def visible_words(pair: Pair, visible: float | None) -> str:
    """What this design could have shown, so that nothing seen is not read as nothing there."""
    asked = f"{pair.items} tasks" + (f" with {pair.samples} samples" if pair.samples > 1 else "")
    if visible is None:
        return f"{asked} show no difference however large: ask for more tasks with --items."
    more = "" if visible <= 0.02 else " More tasks (--items) or samples (--samples) show smaller ones."
    return f"{asked} show a difference of {_points(visible)} in four of five runs, and seldom a smaller one.{more}"


def _difference(pair: Pair) -> str:
    figure = pair.difference
    if figure is None:
        return "an unknown amount"
    point = _points(abs(figure.point) if pair.verdict in ("better", "worse") else figure.point)
    if figure.low is None or figure.high is None:
        return point
    low, high = sorted((figure.low, figure.high))
    if pair.verdict == "worse":
        low, high = -high, -low
    return f"{point} ({100 * low:.1f} to {100 * high:.1f})"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _named(items: Sequence[str]) -> str:
    """The first of them; ``--json`` has them all."""
    if not items:
        return ""
    more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return f" ({', '.join(one_line(item)[:60] for item in items[:MOST_NAMED])}{more})"


def _p(p: float | None) -> str:
    if p is None:
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {significant(p, 2)}"


def _thinking(pair: Pair, name: str, what: str) -> str | None:
    """One figure of thinking: how it changed, or that no change is seen; what neither has is left out."""
    found = pair.thinking.get(name)
    if found is None or found.a == found.b == 0:
        return None
    low, high = found.difference.low, found.difference.high
    bounds = "" if low is None or high is None else f" ({_signed(low)} to {_signed(high)})"
    seen = "" if found.seen else ", no change seen"
    moved = f"{significant(found.a, 3)} → {significant(found.b, 3)}, {_signed(found.difference.point)}{bounds}"
    return f"  {what}: {moved}{seen}."


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "±") + significant(abs(value), 2)


def pair_document(pair: Pair) -> dict[str, Any]:
    """Everything that was compared, as plain values."""
    a_only, b_only = pair.flips.a_only, pair.flips.b_only
    return {
        "a": pair.a,
        "b": pair.b,
        "items": pair.items,
        "samples": pair.samples,
        "difference": msgspec.to_builtins(pair.difference),
        "flips": {"a_only": len(a_only), "b_only": len(b_only)},
        "flipped_items": {"a_only": list(a_only), "b_only": list(b_only)},
        "p": pair.p,
        "p_adjusted": pair.p_adjusted,
        "test": pair.test,
        "interval": pair.interval,
        "smallest_visible_difference": pair.smallest_visible_difference,
        "margin": pair.margin,
        "verdict": pair.verdict,
        "words": verdict_words(pair),
        "same_texts": pair.same_texts,
        "answers": pair.answers,
        "thinking": {name: _change(found) for name, found in pair.thinking.items()},
    }


def _change(found: Change | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "a": found.a,
        "b": found.b,
        "difference": msgspec.to_builtins(found.difference),
        "ratio": msgspec.to_builtins(found.ratio),
        "seen": found.seen,
    }
