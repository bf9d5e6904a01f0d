"""Plugs with Tasmota's firmware: ``/cm?cmnd=Status 8`` tells power in watts and energy in kilowatt-hours.

A password goes into the query, as ``user`` and ``password`` (Tasmota's documentation, commands over HTTP); without it
the answer is a ``WARNING``. Several phases or outlets come as lists. Not seen on real hardware.
"""

from __future__ import annotations

import os
from typing import Any

from bakeoff.measurement.meters.plug import PlugAddress, PlugClient, PlugError, joules_of, watts_of
from bakeoff.measurement.meters.power import Look

KILOWATT_HOUR = 3.6e6


class Tasmota:
    """One outlet of one plug. Making it raises PlugError where it is something else."""

    rate_hz = 1.0
    period_s = 1.0
    quantum_j = KILOWATT_HOUR / 1000
    described = "Tasmota"

    def __init__(self, address: PlugAddress) -> None:
        self._address = address
        self._client = PlugClient(address)
        try:
            watts, joules = self._read()
            if watts is None and joules is None:
                raise PlugError(f"{address.text} tells no power of channel {address.channel}. Name another plug.")
        except PlugError:
            self.close()
            raise

    def look(self, counter: bool) -> Look:  # noqa: ARG002 (both come in one answer)
        """Raises PlugError."""
        watts, joules = self._read()
        if watts is not None and watts < 0:
            return Look(note=f"the plug told {watts:g} W: its wires are swapped, or it is broken")
        return Look(joules, watts)

    def close(self) -> None:
        self._client.close()

    def _read(self) -> tuple[float | None, float | None]:
        password = os.environ.get("TASMOTA_PASSWORD")
        secret = {"user": "admin", "password": password} if password else {}
        told = self._client.get("/cm", **secret, cmnd="Status 8")
        if "WARNING" in told:
            raise self._client.needs_secret()
        status = told.get("StatusSNS")
        if not isinstance(status, dict):
            raise self._client.something_else()
        energy = status.get("ENERGY")
        if not isinstance(energy, dict):
            raise PlugError(f"{self._address.text} runs Tasmota, but does not measure power. Name another plug.")
        return watts_of(self._mine(energy.get("Power"))), joules_of(self._mine(energy.get("Total")), KILOWATT_HOUR)

    def _mine(self, value: Any) -> Any:
        """Of a list, the outlet's own; a single number is that of the first, or of all together."""
        if isinstance(value, list):
            return value[self._address.channel] if self._address.channel < len(value) else None
        return value
