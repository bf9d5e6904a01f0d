"""The wall meter that a person reads: its counter before a run and after it, and what its last digit hides."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.results.records import MeterState, Reading
from bakeoff.units import one_line

NAME = "wall meter, by hand"
JOULES = 3.6e6
STATE = MeterState(name=NAME, scope="wall", quantity="energy_j", state="ready", method="read by hand")


class Shown(Struct, frozen=True):
    """A meter's counter as it was read, and the worth of its last digit; kilowatt-hours."""

    kwh: float
    step_kwh: float

    @classmethod
    def parse(cls, text: str) -> Shown:
        """``1234.56`` or ``1234,56``, ``kWh`` or not. Raises UsageError."""
        plain = text.strip().lower().removesuffix("kwh").strip().replace(",", ".")
        try:
            value = Decimal(plain)
            exponent = value.as_tuple().exponent
        except InvalidOperation:
            value, exponent = Decimal(-1), None
        if not isinstance(exponent, int) or not value.is_finite() or not 0 <= value < 10**9 or exponent < -6:
            raise UsageError(f"{one_line(text)[:40]!r} is no reading in kWh: type it as the meter shows it, 1234.56.")
        return cls(float(value), float(Decimal(1).scaleb(min(0, exponent))))


def used(before: Shown, after: Shown, span_s: float) -> Reading:
    """What went through the meter between two readings. Raises UsageError where the second is the smaller.

    A meter shows its counter cut off after the last digit, so that either reading hides up to one step: the energy is
    known to ± one step, which are the reading's bounds.
    """
    if after.kwh < before.kwh:
        raise UsageError(
            f"The wall meter cannot have gone back from {before.kwh} to {after.kwh} kWh: type the second reading again."
        )
    step = max(before.step_kwh, after.step_kwh)
    kwh = after.kwh - before.kwh
    fine = kwh >= 10 * step
    too_coarse = f"{kwh:g} kWh are too little for a meter that shows {step:g} kWh: run longer"
    return Reading(
        meter=NAME,
        scope="wall",
        quantity="energy_j",
        phase="run",
        value=kwh * JOULES if fine else None,
        low=max(0.0, kwh - step) * JOULES,
        high=(kwh + step) * JOULES,
        span_s=span_s,
        samples=2,
        method=f"read by hand before and after, to ±{step:g} kWh",
        detail="" if fine else too_coarse,
    )


def asked(ask: Callable[[str], str], question: str, at_least: Shown | None = None) -> Shown:
    """Ask until the answer is a reading, and not less than the one before. ``ask`` may raise to end it."""
    while True:
        try:
            shown = Shown.parse(ask(question))
            if at_least is not None:
                used(at_least, shown, 1.0)
            return shown
        except UsageError as error:
            question = str(error)
