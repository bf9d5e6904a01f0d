"""Untimed questions to a server: what it is, what it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.engines.address import Address
from bakeoff.engines.wire_errors import error_text
from bakeoff.errors import BrokenReply, ServerRefused, ServerSilent, ServerUnreachable

_MAX_BODY_BYTES = 32 * 1024 * 1024


async def get_json(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: dict[str, Any] | None = None,
    timeout_s: float = 30.0,
    name: str = "server",
) -> Any:
    """GET (or, with a body, POST) and decode the JSON answer.

    Raises ServerUnreachable, ServerSilent, ServerRefused (any status but 200), BrokenReply (not JSON, too long).
    """
    import httpx
    import msgspec

    address = Address.parse(url)
    where = Address(address.host, address.port, address.tls).url
    try:
        async with (
            httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client,
            client.stream("POST" if body is not None else "GET", url, headers=headers, json=body) as reply,
        ):
            data = b""
            async for part in reply.aiter_bytes():
                data += part
                if len(data) > _MAX_BODY_BYTES:
                    raise BrokenReply(f"{where} answered with over {_MAX_BODY_BYTES} bytes.")
    except httpx.ConnectError as error:
        raise ServerUnreachable(
            f"No {name} at {where} ({_reason(error)}). Start it, or name another address with --url."
        ) from error
    except httpx.TimeoutException as error:
        raise ServerSilent(f"{where} did not answer within {timeout_s:g} s.") from error
    except httpx.HTTPError as error:
        raise BrokenReply(f"What {where} answered is not HTTP/1.1: {error_text(str(error).encode())}") from error
    if reply.status_code != 200:
        raise ServerRefused(f"{where} answered {reply.status_code}: {error_text(data)}", reply.status_code)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenReply(f"{where} answers, but not in JSON: is it another server? Check --url.") from error


def text_or_none(value: object) -> str | None:
    """A server's word where it is one."""
    return value if isinstance(value, str) and value else None


def count_or_none(value: object) -> int | None:
    """A server's count where it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def table(value: object) -> dict[str, Any]:
    """A server's object where it is one, else an empty one."""
    return value if isinstance(value, dict) else {}


def _reason(error: Exception) -> str:
    """The operating system's reason, from whatever depth the client has wrapped it in."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "connection refused" if "connection" in str(error).lower() else str(error)
