"""Exercises of level 1: one pass over the input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from bakeoff.quality.sets.families.exercises import Arguments, Exercise, integers, letters, sentence


def _lists(rng: Random, low: int = -50, high: int = 50) -> Sequence[Arguments]:
    sizes = (0, 1, 2, 5, 8, 12, 20, 30)
    return [(integers(rng, size, low, high),) for size in sizes] + [([7, 7, 7],)]


def _texts(rng: Random) -> Sequence[Arguments]:
    return [("",), ("a",), ("Otter",), *[(sentence(rng, count),) for count in (1, 3, 6, 10)], ("EVER so Aloof",)]


def _naturals(rng: Random) -> Sequence[Arguments]:
    return [(n,) for n in (0, 1, 2, 9, 10, *integers(rng, 5, 11, 400))]


def _two(rng: Random) -> tuple[int, int]:
    low, high = sorted(rng.sample(range(3, 12), 2))
    return low, high


def _labels(n: int, p: int, q: int) -> list[str]:
    return ["tick" * (k % p == 0) + "tock" * (k % q == 0) or str(k) for k in range(1, n + 1)]


def _labels_again(n: int, p: int, q: int) -> list[str]:
    said = [str(k) for k in range(n + 1)]
    said[::p] = ["tick"] * len(said[::p])
    for k in range(0, n + 1, q):
        said[k] = "ticktock" if k % p == 0 else "tock"
    return said[1:]


def _steps_again(values: list[int], p: int) -> int:
    if len(values) < 2:
        return 0
    return (max(values[:2]) - min(values[:2]) >= p) + _steps_again(values[1:], p)


def _kth_again(values: list[int], k: int) -> int | None:
    left = list(values)
    for _ in range(k - 1):
        left = [value for value in left if value != min(left)]
    return min(left, default=None)


EXERCISES = (
    Exercise(
        signature="sum_of_multiples(n: int) -> int",
        text="It returns the sum of all integers from 1 to n - 1 that are divisible by {0} or by {1}, each counted "
        "once. For n below 2 the sum is 0.",
        figures=_two,
        first=lambda n, p, q: sum(k for k in range(1, n) if k % p == 0 or k % q == 0),
        other=lambda n, p, q: sum(set(range(p, n, p)) | set(range(q, n, q))),
        arguments=_naturals,
    ),
    Exercise(
        signature="count_long_words(text: str) -> int",
        text="It returns how many words of the text have more than {0} characters. Words are separated by single "
        "spaces; an empty text has no words.",
        figures=lambda rng: (rng.randint(3, 6),),
        first=lambda text, p: sum(len(word) > p for word in text.split()),
        other=lambda text, p: len(re.findall(rf"(?:(?<= )|^)[^ ]{{{p + 1},}}(?= |$)", text)),
        arguments=_texts,
    ),
    Exercise(
        signature="every_nth(items: list) -> list",
        text="It returns every {0}th element of the list in order, beginning with the {0}th one.",
        figures=lambda rng: (rng.randint(4, 7),),
        first=lambda items, p: items[p - 1 :: p],
        other=lambda items, p: [item for place, item in enumerate(items, 1) if place % p == 0],
        arguments=_lists,
    ),
    Exercise(
        signature="count_letters(text: str) -> int",
        text="It returns how many characters of the text are one of the letters '{0}', counting capital and small "
        "letters alike.",
        figures=lambda rng: ("".join(sorted(rng.sample("aeilnorst", 4))),),
        first=lambda text, p: sum(character in p for character in text.lower()),
        other=lambda text, p: len(text) - len(re.sub(f"[{p}]", "", text, flags=re.IGNORECASE)),
        arguments=_texts,
    ),
    Exercise(
        signature="clamp(values: list[int]) -> list[int]",
        text="It returns the list with every value below {0} replaced by {0}, and every value above {1} replaced by "
        "{1}.",
        figures=_two,
        first=lambda values, p, q: [max(p, min(q, value)) for value in values],
        other=lambda values, p, q: [sorted((p, value, q))[1] for value in values],
        arguments=lambda rng: _lists(rng, -10, 25),
    ),
    Exercise(
        signature="digit_powers(n: int) -> int",
        text="For a non-negative integer n, it returns the sum of its decimal digits, each raised to the power {0}.",
        figures=lambda rng: (rng.randint(2, 5),),
        first=lambda n, p: sum(int(digit) ** p for digit in str(n)),
        other=lambda n, p: (n % 10) ** p + sum((n // 10**k % 10) ** p for k in range(1, 20)),
        arguments=_naturals,
    ),
    Exercise(
        signature="count_big_steps(values: list[int]) -> int",
        text="It returns how many times two neighbouring values of the list differ by at least {0}, upwards or "
        "downwards.",
        figures=lambda rng: (rng.randint(10, 40),),
        first=lambda values, p: sum(abs(values[k] - values[k - 1]) >= p for k in range(1, len(values))),
        other=_steps_again,
        arguments=_lists,
    ),
    Exercise(
        signature="labels(n: int) -> list[str]",
        text="It returns a list of n texts for the numbers from 1 to n: 'tick' for a multiple of {0}, 'tock' for a "
        "multiple of {1}, 'ticktock' for a multiple of both, and otherwise the number itself as text.",
        figures=_two,
        first=_labels,
        other=_labels_again,
        arguments=lambda rng: [(n,) for n in (0, 1, 2, 12, 40, rng.randint(60, 150))],
    ),
    Exercise(
        signature="drop_multiples(values: list[int]) -> list[int]",
        text="It returns the values that are not divisible by {0}, in reverse order.",
        figures=lambda rng: (rng.randint(2, 6),),
        first=lambda values, p: [value for value in reversed(values) if value % p],
        other=lambda values, p: [value for value in values if value // p * p != value][::-1],
        arguments=_lists,
    ),
    Exercise(
        signature="pad(n: int) -> str",
        text="It returns the non-negative integer n as decimal text, with '{0}' put before it until it has at least "
        "{1} characters.",
        figures=lambda rng: (rng.choice("*#_."), rng.randint(4, 8)),
        first=lambda n, p, q: str(n).rjust(q, p),
        other=lambda n, p, q: p * (q - len(str(n))) + str(n),
        arguments=lambda rng: [(n,) for n in (0, 7, 42, 999, 1234, 10**6, 123_456_789, rng.randint(10, 10**5))],
    ),
    Exercise(
        signature="kth_smallest(values: list[int]) -> int | None",
        text="It returns the {0}th smallest of the different values in the list, counting each value once however "
        "often it stands there, or None if there are fewer than {0} different values.",
        figures=lambda rng: (rng.randint(4, 6),),
        first=lambda values, k: sorted(set(values))[k - 1] if len(set(values)) >= k else None,
        other=_kth_again,
        arguments=lambda rng: _lists(rng, -6, 6),
    ),
    Exercise(
        signature="stutter(text: str) -> str",
        text="It returns the text with every vowel (a, e, i, o, u, small letters only) written {0} times in a row and "
        "every other character once.",
        figures=lambda rng: (rng.randint(2, 5),),
        first=lambda text, p: "".join(c * p if c in "aeiou" else c for c in text),
        other=lambda text, p: re.sub("[aeiou]", lambda found: found.group() * p, text),
        arguments=lambda rng: [*_texts(rng), (letters(rng, 12, "aeioubcdz"),)],
    ),
)
