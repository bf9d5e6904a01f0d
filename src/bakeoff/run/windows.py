"""What measures a window of load, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bakeoff.errors import EngineError
from bakeoff.results.records import Trial, Window
from bakeoff.run.asking import Session
from bakeoff.run.cells import Cell
from bakeoff.run.rules import Parts


class Outcome(Protocol):
    """A window, its requests in the order in which they were sent, and the error of an engine that it left unusable."""

    @property
    def window(self) -> Window: ...

    @property
    def trials(self) -> Sequence[Trial]: ...

    @property
    def error(self) -> EngineError | None: ...


class Loader(Protocol):
    """Measures windows of load."""

    async def window(self, session: Session, cell: Cell) -> Outcome:
        """The cell's next window, under all that watches. Nothing is kept of one that is interrupted."""
        ...

    def parts(self, window: Window, trials: Sequence[Trial]) -> Parts | None:
        """Tokens and seconds of the total rate, of a window and all of its requests; None: nothing came of it."""
        ...
