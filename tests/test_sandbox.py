"""A program's function is called on given inputs, and its outputs come back as data, in either sandbox."""

from __future__ import annotations

import json
import platform
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.quality.sandbox.base import OUTPUT_BYTES, Call, NoSandbox, Outcome, Sandbox
from bakeoff.quality.sandbox.bubblewrap import Bubblewrap
from bakeoff.quality.sandbox.choose import best_sandbox
from bakeoff.quality.sandbox.monty import Monty
from bakeoff.quality.sandbox.reports import outcomes
from bakeoff.quality.sandbox.seccomp import program as seccomp_program
from bakeoff.quality.sandbox.wire import decode, decode_argument, encode, encode_argument
from tests.sandboxes import NAMES, sandbox_named


@pytest.fixture(params=NAMES)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_named(request.param)


def one(sandbox: Sandbox, source: str, *arguments: Any, function: str = "f") -> Outcome:
    [outcome] = sandbox.run(source, [Call(function, arguments)])
    return outcome


# What both do


def test_the_function_gets_the_arguments_and_its_value_comes_back(sandbox: Sandbox) -> None:
    assert one(sandbox, "def f(a, b):\n    return a + b\n", 2, 3) == Outcome(how="returned", value=5)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**70, 1.5, float("inf"), "", "é\n\x00'\"", "😀", [], [1, [2, []]], (1, (2,)), {1, 2},
        {}, {"a": [1]}, {1: "x", (2, 3): None}, {"!tuple": 1}, {"!x": 1, "y": 2}, b"\x00\xff", [True, 1, 1.0],
    ],
)  # fmt: skip
def test_plain_data_comes_back_as_it_went(sandbox: Sandbox, value: Any) -> None:
    outcome = one(sandbox, "def f(x):\n    return x\n", value)
    assert outcome.how == "returned"
    assert (outcome.value, type(outcome.value)) == (value, type(value))


def test_a_sandbox_that_the_machine_has_is_found_to_work(sandbox: Sandbox) -> None:
    assert isinstance(sandbox, Bubblewrap | Monty)
    assert sandbox.missing() is None


def test_a_range_arrives_as_a_list(sandbox: Sandbox) -> None:
    source = "def f(x):\n    return [type(x) is list, len(x), x[1]]\n"
    assert one(sandbox, source, range(0, 2_000_000, 2)).value == [True, 1_000_000, 2]


def test_calls_are_made_in_order_on_a_program_that_is_loaded_once(sandbox: Sandbox) -> None:
    source = "seen = []\n\ndef f(x):\n    seen.append(x)\n    return list(seen)\n"
    values = [outcome.value for outcome in sandbox.run(source, [Call("f", (1,)), Call("f", (2,))])]
    assert values == [[1], [1, 2]]


def test_an_argument_that_a_call_changed_is_new_in_the_next(sandbox: Sandbox) -> None:
    call = Call("f", ([1],))
    source = "def f(x):\n    x.append(2)\n    return x\n"
    assert [outcome.value for outcome in sandbox.run(source, [call, call])] == [[1, 2], [1, 2]]


def test_a_method_is_reached_through_an_instance(sandbox: Sandbox) -> None:
    source = "class Solution:\n    def twice(self, x):\n        return 2 * x\n"
    assert one(sandbox, source, 4, function="Solution().twice").value == 8


def test_what_is_raised_is_told_by_its_class_and_the_other_calls_go_on(sandbox: Sandbox) -> None:
    raised, returned = sandbox.run("def f(x):\n    return 1 // x\n", [Call("f", (0,)), Call("f", (1,))])
    assert raised.how == "raised"
    assert raised.error[:2] == ("ZeroDivisionError", "ArithmeticError")
    assert returned.value == 1


def test_an_example_beneath_the_function_that_fails_is_passed_over(sandbox: Sandbox) -> None:
    assert one(sandbox, "def f():\n    return 1\n\nassert f() == 2, 'my own test'\n").value == 1


def test_what_stands_under_main_is_not_run(sandbox: Sandbox) -> None:
    source = "def f():\n    return 1\n\nif __name__ == '__main__':\n    f = None\n"
    assert one(sandbox, source).value == 1


def test_a_program_that_fails_before_the_function_says_why_for_every_call(sandbox: Sandbox) -> None:
    failed = sandbox.run("x = 1 // 0\n\ndef f():\n    return 1\n", [Call("f", ()), Call("f", ())])
    assert [outcome.error[0] for outcome in failed] == ["ZeroDivisionError"] * 2


