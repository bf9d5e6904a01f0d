"""A sensor of Home Assistant: ``/api/states/ENTITY``, with a long-lived token from ``HASS_TOKEN``.

Its state is a text with a number, its unit an attribute; ``unavailable`` and ``unknown`` are states too (REST API of
Home Assistant). How often it is new depends on what is behind it. Not seen on a real installation.
"""

from __future__ import annotations

import os

from bakeoff.measurement.meters.plug import NoSuchPage, PlugAddress, PlugClient, PlugError, joules_of, watts_of
from bakeoff.measurement.meters.power import Look
from bakeoff.units import one_line

_WATTS = {"W": 1.0, "kW": 1000.0, "mW": 0.001}
_JOULES = {"Wh": 3600.0, "kWh": 3.6e6, "MWh": 3.6e9, "J": 1.0, "kJ": 1000.0, "MJ": 1e6}


class HomeAssistant:
    """One sensor of power or energy. Making it raises PlugError where it is something else."""

    rate_hz = 1.0
    period_s = 1.0
    quantum_j = 0.0
    described = "Home Assistant"

    def __init__(self, address: PlugAddress) -> None:
        self._address = address
        token = os.environ.get("HASS_TOKEN")
        self._client = PlugClient(address, headers={"Authorization": f"Bearer {token}"} if token else None)
        try:
            self._unit = self._find()
        except PlugError:
            self.close()
            raise

    def look(self, counter: bool) -> Look:  # noqa: ARG002 (it is one or the other)
        """Raises PlugError."""
        state, unit = self._read()
        value = _number(state)
        if value is None or unit != self._unit:
            return Look(note=f"the sensor is {one_line(state)[:40]}")
        if unit in _JOULES:
            return Look(joules=joules_of(value, _JOULES[unit]))
        watts = watts_of(value * _WATTS[unit])
        if watts is not None and watts < 0:
            return Look(note=f"the sensor told {watts:g} W: its wires are swapped, or it is broken")
        return Look(watts=watts)

    def close(self) -> None:
        self._client.close()

    def _find(self) -> str:
        try:
            state, unit = self._read()
        except NoSuchPage:
            raise PlugError(
                f"There is no entity {one_line(self._address.entity)} at {self._address.url}. Look it up under "
                "Developer tools, States."
            ) from None
        if unit not in _WATTS and unit not in _JOULES:
            raise PlugError(
                f"{self._address.text} is no sensor of power or energy: its unit is {one_line(unit)[:20]!r}. Name "
                "one in W or kWh."
            )
        if _number(state) is None:
            raise PlugError(f"{self._address.text} is {one_line(state)[:40]}: wake the device behind it.")
        return unit

    def _read(self) -> tuple[str, str]:
        told = self._client.get(f"/api/states/{self._address.entity}")
        attributes, state = told.get("attributes"), told.get("state")
        if not isinstance(attributes, dict) or not isinstance(state, str):
            raise self._client.something_else()
        return state, str(attributes.get("unit_of_measurement", ""))


def _number(state: str) -> float | None:
    try:
        return float(state) if len(state) < 40 else None
    except ValueError:
        return None
