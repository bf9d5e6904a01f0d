"""An Ollama server's untimed side: what it is, what it holds, what is loaded, and getting, loading and unloading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.engines.chat import Count, decoded
from bakeoff.engines.lookup import count_or_none, get_json, table, text_or_none
from bakeoff.engines.ollama_stream import KEEP_ALIVE
from bakeoff.engines.reply import Ended, Message, Timeouts
from bakeoff.engines.transport import Connection, HttpRequest, Sent
from bakeoff.errors import BrokenReply, ServerRefused
from bakeoff.models.names import EngineName
from bakeoff.units import plain_text

LOAD_TIMEOUT_S = 900.0
PULL_SILENCE_S = 900.0
"""A server says nothing while it checks the digest of what it got, which takes minutes for a large file."""
_UNLOAD_TIMEOUT_S = 20.0

Progress = Callable[[str, int, int], None]
"""(what is being done, bytes done, bytes in all)"""


class Loaded(Struct, frozen=True, kw_only=True):
    """One model in memory: bytes in all, bytes of it on GPUs, and the context it was loaded with where told."""

    name: str
    bytes: int
    gpu_bytes: int
    context: int | None = None

    @property
    def gpu_share(self) -> float:
        """Of its memory, 0 to 1."""
        return min(1.0, self.gpu_bytes / self.bytes)


class _Pulled(Struct):
    status: str = ""
    digest: str | None = None
    total: Count | None = None
    completed: Count | None = None
    error: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(_Pulled).decode


class OllamaServer:
    """The server at ``base``. Everything raises EngineError."""

    def __init__(self, base: str) -> None:
        self.base = base

    async def version(self, timeout_s: float = 30.0) -> str | None:
        """Its version; ServerRefused, with a hint, where it is another kind of server."""
        try:
            answer = await get_json(
                f"{self.base}/api/version", timeout_s=timeout_s, name="Ollama", start="Start it with 'ollama serve'"
            )
        except ServerRefused as error:
            raise ServerRefused(f"{error} Is that an Ollama server? Check --url.", error.status) from error
        return text_or_none(table(answer).get("version"))

    async def tags(self, timeout_s: float = 30.0) -> dict[str, dict[str, Any]]:
        """What it holds, by full name."""
        models = table(await get_json(f"{self.base}/api/tags", timeout_s=timeout_s)).get("models") or []
        return {str(tag.get("name")): tag for tag in models if isinstance(tag, dict)}

    async def show(self, model: str) -> dict[str, Any] | None:
        """Details of one model; None where it does not have it."""
        try:
            return table(await get_json(f"{self.base}/api/show", body={"model": model}))
        except ServerRefused as error:
            if error.status != 404:
                raise
            return None

    async def loaded(self, timeout_s: float = 30.0) -> tuple[Loaded, ...]:
        """The models in memory; empty also where it is too old to tell."""
        try:
            models = table(await get_json(f"{self.base}/api/ps", timeout_s=timeout_s)).get("models") or []
        except ServerRefused:
            return ()
        found = []
        for model in models:
            size = count_or_none(table(model).get("size"))
            if size is not None:
                found.append(
                    Loaded(
                        name=str(model.get("name")),
                        bytes=size,
                        gpu_bytes=count_or_none(model.get("size_vram")) or 0,
                        context=count_or_none(model.get("context_length")),
                    )
                )
        return tuple(found)

    async def load(self, model: str, options: dict[str, Any]) -> float:
        """Have it loaded with these options, by an empty request; seconds from sent to answered, on our clock."""
        body = {"model": model, "keep_alive": KEEP_ALIVE, "options": options}
        connection = await Connection.open(self.base, timeouts=Timeouts(first_byte_s=LOAD_TIMEOUT_S))
        sent_ns = 0
        try:
            async for item in connection.exchange(HttpRequest("/api/generate", msgspec.json.encode(body)), "ndjson"):
                match item:
                    case Sent(at_ns):
                        sent_ns = at_ns
                    case Message(_, data):
                        decoded(_decode, data)
                    case Ended(at_ns):
                        return (at_ns - sent_ns) / 1e9
        finally:
            await connection.close()
        raise BrokenReply(f"The server at {self.base} did not say whether it has loaded {model}.")

    async def unload(self, model: str) -> None:
        """Have it unloaded now."""
        body = {"model": model, "keep_alive": 0}
        await get_json(f"{self.base}/api/generate", body=body, timeout_s=_UNLOAD_TIMEOUT_S)

    async def pull(self, model: str, progress: Progress) -> None:
        """Have it get a model from its registry, with progress over all of its parts."""
        what = f"Pulling {model}"
        progress(what, 0, 0)
        parts: dict[str, tuple[int, int]] = {}
        last = _Pulled()
        connection = await Connection.open(self.base, timeouts=Timeouts(silence_s=PULL_SILENCE_S))
        body = msgspec.json.encode({"model": model, "stream": True})
        try:
            async for item in connection.exchange(HttpRequest("/api/pull", body), "ndjson"):
                if isinstance(item, Message):
                    last = decoded(_decode, item.data)
                    if last.digest and last.total and last.completed:
                        parts[last.digest] = (last.completed, last.total)
                        progress(what, sum(done for done, _ in parts.values()), sum(size for _, size in parts.values()))
        finally:
            await connection.close()
        if last.status != "success":
            raise BrokenReply(f"The pull of {model} ended before the server at {self.base} said that it was done.")


def differs(expected: EngineName, shown: dict[str, Any]) -> str | None:
    """What of a model's details is not as the catalogue has it, in words; None where all that is told agrees.

    Tags move: ``deepseek-r1:8b`` was a Llama once, and is a Qwen3 now.
    """
    if expected.architecture is None:
        return None
    info = table(shown.get("model_info"))
    family = text_or_none(info.get("general.architecture"))
    told = (
        ("architecture", family, expected.architecture.family),
        ("number of layers", count_or_none(info.get(f"{family}.block_count")), expected.architecture.layers),
        ("quantization", text_or_none(table(shown.get("details")).get("quantization_level")), expected.quant),
    )
    for what, found, wanted in told:
        if found is not None and str(found).lower() != str(wanted).lower():
            return f"its {what} is {plain_text(str(found))[:40]}, not {wanted}"
    return None
