"""Where a server is: every form in which people write it."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.units import plain_text

_HOST = re.compile(r"[a-z0-9._:%-]+", re.IGNORECASE)


class Address(Struct, frozen=True):
    """A server's scheme, host, port and base path (no slash at its end)."""

    host: str
    port: int
    tls: bool = False
    path: str = ""

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Self:
        """Read ``http://host:port/base``, ``host:port``, ``host``, ``:port`` or ``[::1]:port``.

        ``0.0.0.0`` and ``[::]``, which mean *every interface* to a server, mean this machine to a client.
        Without a port it is ``default_port`` where there is no scheme, else the scheme's own.
        Quotes around it are left out, as Ollama does. Raises UsageError on anything else.
        """
        text = text.strip().strip("\"'").strip()
        if "@" in text:
            raise UsageError("An address with a password in it would be shown and stored; use a key instead.")
        has_scheme = "://" in text
        bare_ipv6 = text.count(":") > 1 and not has_scheme and "[" not in text
        try:
            parts = urlsplit(text if has_scheme else f"http://[{text}]" if bare_ipv6 else f"http://{text}")
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError as error:
            raise _refusal(text, f"is not a server's address ({error})") from error
        if parts.scheme not in ("http", "https"):
            raise _refusal(text, "is not an http or https address")
        behind_ipv6 = parts.netloc.partition("]")[2]
        odd = parts.query or parts.fragment or not text.isprintable() or " " in text or not parts.path.isascii()
        if odd or port == 0 or (behind_ipv6 and not behind_ipv6.startswith(":")):
            raise _refusal(text, "is not a server's address")
        if parts.netloc.startswith(":") and port is not None:
            host = "127.0.0.1"
        if not _HOST.fullmatch(host):
            raise _refusal(text, "names no host")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (we connect, we do not bind)
        tls = parts.scheme == "https"
        if port is None:
            port = default_port if default_port and not has_scheme else 443 if tls else 80
        return cls(host=host, port=port, tls=tls, path=parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is this machine's own, by what it is called."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def url(self) -> str:
        """The whole address, as ``parse`` reads it back."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"


def _refusal(text: str, why: str) -> UsageError:
    return UsageError(f"{text[:100]!r} {plain_text(why)}. Write it like http://127.0.0.1:11434.")
