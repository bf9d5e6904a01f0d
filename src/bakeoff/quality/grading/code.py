"""The program in an answer: which block it is, which function is meant, and whether that is annotated.

The program is the last complete fenced block of Python that defines the wanted function; else a block that was never
closed; else the code that stands unfenced. It is parsed, never run, here; a text that the parser cannot take in
(too deep, too long) is no program.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Sequence

from msgspec import Struct

MOST_CHARACTERS = 50_000

_FENCE = re.compile(r"^[ \t]{0,8}(`{3,}|~{3,})[ \t]*([\w+.#-]*)[^\n]*$", re.MULTILINE)
_PYTHON = frozenset({"", "python", "python3", "py", "py3", "pycon"})
_CODE_LINE = re.compile(
    r"(?:def|class|import|from|async def|if __name__|for|while|try|with|print|assert|return)\b|[#@)\]}]|\w+\s?[=(.\[]"
)
_BEGINS = re.compile(r"(?:def |class |import |from \w+ import|async def |@\w)")

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


class Function(Struct, frozen=True):
    """A function that a program defines: the expression that reaches it, and its definition."""

    expression: str
    definition: AnyFunction
    in_class: bool

    @property
    def parameters(self) -> list[ast.arg]:
        """All of its parameters, but for the instance or class that a method is given."""
        given = self.definition.args
        positional = [*given.posonlyargs, *given.args]
        if self.in_class and not _is_static(self.definition):
            positional = positional[1:]
        return [*positional, *filter(None, (given.vararg,)), *given.kwonlyargs, *filter(None, (given.kwarg,))]

    @property
    def required(self) -> int:
        """How many positional arguments it cannot do without."""
        given = self.definition.args
        positional = len(given.posonlyargs) + len(given.args) - len(given.defaults)
        return positional - (1 if self.in_class and not _is_static(self.definition) else 0)

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many positional arguments."""
        given = self.definition.args
        if any(default is None for default in given.kw_defaults):
            return False
        most = self.required + len(given.defaults)
        return self.required <= count and (count <= most or given.vararg is not None)

    @property
    def annotated(self) -> bool:
        """Whether every parameter and what it returns have a type hint."""
        return self.definition.returns is not None and all(one.annotation is not None for one in self.parameters)


class Program(Struct, frozen=True):
    """A program and the function that is meant in it (None: it defines none that fits)."""

    source: str
    tree: ast.Module
    function: Function | None


def program(answer: str, arities: Sequence[int], name: str | None = None, hints: Sequence[str] = ()) -> Program | None:
    """The program of an answer, by the rule above; None where there is none.

    The function is the one called ``name``; where no name is known, of those that take as many arguments as one of
    ``arities`` the one whose name holds the ``hints``, else the first.
    """
    closed, unclosed = _blocks(answer)
    best: Program | None = None
    for sources in (closed, unclosed, [] if closed or unclosed else [_unfenced(answer)]):
        for source in reversed(sources):
            tree = parse(source)
            if tree is None:
                continue
            function = _meant(functions(tree), arities, name, hints)
            if function is not None:
                return Program(source, tree, function)
            best = best or (Program(source, tree, None) if tree.body else None)
    return best


def parse(source: str) -> ast.Module | None:
    """The program's syntax tree; None for what is no Python, or too much for the parser."""
    if len(source) > MOST_CHARACTERS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def functions(tree: ast.Module) -> list[Function]:
    """The functions at the top of a program, then the methods of its classes, as they stand."""
    found = [Function(node.name, node, False) for node in tree.body if isinstance(node, AnyFunction)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, AnyFunction) and not part.name.startswith("__")]
            found += [Function(f"{node.name}().{method.name}", method, True) for method in methods]
    return [one for one in found if not isinstance(one.definition, ast.AsyncFunctionDef)]


def _meant(found: list[Function], arities: Sequence[int], name: str | None, hints: Sequence[str]) -> Function | None:
    if name is not None:
        return next((one for one in found if one.definition.name == name), None)
    fitting = [one for one in found if any(one.takes(count) for count in arities)]
    hinted = [one for one in fitting if all(hint in one.definition.name.lower() for hint in hints)]
    public = [one for one in hinted or fitting if not one.definition.name.startswith("_")]
    return next(iter(public or hinted or fitting), None)


def _is_static(definition: AnyFunction) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in definition.decorator_list)


def _blocks(answer: str) -> tuple[list[str], list[str]]:
    """The fenced blocks of Python in order: those that were closed, and the last one where it was not."""
    closed: list[str] = []
    opening: re.Match[str] | None = None
    for fence in _FENCE.finditer(answer):
        if opening is None:
            opening = fence
        elif fence[1].startswith(opening[1]) and not fence[2]:
            if opening[2].lower() in _PYTHON:
                closed.append(_dedented(answer[opening.end() + 1 : fence.start()]))
            opening = None
    if opening is not None and opening[2].lower() in _PYTHON:
        return closed, [_dedented(answer[opening.end() + 1 :])]
    return closed, []


def _dedented(block: str) -> str:
    """A block without the indent that all of its lines share, as within a list."""
    lines = block.splitlines()
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    return "\n".join(line[indent:] for line in lines) + "\n"


def _unfenced(answer: str) -> str:
    """The lines from the first that begins a definition or an import, up to the first that can be no code."""
    return "\n".join(_code_lines(answer.splitlines())) + "\n"


def _code_lines(lines: list[str]) -> Iterable[str]:
    begun = False
    for line in lines:
        begun = begun or _BEGINS.match(line) is not None
        if begun and line and not line[0].isspace() and not _CODE_LINE.match(line):
            return
        if begun:
            yield line
