"""What a finding is, and what a check looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from bakeoff.analysis.findings.asked import Asked
from bakeoff.analysis.load import LoadSummary
from bakeoff.results.records import (
    CellEnded,
    CellOpened,
    CooledDown,
    EngineCounts,
    Figure,
    Host,
    Metered,
    Reading,
    Trial,
    Warmed,
    Window,
)

Severity = Literal["info", "warning", "severe"]


class Finding(Struct, frozen=True, kw_only=True):
    """``severe``: the figure does not mean what it seems to. ``warning``: it may not. ``info``: good to know."""

    code: str
    severity: Severity
    evidence: str
    advice: str


class Cell(Struct, frozen=True, kw_only=True):
    """A cell with its trials and the figures made of them: what a check looks at.

    ``timed`` are its trials of the purpose *timed*, ``ok`` those of them that succeeded. ``anchors`` are the trials
    that show the drift around it, in groups: those of the beginning first. ``windows`` are its windows of load.
    ``load`` is what came of them all. ``metered`` are the run's meters and idle levels; ``alone``: the run has no
    other cell.
    """

    opened: CellOpened
    host: Host
    timed: Sequence[Trial]
    ok: Sequence[Trial]
    metrics: dict[str, Figure | None]
    asked: Asked = Asked()
    anchors: Sequence[Sequence[Trial]] = ()
    windows: Sequence[Window] = ()
    warmed: Warmed | None = None
    ended: CellEnded | None = None
    cooled: Sequence[CooledDown] = ()
    metered: Sequence[Metered] = ()
    alone: bool = False
    load: LoadSummary | None = None

    @property
    def under_load(self) -> bool:
        """Whether its requests ran together in windows, rather than one after the other."""
        return self.opened.workload.requests is not None or bool(self.windows)

    @property
    def watched(self) -> Sequence[Trial | Window]:
        """What the instruments were read around: each trial, or under load each window."""
        return self.windows if self.under_load else self.ok

    def of(self, found: Sequence[object]) -> str:
        """How many of what the instruments were read around: ``2 of 5 trials``."""
        return f"{len(found)} of {len(self.watched)} {'windows' if self.under_load else 'trials'}"

    def counts(self) -> list[EngineCounts]:
        """What the engine counted around each, where it did."""
        return [counts for each in self.watched if (counts := each.engine_counts) is not None]

    def readings(self, quantity: str) -> list[Reading]:
        """The highest reading of a quantity around each trial or window that has one."""
        found = []
        for each in self.watched:
            told = [reading for reading in each.readings if reading.quantity == quantity and reading.value is not None]
            if told:
                found.append(max(told, key=_value))
        return found


def _value(reading: Reading) -> float:
    return reading.value or 0.0
