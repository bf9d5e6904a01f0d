"""Untimed questions to a server: what it is, what it has."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from bakeoff.engines.address import Address
from bakeoff.engines.wire_errors import error_text, unreachable
from bakeoff.errors import BrokenReply, ServerRefused, ServerSilent, UsageError
from bakeoff.units import plain_text

_MAX_BODY_BYTES = 32 * 1024 * 1024
_NAMES_SHOWN, _LONGEST_NAME = 8, 80


async def get_json(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: dict[str, Any] | None = None,
    timeout_s: float = 30.0,
    name: str = "server",
    start: str = "Start it",
) -> Any:
    """GET (or, with a body, POST) and decode the JSON answer; ``timeout_s`` is for the whole of it.

    Raises as ``get_bytes`` does, and BrokenReply where the answer is not JSON.
    """
    import msgspec

    data = await get_bytes(url, headers, body=body, timeout_s=timeout_s, name=name, start=start)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenReply(f"{_where(url)} answers, but not in JSON: is it another server? Check --url.") from error


async def get_bytes(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: dict[str, Any] | None = None,
    timeout_s: float = 30.0,
    name: str = "server",
    start: str = "Start it",
) -> bytes:
    """GET (or, with a body, POST) the answer as it is; ``timeout_s`` is for the whole of it.

    Raises ServerUnreachable, ServerSilent, ServerRefused (any status but 200), BrokenReply (too long, not HTTP),
    UsageError (no host can have that name).
    """
    import httpx

    where = _where(url)
    trust = ssl.create_default_context() if where.startswith("https") else False  # reading certificates takes a while
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(timeout=None, trust_env=False, verify=trust) as client,  # noqa: S113
            client.stream("POST" if body is not None else "GET", url, headers=headers, json=body) as reply,
        ):
            data = b""
            async for part in reply.aiter_bytes():
                data += part
                if len(data) > _MAX_BODY_BYTES:
                    raise BrokenReply(f"{where} answered with over {_MAX_BODY_BYTES} bytes.")
    except (httpx.InvalidURL, UnicodeError) as error:  # the second is idna's
        raise UsageError(f"{where} names a host that cannot exist. Check --url.") from error
    except httpx.ConnectError as error:
        raise unreachable(where, _cause(error), name, start) from error
    except TimeoutError as error:
        raise ServerSilent(f"{where} did not answer within {timeout_s:g} s.") from error
    except httpx.HTTPError as error:
        raise BrokenReply(f"What {where} answered is not HTTP/1.1: {error_text(str(error).encode())}") from error
    if reply.status_code != 200:
        raise ServerRefused(f"{where} answered {reply.status_code}: {error_text(data)}", reply.status_code)
    return data


def _where(url: str) -> str:
    address = Address.parse(url)
    return Address(address.host, address.port, address.tls).url


def some_names(names: Iterable[str]) -> str:
    """A server's names for a sentence: the first few in order, none too long."""
    return ", ".join(plain_text(name)[:_LONGEST_NAME] for name in sorted(names)[:_NAMES_SHOWN])


def text_or_none(value: object) -> str | None:
    """A server's word where it is one."""
    return value if isinstance(value, str) and value else None


def count_or_none(value: object) -> int | None:
    """A server's count where it is one that a run file holds."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def table(value: object) -> dict[str, Any]:
    """A server's object where it is one, else an empty one."""
    return value if isinstance(value, dict) else {}


def _cause(error: Exception) -> OSError:
    """The operating system's error, from whatever depth the client has wrapped it in."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, OSError) and cause.errno:
            return cause
        cause = cause.__cause__ or cause.__context__
    return OSError(str(error))
