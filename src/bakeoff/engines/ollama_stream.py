"""What Ollama is asked and how it answers: ``/api/chat``, or ``/api/generate`` without the template, in JSON lines.

Chat is what Ollama's own command line uses. It renders the model's template in every version (newer ones leave
``/api/generate`` to the same code, but count the whole text again at its end), and keeps reasoning apart.
``truncate: false`` makes newer servers refuse a prompt that does not fit; older ones do not know it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.engines.base import Begun, Chunk, Request, StreamEvent
from bakeoff.engines.chat import Count, decoded, finished
from bakeoff.engines.llama_server import chat_messages, nucleus
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.reply import Ended, Message
from bakeoff.engines.transport import Connection, HttpRequest, Sent
from bakeoff.results.records import EngineTimings, Usage

KEEP_ALIVE = "5m"
"""Ollama's own default, sent so that a server that is set to unload at once does not reload in every trial."""

ALL_LAYERS = 999
"""More than any model has: the server takes the number as *all of them*."""


class _Said(Struct):
    content: str | None = None
    thinking: str | None = None


class _Line(Struct):
    response: str | None = None
    thinking: str | None = None
    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    load_duration: Count | None = None
    prompt_eval_count: Count | None = None
    prompt_eval_cached_count: Count | None = None
    prompt_eval_duration: Count | None = None
    eval_count: Count | None = None
    eval_duration: Count | None = None
    error: Any = None
    code: Any = None

    def said(self) -> tuple[str, str]:
        """Text and reasoning of either endpoint."""
        message = self.message or _Said(self.response, self.thinking)
        return message.content or "", message.thinking or ""


_decode = msgspec.json.Decoder(_Line).decode


def runner_options(options: EngineOptions, context: int | None = None) -> dict[str, Any]:
    """The options that a model is loaded with: where a request's differ, the server loads it again."""
    chosen: dict[str, Any] = {"num_ctx": context or options.context}
    if options.gpu_layers is not None:
        chosen["num_gpu"] = options.gpu_layers if options.gpu_layers >= 0 else ALL_LAYERS
    if options.threads is not None:
        chosen["num_thread"] = options.threads
    return chosen


def generation(model: str, request: Request, options: EngineOptions, thinks: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of one generation."""
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "truncate": False,
        "keep_alive": KEEP_ALIVE,
        "options": {
            **runner_options(options, request.context),
            "num_predict": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            **nucleus(request, top_k=0, min_p=0.0, repeat_penalty=1.0),
        },
    }
    if options.raw:
        texts = (request.prompt.system, request.prompt.text)
        return "/api/generate", body | {"prompt": "\n\n".join(text for text in texts if text), "raw": True}
    if thinks:
        body["think"] = True
    return "/api/chat", body | {"messages": chat_messages(request)}


async def stream_ollama(connection: Connection, path: str, body: dict[str, Any]) -> AsyncIterator[StreamEvent]:
    """Send one generation and give its events. Raises as the transport does, and BrokenReply."""
    last = _Line()
    async for item in connection.exchange(HttpRequest(path, msgspec.json.encode(body)), "ndjson"):
        match item:
            case Message(at_ns, data):
                last = decoded(_decode, data)
                text, thinking = last.said()
                if text or thinking:
                    yield Chunk(at_ns, text, thinking)
            case Sent(at_ns):
                yield Begun(at_ns)
            case Ended():
                yield finished(item, _finish(last), _usage(last), _timings(last))


def _finish(last: _Line) -> str | None:
    """How the stream ended; None where its last object is not the closing one, so that it counts as cut."""
    return (last.done_reason or "stop") if last.done else None


def _usage(last: _Line) -> Usage:
    """The prompt's count holds cached tokens too; zeros are left out.

    Servers up to 0.33.2 do not tell the cached ones, and the oldest leave the prompt's count out on a full hit.
    Where the two cannot both be right, neither is believed.
    """
    prompt, cached = last.prompt_eval_count, last.prompt_eval_cached_count
    if cached is not None and (prompt is None or not 0 <= cached < prompt):
        prompt = cached = None
    return Usage(prompt_tokens=prompt, cached_tokens=cached, output_tokens=last.eval_count)


def _timings(last: _Line) -> EngineTimings:
    """What was evaluated is known only where the cached tokens are told: the duration leaves them out."""
    usage = _usage(last)
    known = usage.prompt_tokens is not None and usage.cached_tokens is not None
    return EngineTimings(
        prefill_tokens=(usage.prompt_tokens or 0) - (usage.cached_tokens or 0) if known else None,
        prefill_s=_seconds(last.prompt_eval_duration),
        decode_s=_seconds(last.eval_duration),
        load_s=_seconds(last.load_duration),
    )


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
