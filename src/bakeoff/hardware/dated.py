"""How old prices and specifications are, and when that has to be said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from msgspec import Struct

from bakeoff.clock import utc_now
from bakeoff.hardware.chips import known_as
from bakeoff.hardware.machine import Machine

OLD_DAYS = 180
"""From this age on it is said wherever a price or a specification is used."""


class Dated(Struct, frozen=True):
    """``price`` or ``specification``, of what, and the ISO date that it is of; None where it has none."""

    kind: str
    of: str
    day: str | None


def is_old(day: str | None, today: str | None = None) -> bool:
    """Whether so much time has passed since; never for what has no date."""
    now = date.fromisoformat((today or utc_now())[:10])
    return day is not None and (now - date.fromisoformat(day[:10])).days > OLD_DAYS


def old_note(dated: Iterable[Dated], today: str | None = None) -> str | None:
    """The sentence that names what is older than 180 days, by kind and date; None where nothing is."""
    old: dict[str, dict[str, list[str]]] = {}
    for each in dict.fromkeys(dated):
        if each.day is not None and is_old(each.day, today):
            old.setdefault(each.kind, {}).setdefault(each.day[:10], []).append(each.of)
    if not old:
        return None
    listed = (
        f"{kind} of " + ", ".join(f"{', '.join(names)} ({day})" for day, names in days.items())
        for kind, days in old.items()
    )
    return f"Older than {OLD_DAYS} days, look again: {'; '.join(listed)}."


def specifications(machine: Machine) -> Iterator[Dated]:
    """The catalogue's rows that a machine is made of."""
    for device in machine.devices:
        for chip in known_as(device.chip)[:1]:
            yield Dated("specification", chip.name, chip.date or None)
