"""Cells made by hand for the checks, and how a case of a check is judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.findings import Asked, Cell, Check, Finding, Severity
from bakeoff.measurement.metrics import cell_metrics
from bakeoff.results.records import EngineCounts, EngineTimings, Reading, Trial, Usage, Window
from tests.hand_made import a_cell, a_host, a_trial

Case = tuple[Cell, Severity, str, Cell]
"""A cell that provokes the finding, its severity and a pattern of its evidence, and the nearest cell that does not."""
Cases = dict[Check, list[Case]]

_OF_CELLS = ("asked", "anchors", "windows", "warmed", "ended", "cooled", "metered", "alone", "load")


def cell(
    trials: Sequence[Trial] = (), *, template_tokens: int | None = None, power: str = "mains", **facts: Any
) -> Cell:
    """``facts`` are the cell's own, or those of its subject, workload or model."""
    ok = [trial for trial in trials if trial.status == "ok"]
    own = {name: facts.pop(name) for name in _OF_CELLS if name in facts}
    predicted = facts.pop("predicted", None)
    opened = structs.replace(a_cell(template_tokens=template_tokens, **facts), predicted=predicted)
    return Cell(
        opened=opened, host=a_host(power_source=power), timed=list(trials), ok=ok, metrics=cell_metrics(ok), **own
    )


def counted(output: int | None = 3, prompt: int | None = 40, cached: int | None = 0) -> Usage:
    return Usage(prompt_tokens=prompt, cached_tokens=cached, output_tokens=output)


def timed(**changes: float | None) -> EngineTimings:
    facts: dict[str, Any] = {"prefill_tokens": 40, "prefill_s": 0.08, "decode_s": 0.02, "load_s": 0.0}
    return EngineTimings(**facts | changes)


def of_length(n: int, span_ms: float, engine_s: float) -> Trial:
    """``n`` tokens in two chunks so many milliseconds apart; the engine says so many seconds."""
    return a_trial((100, 100 + span_ms), usage=counted(n), engine=timed(decode_s=engine_s))


def beside(**counts: Any) -> Trial:
    """A trial around which the engine counted this."""
    return a_trial(engine_counts=EngineCounts(**counts))


def read(quantity: str, value: float | None, detail: str = "") -> tuple[Reading, ...]:
    """What one meter told of a trial."""
    return (Reading(meter="some meter", scope="machine", quantity=quantity, value=value, detail=detail),)


def a_window(**changes: Any) -> Window:
    facts: dict[str, Any] = {"cell": 0, "index": 0, "purpose": "timed", "started": "", "span_ns": 10**9}
    return Window(**facts | changes)


lost = a_trial(status="failed", error="The server broke off")
cut = a_trial(status="truncated", error="interrupted by the user")
THREE = Asked(runs=3)


def every_case(cases: Cases) -> pytest.MarkDecorator:
    """Runs a test for each case of each check."""
    named = [pytest.param(check, case, id=name(check)) for check, of_check in cases.items() for case in of_check]
    return pytest.mark.parametrize(("check", "case"), named)


def judge(check: Check, case: Case) -> None:
    provokes, severity, evidence, spares = case
    finding = found(check, provokes)
    assert finding.severity == severity
    assert re.search(evidence, finding.evidence), finding.evidence
    assert check(spares) is None


def found(check: Check, provoked: Cell) -> Finding:
    """The finding that this cell provokes."""
    finding = check(provoked)
    assert finding is not None
    return finding


def name(check: Check) -> str:
    return str(getattr(check, "__name__", check))
