"""Shelly plugs, generation 1 (``/status``) and 2 to 4 (``/rpc/Switch.GetStatus``), by their published API.

Generation 1 counts watt-minutes; later ones watt-hours with three places. ``/shelly`` answers in all of them, without a
password. Passwords: basic authentication in generation 1, digest with SHA-256 later, the user always ``admin``.
Not seen on real hardware.
"""

from __future__ import annotations

import os
from typing import Any

from bakeoff.measurement.meters.plug import NoSuchPage, PlugAddress, PlugClient, PlugError, joules_of, watts_of
from bakeoff.measurement.meters.power import Look

WATT_MINUTE, WATT_HOUR = 60.0, 3600.0
_COMPONENTS = ("Switch", "PM1")
"""Plugs that switch, and small meters that only measure."""


class Shelly:
    """One outlet of one plug. Entering it raises PlugError where it is something else."""

    rate_hz = 2.0
    period_s = 1.0

    def __init__(self, address: PlugAddress) -> None:
        self._address = address
        open_to_all = PlugClient(address)
        try:
            about = open_to_all.get("/shelly")
        finally:
            open_to_all.close()
        self.generation = _generation(about)
        self._client = PlugClient(address, auth=_auth(self.generation))
        if not self.generation:
            self.close()
            raise self._client.something_else()
        self.quantum_j = WATT_MINUTE if self.generation == 1 else WATT_HOUR / 1000
        self._component = _COMPONENTS[0]
        try:
            self._find()
        except PlugError:
            self.close()
            raise

    @property
    def described(self) -> str:
        return f"Shelly of generation {self.generation}"

    def look(self, counter: bool) -> Look:  # noqa: ARG002 (both come in one answer)
        """Raises PlugError."""
        watts, joules = self._first() if self.generation == 1 else self._later()
        if watts is not None and watts < 0:
            return Look(note=f"the plug told {watts:g} W: its wires are swapped, or it is broken")
        return Look(joules, watts)

    def close(self) -> None:
        self._client.close()

    def _find(self) -> None:
        try:
            watts, joules = self._first() if self.generation == 1 else self._later()
        except NoSuchPage:
            if self.generation == 1:
                raise
            self._component = _COMPONENTS[1]
            watts, joules = self._later()
        if watts is None and joules is None:
            raise PlugError(
                f"{self._address.text} switches, but does not measure: the power of its channel "
                f"{self._address.channel} is missing. Name another plug or channel."
            )

    def _first(self) -> tuple[float | None, float | None]:
        meters = self._client.get("/status").get("meters")
        if not isinstance(meters, list):
            raise self._client.something_else()
        if self._address.channel >= len(meters):
            raise PlugError(f"{self._address.text}: there are {len(meters)} channels, numbered from 0. Take another.")
        meter = meters[self._address.channel]
        if not isinstance(meter, dict) or meter.get("is_valid") is False:
            return None, None
        return watts_of(meter.get("power")), joules_of(meter.get("total"), WATT_MINUTE)

    def _later(self) -> tuple[float | None, float | None]:
        told = self._client.get(f"/rpc/{self._component}.GetStatus", id=str(self._address.channel))
        energy = told.get("aenergy")
        total = energy.get("total") if isinstance(energy, dict) else None
        return watts_of(told.get("apower")), joules_of(total, WATT_HOUR)


def _generation(about: dict[str, Any]) -> int:
    """As ``/shelly`` tells it: later ones say ``gen``, the first has a ``type``; 0 is no Shelly."""
    told = about.get("gen")
    if isinstance(told, int) and 2 <= told <= 9:
        return told
    return 1 if isinstance(about.get("type"), str) and "mac" in about else 0


def _auth(generation: int) -> Any:
    import httpx

    password = os.environ.get("SHELLY_PASSWORD")
    if not password:
        return None
    return httpx.BasicAuth("admin", password) if generation == 1 else httpx.DigestAuth("admin", password)
