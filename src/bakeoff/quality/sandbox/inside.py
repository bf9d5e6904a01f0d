"""Runs in the sandbox, after the text of ``wire``: reads one request, loads the program, makes its calls, reports.

The program shares this process, so nothing here is kept from it, and nothing here is worth having: no right output
is in the request. Each report is one line, the request's nonce and a JSON object, on a descriptor of its own; what
the program prints goes nowhere.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import types
from typing import Any

from bakeoff.quality.sandbox.wire import decode_argument, encode


def serve() -> None:
    """Serve the request on standard input, and end the process without leaving anything to run after it."""
    request = json.loads(sys.stdin.buffer.read())
    for name, limit in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    results = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)

    def report(index: int, **outcome: Any) -> None:
        line = f"{request['nonce']} {json.dumps({'index': index, **outcome})}\n".encode()
        while line:
            line = line[os.write(results, line) :]

    program = types.ModuleType("answer")
    sys.modules["answer"] = program
    failed = _load(request["source"], program)
    for index, (function, arguments) in enumerate(request["calls"]):
        report(index, **_call(program, function, arguments, failed))
    os._exit(0)


def _load(source: str, program: types.ModuleType) -> dict[str, Any] | None:
    """What went wrong at the program's top level, or None."""
    try:
        exec(compile(source, "<answer>", "exec", dont_inherit=True), program.__dict__)  # noqa: S102
    except BaseException as failure:
        return _raised(failure)
    return None


def _call(
    program: types.ModuleType, function: str, arguments: list[Any], failed: dict[str, Any] | None
) -> dict[str, Any]:
    try:
        target = eval(compile(function, "<call>", "eval", dont_inherit=True), program.__dict__)  # noqa: S307
    except BaseException as failure:
        return failed or _raised(failure)
    try:
        value = target(*[decode_argument(argument) for argument in arguments])
    except BaseException as failure:
        return _raised(failure)
    try:
        encoded = encode(value)
        json.dumps(encoded)
    except BaseException as failure:
        return {"how": "not_data", "note": _text(failure)}
    return {"how": "returned", "value": encoded}


def _raised(failure: BaseException) -> dict[str, Any]:
    kinds = [kind.__name__ for kind in type(failure).__mro__[:10]]
    how = "lacking" if isinstance(failure, ModuleNotFoundError) else "raised"
    return {"how": how, "error": kinds, "note": _text(failure)}


def _text(failure: BaseException) -> str:
    try:
        return f"{type(failure).__name__}: {failure}"[:200]
    except BaseException:
        return type(failure).__name__
