"""How the run was to be measured, so that advice can say what to change."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bakeoff.results.records import Run


class Asked(Struct, frozen=True, kw_only=True):
    """By the command line or a suite; advice names the options, which go before what a suite says.

    ``runs`` is how many trials a cell was to have, None for as many as it takes. ``unfinished`` is the run's ID where
    it can be resumed.
    """

    runs: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    time_budget_s: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    sustained_s: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    unfinished: str | None = None


def asked(run: Run) -> Asked:
    """By the run's plan, which is not trusted to be one; without one nothing is known."""
    plan = run.started.plan
    if plan is None:
        return Asked()
    try:
        known = msgspec.convert(plan.get("protocol"), Asked)
    except msgspec.ValidationError:
        known = Asked()
    over = run.ended is not None and run.ended.status == "done"
    return msgspec.structs.replace(known, unfinished=None if over else run.started.id)
