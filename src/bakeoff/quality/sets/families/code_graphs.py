"""Exercises of level 3 on grids, graphs and a chessboard."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cache
from itertools import product
from random import Random

from bakeoff.quality.sets.families.exercises import Arguments, Exercise, integers, letters


def _grids(rng: Random) -> Sequence[Arguments]:
    shapes = ((1, 1), (1, 5), (3, 3), (4, 4), (5, 6), (7, 7))
    drawn: list[Arguments] = [
        (["".join(letters(rng, columns, "...#")) for _ in range(rows)],) for rows, columns in shapes
    ]
    return [*drawn, (["...", "...", "..."],), (["#"],), (["..#", "##.", "#.."],)]


def _paths(grid: list[str], p: int) -> int:
    ways: dict[tuple[int, int], int] = {}
    for r, row in enumerate(grid):
        for c, cell in enumerate(row):
            before = ways.get((r - 1, c), 0) + ways.get((r, c - 1), 0) + ways.get((r - 1, c - 1), 0)
            ways[r, c] = 0 if cell == "#" else 1 if r == c == 0 else before
    return ways[len(grid) - 1, len(grid[0]) - 1] % p


def _paths_again(grid: list[str], p: int) -> int:
    @cache
    def onwards(r: int, c: int) -> int:
        if r >= len(grid) or c >= len(grid[0]) or grid[r][c] == "#":
            return 0
        if (r, c) == (len(grid) - 1, len(grid[0]) - 1):
            return 1
        return onwards(r + 1, c) + onwards(r, c + 1) + onwards(r + 1, c + 1)

    return onwards(0, 0) % p


def _islands(grid: list[str], p: int) -> int:
    seen: set[tuple[int, int]] = set()
    count = 0
    for start in product(range(len(grid)), range(len(grid[0]))):
        stack, size = [start], 0
        while stack:
            r, c = stack.pop()
            if (r, c) in seen or not (0 <= r < len(grid) and 0 <= c < len(grid[0])) or grid[r][c] != ".":
                continue
            seen.add((r, c))
            size += 1
            stack += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
        count += size >= p
    return count


def _islands_again(grid: list[str], p: int) -> int:
    name = {(r, c): (r, c) for r, row in enumerate(grid) for c, cell in enumerate(row) if cell == "."}
    for _ in range(len(name)):
        for r, c in name:
            around = [(r, c), (r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
            name[r, c] = min(name[place] for place in around if place in name)
    named = list(name.values())
    return sum(named.count(one) >= p for one in set(named))


def _days(n: int, edges: list[list[int]], p: int) -> int:
    waits = {task: {before for before, after in edges if after == task} for task in range(n)}
    days = 0
    while waits:
        ready = {task for task, before in waits.items() if not before}
        if not ready:
            return -1
        days += p
        waits = {task: before - ready for task, before in waits.items() if task not in ready}
    return days


def _days_again(n: int, edges: list[list[int]], p: int) -> int:
    end = [p] * n
    for _ in range(n + 1):
        for before, after in edges:
            end[after] = max(end[after], end[before] + p)
    return max(end, default=0) if all(end[after] >= end[before] + p for before, after in edges) else -1


def _plans(rng: Random) -> Sequence[Arguments]:
    cases: list[Arguments] = [(0, []), (3, []), (2, [[0, 1], [1, 0]]), (3, [[0, 1], [1, 2], [2, 1]])]
    for n in (3, 5, 8, 12):
        pairs = [sorted(rng.sample(range(n), 2)) for _ in range(n + 2)]
        numbers = rng.sample(range(n), n)
        cases.append((n, [[numbers[a], numbers[b]] for a, b in pairs]))
    return cases


def _moves(start: list[int], goal: list[int], p: int, q: int) -> int:
    steps = [(a * i, b * j) for a, b in ((p, q), (q, p)) for i in (1, -1) for j in (1, -1)]
    far, queue = {(start[0], start[1]): 0}, deque([(start[0], start[1])])
    while queue:
        r, c = queue.popleft()
        for to in ((r + dr, c + dc) for dr, dc in steps):
            if to not in far and 0 <= to[0] < 8 and 0 <= to[1] < 8:
                far[to] = far[r, c] + 1
                queue.append(to)
    return far.get((goal[0], goal[1]), -1)


def _moves_again(start: list[int], goal: list[int], p: int, q: int) -> int:
    squares = list(product(range(8), repeat=2))
    far = {square: 0 if square == tuple(start) else 999 for square in squares}
    for _ in squares:
        for a, b in product(squares, repeat=2):
            if sorted((abs(a[0] - b[0]), abs(a[1] - b[1]))) == sorted((p, q)):
                far[b] = min(far[b], far[a] + 1)
    return far[goal[0], goal[1]] if far[goal[0], goal[1]] < 999 else -1


def _squares(rng: Random) -> Sequence[Arguments]:
    drawn = [(integers(rng, 2, 0, 7), integers(rng, 2, 0, 7)) for _ in range(6)]
    return [([0, 0], [0, 0]), ([0, 0], [7, 7]), *drawn]


EXERCISES = (
    Exercise(
        signature="count_paths(grid: list[str]) -> int",
        text="The grid is a list of texts of equal length, with '.' for a free cell and '#' for a blocked one. A path "
        "goes from the top left cell to the bottom right cell over free cells, each step going one cell right, one "
        "cell down, or one cell diagonally down and right. Return the number of paths modulo {0}. It is 0 if the "
        "first or last cell is blocked; if they are the same free cell, there is one path.",
        figures=lambda rng: (rng.choice((97, 101, 103, 107, 109, 113)),),
        first=_paths, other=_paths_again, arguments=_grids,
    ),
    Exercise(
        signature="count_islands(grid: list[str]) -> int",
        text="The grid is a list of texts of equal length, with '.' for land and '#' for water. Cells of land that "
        "touch along an edge belong to one island. Return the number of islands of at least {0} cells.",
        figures=lambda rng: (rng.randint(2, 5),),
        first=_islands, other=_islands_again, arguments=_grids,
    ),
    Exercise(
        signature="days_needed(n: int, edges: list[list[int]]) -> int",
        text="There are n tasks, numbered from 0 to n - 1. Each takes {0} days, and any number can be worked on at the "
        "same time. An edge [a, b] means that task a must be finished before task b is begun; edges may occur "
        "twice. Return how many days all tasks take at least, 0 if there are none, or -1 if it is impossible.",
        figures=lambda rng: (rng.randint(2, 9),),
        first=_days, other=_days_again, arguments=_plans,
    ),
    Exercise(
        signature="fewest_moves(start: list[int], goal: list[int]) -> int",
        text="A piece on a chessboard of 8 by 8 squares moves {0} squares along one direction (row or column) and {1} "
        "squares along the other, like a knight with other lengths, without leaving the board. Squares are lists "
        "[row, column] with numbers from 0 to 7. Return the smallest number of moves from start to goal, or -1 if it "
        "cannot get there.",
        figures=lambda rng: rng.choice(((1, 3), (1, 4), (2, 3), (2, 1), (3, 4))),
        first=_moves, other=_moves_again, arguments=_squares,
    ),
)  # fmt: skip
