"""A cell while it is measured, and as an interrupted run left it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from bakeoff.engines.base import Description
from bakeoff.errors import FileError
from bakeoff.results.records import CellEnded, CellOpened, EndedBy, Run, Subject, Trial, Window, Workload
from bakeoff.run.plan import Protocol
from bakeoff.run.rules import Parts, enough, enough_windows, half_width, load_half_width
from bakeoff.units import plain_text

PartsOf = Callable[[Window, Sequence[Trial]], Parts | None]
"""A window of load and all its requests → its tokens and seconds; None: nothing came of it."""


def is_load(workload: Workload) -> bool:
    """Whether its requests run together in windows, rather than one after the other."""
    return workload.requests is not None


class Cell:
    """What has been measured of a cell: timed ``trials``, or under load ``windows`` and the ``parts`` of their rates.

    ``warm_ups`` and ``counted`` are how many requests there were that do not count and that do, those of windows
    among them. ``next_s`` is how long the next trial or window will take, by the last one.
    """

    def __init__(self, opened: CellOpened) -> None:
        self.opened = opened
        self.trials: list[Trial] = []
        self.windows: list[Window] = []
        self.parts: list[Parts | None] = []
        self.anchors: set[int] = set()
        self.warm_ups = 0
        self.counted = 0
        self.ended: CellEnded | None = None
        self.next_s = 0.0

    @classmethod
    def restored(cls, opened: CellOpened, run: Run, parts_of: PartsOf) -> Cell:
        """As the run's file has it."""
        cell = cls(opened)
        requests: defaultdict[int | None, list[Trial]] = defaultdict(list)
        for trial in run.trials:
            if trial.cell == opened.cell:
                cell.add(trial)
                requests[trial.window].append(trial)
        for window in run.windows_of(opened.cell):
            cell.add_window(window, parts_of(window, requests[window.index]))
        cell.ended = next((end for end in run.cell_ends if end.cell == opened.cell), None)
        return cell

    def add(self, trial: Trial) -> None:
        """One request more."""
        self.warm_ups += trial.purpose == "warm-up"
        self.counted += trial.purpose == "timed"
        if trial.purpose == "anchor":
            self.anchors.add(trial.index)
        elif trial.purpose == "timed" and trial.window is None:
            self.trials.append(trial)

    def add_window(self, window: Window, parts: Parts | None) -> None:
        """One window more; its requests are added by themselves."""
        self.windows.append(window)
        self.parts.append(parts)

    @property
    def is_load(self) -> bool:
        """Whether it is measured by windows."""
        return is_load(self.opened.workload)

    @property
    def done(self) -> int:
        """How many trials it has, or windows: so many rounds are behind it."""
        return len(self.windows) if self.is_load else len(self.trials)

    @property
    def hopeless(self) -> bool:
        """Whether it failed too often to be asked again."""
        return self.ended is not None and self.ended.by == "failures"

    def enough(self, protocol: Protocol) -> EndedBy | None:
        """Why it gets no more trials or windows; None: it does, if there is time."""
        if not self.is_load:
            return enough(self.trials, protocol)
        stopped = bool(self.windows) and self.windows[-1].stopped is not None
        return enough_windows(self.parts, stopped=stopped, protocol=protocol)

    @property
    def half_width(self) -> float | None:
        """Of its interval, as a share of its figure; None where it has none."""
        width = load_half_width(self.parts) if self.is_load else half_width(self.trials)
        return width if width < math.inf else None


def check_unchanged(was: Subject, about: Description) -> None:
    """Raise FileError where a cell's further trials would be of other weights or of another engine."""
    then, now = was.model, about.model
    if then.digest is not None and now.digest is not None and then.digest != now.digest:
        raise FileError(
            f"The weights of {plain_text(was.text)} are no longer those that this run began with (their digest was "
            f"{then.digest[:19]}, and is {now.digest[:19]}): start a new run."
        )
    if was.engine_version != about.version:
        raise FileError(
            f"{plain_text(was.text)} was measured on {was.engine_version}, and now answers as {about.version}: start a "
            "new run."
        )
