"""A cell while it is measured, and as an interrupted run left it."""

from __future__ import annotations

from bakeoff.engines.base import Description
from bakeoff.errors import FileError
from bakeoff.results.records import CellEnded, CellOpened, Run, Subject, Trial
from bakeoff.units import plain_text


class Cell:
    """What has been measured of a cell. ``next_s`` is how long its next trial will take, by its last one."""

    def __init__(self, opened: CellOpened) -> None:
        self.opened = opened
        self.trials: list[Trial] = []
        self.anchors: set[int] = set()
        self.warm_ups = 0
        self.ended: CellEnded | None = None
        self.next_s = 0.0

    @classmethod
    def restored(cls, opened: CellOpened, run: Run) -> Cell:
        """As the run's file has it."""
        cell = cls(opened)
        cell.trials = run.trials_of(opened.cell)
        cell.anchors = {trial.index for trial in run.trials_of(opened.cell, "anchor")}
        cell.warm_ups = len(run.trials_of(opened.cell, "warm-up"))
        cell.ended = next((end for end in run.cell_ends if end.cell == opened.cell), None)
        return cell

    @property
    def hopeless(self) -> bool:
        """Whether it failed too often to be asked again."""
        return self.ended is not None and self.ended.by == "failures"


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
