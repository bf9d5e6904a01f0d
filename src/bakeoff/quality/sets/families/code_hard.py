"""Exercises of level 3: dynamic programming, intervals, a cache, a small grammar."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, pairwise
from random import Random

from bakeoff.quality.sets.families.exercises import Arguments, Exercise, integers, letters


def _lists(rng: Random, low: int = -20, high: int = 20) -> Sequence[Arguments]:
    return [(integers(rng, size, low, high),) for size in (0, 1, 2, 4, 6, 9, 11, 13)]


def _climb(values: list[int], p: int) -> int:
    best: list[int] = []
    for place, value in enumerate(values):
        before = [best[k] for k in range(place) if values[k] < value <= values[k] + p]
        best.append(1 + max(before, default=0))
    return max(best, default=0)


def _chosen(values: list[int], size: int) -> Iterable[tuple[int, ...]]:
    return combinations(values, size)


def _climb_again(values: list[int], p: int) -> int:
    fits = (
        n for n in range(len(values), 0, -1) for c in _chosen(values, n) if all(0 < b - a <= p for a, b in pairwise(c))
    )
    return next(fits, 0)


def _distance(a: str, b: str, p: int, q: int) -> int:
    row = [column * q for column in range(len(b) + 1)]
    for x in a:
        above, row = row, [row[0] + q]
        for place, y in enumerate(b):
            row.append(min(above[place] + (0 if x == y else p), above[place + 1] + q, row[place] + q))
    return row[-1]


def _distance_again(a: str, b: str, p: int, q: int) -> int:
    @cache
    def left(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return (len(a) - i + len(b) - j) * q
        if a[i] == b[j]:
            return left(i + 1, j + 1)
        return min(p + left(i + 1, j + 1), q + left(i + 1, j), q + left(i, j + 1))

    return left(0, 0)


def _coins(n: int, p: int, q: int, r: int) -> int:
    counts = [0] + [10**9] * n
    for total in range(1, n + 1):
        counts[total] = min((counts[total - coin] + 1 for coin in (p, q, r) if coin <= total), default=10**9)
    return counts[n] if counts[n] < 10**9 else -1


def _coins_again(n: int, p: int, q: int, r: int) -> int:
    fits = (a + b + (n - a * p - b * q) // r for a in range(n // p + 1) for b in range((n - a * p) // q + 1)
            if (n - a * p - b * q) % r == 0)  # fmt: skip
    return min(fits, default=-1)


def _evaluated(text: str) -> int:
    tokens = deque(re.findall(r"\d+|[+*()]", text))

    def product_of_sums() -> int:
        value = summed()
        while tokens and tokens[0] == "*":
            tokens.popleft()
            value *= summed()
        return value

    def summed() -> int:
        value = atom()
        while tokens and tokens[0] == "+":
            tokens.popleft()
            value += atom()
        return value

    def atom() -> int:
        first = tokens.popleft()
        if first != "(":
            return int(first)
        value = product_of_sums()
        tokens.popleft()
        return value

    return product_of_sums()


def _evaluated_again(text: str) -> int:
    while "(" in text:
        text = re.sub(r"\(([^()]+)\)", lambda inner: str(_evaluated_again(inner[1])), text)
    value = 1
    for part in text.split("*"):
        value *= sum(int(number) for number in part.split("+"))
    return value


def _formula(rng: Random, size: int) -> str:
    if size <= 1:
        return str(rng.randint(1, 12))
    left = rng.randint(1, size - 1)
    text = f"{_formula(rng, left)} {rng.choice('+*')} {_formula(rng, size - left)}"
    return f"({text})" if rng.random() < 0.4 else text


def _apart(values: list[int], p: int) -> int:
    best = [0]
    for place, value in enumerate(values):
        best.append(max(best[-1], value + best[max(0, place - p + 1)]))
    return best[-1]


def _apart_again(values: list[int], p: int) -> int:
    sums = [0]
    for size in range(1, len(values) + 1):
        for places in combinations(range(len(values)), size):
            far = all(b - a >= p for a, b in pairwise(places))
            sums.append(sum(values[place] for place in places) if far else 0)
    return max(sums)


def _rooms(bookings: list[list[int]], p: int) -> int:
    events = sorted([(start, 1) for start, _ in bookings] + [(end + p, -1) for _, end in bookings])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


def _rooms_again(bookings: list[list[int]], p: int) -> int:
    free: list[int] = []
    for start, end in sorted(bookings):
        fitting = [place for place, at in enumerate(free) if at <= start]
        if fitting:
            free[fitting[0]] = end + p
        else:
            free.append(end + p)
    return len(free)


def _bookings(rng: Random) -> Sequence[Arguments]:
    def some(count: int) -> list[list[int]]:
        starts = integers(rng, count, 0, 60)
        return [[start, start + rng.randint(1, 20)] for start in starts]

    return [([],), ([[0, 5], [5, 9]],), ([[0, 9], [1, 8], [2, 7]],), *[(some(n),) for n in (1, 4, 8, 15, 25)]]


def _splits(text: str, p: int) -> int:
    ways = [1] + [0] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - 4), end):
            if text[start] != "0" and 1 <= int(text[start:end]) <= p:
                ways[end] += ways[start]
    return ways[-1]


def _splits_again(text: str, p: int) -> int:
    if not text:
        return 1
    heads = [str(number) for number in range(1, p + 1)]
    return sum(_splits_again(text[len(head) :], p) for head in heads if text.startswith(head))


def _hits(keys: list[int], p: int) -> int:
    kept: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in keys:
        hits += key in kept
        kept[key] = None
        kept.move_to_end(key)
        if len(kept) > p:
            kept.popitem(last=False)
    return hits


def _hits_again(keys: list[int], p: int) -> int:
    hits = 0
    for place, key in enumerate(keys):
        earlier = [k for k in range(place) if keys[k] == key]
        hits += bool(earlier) and len(set(keys[earlier[-1] + 1 : place])) < p
    return hits


EXERCISES = (
    Exercise(
        signature="longest_climb(values: list[int]) -> int",
        text="It returns the length of the longest subsequence (elements in their order, with gaps or none) in which "
        "every element is greater than the one before it by at least 1 and at most {0}. An empty list has 0.",
        figures=lambda rng: (rng.randint(4, 9),),
        first=_climb, other=_climb_again, arguments=_lists,
    ),
    Exercise(
        signature="distance(a: str, b: str) -> int",
        text="It returns the lowest total cost of turning text a into text b, where replacing a character by another "
        "costs {0}, and inserting or deleting a character costs {1}.",
        figures=lambda rng: rng.choice(((3, 2), (5, 3), (5, 4), (2, 3), (7, 4))),
        first=_distance, other=_distance_again,
        arguments=lambda rng: [("", ""), ("abc", ""), ("abc", "abc"), ("kitten", "sitting"),
                               *[(letters(rng, n), letters(rng, n + 2)) for n in (3, 8, 14)]],
    ),
    Exercise(
        signature="fewest_coins(n: int) -> int",
        text="It returns the smallest number of coins that add up to exactly n, with as many coins of {0}, {1} and {2} "
        "as needed, or -1 if that is impossible. For n = 0 it is 0.",
        figures=lambda rng: tuple(sorted(rng.sample(range(4, 30), 3))),
        first=_coins, other=_coins_again,
        arguments=lambda rng: [(n,) for n in (0, 1, 3, 29, 30, 58, 100, *integers(rng, 5, 40, 300))],
    ),
    Exercise(
        signature="evaluate(text: str) -> int",
        text="The text is an expression of non-negative integers, +, *, round brackets and spaces. Unlike in usual "
        "arithmetic, + binds more tightly than *: '{0} * {1} + 1' means {0} * ({1} + 1). Return the value of the "
        "expression.",
        figures=lambda rng: tuple(rng.sample(range(2, 10), 2)),
        first=lambda text, *_: _evaluated(text), other=lambda text, *_: _evaluated_again(text),
        arguments=lambda rng: [("7",), ("1 + 2 * 3 + 4",), ("2*(3*4+1)",), *[(_formula(rng, n),) for n in (3, 6, 12)]],
    ),
    Exercise(
        signature="best_apart(values: list[int]) -> int",
        text="It returns the largest sum of values that can be chosen from the list so that the positions of any two "
        "chosen ones differ by at least {0}. Choosing none is allowed and gives 0.",
        figures=lambda rng: (rng.randint(2, 4),),
        first=_apart, other=_apart_again, arguments=_lists,
    ),
    Exercise(
        signature="rooms_needed(bookings: list[list[int]]) -> int",
        text="Each booking is a list [start, end] of whole minutes with start < end. After every booking its room is "
        "cleaned for {0} minutes, and a booking may start at the very minute at which the cleaning ends. Return the "
        "smallest number of rooms in which all bookings can be held. The input is in no order.",
        figures=lambda rng: (rng.randint(2, 9),),
        first=_rooms, other=_rooms_again, arguments=_bookings,
    ),
    Exercise(
        signature="count_splits(text: str) -> int",
        text="The text holds digits only. Return in how many ways it can be cut into consecutive parts that are each "
        "a number from 1 to {0} without leading zeros. The empty text can be cut in one way.",
        figures=lambda rng: (rng.choice((19, 26, 31, 45, 99, 120)),),
        first=_splits, other=_splits_again,
        arguments=lambda rng: [(text,) for text in ("", "0", "1", "10", "101", "1200")]
        + [(letters(rng, size, "01123459"),) for size in (4, 7, 10)],
    ),
    Exercise(
        signature="count_hits(keys: list[int]) -> int",
        text="A cache holds at most {0} keys and is empty at first. The keys are asked for in order. A key that is in "
        "the cache is a hit. After each request, the key is in the cache; if there is no room for it, the key whose "
        "last request is longest ago is thrown out first. Return the number of hits.",
        figures=lambda rng: (rng.randint(2, 5),),
        first=_hits, other=_hits_again,
        arguments=lambda rng: [([],), ([1, 1, 1],), *[(integers(rng, n, 1, 7),) for n in (5, 12, 25, 50)]],
    ),
)  # fmt: skip
