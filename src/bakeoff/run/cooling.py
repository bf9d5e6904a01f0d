"""Waiting for a device that holds itself back, but not for ever."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bakeoff.engines import rate

LOOK_EVERY_S = 1.0


class Pause(Struct, frozen=True):
    """Why we waited, for how long, and whether it helped."""

    reason: str
    waited_s: float
    recovered: bool


async def cool_down(throttled: Callable[[], str | None], most_s: float) -> Pause | None:
    """Wait until ``throttled`` gives no reason any more, or for ``most_s``; None where nothing was to wait for."""
    reason = throttled()
    if reason is None or most_s <= 0:
        return None
    waited_s = 0.0
    while waited_s < most_s:
        await rate.sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
        if throttled() is None:
            return Pause(reason, waited_s, recovered=True)
    return Pause(reason, waited_s, recovered=False)
