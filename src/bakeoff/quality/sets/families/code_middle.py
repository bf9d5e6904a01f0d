"""Exercises of level 2: a few rules together, or a second data structure."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, groupby
from random import Random

from bakeoff.quality.sets.families.exercises import Arguments, Exercise, integers, letters, sentence

_DIGITS = string.digits + string.ascii_lowercase


def _lists(rng: Random, low: int = -50, high: int = 50) -> Sequence[Arguments]:
    return [(integers(rng, size, low, high),) for size in (0, 1, 2, 4, 7, 12, 20, 40)]


def _runs(text: str, p: int) -> str:
    groups = ((character, len(list(group))) for character, group in groupby(text))
    return "".join(f"{character}{count}" if count >= p else character * count for character, count in groups)


def _intervals(rng: Random) -> Sequence[Arguments]:
    cases: list[Arguments] = [([],), ([[3, 3]],), ([[5, 9], [1, 2]],)]
    for count in (3, 6, 10):
        starts = integers(rng, count, 0, 80)
        cases.append(([[start, start + rng.randint(0, 9)] for start in starts],))
    return cases


def _merged(intervals: list[list[int]], p: int) -> list[list[int]]:
    merged: list[list[int]] = []
    for start, end in sorted(intervals):
        if merged and start - merged[-1][1] <= p:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def _merged_again(intervals: list[list[int]], p: int) -> list[list[int]]:
    left = [list(one) for one in intervals]
    for one, other in combinations(left, 2):
        if one[0] - p <= other[1] and other[0] - p <= one[1]:
            rest = [each for each in left if each is not one and each is not other]
            return _merged_again([*rest, [min(one[0], other[0]), max(one[1], other[1])]], p)
    return sorted(left)


def _shifted(text: str, p: int, q: int) -> str:
    def shift(c: str) -> str:
        if c in string.ascii_lowercase:
            return chr((ord(c) - 97 + p) % 26 + 97)
        return chr((ord(c) - 65 - q) % 26 + 65) if c in string.ascii_uppercase else c

    return "".join(map(shift, text))


def _shifted_again(text: str, p: int, q: int) -> str:
    small, large = string.ascii_lowercase, string.ascii_uppercase
    return text.translate(str.maketrans(small + large, small[p:] + small[:p] + large[-q:] + large[:-q]))


def _in_base(n: int, p: int) -> str:
    text = ""
    while n or not text:
        n, digit = divmod(n, p)
        text = _DIGITS[digit] + text
    return text


def _in_base_again(n: int, p: int) -> str:
    power = max((k for k in range(64) if p**k <= n), default=0)
    return "".join(_DIGITS[n // p**k % p] for k in range(power, -1, -1))


def _depth(text: str, p: int) -> int:
    closing, stack, deepest = {")": "(", "]": "[", "}": "{"}, [""], 0
    for c in text:
        if c in closing.values():
            stack.append(c)
        elif c in closing and stack.pop() != closing[c]:
            return -1
        deepest = max(deepest, len(stack) - 1)
    return deepest if stack == [""] and deepest <= p else -1


def _depth_again(text: str, p: int) -> int:
    left, rounds = re.sub(r"[^()\[\]{}]", "", text), 0
    while left and rounds <= p:
        marked = re.sub(r"\(\)|\[\]|\{\}", ".", left)
        while (wider := re.sub(r"\.\.", ".", marked)) != marked:
            marked = wider
        if marked == left:
            return -1
        left, rounds = re.sub(r"(?<![(\[{])\.|\.(?![)\]}])", "", marked), rounds + 1
        left = re.sub(r"([(\[{])\.([)\]}])", r"\1\2", left)
    return rounds if not left and rounds <= p else -1


def _brackets(rng: Random) -> Sequence[Arguments]:
    fixed = (
        "",
        "abc",
        "()",
        "(]",
        "([{}])",
        "(((())))",
        "a(b[c]d)e{f}",
        "(()",
        "())",
        "{[(x)]}[]((()))",
        "[[[[[[]]]]]]",
    )
    return [(text,) for text in (*fixed, "(" * rng.randint(2, 9), "()[]" * rng.randint(2, 9), ")(", "[(])")]


def _left_over(n: int, p: int) -> int:
    place = 0
    for size in range(2, n + 1):
        place = (place + p) % size
    return place + 1


def _left_over_again(n: int, p: int) -> int:
    circle, at = list(range(1, n + 1)), 0
    while len(circle) > 1:
        at = (at + p - 1) % len(circle)
        del circle[at]
    return circle[0]


def _common_again(text: str, p: int) -> list[str]:
    words = text.split()
    found: list[str] = []
    while len(found) < p and len(found) < len(set(words)):
        left = [word for word in sorted(set(words)) if word not in found]
        found.append(max(left, key=words.count))
    return found


def _quarter(matrix: list[list[int]]) -> list[list[int]]:
    return [[row[column] for row in reversed(matrix)] for column in range(len(matrix[0]))] if matrix else []


def _turned(matrix: list[list[int]], p: int) -> list[list[int]]:
    return _turned(_quarter(matrix), p - 1) if p else matrix


def _turned_again(matrix: list[list[int]], p: int) -> list[list[int]]:
    rows, columns = len(matrix), len(matrix[0]) if matrix else 0
    if p == 2:
        return [[matrix[rows - 1 - r][columns - 1 - c] for c in range(columns)] for r in range(rows)]
    if p == 3:
        return [[matrix[r][columns - 1 - c] for r in range(rows)] for c in range(columns)]
    return [[matrix[rows - 1 - r][c] for r in range(rows)] for c in range(columns)]


def _matrices(rng: Random) -> Sequence[Arguments]:
    shapes = ((1, 1), (1, 4), (3, 1), (2, 3), (4, 4), (5, 2))
    return [([integers(rng, columns) for _ in range(rows)],) for rows, columns in shapes]


EXERCISES = (
    Exercise(
        signature="shorten_runs(text: str) -> str",
        text="In the text, every run of at least {0} equal characters is replaced by that character and the length of "
        "the run in decimal digits; shorter runs stay as they are. A run is as long as it can be. The text holds "
        "small letters only. Return the new text.",
        figures=lambda rng: (rng.randint(3, 5),),
        first=_runs,
        other=lambda text, p: re.sub(rf"(.)\1{{{p - 1},}}", lambda m: f"{m[1]}{len(m[0])}", text),
        arguments=lambda rng: [("",), ("a",), ("aaaaaaaaaaaa",), *[(letters(rng, n, "ab"),) for n in (6, 15, 30, 60)]],
    ),
    Exercise(
        signature="merge(intervals: list[list[int]]) -> list[list[int]]",
        text="Each interval is a list [start, end] with start <= end. Intervals that overlap, touch, or have a gap of "
        "at most {0} between the end of one and the start of the other are merged into one, as long as any can be "
        "merged. Return the intervals that result as lists [start, end], sorted by start. The input is in no order.",
        figures=lambda rng: (rng.randint(1, 4),),
        first=_merged,
        other=_merged_again,
        arguments=_intervals,
    ),
    Exercise(
        signature="encode(text: str) -> str",
        text="It returns the text with every small letter a-z moved {0} places forward in the alphabet and every "
        "capital letter A-Z moved {1} places backward, both going round at the ends. Other characters stay.",
        figures=lambda rng: tuple(rng.sample(range(2, 25), 2)),
        first=_shifted,
        other=_shifted_again,
        arguments=lambda rng: [("",), ("xyz ABC",), ("Hello, World! 42",), ("aZ" * 5,), (sentence(rng, 6).title(),)],
    ),
    Exercise(
        signature="in_base(n: int) -> str",
        text="It returns the non-negative integer n written in base {0}, with the small letters a, b, c, ... for the "
        "digits from 10 on, and without leading zeros; 0 is '0'.",
        figures=lambda rng: (rng.choice((3, 5, 7, 11, 12, 13, 17, 20, 23)),),
        first=_in_base,
        other=_in_base_again,
        arguments=lambda rng: [(n,) for n in (0, 1, 2, 10, 23, 35, 36, 1000, 10**9, *integers(rng, 4, 100, 10**6))],
    ),
    Exercise(
        signature="nesting(text: str) -> int",
        text="It returns how deeply the brackets (), [] and {{}} in the text are nested: 0 without any, 1 for '()', 2 "
        "for '([])'. Other characters are ignored. It returns -1 if the brackets do not match properly, and also if "
        "they are nested more deeply than {0}.",
        figures=lambda rng: (rng.randint(3, 5),),
        first=_depth,
        other=_depth_again,
        arguments=_brackets,
    ),
    Exercise(
        signature="best_window(values: list[int]) -> int | None",
        text="It returns the largest sum of {0} consecutive values of the list, or None if the list has fewer than "
        "{0} values.",
        figures=lambda rng: (rng.randint(3, 6),),
        first=lambda v, p: max((sum(v[k : k + p]) for k in range(len(v) - p + 1)), default=None),
        other=lambda v, p: max((sum(c) for c in zip(*(v[k:] for k in range(p)), strict=False)), default=None),
        arguments=_lists,
    ),
    Exercise(
        signature="by_remainder(values: list[int]) -> list[list[int]]",
        text="It returns {0} lists: the first holds the values whose remainder on division by {0} is 0, the next those "
        "with remainder 1, and so on. Each keeps the order of the input. Remainders are never negative: -1 has "
        "remainder {0} - 1.",
        figures=lambda rng: (rng.randint(3, 7),),
        first=lambda values, p: [[value for value in values if value % p == r] for r in range(p)],
        other=lambda values, p: [[v for v in values if (v - r) // p * p == v - r] for r in range(p)],
        arguments=_lists,
    ),
    Exercise(
        signature="count_pairs(values: list[int]) -> int",
        text="It returns the number of pairs of positions i < j in the list whose values add up to a multiple of {0}.",
        figures=lambda rng: (rng.randint(3, 9),),
        first=lambda values, p: sum((a + b) % p == 0 for a, b in combinations(values, 2)),
        other=lambda values, p: sum(
            sum(1 for earlier in values[:place] if earlier % p == -value % p) for place, value in enumerate(values)
        ),
        arguments=_lists,
    ),
    Exercise(
        signature="by_columns(text: str) -> str",
        text="The text is written in rows of {0} characters; the last row may be shorter. It returns what is read "
        "column by column, each from top to bottom, the first column first.",
        figures=lambda rng: (rng.randint(3, 7),),
        first=lambda text, p: "".join(text[column::p] for column in range(p)),
        other=lambda text, p: "".join(c for _, c in sorted(enumerate(text), key=lambda pair: (pair[0] % p, pair[0]))),
        arguments=lambda rng: [("",), ("ab",), *[(letters(rng, n, string.ascii_lowercase),) for n in (5, 12, 21, 40)]],
    ),
    Exercise(
        signature="last_one(n: int) -> int",
        text="n people, numbered from 1 to n, stand in a circle. Counting begins with person 1, and every {0}th person "
        "leaves; counting goes on with the next one who still stands there, until one is left. Return that person's "
        "number, for n >= 1.",
        figures=lambda rng: (rng.randint(4, 9),),
        first=_left_over,
        other=_left_over_again,
        arguments=lambda rng: [(n,) for n in (1, 2, 3, 5, 10, 41, *integers(rng, 3, 50, 400))],
    ),
    Exercise(
        signature="most_common(text: str) -> list[str]",
        text="It returns the {0} words that occur most often in the text, most frequent first, and words that occur "
        "equally often in alphabetical order; if there are fewer different words, all of them. Words are separated "
        "by spaces.",
        figures=lambda rng: (rng.randint(2, 5),),
        first=lambda text, p: [w for w, _ in sorted(Counter(text.split()).items(), key=lambda e: (-e[1], e[0]))[:p]],
        other=_common_again,
        arguments=lambda rng: [("",), ("b a",), *[(" ".join(letters(rng, n, "abcdefg")),) for n in (5, 12, 30)]],
    ),
    Exercise(
        signature="turn(matrix: list[list[int]]) -> list[list[int]]",
        text="It returns the matrix, given as a list of rows of equal length, turned clockwise by {0} quarter turns. "
        "The matrix has at least one row and one column.",
        figures=lambda rng: (rng.randint(1, 3),),
        first=_turned,
        other=_turned_again,
        arguments=_matrices,
    ),
)
