"""Measuring on a machine that others use too: wait until they are quiet, measure again what they disturbed.

What is kept is chosen by the processor time of others alone, never by the figure that came out.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
QUIET = 0.1
"""Processor time of others that passes as quiet, in cores."""
PATIENCE = 4
"""So many times the measurements wanted are made before disturbed ones are kept."""
SAMPLE_S, SAMPLES = 0.5, 20
"""How long others must be quiet before a measurement begins, and how often that is tried."""


@dataclass(frozen=True)
class Kept(Generic[T]):
    """The measurements kept, the cores that others used during each, and how many were made in all."""

    items: list[T]
    others: list[float]
    made: int


def least_disturbed(measured: list[tuple[float, T]], wanted: int) -> Kept[T]:
    """The ``wanted`` measurements during which others used the fewest cores, in the order they were made."""
    by_others = sorted(range(len(measured)), key=lambda i: measured[i][0])
    chosen = [measured[i] for i in sorted(by_others[:wanted])]
    return Kept([item for _, item in chosen], [others for others, _ in chosen], len(measured))


async def quietly(measure: Callable[[int], Awaitable[T]], wanted: int, patience: int = PATIENCE) -> Kept[T]:
    """Call ``measure(0)``, ``measure(1)``, … until ``wanted`` of them were quiet, or patience is at its end."""
    measured: list[tuple[float, T]] = []
    while len(measured) < wanted * patience and sum(others <= QUIET for others, _ in measured) < wanted:
        await _calm()
        before = _reading()
        item = await measure(len(measured))
        measured.append((_others(before), item))
    return least_disturbed(measured, wanted)


def quiet_text(others: list[float], made: int) -> str:
    """How quiet the machine was, in words."""
    again = made - len(others)
    repeated = f"; {again} of {made} measured again" if again else ""
    return f"others used at most {max(others):.0%} of a core{repeated}"


async def _calm() -> None:
    """Return when others are quiet, or when they have not been for ten seconds."""
    for _ in range(SAMPLES):
        before = _reading()
        await asyncio.sleep(SAMPLE_S)
        if _others(before) <= QUIET:
            return


@dataclass(frozen=True)
class _Reading:
    at_s: float
    others_s: float


def _others(before: _Reading) -> float:
    """The cores that others have used since then."""
    now = _reading()
    return (now.others_s - before.others_s) / (now.at_s - before.at_s)


def _reading() -> _Reading:
    """Processor time of everyone but this process and its children so far, steal by other guests included."""
    times = psutil.cpu_times()._asdict()
    not_busy = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is counted in the user's too
    busy = sum(value for name, value in times.items() if name not in not_busy)
    me = psutil.Process()
    own = sum(me.cpu_times()[:4])  # user and system, ours and that of the children that have ended
    for child in me.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            own += sum(child.cpu_times()[:2])
    return _Reading(time.perf_counter(), busy - own)
