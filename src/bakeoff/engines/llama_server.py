"""llama-server's HTTP interface, whoever started it: chat for text, ``/completion`` for token ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.engines.base import Begun, Chunk, Request, StreamEvent
from bakeoff.engines.chat import Count, LlamaTimings, decoded, finished, stream_chat
from bakeoff.engines.transport import Connection, Ended, HttpRequest, Message, Sent


class _Completion(Struct):
    content: str = ""
    tokens_predicted: Count | None = None
    stop: bool = False
    stop_type: str | None = None
    timings: LlamaTimings | None = None
    error: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


async def stream_llama(url: str, request: Request, model: str) -> AsyncIterator[StreamEvent]:
    """One generation of exactly ``max_tokens`` tokens, with the prompt cache off unless asked for."""
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "cache_prompt": request.cache,
        "ignore_eos": True,
        "temperature": request.temperature,
        "seed": request.seed,
        "timings_per_token": True,
    }
    connection = await Connection.open(url)
    try:
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
    finally:
        await connection.close()


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
