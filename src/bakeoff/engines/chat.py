"""Completions as OpenAI-compatible servers stream them, with what llama-server and vLLM add."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from bakeoff.engines.base import Begun, Chunk, Finished, StreamEvent
from bakeoff.engines.reply import Ended, Message
from bakeoff.engines.transport import Connection, HttpRequest, Sent
from bakeoff.engines.wire_errors import error_text
from bakeoff.errors import BrokenReply, ServerRefused
from bakeoff.results.records import EngineTimings, Usage

Count = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""A server's number: sums of it still fit a run file."""


class _Delta(Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _PromptDetails(Struct):
    cached_tokens: Count | None = None


class _OutputDetails(Struct):
    reasoning_tokens: Count | None = None


class _Usage(Struct):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    reasoning_tokens: Count | None = None


class LlamaTimings(Struct):
    """llama-server's own account. ``predicted_ms`` spans the intervals between the tokens."""

    cache_n: Count | None = None
    prompt_n: Count | None = None
    prompt_ms: float | None = None
    predicted_n: Count | None = None
    predicted_ms: float | None = None

    def timings(self) -> EngineTimings:
        return EngineTimings(
            prefill_tokens=self.prompt_n,
            prefill_s=None if self.prompt_ms is None else self.prompt_ms / 1e3,
            decode_s=None if self.predicted_ms is None else self.predicted_ms / 1e3,
        )

    def usage(self) -> Usage:
        whole = None if self.prompt_n is None else self.prompt_n + (self.cache_n or 0)
        return Usage(prompt_tokens=whole, cached_tokens=self.cache_n, output_tokens=self.predicted_n)


class VllmMetrics(Struct):
    """vLLM's own account (``--enable-per-request-metrics``), by its engine's clock.

    Waiting for a turn, from the turn to the first token, and from it to the last, which are n − 1 intervals.
    """

    queue_time_ms: float | None = None
    time_to_first_token_ms: float | None = None
    generation_time_ms: float | None = None

    def timings(self) -> EngineTimings:
        return EngineTimings(
            queue_s=None if self.queue_time_ms is None else self.queue_time_ms / 1e3,
            prefill_s=None if self.time_to_first_token_ms is None else self.time_to_first_token_ms / 1e3,
            decode_s=None if self.generation_time_ms is None else self.generation_time_ms / 1e3,
        )


class _Chunk(Struct):
    choices: list[_Choice] = msgspec.field(default_factory=list)
    usage: _Usage | None = None
    timings: LlamaTimings | None = None
    metrics: VllmMetrics | None = None
    error: Any = None
    code: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


async def stream_chat(
    connection: Connection,
    body: dict[str, Any],
    headers: dict[str, str],
    path: str = "/v1/chat/completions",
    fields: set[str] | None = None,
) -> AsyncIterator[StreamEvent]:
    """Send one completion, of a chat or (by ``path``) of a text, and give its events.

    Which of ``reasoning``, ``reasoning_content`` and ``logprobs`` came is added to ``fields`` where that is given.
    Raises as the transport does, and BrokenReply.
    """
    request = HttpRequest(path=path, body=msgspec.json.encode(body), headers=headers)
    finish: str | None = None
    usage, timings, metrics = _Usage(), LlamaTimings(), None
    async for item in connection.exchange(request, "sse"):
        match item:
            case Message(at_ns, data):
                if data == b"[DONE]":
                    finish = finish or "done"
                    continue
                chunk = decoded(_decode, data)
                usage = chunk.usage or usage
                timings = chunk.timings or timings
                metrics = chunk.metrics or metrics
                counted = chunk.usage.completion_tokens if chunk.usage and chunk.choices else None
                if chunk.timings is not None and chunk.timings.predicted_n is not None:
                    counted = chunk.timings.predicted_n
                for choice in chunk.choices[:1]:
                    finish = choice.finish_reason or finish
                    if fields is not None:
                        fields |= _spoken(choice)
                    delta = choice.delta
                    text = delta.content or choice.text or ""
                    thought = delta.reasoning or delta.reasoning_content or ""
                    if thought or text:
                        yield Chunk(at_ns, text, thought, counted)
            case Sent(at_ns):
                yield Begun(at_ns)
            case Ended():
                yield finished(item, finish, _usage(usage, timings), (metrics or timings).timings())


def _spoken(choice: _Choice) -> set[str]:
    came = {
        "reasoning": choice.delta.reasoning,
        "reasoning_content": choice.delta.reasoning_content,
        "logprobs": bytes(choice.logprobs) not in (b"", b"null"),
    }
    return {name for name, value in came.items() if value}


def finished(end: Ended, finish: str | None, usage: Usage, timings: EngineTimings) -> Finished:
    """What the transport and the engine know at the end of a stream, together.

    Raises BrokenReply where the reply ended without its closing message: a body that ends with the connection
    is cut without any other sign, and what is no stream at all has no message.
    """
    if finish is None:
        raise BrokenReply("The reply ended before the server said that it was done: it was cut, or is no stream.")
    return Finished(
        at_ns=end.at_ns,
        finish=finish,
        usage=usage,
        timings=timings,
        clock=end.clock,
        clock_step_ns=end.clock_step_ns,
    )


def decoded(decode: Any, data: bytes) -> Any:
    """One message as its type. Raises BrokenReply where it is not one, ServerRefused where it is an error."""
    try:
        chunk = decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenReply(f"The server sent something that is not its protocol: {error_text(data)}") from error
    if chunk.error or chunk.code:
        raise ServerRefused(f"The server broke off with an error: {error_text(data)}")
    return chunk


def _usage(usage: _Usage, timings: LlamaTimings) -> Usage:
    own = timings.usage()
    details = usage.prompt_tokens_details
    output = usage.completion_tokens_details
    cached = details.cached_tokens if details else None
    return Usage(
        prompt_tokens=usage.prompt_tokens if usage.prompt_tokens is not None else own.prompt_tokens,
        cached_tokens=cached if cached is not None else own.cached_tokens,
        output_tokens=usage.completion_tokens if usage.completion_tokens is not None else own.output_tokens,
        reasoning_tokens=output.reasoning_tokens if output else usage.reasoning_tokens,
    )
