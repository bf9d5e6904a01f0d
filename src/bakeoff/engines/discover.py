"""What is there to be measured: engines installed, servers that answer, the models they hold."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from importlib import metadata

from msgspec import Struct

from bakeoff.engines.address import Address
from bakeoff.engines.lookup import get_json, table
from bakeoff.engines.ollama import DEFAULT_PORT
from bakeoff.engines.ollama_launch import HOST_VARIABLE
from bakeoff.errors import BakeoffError

USUAL_SERVERS = (
    ("llama-server", "http://127.0.0.1:8080"),
    ("vLLM", "http://127.0.0.1:8000"),
    ("LM Studio", "http://127.0.0.1:1234"),
)
_LOOK_S = 1.0


class EngineState(Struct, frozen=True, kw_only=True):
    """One engine: whether a measurement could use it, and if not, how to get it."""

    name: str
    state: str
    version: str | None = None
    fix: str | None = None


class ServerState(Struct, frozen=True, kw_only=True):
    """A server that answers, and the models that it holds."""

    name: str
    url: str
    models: tuple[str, ...] = ()


def embedded_engine() -> EngineState:
    """The embedded llama.cpp."""
    if importlib.util.find_spec("xllamacpp") is None:
        return EngineState(name="llamacpp", state="missing", fix="pip install 'bakeoff[embedded]'")
    return EngineState(name="llamacpp", state="ready", version=f"xllamacpp {metadata.version('xllamacpp')}")


def ollama_engine(servers: list[ServerState]) -> EngineState:
    """Ollama: running, installed, or neither."""
    if any(server.name == "Ollama" for server in servers):
        return EngineState(name="ollama", state="ready")
    if shutil.which("ollama"):
        return EngineState(name="ollama", state="not running", fix="ollama serve")
    return EngineState(name="ollama", state="missing", fix="see https://ollama.com/download")


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
        base = Address.parse(url or os.environ.get(HOST_VARIABLE) or "127.0.0.1", DEFAULT_PORT).url
        listing = table(await get_json(f"{base}/api/tags", timeout_s=_LOOK_S))
    except BakeoffError:
        return None
    return ServerState(name="Ollama", url=base, models=_names(listing.get("models"), "name"))


async def _openai(name: str, url: str) -> ServerState | None:
    try:
        held = table(await get_json(f"{url}/v1/models", timeout_s=_LOOK_S)).get("data")
    except BakeoffError:
        return None
    return ServerState(name=name, url=url, models=_names(held, "id")) if isinstance(held, list) else None


def _names(entries: object, key: str) -> tuple[str, ...]:
    if not isinstance(entries, list):
        return ()
    return tuple(str(entry[key]) for entry in entries if isinstance(entry, dict) and key in entry)
