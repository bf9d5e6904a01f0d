"""The sandboxes that work on this machine, for tests that hold for each."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.util import find_spec

import pytest

from bakeoff.quality.sandbox.base import Sandbox
from bakeoff.quality.sandbox.bubblewrap import Bubblewrap
from bakeoff.quality.sandbox.monty import Monty

NAMES = ("bubblewrap", "monty")


@cache
def missing(name: str) -> str | None:
    """Why the machine does not have the sandbox, found without our own code: what is there must work."""
    if name == "monty":
        return None if find_spec("pydantic_monty") else "pydantic-monty is not installed"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    plain = [
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--ro-bind",
        "/",
        "/",
        "--size",
        "4096",
        "--tmpfs",
        "/tmp",
        "true",
    ]
    done = subprocess.run(plain, capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 else f"bubblewrap is not permitted here: {done.stderr.strip()}"


def sandbox_named(name: str, wall_s: float = 5.0) -> Sandbox:
    """The sandbox; the test is skipped, with the reason, where the machine does not have it."""
    reason = missing(name)
    if reason is not None:
        pytest.skip(reason)
    return Bubblewrap(wall_s=wall_s) if name == "bubblewrap" else Monty(wall_s=wall_s)
