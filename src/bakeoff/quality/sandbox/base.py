"""What every sandbox promises: a program's function is called on given inputs, and its outputs come back as data.

The host alone knows the right outputs and compares; nothing that a program prints, redefines or forges helps it,
since an output that it makes up must still be the right one. A sandbox gives no network, no files beyond a bare
Python, and no way to other processes. Its limits hold for one program with all of its calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

WALL_S = 5.0
MEMORY_BYTES = 256_000_000
OUTPUT_BYTES = 4_000_000
"""Most that all outputs of a program may take as JSON."""

INSTALL = "Install bubblewrap (Debian, Ubuntu: apt install bubblewrap) or pip install 'bakeoff[quality]'."

How = Literal["returned", "raised", "timed_out", "ended", "not_data", "lacking"]
"""``ended``: the process was gone (exit, signal, too much memory). ``not_data``: it returned what is not plain data,
or more of it than allowed. ``lacking``: the sandbox cannot do what the program needs, which says nothing about it."""


class Call(Struct, frozen=True):
    """One call: an expression for the function (``search``, ``Solution().search``), and its arguments.

    Arguments are plain data: None, bool, int, float, str, bytes, list, tuple, set, dict; a ``range`` arrives as a list.
    """

    function: str
    arguments: tuple[Any, ...]


class Outcome(Struct, frozen=True, kw_only=True):
    """What one call came to. ``value`` is plain data; ``error`` the exception's class, then its bases; ``note`` why."""

    how: How
    value: Any = None
    error: tuple[str, ...] = ()
    note: str = ""


class Sandbox(Protocol):
    """Runs one program at a time; safe to use from several threads."""

    name: str

    def run(self, source: str, calls: Sequence[Call]) -> tuple[Outcome, ...]:
        """Load the program once and make the calls in order: one outcome a call, whatever happens.

        Never raises for what a program does. What its top level raises is passed over where the function exists:
        an example beneath it that fails is not what was asked for.
        """
        ...


class NoSandbox:
    """Stands where no sandbox is to be had: every call is lacking, and says how to get one."""

    name = "none"

    def __init__(self, reason: str = "No sandbox is ready.") -> None:
        self.reason = reason

    def run(self, source: str, calls: Sequence[Call]) -> tuple[Outcome, ...]:  # noqa: ARG002
        return tuple(Outcome(how="lacking", note=f"{self.reason} {INSTALL}") for _ in calls)
