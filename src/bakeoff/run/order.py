"""In what order things are measured; pure, and the same for the same seed, however often a run was interrupted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, TypeVar

_T = TypeVar("_T")

Slot = Literal["start", "end", "return"]
"""When anchors are measured: before a subject's rounds, behind them, and when the first subject has come back."""
SLOTS: tuple[Slot, ...] = ("start", "end", "return")


def round_order(cells: Sequence[_T], seed: int, entrant: int, number: int) -> list[_T]:
    """The cells that share a loaded model, in the order of round ``number``."""
    order = list(cells)
    random.Random(f"{seed}/{entrant}/{number}").shuffle(order)  # noqa: S311 (an order, not a secret)
    return order


def anchor_slots(entrant: int, entrants: int, cells: int) -> tuple[Slot, ...]:
    """When the first of an entrant's cells is measured beside its trials, to show drift.

    Where it has several cells, before and behind their rounds. Where there are several entrants, the first one's
    before all others and, loaded once more, behind all others. A single cell shows its drift by its own trials.
    """
    around: tuple[Slot, ...] = ("start", "end") if cells > 1 else ()
    if entrant == 0 and entrants > 1:
        return (*(around or ("start",)), "return")
    return around


def anchor_numbers(slot: Slot, anchors: int) -> range:
    """The indices that the anchor trials of a slot have, whether the slots before it were used or not."""
    first = SLOTS.index(slot) * anchors
    return range(first, first + anchors)
