"""Asking a wall plug over HTTP: bounded, patient for three seconds, its secrets kept out of every message."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.units import one_line

PATIENCE_S = 3.0
_MOST_BYTES = 1 << 18


class PlugError(BakeoffError):
    """A plug did not answer, or not as its brand does; the text says what to do."""


class PlugAddress(Struct, frozen=True, kw_only=True):
    """Where a plug is. ``channel`` is which of its outlets, ``entity`` which sensor of a Home Assistant."""

    brand: str
    host: str
    tls: bool = False
    channel: int = 0
    entity: str = ""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @property
    def text(self) -> str:
        """As it was written; it never holds a secret."""
        path = f"/{self.entity}" if self.entity else ""
        return f"{self.brand}://{self.host}{path}" + (f"?channel={self.channel}" if self.channel else "")

    @classmethod
    def parse(cls, text: str) -> PlugAddress:
        """``shelly://HOST[:PORT][?channel=N]``, ``tasmota://…``, ``homeassistant://HOST:8123/sensor.NAME``.

        Raises UsageError; the message repeats no password.
        """
        brand, _, _ = text.partition("://")
        try:
            parts = urlsplit(text)
            query = parse_qs(parts.query)
            host, port, has_user = parts.hostname, parts.port, parts.username is not None
            channel = int(query.get("channel", ["0"])[-1])
        except ValueError:
            raise UsageError(f"--wall cannot read the address. {_FORMS}") from None
        if has_user:
            raise UsageError(f"--wall takes no password in the address: it would be kept. Set {_secrets(brand)}.")
        if brand not in BRANDS or not host or not 0 <= channel < 64 or set(query) - {"channel", "tls"}:
            raise UsageError(f"--wall {one_line(text)[:80]!r} names no plug that we know. {_FORMS}")
        entity = parts.path.strip("/")
        if (brand == "homeassistant") != bool(entity) or "/" in entity or len(entity) > 255:
            raise UsageError(f"--wall {one_line(text)[:80]!r}: {_FORMS}")
        name = f"[{host}]" if ":" in host else host
        return cls(
            brand=brand,
            host=f"{name}:{port}" if port else name,
            tls=query.get("tls", ["0"])[-1] == "1",
            channel=channel,
            entity=entity,
        )


BRANDS: dict[str, str] = {
    "shelly": "SHELLY_PASSWORD",
    "tasmota": "TASMOTA_PASSWORD",
    "homeassistant": "HASS_TOKEN",
}
"""Each brand and the variable of the environment that holds its secret."""
_FORMS = (
    "Write shelly://192.168.1.20, shelly://192.168.1.20?channel=1, tasmota://192.168.1.21, "
    "homeassistant://192.168.1.5:8123/sensor.plug_power, or manual."
)


def _secrets(brand: str) -> str:
    return BRANDS.get(brand) or " or ".join(BRANDS.values())


class PlugClient:
    """One plug, asked by one thread. Answers are JSON objects."""

    def __init__(self, address: PlugAddress, *, headers: Mapping[str, str] | None = None, auth: Any = None) -> None:
        import httpx

        self._address = address
        self._client = httpx.Client(
            base_url=address.url, headers=dict(headers or {}), auth=auth, timeout=PATIENCE_S, trust_env=False
        )

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """The object that it answers. Raises PlugError: silent, refused, no such page, or something else."""
        import httpx

        text = self._address.text
        try:
            with self._client.stream("GET", path, params=query or None) as answer:
                body = self._body(answer)
        except httpx.TimeoutException:
            raise PlugError(f"{text} has not answered for {PATIENCE_S:.0f} s. Is it in this network?") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise PlugError(f"Nothing answers at {text}. Check the address, and that it is in this network.") from None
        if answer.status_code in (401, 403):
            raise NeedsSecret(self._needs_secret())
        if answer.status_code == 404:
            raise NoSuchPage(f"{text} has no {path.partition('?')[0]}: {_not_a(self._address)}")
        if answer.status_code != 200:
            raise PlugError(f"{text} answers with the status {answer.status_code}. Try again, or restart it.")
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise PlugError(f"What answers at {text} is something else: {_not_a(self._address)}") from None

    def needs_secret(self) -> NeedsSecret:
        """It wants a secret, or another one."""
        return NeedsSecret(self._needs_secret())

    def something_else(self) -> PlugError:
        """It answers, but not as its brand does."""
        return PlugError(f"What answers at {self._address.text} is something else: {_not_a(self._address)}")

    def close(self) -> None:
        self._client.close()

    def _body(self, answer: Any) -> bytes:
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > _MOST_BYTES:
                raise self.something_else()
            parts.append(part)
        return b"".join(parts)

    def _needs_secret(self) -> str:
        variable = BRANDS[self._address.brand]
        done = "is not the right one" if os.environ.get(variable) else "is not set"
        what = "token" if self._address.brand == "homeassistant" else "password"
        return f"{self._address.text} wants a {what}, and {variable} {done}. Set it with: export {variable}=…"


class NeedsSecret(PlugError):
    """It wants a password or a token."""


class NoSuchPage(PlugError):
    """It has no such address."""


def _not_a(address: PlugAddress) -> str:
    names = {"shelly": "a Shelly plug", "tasmota": "a Tasmota plug that measures", "homeassistant": "a Home Assistant"}
    return f"it is not {names[address.brand]}. Check the address."


def watts_of(value: Any) -> float | None:
    """Power as plugs tell it: a finite number that one outlet can carry, minus included; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e5 < value < 1e5 else None


def joules_of(value: Any, per_unit: float) -> float | None:
    """Energy as plugs count it, in units of so many joules; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) * per_unit if 0 <= value < 1e12 else None
