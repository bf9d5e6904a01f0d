"""``bakeoff run --sustained``: one cell of each subject, back to back for a stated time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.run.plan import Plan
    from bakeoff.workload.asked import Asked

SHORTEST_S = 120.0
"""The first minute, and as long again to hold against it."""
_CONTRADICTS = ("runs", "precision", "time_budget", "suite")


def sustained_plan(plan: Plan, seconds: float, given: Callable[[str], bool]) -> Plan:
    """The plan with its subjects sustained for so many seconds each; ``given`` tells what the command line says.

    No anchors, which show drift, and no waiting for a hot device: both are what is looked for. Raises UsageError where
    the time is too short, another option says how long, or several workloads are asked for.
    """
    from msgspec import structs

    for name in _CONTRADICTS:
        if given(name):
            raise UsageError(
                f"--sustained says how long each subject runs: leave --{name.replace('_', '-')} or --sustained out."
            )
    if given("dry_run"):
        raise UsageError("--sustained takes the time that it says: there is nothing to foresee with --dry-run.")
    if seconds < SHORTEST_S:
        raise UsageError("--sustained holds the first minute against what follows: take 2m or more, such as 10m.")
    entrants = tuple(structs.replace(entrant, asked=(_one(entrant.asked),)) for entrant in plan.entrants)
    protocol = structs.replace(plan.protocol, sustained_s=seconds, anchors=0, cool_down_s=0.0)
    return structs.replace(plan, entrants=entrants, protocol=protocol)


def _one(asked: tuple[Asked, ...]) -> Asked:
    """The one workload; where what is sent is left to the model, the first of the usual ones."""
    from msgspec import structs

    from bakeoff.run.plan import DEFAULT_SYNTHETIC_TOKENS
    from bakeoff.workload.prompts import ARTICLE

    if len(asked) > 1:
        raise UsageError(f"--sustained runs one workload, and {len(asked)} are asked for: leave all but one out.")
    (one,) = asked
    if one.concurrency > 1 or one.rate_rps is not None:
        raise UsageError("--sustained runs one stream: leave --concurrency and --rate out.")
    if (one.prompt, one.prompt_tokens, one.shape) != (None, None, None):
        return one
    usual = ARTICLE[0]
    return structs.replace(one, name=usual.name, prompt=usual.text, prompt_tokens=DEFAULT_SYNTHETIC_TOKENS)
