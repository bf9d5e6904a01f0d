"""vLLM: a server that is running, attached to, or ``vllm serve`` started by us for one model.

A prompt is kept out of its prefix cache by a salt of its own (``cache_salt``), so that no block of it matches. That
and whether it tells what came from the cache are found out by asking the same prompt again.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from msgspec import structs

from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Counters, Description, Finished, Prompt, Request, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.connections import Connections
from bakeoff.engines.launch import Launched, free_port
from bakeoff.engines.listener import processes
from bakeoff.engines.llama_server import chat_messages, nucleus
from bakeoff.engines.openai import authorization
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.page_cache import PageCache, drop_page_cache
from bakeoff.engines.vllm_foretelling import VllmForeteller
from bakeoff.engines.vllm_serve import (
    CAUSES,
    TELLING,
    Loaded,
    Served,
    command,
    environment,
    find_program,
    flags,
    inherited,
    read_load,
    refused_flags,
)
from bakeoff.engines.vllm_server import VllmSays, VllmServer
from bakeoff.errors import EngineCrashed, EngineError, PromptTooLong, ServerRefused
from bakeoff.results.records import Model, Start

DEFAULT_PORT = 8000
LOAD_TIMEOUT_S = 3600.0
"""A repository may have to be downloaded first."""
_LOG_BYTES = 1_000_000
_END_S = 15.0
"""A server whose engine has died was seen to end 7 s later."""
_TOO_LONG = ("maximum context length", "min_tokens must be", "max_model_len=")
"""How it refuses what does not fit; without ``min_tokens`` it would cut the answer to what does, in silence."""
_PROBE_TOKENS, _PROBE_BLOCK = 512, 128


class Vllm:
    """Attaches to ``options.url``, else starts a server; ``model`` is what is known of the weights beforehand."""

    def __init__(self, served: Served, model: Model, options: EngineOptions) -> None:
        self._served = served
        self._model = model
        self._options = options
        self._headers = authorization() if options.url else {}
        base = Address.parse(options.url, DEFAULT_PORT).url.removesuffix("/v1") if options.url else ""
        self._server = VllmServer(base, self._headers)
        self._connections = Connections(base)
        self._says = VllmSays(name=served.name)
        self._flags: list[str] = []
        self._launched: Launched | None = None
        self._page_cache: PageCache = "unknown"
        self._loaded = Loaded()
        self._pids: tuple[int, ...] = ()
        self._capabilities = Capabilities(exact_length=True, token_ids=True)

    async def __aenter__(self) -> Self:
        if self._options.url is None:
            await self._launch()
        try:
            self._says = await self._server.look(self._served.name)
            self._pids = processes(self._launched, self._server.base)
            self._capabilities = await self._probed()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _launch(self) -> None:
        """Start it, without what an older build does not know of what makes it tell more."""
        try:
            await self._start(TELLING)
        except EngineCrashed as error:
            refused = refused_flags(str(error))
            if not refused:
                raise
            await self._start(tuple(flag for flag in TELLING if flag not in refused))
        assert self._launched is not None
        with self._launched.log.open("rb") as log:
            self._loaded = read_load(log.read(_LOG_BYTES).decode("utf-8", "replace"))

    async def _start(self, telling: tuple[str, ...]) -> None:
        program, port, logs = find_program(self._options.program), free_port(), self._options.logs
        self._server = VllmServer(f"http://127.0.0.1:{port}", self._headers)
        self._connections = Connections(self._server.base)
        self._flags = flags(self._served, self._options, telling)
        self._page_cache = drop_page_cache(self._served.files) if self._served.files else "unknown"
        self._launched = await Launched.start(
            "vLLM",
            command(program, self._served, port, self._flags),
            self._server.healthy,
            log=logs / f"vllm-{secrets.token_hex(4)}.log" if logs else None,
            environment=environment(self._options),
            causes=CAUSES,
            timeout_s=LOAD_TIMEOUT_S,
        )

    async def _probed(self) -> Capabilities:
        """One prompt again, and again with a salt: what it tells of its cache, and whether the salt keeps it out."""
        room = min(_PROBE_TOKENS, (self._says.context or _PROBE_TOKENS) - 1)
        ids = tuple(256 + n % 251 for n in range(min(room, 2 * (self._says.block or _PROBE_BLOCK) + 1)))
        again = Request(prompt=Prompt(token_ids=ids), max_tokens=1, cache=True)
        await self._cached(again)
        reused = await self._cached(again)
        salted = await self._cached(structs.replace(again, cache=False)) if reused else None
        return structs.replace(
            self._capabilities, reports_cache=reused is not None, cache_off=reused is not None and not salted
        )

    async def _cached(self, request: Request) -> int | None:
        async for event in self.stream(request):
            if isinstance(event, Finished):
                return event.usage.cached_tokens
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        launched, self._launched = self._launched, None
        await self._connections.close()
        if launched is not None:
            await launched.stop()

    def describe(self) -> Description:
        says, launched = self._says, self._launched
        return Description(
            engine="vllm",
            version=says.version,
            model=self._model,
            attached=self._options.url is not None,
            capabilities=self._capabilities,
            settings={name: value for name, value in self._settings().items() if value is not None},
            opens_thinking=says.opens_thinking,
            pids=self._pids,
            device=self._loaded.device,
            start=self._start_of(launched) if launched else None,
            memory=self._loaded.memory,
        )

    def _start_of(self, launched: Launched) -> Start:
        return Start(ready_s=launched.ready_s, load_s=self._loaded.load_s, page_cache=self._page_cache)

    def _settings(self) -> dict[str, str | int | float | bool | None]:
        says = self._says
        return {
            "context": says.context,
            "memory_utilization": says.memory_utilization,
            "kv_cache_bytes": says.kv_cache_bytes,
            "kv_cache_tokens": says.kv_cache_tokens,
            "block": says.block,
            "prefix_caching": says.prefix_caching,
            "flags": " ".join(self._flags) or None,
            "environment": inherited() if self._flags else None,
            "gpu": self._options.gpu,
            "url": self._server.base if self._options.url else None,
        }

    async def counters(self) -> Counters:
        """What it counts for all whom it serves, from ``/metrics``."""
        return await self._server.counters()

    def foreteller(self) -> VllmForeteller:
        return VllmForeteller(self._server.base, self._headers, self._says.name)

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        try:
            async for event in self._exchange(request):
                yield self._completed(event) if isinstance(event, Finished) else event
        except EngineError as error:
            if isinstance(error, ServerRefused) and any(sign in str(error) for sign in _TOO_LONG):
                raise PromptTooLong(
                    f"{error} Prompt and answer do not fit its context: raise --context, or lower --max-tokens.",
                    error.status,
                ) from error
            if await self._has_died():
                assert self._launched is not None
                words = self._launched.last_words()
                raise EngineCrashed(f"vLLM ended by itself while it was answering{words}") from error
            raise

    async def _exchange(self, request: Request) -> AsyncIterator[StreamEvent]:
        path = "/v1/completions" if request.prompt.token_ids is not None else "/v1/chat/completions"
        async with self._connections.one() as connection:
            async for event in stream_chat(connection, self._body(request), self._headers, path):
                yield event

    def _completed(self, end: Finished) -> Finished:
        """Builds of 2025 that tell what came from the cache leave a zero out."""
        if end.usage.cached_tokens is not None or not self._capabilities.reports_cache:
            return end
        return structs.replace(end, usage=structs.replace(end.usage, cached_tokens=0))

    def _body(self, request: Request) -> dict[str, Any]:
        """One request; the model's own sampling defaults would change the work."""
        body: dict[str, Any] = {
            "model": self._says.name,
            "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "repetition_penalty": 1.0,
            **nucleus(request, top_k=-1, min_p=0.0),
        }
        if request.to_the_limit:
            body |= {"min_tokens": request.max_tokens, "ignore_eos": True}
        if not request.cache:
            body["cache_salt"] = secrets.token_hex(8)
        if request.prompt.token_ids is not None:
            return body | {"prompt": request.prompt.token_ids}
        return body | {"messages": chat_messages(request)}

    async def _has_died(self) -> bool:
        """Whether the server that we started has ended, or is about to since its engine has died."""
        if self._launched is None or await self._server.healthy():
            return False
        return await self._launched.ended(_END_S)
