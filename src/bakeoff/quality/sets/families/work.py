"""Pumps and workers: rates that add up, start late, or are known only in pairs."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers
from bakeoff.quality.tasks import Task


def draft(rng: Random, level: int) -> Draft | None:
    """Two pumps or a team; then one that starts late or a drain; then three that are known in pairs, or leave early."""
    if level == 1:
        return fitting(rng, _together, _team)
    if level == 2:
        return fitting(rng, _late, _drain)
    return fitting(rng, _pairs, _leaves)


def _together(rng: Random) -> Draft | None:
    first, other = rng.sample(range(20, 181, 4), 2)
    minutes = 1 / (Fraction(1, first) + Fraction(1, other))
    question = (
        f"One pump fills a tank in {first} minutes, another fills the same tank in {other} minutes. "
        "How many minutes do they need when both run at the same time?"
    )
    return _whole(question, minutes)


def _team(rng: Random) -> Draft | None:
    workers, days, more = rng.randrange(3, 13), rng.randrange(6, 31), rng.randrange(2, 10)
    needed = Fraction(workers * days, workers + more)
    question = (
        f"{workers} workers need {days} days to pave a yard. All work at the same rate. "
        f"How many days would {workers + more} workers need?"
    )
    return number_draft(question, needed, "days") if needed.denominator == 1 else None


def _late(rng: Random) -> Draft | None:
    first, other = rng.sample(range(30, 241, 6), 2)
    alone = rng.randrange(5, min(first, 60), 5)
    minutes = alone + (1 - Fraction(alone, first)) / (Fraction(1, first) + Fraction(1, other))
    question = (
        f"A printer can do a job alone in {first} minutes, a second printer in {other} minutes. The first one starts, "
        f"and after {alone} minutes the second one joins it. How many minutes does the whole job take, from the "
        "first one's start?"
    )
    return _whole(question, minutes)


def _drain(rng: Random) -> Draft | None:
    tap, drain = sorted(rng.sample(range(12, 121, 4), 2))
    share = rng.choice((2, 3, 4))
    minutes = (1 - Fraction(1, share)) / (Fraction(1, tap) - Fraction(1, drain))
    question = (
        f"A tap fills an empty basin in {tap} minutes when the drain is closed. The drain empties a full basin in "
        f"{drain} minutes when the tap is closed. The basin is now one {_SHARES[share]} full, and both are open. "
        "After how many minutes is it full?"
    )
    return _whole(question, minutes)


_SHARES = {2: "half", 3: "third", 4: "quarter"}


def _pairs(rng: Random) -> Draft | None:
    a, b, c = (Fraction(1, minutes) for minutes in rng.sample(range(20, 181, 10), 3))
    together = [1 / (a + b), 1 / (b + c), 1 / (a + c)]
    if any(minutes.denominator != 1 for minutes in together):
        return None
    question = (
        f"Three pumps A, B and C fill a pool. A and B together need {together[0]} minutes, B and C together need "
        f"{together[1]} minutes, and A and C together need {together[2]} minutes. How many minutes does pump A need "
        "alone?"
    )
    return _whole(question, 1 / a)


def _leaves(rng: Random) -> Draft | None:
    a, b, c = rng.sample(range(30, 241, 10), 3)
    first, then = rng.randrange(5, 31, 5), rng.randrange(5, 31, 5)
    done = first * Fraction(1, a) + then * (Fraction(1, a) + Fraction(1, b))
    minutes = first + then + (1 - done) / (Fraction(1, b) + Fraction(1, c))
    if done >= 1:
        return None
    question = (
        f"Alone, machine A fills an order in {a} minutes, machine B in {b} minutes and machine C in {c} minutes. "
        f"A starts alone. {first} minutes later B joins it. {then} minutes after B has joined, A breaks down, and C "
        "takes its place beside B at once. How many minutes after A's start is the order filled?"
    )
    return _whole(question, minutes)


def _whole(question: str, minutes: Fraction) -> Draft | None:
    return number_draft(question, minutes, "minutes") if minutes.denominator == 1 else None


def second(task: Task) -> Any:
    """By doing the work minute by minute; three in pairs by trying every whole number for A."""
    story = task.prompt.partition("\n\n")[0]
    figures = numbers(story)
    if "workers" in story:
        workers, days, more = figures
        return number_target(next(d for d in range(1, 1000) if d * more == workers * days), "days")
    if "Three pumps" in story:
        return number_target(_tried(figures), "minutes")
    return number_target(_worked(story, figures), "minutes")


def _tried(together: list[Fraction]) -> int:
    for minutes in range(1, 1000):
        b = 1 / together[0] - Fraction(1, minutes)
        if b > 0 and 1 / together[1] - b + Fraction(1, minutes) == 1 / together[2]:
            return minutes
    raise ValueError("no whole number of minutes")


def _worked(story: str, figures: list[Fraction]) -> int:
    done = Fraction(0)
    if "drain" in story:
        done = next(Fraction(1, share) for share, name in _SHARES.items() if f"one {name} full" in story)
    minute = 0
    while done < 1:
        done += _rate(story, figures, minute)
        minute += 1
        if minute > 100_000:
            raise ValueError("it is never done")
    if done > 1:
        raise ValueError("not a whole number of minutes")
    return minute


def _rate(story: str, figures: list[Fraction], minute: int) -> Fraction:
    """The part of the work that is done in this minute."""
    if "drain" in story:
        return 1 / figures[0] - 1 / figures[1]
    if "printer" in story:
        return 1 / figures[0] + (1 / figures[1] if minute >= figures[2] else 0)
    if "machine" in story:
        a, b, c, first, then = figures
        on = {a: minute < first + then, b: minute >= first, c: minute >= first + then}
        return sum((1 / alone for alone, runs in on.items() if runs), Fraction(0))
    return 1 / figures[0] + 1 / figures[1]


FAMILY = Family(name="work", kind="word problems", draft=draft, second=second)
