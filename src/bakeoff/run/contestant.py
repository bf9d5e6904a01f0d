"""Who takes part, and who watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as Interface

from msgspec import Struct

from bakeoff.engines.base import Engine
from bakeoff.results.records import CellOpened, Trial, Window
from bakeoff.run.predicting import Weights

TokenIds = Callable[[int, int], tuple[int, ...]]
"""(how many, seed) → token ids that the model's vocabulary holds."""


class Contestant(Struct, frozen=True):
    """A subject as it was written, its engine not yet entered, and how to make prompts of token ids for it.

    ``weights`` are its model's shape and tensors, where they are known before it runs.
    """

    text: str
    engine: Engine
    token_ids: TokenIds
    weights: Weights | None = None


class Observer(Interface):
    """Who wants to know how it goes."""

    def stage(self, text: str) -> None:
        """Something that takes a while begins."""

    def note(self, text: str) -> None:
        """Something that limits the figures has come out."""

    def cell(self, opened: CellOpened, most: int, done: int) -> None:
        """A cell is warm, has so many trials from before, and will have so many in all at most."""

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""

    def window(self, window: Window, output_tps: float | None) -> None:
        """A window of load has ended, with so many tokens a second over all its streams."""
