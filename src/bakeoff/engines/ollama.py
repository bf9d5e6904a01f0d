"""Ollama, attached to: ``/api/generate`` streamed as JSON lines."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from bakeoff.engines.address import Address
from bakeoff.engines.base import Begun, Capabilities, Chunk, Description, Request, StreamEvent
from bakeoff.engines.chat import Count, decoded, finished
from bakeoff.engines.lookup import count_or_none, get_json, some_names, table, text_or_none
from bakeoff.engines.transport import Connection, Ended, HttpRequest, Message, Sent
from bakeoff.errors import ModelMissing, ServerRefused
from bakeoff.results.records import EngineTimings, Model, Usage

HOST_VARIABLE = "OLLAMA_HOST"
DEFAULT_PORT = 11434


class _Line(Struct):
    response: str = ""
    thinking: str = ""
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


_decode = msgspec.json.Decoder(_Line).decode


class Ollama:
    """Attaches to ``url``, else to ``OLLAMA_HOST`` in any form that Ollama takes, else to its default."""

    def __init__(self, model: str, url: str | None, *, context: int) -> None:
        text = url or os.environ.get(HOST_VARIABLE) or "127.0.0.1"
        self._base = Address.parse(text, DEFAULT_PORT).url
        self._model = model
        self._context = context
        self._version: str | None = None
        self._shown: dict[str, Any] = {}
        self._tag: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        try:
            answer = await get_json(f"{self._base}/api/version", name="Ollama", start="Start it with 'ollama serve'")
        except ServerRefused as error:
            raise ServerRefused(f"{error} Is that an Ollama server? Check --url.", error.status) from error
        self._version = text_or_none(table(answer).get("version"))
        await self._find_model()
        return self

    async def _find_model(self) -> None:
        tags = table(await get_json(f"{self._base}/api/tags")).get("models") or []
        held = {str(tag.get("name")): tag for tag in tags if isinstance(tag, dict)}
        full = self._model if ":" in self._model.rpartition("/")[2] else f"{self._model}:latest"
        try:
            self._shown = table(await get_json(f"{self._base}/api/show", body={"model": self._model}))
        except ServerRefused as error:
            if error.status != 404:
                raise
            have = f" It has: {some_names(held)}." if held else " It has none yet."
            raise ModelMissing(
                f"Ollama at {self._base} has no model {self._model!r}.{have} Get it with: ollama pull {self._model}"
            ) from error
        self._tag = held.get(full, {})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def describe(self) -> Description:
        info = table(self._shown.get("model_info"))
        details = table(self._shown.get("details"))
        architecture = text_or_none(info.get("general.architecture"))
        template = text_or_none(self._shown.get("template")) or ""
        return Description(
            engine="ollama",
            version=self._version,
            model=Model(
                name=self._model,
                quant=text_or_none(details.get("quantization_level")),
                size_bytes=count_or_none(self._tag.get("size")),
                digest=text_or_none(self._tag.get("digest")),
                architecture=architecture,
                parameters=count_or_none(info.get("general.parameter_count")),
                context_trained=count_or_none(info.get(f"{architecture}.context_length")),
            ),
            attached=True,
            capabilities=Capabilities(),
            settings={"context": self._context, "url": self._base},
            opens_thinking=True if template.rstrip().endswith("<think>") else None,
        )

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": request.prompt.text or "",
            "stream": True,
            "options": {
                "num_predict": request.max_tokens,
                "num_ctx": request.context or self._context,
                "temperature": request.temperature,
                "seed": request.seed,
            },
        }
        if request.prompt.system:
            body["system"] = request.prompt.system
        connection = await Connection.open(self._base)
        last = _Line()
        try:
            async for item in connection.exchange(HttpRequest("/api/generate", msgspec.json.encode(body)), "ndjson"):
                match item:
                    case Message(at_ns, data):
                        last = decoded(_decode, data)
                        if last.response or last.thinking:
                            yield Chunk(at_ns, last.response, last.thinking)
                    case Sent(at_ns):
                        yield Begun(at_ns)
                    case Ended():
                        yield finished(item, _finish(last), _usage(last), _timings(last))
        finally:
            await connection.close()


def _finish(last: _Line) -> str | None:
    """How the stream ended; None where its last object is not the closing one, so that it counts as cut."""
    return (last.done_reason or "stop") if last.done else None


def _usage(last: _Line) -> Usage:
    """Ollama leaves a zero out, and older servers left the prompt's count out on a full cache hit."""
    return Usage(
        prompt_tokens=last.prompt_eval_count,
        cached_tokens=last.prompt_eval_cached_count,
        output_tokens=last.eval_count,
    )


def _timings(last: _Line) -> EngineTimings:
    """Its prompt count includes cached tokens, so what was evaluated is known only where the cached are told."""
    evaluated = None
    if last.prompt_eval_count is not None and last.prompt_eval_cached_count is not None:
        evaluated = last.prompt_eval_count - last.prompt_eval_cached_count
    return EngineTimings(
        prefill_tokens=evaluated,
        prefill_s=_seconds(last.prompt_eval_duration),
        decode_s=_seconds(last.eval_duration),
        load_s=_seconds(last.load_duration),
    )


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
