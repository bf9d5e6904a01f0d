"""The servers that answer on the usual addresses, what they are, and the models that they hold."""

from __future__ import annotations

import asyncio
import os

from msgspec import Struct

from bakeoff.engines.address import Address
from bakeoff.engines.lookup import get_json, table, text_or_none
from bakeoff.engines.ollama import DEFAULT_PORT
from bakeoff.engines.ollama_launch import HOST_VARIABLE
from bakeoff.engines.ollama_server import OllamaServer
from bakeoff.errors import BakeoffError, ServerRefused
from bakeoff.units import plain_text

USUAL_SERVERS = (
    ("llama-server", "http://127.0.0.1:8080"),
    ("vLLM", "http://127.0.0.1:8000"),
    ("LM Studio", "http://127.0.0.1:1234"),
    ("SGLang", "http://127.0.0.1:30000"),
)
"""Who usually listens where."""
_OWNERS = {"llamacpp": "llama-server", "vllm": "vLLM", "sglang": "SGLang", "organization_owner": "LM Studio"}
"""Who says so of its models (``owned_by``)."""
_NEEDS_KEY = (401, 403)
_LOOK_S = 3.0
"""A port that nobody listens on refuses at once; this is for servers that are busy."""


class ServerState(Struct, frozen=True, kw_only=True):
    """A server that answers, and the models that it holds.

    ``name`` is what it says it is, else who usually listens there; ``loaded`` are the models in its memory, where
    it tells. ``needs_key``: it shows its models only to those who have one.
    """

    name: str
    url: str
    version: str | None = None
    models: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    needs_key: bool = False


def servers(ollama_url: str | None = None) -> list[ServerState]:
    """The servers that answer on the usual addresses of this machine."""
    return asyncio.run(_servers(ollama_url))


def ollama_models(url: str | None = None) -> list[str]:
    """Names of the models that an Ollama server holds; none where it does not answer."""
    found = asyncio.run(_ollama(url))
    return list(found.models) if found else []


async def _servers(ollama_url: str | None) -> list[ServerState]:
    found = await asyncio.gather(_ollama(ollama_url), *(_openai(name, url) for name, url in USUAL_SERVERS))
    return [server for server in found if server is not None]


async def _ollama(url: str | None) -> ServerState | None:
    try:
        server = OllamaServer(Address.parse(url or os.environ.get(HOST_VARIABLE) or "127.0.0.1", DEFAULT_PORT).url)
        held = await server.tags(_LOOK_S)
    except BakeoffError:
        return None
    try:
        version, loaded = await server.version(_LOOK_S), await server.loaded(_LOOK_S)
    except BakeoffError:
        version, loaded = None, ()
    return ServerState(
        name="Ollama",
        url=server.base,
        version=plain_text(version)[:40] if version else None,
        models=tuple(held),
        loaded=tuple(model.name for model in loaded),
    )


async def _openai(name: str, url: str) -> ServerState | None:
    try:
        held = table(await get_json(f"{url}/v1/models", timeout_s=_LOOK_S)).get("data")
    except ServerRefused as error:
        return ServerState(name=name, url=url, needs_key=True) if error.status in _NEEDS_KEY else None
    except BakeoffError:
        return None
    if not isinstance(held, list):
        return None
    entries = [entry for entry in held if isinstance(entry, dict) and "id" in entry]
    owners = {text_or_none(entry.get("owned_by")) or "" for entry in entries}
    known = next((_OWNERS[owner] for owner in sorted(owners) if owner in _OWNERS), name)
    return ServerState(name=known, url=url, models=tuple(str(entry["id"]) for entry in entries))
