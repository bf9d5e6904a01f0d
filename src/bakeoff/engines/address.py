"""Where a server is: every form in which people write it."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from bakeoff.errors import UsageError


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
        Raises UsageError on anything else.
        """
        text = text.strip()
        has_scheme = "://" in text
        if text.count(":") > 1 and not has_scheme and "[" not in text:
            text = f"[{text}]"
        try:
            parts = urlsplit(text if has_scheme else f"http://{text}")
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{text!r} is not a server's address ({error}). {_EXAMPLE}") from error
        if parts.scheme not in ("http", "https"):
            raise UsageError(f"{text!r} is not an http or https address. {_EXAMPLE}")
        if parts.username or parts.password:
            raise UsageError("An address with a password in it would be shown and stored; use a key instead.")
        if parts.query or parts.fragment or any(c.isspace() or ord(c) < 32 for c in text):
            raise UsageError(f"{text!r} is not a server's address. {_EXAMPLE}")
        host = parts.hostname or ("127.0.0.1" if text.startswith(":") else "")
        if not host:
            raise UsageError(f"{text!r} names no host. {_EXAMPLE}")
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
    def url(self) -> str:
        """The whole address, as ``parse`` reads it back."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"


_EXAMPLE = "Write it like http://127.0.0.1:11434."