def test_text_that_is_no_python_raises_a_syntax_error(sandbox: Sandbox) -> None:
    outcome = one(sandbox, "def f(:\n")
    assert (outcome.how, outcome.error[0]) == ("raised", "SyntaxError")


def test_a_function_that_is_not_there_raises_a_name_error(sandbox: Sandbox) -> None:
    assert one(sandbox, "x = 1\n").error[0] == "NameError"


def test_a_module_that_is_not_installed_is_lacking_and_says_nothing_of_the_program(sandbox: Sandbox) -> None:
    assert one(sandbox, "import numpy\n\ndef f():\n    return 1\n").how == "lacking"


def test_what_is_no_plain_data_is_told_apart_from_a_value(sandbox: Sandbox) -> None:
    for value in ("f", "object()", "f.__name__.upper", "10 ** 5000", "range(3)"):
        assert one(sandbox, f"def f():\n    return {value}\n").how in ("not_data", "lacking"), value


def test_more_output_than_allowed_is_no_data(sandbox: Sandbox) -> None:
    assert one(sandbox, f"def f():\n    return 'x' * {2 * OUTPUT_BYTES}\n").how == "not_data"


def test_the_wall_time_ends_a_program_and_the_calls_before_it_keep_their_outcomes() -> None:
    for name in NAMES:
        source = "def f(x):\n    while x:\n        pass\n    return x\n"
        done, ended, never = sandbox_named(name, wall_s=1.5).run(
            source, [Call("f", (0,)), Call("f", (1,)), Call("f", (0,))]
        )
        assert (done.value, ended.how, never.how) == (0, "timed_out", "timed_out")


def test_no_calls_have_no_outcomes(sandbox: Sandbox) -> None:
    assert sandbox.run("def f(): ...", []) == ()


# What only bubblewrap does


def test_bubblewrap_runs_what_a_whole_python_runs() -> None:
    source = (
        "import heapq, re, dataclasses, functools, itertools, collections, typing, asyncio, threading\n"
        "T = typing.TypeVar('T')\n"
        "class Base(typing.Generic[T]):\n    @staticmethod\n    def g(x):\n        yield x\n"
        "@dataclasses.dataclass\nclass Point(Base[int]):\n    x: 'int'\n"
        "def f(n):\n    return list(Point.g(Point(n).x)) + heapq.nsmallest(2, [3, 1, 2])\n"
    )
    assert one(sandbox_named("bubblewrap"), source, 7).value == [7, 1, 2]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="annotations are not evaluated as a function is defined")
def test_a_program_gets_python_without_the_future_features_of_the_code_around_it() -> None:
    outcome = one(sandbox_named("bubblewrap"), "def f(x: List[int]) -> int:\n    return 1\n", [1])
    assert outcome.error[0] == "NameError"


def test_bubblewrap_that_is_not_installed_says_so() -> None:
    assert Bubblewrap("no-such-bwrap").missing() == "bubblewrap is not installed."


def test_bubblewrap_that_may_not_make_namespaces_says_what_it_was_told(tmp_path: Any) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    if seccomp_program(platform.machine()) is None:
        pytest.skip(f"no filter for {platform.machine()}")
    said = Bubblewrap(str(refusing)).missing()
    assert said is not None
    assert "No permissions to create new namespace" in said


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_checks_the_architecture_first_and_jumps_within_itself(machine: str) -> None:
    filtering = seccomp_program(machine)
    assert filtering is not None
    lines = list(struct.iter_unpack("<HBBI", filtering))
    assert lines[0] == (0x20, 0, 0, 4)
    jumps = [(place, max(yes, no)) for place, (code, yes, no, _) in enumerate(lines) if code & 0x07 == 0x05]
    assert jumps
    assert all(place + 1 + further < len(lines) for place, further in jumps)
    assert lines[-1] == (0x06, 0, 0, 0x7FFF0000)


def test_there_is_no_filter_for_other_machines() -> None:
    assert seccomp_program("riscv64") is None


# What Monty cannot do is never the program's fault


