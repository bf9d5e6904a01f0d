"""A llama-server that is running: attached to, never stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Description, Request, StreamEvent
from bakeoff.engines.connections import Connections
from bakeoff.engines.listener import listeners
from bakeoff.engines.llama_foretelling import LlamaForeteller
from bakeoff.engines.llama_server import ServerSays, ask_server, stream_llama
from bakeoff.results.records import Model

DEFAULT_PORT = 8080
ALL_CAPABILITIES = Capabilities(exact_length=True, cache_off=True, reports_cache=True, token_ids=True)
"""What any llama-server can be asked for."""


class AttachedLlama:
    """Attaches to ``url``. ``opens_thinking`` tells of a chat template whether it already holds ``<think>``."""

    def __init__(self, model: str, url: str, *, opens_thinking: Callable[[str | None], bool | None]) -> None:
        self._base = Address.parse(url, DEFAULT_PORT).url.removesuffix("/v1")
        self._connections = Connections(self._base)
        self._model = model
        self._opens_thinking = opens_thinking
        self._says = ServerSays(model=model)
        self._pids: tuple[int, ...] = ()

    async def __aenter__(self) -> Self:
        self._says = await ask_server(self._base, self._model)
        self._pids = listeners(self._base)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    def describe(self) -> Description:
        says = self._says
        return Description(
            engine="llamacpp",
            version=says.version,
            model=Model(
                name=self._model,
                quant=says.quant,
                size_bytes=says.size_bytes,
                parameters=says.parameters,
                context_trained=says.context_trained,
            ),
            attached=True,
            capabilities=ALL_CAPABILITIES,
            settings={"context": says.context, "slots": says.slots, "url": self._base},
            opens_thinking=self._opens_thinking(says.template),
            pids=self._pids,
        )

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    def foreteller(self) -> LlamaForeteller:
        return LlamaForeteller(self._base, self._says.model)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        async for event in stream_llama(self._connections, request, self._says.model):
            yield event
