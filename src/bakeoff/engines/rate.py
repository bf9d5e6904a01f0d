"""Servers that limit the rate: how long they ask one to wait, and how long that is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from bakeoff.clock import utc_now
from bakeoff.errors import RateLimited
from bakeoff.units import seconds_text

MOST_REFUSALS = 5
LONGEST_WAIT_S = 120.0
SPARE_S = 1.0
"""Added where a date is named: it is told to the second."""

T = TypeVar("T")


def asked_wait_s(retry_after: str | None, date: str | None) -> float | None:
    """Seconds that ``Retry-After`` asks for: as a number, or as a date (RFC 9110, section 10.2.3).

    The date is held against the reply's own ``Date`` where it has one: the server's clock may not be ours.
    None where nothing is asked for, or nothing that can be read.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), 1e9)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(date) if date else datetime.fromisoformat(utc_now())
        return max(0.0, (until - now).total_seconds() + SPARE_S)
    except (ValueError, TypeError, OverflowError):
        return None


def pause_s(refusal: RateLimited, refusals: int) -> float | None:
    """How long to wait after so many refusals of one request: as asked for, else 1, 2, 4, 8 s.

    None where it is time to give up: it was refused too often, or is to wait for too long.
    """
    wait_s = 2.0 ** (refusals - 1) if refusal.after_s is None else refusal.after_s
    return wait_s if refusals < MOST_REFUSALS and wait_s <= LONGEST_WAIT_S else None


def given_up(refusal: RateLimited, refusals: int) -> RateLimited:
    """The last refusal, with what was done about it."""
    asked = refusal.after_s or 0.0
    if asked > LONGEST_WAIT_S:
        done = f"It asks to wait {seconds_text(asked)}, longer than Bakeoff does"
    else:
        done = f"It limits the rate, and refused {refusals} times in a row"
    return RateLimited(f"{refusal} {done}: run again later, or with a key that may ask for more.", refusal.after_s)


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it is not refused. Raises RateLimited where it is time to give up."""
    refusals = 0
    while True:
        try:
            return await attempt()
        except RateLimited as refusal:
            refusals += 1
            wait_s = pause_s(refusal, refusals)
            if wait_s is None:
                raise given_up(refusal, refusals) from refusal
        await sleep(wait_s)


async def sleep(seconds: float) -> None:
    """Wait; the one place, so that tests need not."""
    await asyncio.sleep(seconds)
