"""Drives Monty in a process of its own: reads one request, feeds the program and its calls, reports.

Only text leaves Monty: a list that holds itself twice, forty deep, is small inside and fills the memory outside. An
f-string makes it text, which no program can redefine.
"""

from __future__ import annotations

import ast
import builtins
import json
import sys
import warnings
from contextlib import suppress
from importlib.resources import files
from typing import Any

from bakeoff.quality.sandbox.base import WALL_S
from bakeoff.quality.sandbox.wire import decode, range_of

_MAY_LACK = ("NotImplementedError", "ImportError", "AttributeError", "TypeError", "SyntaxError")
"""What Monty raises where it lacks a feature, and CPython might not."""


def serve() -> None:
    """Serve the request on standard input; reports go to standard output, as those of ``inside`` do."""
    request = json.loads(sys.stdin.buffer.read())
    memory_bytes = request["limits"]["memory_bytes"]
    _limit(8 * memory_bytes, int(WALL_S) + 1)
    import pydantic_monty as monty

    allowed: monty.ResourceLimits = {"max_feed_duration_secs": WALL_S, "max_memory": memory_bytes}
    with monty.Monty(max_processes=1) as pool, pool.checkout(limits=allowed) as session:
        program = _Program(session, request["source"])
        for index, (function, arguments) in enumerate(request["calls"]):
            report = {"index": index, **program.call(function, arguments)}
            sys.stdout.write(f"{request['nonce']} {json.dumps(report)}\n")
            sys.stdout.flush()


class _Failed(Exception):
    """What was fed did not run to its end; ``outcome`` says how."""

    def __init__(self, **outcome: Any) -> None:
        super().__init__()
        self.outcome = outcome


class _Program:
    """A session of Monty's that has loaded the program, then ``wire``."""

    def __init__(self, session: Any, source: str) -> None:
        self._session, self._tree = session, _tree(source)
        self._failed: dict[str, Any] | None = None
        try:
            self._feed(_without_main(source, self._tree))
        except _Failed as failure:
            self._failed = failure.outcome
        wire = files("bakeoff.quality.sandbox") / "wire.py"
        with suppress(_Failed):  # it will show when it is used
            self._feed(f"{wire.read_text(encoding='utf-8')}\nimport json\n")

    def call(self, function: str, arguments: list[Any]) -> dict[str, Any]:
        """The call's outcome."""
        try:
            self._feed(f"{function}\nNone")
        except _Failed as failure:
            return self._failed or failure.outcome
        try:
            self._call(function, arguments)
        except _Failed as failure:
            return failure.outcome
        try:
            return {"how": "returned", "value": json.loads(self._feed('f"{json.dumps(encode(bakeoff_value))}"'))}
        except _Failed as failure:
            return {"how": "not_data", "note": failure.outcome["note"]}
        except ValueError:
            return {"how": "not_data", "note": "It returned what cannot be read."}

    def _call(self, function: str, arguments: list[Any]) -> None:
        """Leave the function's value in Monty, as ``bakeoff_value``."""
        given, made = {}, ""
        for place, argument in enumerate(arguments):
            numbers = range_of(argument)
            if numbers is None:
                given[f"bakeoff_{place}"] = decode(argument)
            else:
                made += f"bakeoff_{place} = list(range(*{numbers}))\n"
        names = ", ".join(f"bakeoff_{place}" for place in range(len(arguments)))
        self._feed(f"{made}bakeoff_value = {function}({names})\nNone", given)

    def _feed(self, code: str, given: dict[str, Any] | None = None) -> Any:
        """The value of the code's last line."""
        import pydantic_monty as monty

        try:
            return self._session.feed_run(code, inputs=given, print_callback=lambda _stream, _text: None)
        except monty.MontyCrashedError as crash:
            raise _Failed(how="timed_out" if crash.timed_out else "ended", note=str(crash)[:200]) from None
        except monty.MontyError as failure:
            kinds, note = [kind.__name__ for kind in type(failure.exception()).__mro__], str(failure)[:200]
        if "TimeoutError" in kinds and "time limit exceeded" in note:
            raise _Failed(how="timed_out", note=note)
        raise _Failed(how="lacking" if self._lacks(kinds, note) else "raised", error=kinds, note=note)

    def _lacks(self, kinds: list[str], note: str) -> bool:
        """Whether Monty rather than the program may be at fault; where that is open, it is."""
        if "SyntaxError" in kinds and self._tree is None:
            return False
        if "NameError" in kinds:
            return any(f"'{name}'" in note for name in dir(builtins))
        return "monty" in note.lower() or any(kind in _MAY_LACK for kind in kinds)


def _tree(source: str) -> ast.Module | None:
    """The program's syntax tree, None where it is no Python; parsed in this process, which may be lost by it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _without_main(source: str, tree: ast.Module | None) -> str:
    """The program without what stands under ``if __name__ == "__main__"``: Monty's own name cannot be another."""
    if tree is None:
        return source
    kept = [node for node in tree.body if not (isinstance(node, ast.If) and "__name__" in ast.dump(node.test))]
    return source if len(kept) == len(tree.body) else ast.unparse(ast.Module(kept, []))


def _limit(memory_bytes: int, cpu_s: int) -> None:
    """A backstop for this process and Monty's own, which inherits it; macOS has no limit of memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    serve()
