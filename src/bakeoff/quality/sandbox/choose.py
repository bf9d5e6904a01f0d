"""The best sandbox that this machine has."""

from __future__ import annotations

from bakeoff.quality.sandbox.base import NoSandbox, Sandbox
from bakeoff.quality.sandbox.bubblewrap import Bubblewrap
from bakeoff.quality.sandbox.monty import Monty


def best_sandbox() -> Sandbox:
    """Bubblewrap where it works, else Monty, else one that says what is missing. Each is tried once: some 0.1 s."""
    reasons = []
    for sandbox in (Bubblewrap(), Monty()):
        reason = sandbox.missing()
        if reason is None:
            return sandbox
        reasons.append(reason)
    return NoSandbox(" ".join(reasons))
