"""llama-server's HTTP interface, whoever started it: chat for text, ``/completion`` for token ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.engines.base import Begun, Chunk, Request, StreamEvent
from bakeoff.engines.chat import Count, LlamaTimings, decoded, finished, stream_chat
from bakeoff.engines.connections import Connections
from bakeoff.engines.lookup import count_or_none, get_json, some_names, table, text_or_none
from bakeoff.engines.reply import Ended, Message
from bakeoff.engines.transport import Connection, HttpRequest, Sent
from bakeoff.engines.wire_errors import NO_SUCH_QUESTION
from bakeoff.errors import BrokenReply, EngineError, ModelMissing, ServerRefused, ServerUnreachable


class _Completion(Struct):
    content: str = ""
    tokens_predicted: Count | None = None
    stop: bool = False
    stop_type: str | None = None
    timings: LlamaTimings | None = None
    error: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(_Completion).decode

_START = "Start it with 'llama-server -m FILE'"


ENDING_S = 10.0
"""How long a server that no longer answers may take to end; a crash can write a large file before."""


async def is_going(url: str) -> bool:
    """Whether a server is gone or going: it no longer takes a connection, or drops it."""
    try:
        await get_json(f"{url}/health", timeout_s=5)
    except (ServerUnreachable, BrokenReply):
        return True
    except EngineError:
        pass
    return False


class ServerSays(Struct, frozen=True, kw_only=True):
    """What a llama-server tells of itself and of one model. ``context`` is what one of its ``slots`` holds."""

    model: str
    version: str | None = None
    context: int | None = None
    slots: int | None = None
    template: str | None = None
    quant: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    context_trained: int | None = None


async def ask_server(url: str, name: str) -> ServerSays:
    """Ask ``/v1/models`` for the model of this name (or file name) and ``/props`` for the rest.

    Raises as ``get_json`` does; ModelMissing where it serves another; ServerRefused where it is no llama-server.
    """
    models = table(await _told(url, "/v1/models", name)).get("data") or []
    served = {str(model.get("id")): model for model in models if isinstance(model, dict)}
    found = next((known for known in served if name in _names(known)), None)
    if found is None:
        have = f"It serves: {some_names(served)}." if served else "It serves none."
        raise ModelMissing(f"The server at {url} has no model {name!r}. {have} Write llamacpp:NAME with one of these.")
    props = table(await _told(url, "/props", name))
    meta = table(served[found].get("meta"))
    return ServerSays(
        model=found,
        version=text_or_none(props.get("build_info")),
        context=count_or_none(table(props.get("default_generation_settings")).get("n_ctx")),
        slots=count_or_none(props.get("total_slots")),
        template=text_or_none(props.get("chat_template")),
        quant=quant_named(text_or_none(meta.get("ftype")) or text_or_none(props.get("model_ftype"))),
        size_bytes=count_or_none(meta.get("size")),
        parameters=count_or_none(meta.get("n_params")),
        context_trained=count_or_none(meta.get("n_ctx_train")),
    )


async def _told(url: str, path: str, name: str) -> Any:
    """What it says there; ServerRefused, with a hint, where it is another kind of server."""
    try:
        return await get_json(f"{url}{path}", name="llama-server", start=_START)
    except ServerRefused as error:
        if error.status not in NO_SUCH_QUESTION:
            raise
        hint = f"Is that a llama-server? Check --url; for another kind write openai:{name}."
        raise ServerRefused(f"{error} {hint}", error.status) from error


def _names(known: str) -> tuple[str, ...]:
    """What users may call a model: as the server does, which is a path where it has no alias, or by the file."""
    file = known.replace("\\", "/").rpartition("/")[2]
    return known, file, file.removesuffix(".gguf")


def quant_named(described: str | None) -> str | None:
    """llama.cpp's words for a quantization as its name: ``Q4_K - Medium`` is Q4_K_M. None where it only guesses."""
    if not described or described.startswith("(guessed)"):
        return None
    name, _, size = described.partition(" - ")
    name += {"Small": "_S", "Medium": "_M", "Large": "_L"}.get(size, "")
    return "Q2_K" if name == "Q2_K_M" else name


async def stream_llama(connections: Connections, request: Request, model: str) -> AsyncIterator[StreamEvent]:
    """One generation, of exactly ``max_tokens`` tokens or to its end, the prompt cache off unless asked for."""
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "cache_prompt": request.cache,
        "ignore_eos": request.to_the_limit,
        "temperature": request.temperature,
        "seed": request.seed,
        "timings_per_token": True,
        **nucleus(request, top_k=0, min_p=0.0, repeat_penalty=1.0),
    }
    async with connections.one() as connection:
        if request.prompt.token_ids is not None:
            body |= {"prompt": request.prompt.token_ids, "n_predict": request.max_tokens}
            events = _stream_completion(connection, body)
        else:
            body |= {
                "messages": chat_messages(request),
                "max_tokens": request.max_tokens,
                "stream_options": {"include_usage": True},
            }
            events = stream_chat(connection, body, {})
        async for event in events:
            yield event


def nucleus(request: Request, **others_off: float) -> dict[str, float]:
    """The request's top-p with the engine's other ways to cut the choice of tokens off; nothing where it has none."""
    return {} if request.top_p is None else {"top_p": request.top_p, **others_off}


def chat_messages(request: Request) -> list[dict[str, str]]:
    """The prompt as chat messages."""
    system = [{"role": "system", "content": request.prompt.system}] if request.prompt.system else []
    return [*system, {"role": "user", "content": request.prompt.text or ""}]


async def _stream_completion(connection: Connection, body: dict[str, Any]) -> AsyncIterator[StreamEvent]:
    finish: str | None = None
    timings = LlamaTimings()
    async for item in connection.exchange(HttpRequest("/completion", msgspec.json.encode(body)), "sse"):
        match item:
            case Message(at_ns, data):
                if data == b"[DONE]":
                    continue
                chunk = decoded(_decode, data)
                timings = chunk.timings or timings
                if chunk.stop:
                    finish = {"limit": "length", "eos": "stop", "word": "stop"}.get(
                        chunk.stop_type or "", chunk.stop_type
                    )
                if chunk.content:
                    yield Chunk(at_ns, chunk.content, "", chunk.tokens_predicted)
            case Sent(at_ns):
                yield Begun(at_ns)
            case Ended():
                yield finished(item, finish, timings.usage(), timings.timings())
