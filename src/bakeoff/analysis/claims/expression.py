"""Sums over claims and constants, as text: ``calls * tokens * price / 1e6``. Read and worked out by hand, never run.

    sum      = product {("+" | "-") product}
    product  = factor {("*" | "×" | "/" | "÷") factor}
    factor   = ["-"] atom
    atom     = number | name | function "(" sum {"," sum} ")" | "(" sum ")"

``low(ID)``, ``high(ID)`` and ``mid(ID)`` are an end and the middle of a claim's range; ``min`` and ``max`` take sums.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from bakeoff.economics.ranges import Range, extremes
from bakeoff.errors import UsageError
from bakeoff.units import significant

LONGEST = 400
DEEPEST = 40
LONG = 1e15
"""From here on numbers are told by their power of ten."""
ENDS = ("low", "high", "mid")
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d{1,2})?)|(?P<name>[a-z]\w*)|(?P<sign>[-+*/×÷(),]))")
_SIGNS = {"×": "*", "÷": "/"}


class Node(Struct, frozen=True):
    """A number, a name, or an operation on others: a sign, ``neg``, or one of the functions."""

    kind: str
    parts: tuple[Node, ...] = ()
    number: float = 0.0
    name: str = ""


def parse_expression(text: str) -> Node:
    """The sum that a text means. Raises UsageError with the place of what cannot be read."""
    if len(text) > LONGEST:
        raise UsageError(f"a sum has at most {LONGEST} characters.")
    return _Reader(text).whole()


def names(node: Node) -> set[str]:
    """Every claim and constant that a sum is over."""
    if node.kind == "name":
        return {node.name}
    return {name for part in node.parts for name in names(part)}


def mixed_units(node: Node, units: Mapping[str, str], dimensions: Mapping[str, str]) -> tuple[str, str] | None:
    """Two units that a sum adds, compares or divides though they are not one; None where there are none.

    ``units`` are those of the names that have one. What a number is multiplied or divided with may be another unit's,
    and is not followed.
    """
    return next(_mixed(node, units, dimensions), None)


def _mixed(node: Node, units: Mapping[str, str], dimensions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for part in node.parts:
        yield from _mixed(part, units, dimensions)
    known = [unit for part in node.parts if (unit := _unit(part, units)) is not None]
    for other in known[1:]:
        alike = dimensions[known[0]] == dimensions[other]
        if known[0] != other and (node.kind in ("+", "-", "min", "max") or (node.kind == "/" and alike)):
            yield known[0], other


def _unit(node: Node, units: Mapping[str, str]) -> str | None:
    """The unit that a part comes out in, where that is sure."""
    if node.kind == "name":
        return units.get(node.name)
    if node.kind in ("*", "/"):
        return None
    return next((unit for part in node.parts if (unit := _unit(part, units)) is not None), None)


def evaluate(node: Node, values: Mapping[str, Range]) -> Range:
    """The sum at the middles of its ranges, and its least and greatest value over all their corners.

    Raises UsageError where it divides by zero, or comes to more than a number can hold.
    """
    free = {name: values[name] for name in _moving(node)}
    try:
        found = extremes(free, lambda chosen: _at(node, chosen, values))
    except ZeroDivisionError as error:
        raise UsageError("the sum divides by zero.") from error
    if not all(map(math.isfinite, (found.low, found.point, found.high))):
        raise UsageError("the sum comes to a number that is too large to be told.")
    return found


def worked_out(node: Node, values: Mapping[str, Range]) -> str:
    """The sum with its numbers in the place of names: ``(120 + 180) / (120 / 60 + 180 / 90)``."""
    match node.kind:
        case "number":
            return _figure(node.number)
        case "name":
            value = values[node.name]
            return _figure(value.point) if value.certain else f"[{_figure(value.low)}–{_figure(value.high)}]"
        case "neg":
            return f"-{_inside(node.parts[0], node, values)}"
        case "+" | "-" | "*" | "/":
            sign = {"*": "×"}.get(node.kind, node.kind)
            return f"{_inside(node.parts[0], node, values)} {sign} {_inside(node.parts[1], node, values, right=True)}"
        case "low" | "high" | "mid":
            return _figure(_end(node, values))
    return f"{node.kind}({', '.join(worked_out(part, values) for part in node.parts)})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < LONG and value == int(value) else f"{value:.6g}"


_RANK = {"+": 1, "-": 1, "neg": 2, "*": 3, "/": 3}


def _inside(part: Node, whole: Node, values: Mapping[str, Range], right: bool = False) -> str:
    """A part in brackets where it needs them."""
    text = worked_out(part, values)
    own, rank = _RANK.get(part.kind, 9), _RANK[whole.kind]
    needs = own < rank or (right and own == rank and whole.kind in "-/")
    return f"({text})" if needs else text


def _moving(node: Node) -> set[str]:
    """Names that stand for a whole range, not for one end of it."""
    if node.kind == "name":
        return {node.name}
    if node.kind in ENDS:
        return set()
    return {name for part in node.parts for name in _moving(part)}


def _end(node: Node, values: Mapping[str, Range]) -> float:
    value = values[node.parts[0].name]
    return {"low": value.low, "high": value.high, "mid": value.point}[node.kind]


_OPERATIONS: dict[str, Callable[[list[float]], float]] = {
    "+": lambda parts: parts[0] + parts[1],
    "-": lambda parts: parts[0] - parts[1],
    "*": lambda parts: parts[0] * parts[1],
    "/": lambda parts: parts[0] / parts[1],
    "neg": lambda parts: -parts[0],
    "min": min,
    "max": max,
}


def _at(node: Node, chosen: Mapping[str, float], values: Mapping[str, Range]) -> float:
    if node.kind == "number":
        return node.number
    if node.kind == "name":
        return chosen[node.name]
    if node.kind in ENDS:
        return _end(node, values)
    return _OPERATIONS[node.kind]([_at(part, chosen, values) for part in node.parts])


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._kind, self._token = "", ""
        self._next()

    def whole(self) -> Node:
        node = self._sum()
        if self._kind:
            raise self._wrong("an operator or the end")
        return node

    def _next(self) -> None:
        if not self._text[self._at :].strip():
            self._kind, self._token = "", ""
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise UsageError(f"a sum cannot hold {self._text[self._at :].strip()[:1]!r}. It has + - * / ( ) and names.")
        self._at = match.end()
        self._kind = str(match.lastgroup)
        self._token = _SIGNS.get(match[self._kind], match[self._kind])

    def _wrong(self, wanted: str) -> UsageError:
        found = f"not {self._token!r}" if self._kind else "not the end"
        return UsageError(f"in the sum {self._text.strip()[:60]!r}, {wanted} has to come here, {found}.")

    def _take(self, *tokens: str) -> str:
        """Step over one of these signs if it is next."""
        if self._kind != "sign" or self._token not in tokens:
            return ""
        token = self._token
        self._next()
        return token

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UsageError("the sum is nested too deeply.")
        node = self._product()
        while sign := self._take("+", "-"):
            node = Node(sign, (node, self._product()))
        self._depth -= 1
        return node

    def _product(self) -> Node:
        node = self._factor()
        while sign := self._take("*", "/"):
            node = Node(sign, (node, self._factor()))
        return node

    def _factor(self) -> Node:
        return Node("neg", (self._atom(),)) if self._take("-") else self._atom()

    def _atom(self) -> Node:
        kind, token = self._kind, self._token
        if kind == "number":
            self._next()
            return Node("number", number=float(token))
        if kind == "name":
            self._next()
            return self._call(token) if self._take("(") else Node("name", name=token)
        if self._take("("):
            node = self._sum()
            self._close()
            return node
        raise self._wrong("a number, a name or '('")

    def _call(self, name: str) -> Node:
        parts = [self._sum()]
        while self._take(","):
            parts.append(self._sum())
        self._close()
        if name in ENDS:
            if len(parts) > 1 or parts[0].kind != "name":
                raise UsageError(f"{name}() takes the id of one claim.")
        elif name not in ("min", "max"):
            raise UsageError(f"there is no function {name[:30]!r} in a sum. Known: min, max, {', '.join(ENDS)}.")
        return Node(name, tuple(parts))

    def _close(self) -> None:
        if not self._take(")"):
            raise self._wrong("')'")


def show_number(value: float) -> str:
    """A result as people write it: three digits, without zeros that only fill up."""
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < LONG else f"{value:.3g}"
    text = significant(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
