"""The sandboxes that work on this machine, for tests that hold for each."""

from __future__ import annotations

from functools import cache

import pytest

from bakeoff.quality.sandbox.base import Sandbox
from bakeoff.quality.sandbox.bubblewrap import Bubblewrap
from bakeoff.quality.sandbox.monty import Monty

NAMES = ("bubblewrap", "monty")


@cache
def missing(name: str) -> str | None:
    """Why the sandbox does not work here, None where it does; tried once."""
    return (Bubblewrap() if name == "bubblewrap" else Monty()).missing()


def sandbox_named(name: str, wall_s: float = 5.0) -> Sandbox:
    """The sandbox; the test is skipped, with the reason, where it does not work."""
    reason = missing(name)
    if reason is not None:
        pytest.skip(reason)
    return Bubblewrap(wall_s=wall_s) if name == "bubblewrap" else Monty(wall_s=wall_s)