@pytest.mark.parametrize(
    "source",
    [
        "class A: ...\nclass B(A): ...\ndef f():\n    return 1\n",
        "def g():\n    yield 1\ndef f():\n    return list(g())\n",
        "class A:\n    @staticmethod\n    def g():\n        return 1\ndef f():\n    return A.g()\n",
        "import heapq\ndef f():\n    return heapq.nsmallest(1, [1])[0]\n",
        "def f():\n    return sum(globals().get('x', i) for i in [1])\n",
        "def f():\n    return vars()\n",
    ],
)
def test_what_monty_lacks_is_lacking(source: str) -> None:
    assert one(sandbox_named("monty"), source).how == "lacking"


def test_a_name_that_no_python_knows_is_the_programs_own_fault_in_monty_too() -> None:
    assert one(sandbox_named("monty"), "def f():\n    return undefined\n").how == "raised"


def test_monty_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.quality.sandbox.monty.find_spec", lambda _: None)
    assert Monty().missing() == "pydantic-monty is not installed."


# The choice


def test_the_best_sandbox_is_bubblewrap_then_monty_then_one_that_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Bubblewrap, "missing", lambda _: None)
    assert best_sandbox().name == "bubblewrap"
    monkeypatch.setattr(Bubblewrap, "missing", lambda _: "No bwrap.")
    monkeypatch.setattr(Monty, "missing", lambda _: None)
    assert best_sandbox().name == "monty"
    monkeypatch.setattr(Monty, "missing", lambda _: "No Monty.")
    [outcome] = best_sandbox().run("def f(): ...", [Call("f", ())])
    assert isinstance(best_sandbox(), NoSandbox)
    assert outcome.how == "lacking"
    assert outcome.note.startswith("No bwrap. No Monty. Install bubblewrap")


# The channel


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=5), max_size=4)
    ),
    max_leaves=12,
)


@given(plain_data)
def test_all_plain_data_survives_the_wire(value: Any) -> None:
    assert decode(json.loads(json.dumps(encode(value)))) == value


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 7))
def test_a_range_survives_as_a_list(start: int, stop: int, step: int) -> None:
    written = json.loads(json.dumps(encode_argument(range(start, stop, step))))
    assert decode_argument(written) == list(range(start, stop, step))


def test_a_range_that_comes_back_is_never_spread_out() -> None:
    assert decode({"!range": [0, 10**15, 1]}) == {"!range": [0, 10**15, 1]}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"x", b"NONCE", b"NONCE ", b"NONCE {", b"NONCE []", b"NONCE 5", b'NONCE {"index": 0}',
        b'NONCE {"how": "returned"}', b'OTHER {"index": 0, "how": "returned", "value": 1}', b"\xff\xfe",
        b'NONCE {"index": "0", "how": "returned"}', b'NONCE {"index": true, "how": "returned"}',
        b'NONCE {"index": 0, "how": "won"}', b'NONCE {"index": 0, "how": "returned", "value": {"!set": [[1]]}}',
        b'NONCE {"index": 0, "how": "returned", "value": {"!bytes": "zz"}}',
        b'NONCE {"index": 0, "how": "returned", "value": ' + b"[" * 100_000,
        b'NONCE {"index": 0, "how": "returned", "value": ' + b"1" * 5000 + b"}",
        b'NONCE {"index": 0, "how": "returned", "value": ' + b"[" * 60 + b"]" * 60 + b"}",
    ],
)  # fmt: skip
def test_a_line_that_is_no_report_is_passed_over(line: bytes) -> None:
    absent = Outcome(how="ended")
    good = b'NONCE {"index": 1, "how": "returned", "value": 7}'
    read = outcomes(b"\n".join([line, good, b""]), "NONCE", 2, absent)
    assert read == (absent, Outcome(how="returned", value=7))


def test_the_first_report_of_a_call_counts_and_one_without_its_end_does_not() -> None:
    written = (
        b'N {"index": 0, "how": "returned", "value": 1}\nN {"index": 0, "how": "returned", "value": 2}\nN {"index": 1'
    )
    absent = Outcome(how="timed_out")
    assert outcomes(written, "N", 2, absent) == (Outcome(how="returned", value=1), absent)


def test_what_a_program_says_is_stripped_of_control_sequences() -> None:
    line = json.dumps({"index": 0, "how": "raised", "error": ["\x1b[31mE"], "note": "\x1b]0;x\x07boo"}).encode()
    assert outcomes(b"N " + line + b"\n", "N", 1, Outcome(how="ended")) == (
        Outcome(how="raised", error=("E",), note="boo"),
    )
