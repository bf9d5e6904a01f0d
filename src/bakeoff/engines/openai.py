"""Any OpenAI-compatible server, attached to: chat completions, streaming, usage."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from bakeoff.config import read_settings
from bakeoff.engines import lm_studio
from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Description, Request, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.connections import Connections
from bakeoff.engines.dialect import Dialect
from bakeoff.engines.listener import listeners
from bakeoff.engines.lookup import count_or_none, get_json, some_names, table, text_or_none
from bakeoff.engines.probing import Found, probe
from bakeoff.engines.wire_errors import KEY_VARIABLE
from bakeoff.errors import BrokenReply, ModelMissing, ServerRefused, UsageError
from bakeoff.results.records import Model

_EXACT = ("llamacpp", "sglang", "vllm")
"""Who owns the models of servers that obey ``ignore_eos``: believed where no probe could prove it."""
_OWN_MODEL = "default_model"
"""mlx_lm.server's name for the model that it was started with; its list has others."""


class OpenAICompatible:
    """Attaches to the server at ``url`` (with or without ``/v1``); the key comes from the environment."""

    def __init__(self, model: str, url: str | None) -> None:
        url = url or os.environ.get("OPENAI_BASE_URL") or read_settings().text("engine", "url")
        if not url:
            raise UsageError("openai: needs the server's address: add --url http://HOST:PORT")
        address = Address.parse(url)
        self._base = address.url.removesuffix("/v1")
        self._connections = Connections(self._base)
        self._model = model
        self._headers = authorization()
        self._found = Found()
        self._facts: dict[str, Any] = {}
        self._told: Model | None = None
        self._pids: tuple[int, ...] = ()

    async def __aenter__(self) -> Self:
        await self._find_model()
        self._pids = listeners(self._base)
        self._found = await probe(self._send, self._base)
        if self._facts.get("owned_by") == lm_studio.OWNER:
            self._told = await lm_studio.lm_studio_model(self._base, self._headers, self._model)
        return self

    async def _find_model(self) -> None:
        """Check the model's name where the server lists its models; many do, none must.

        ``mlx_lm.server`` breaks its list off where there is no Hugging Face cache folder.
        """
        try:
            listing = await get_json(f"{self._base}/v1/models", self._headers)
        except ServerRefused as error:
            if error.status in (401, 403):
                raise ServerRefused(f"{error} Set {KEY_VARIABLE} to a valid key.", error.status) from error
            return
        except BrokenReply:
            return
        entries = table(listing).get("data")
        models = {str(e["id"]): e for e in entries or () if isinstance(e, dict) and "id" in e}
        if models and self._model not in (*models, _OWN_MODEL):
            raise ModelMissing(f"{self._base} has no model {self._model!r}. It has: {some_names(models)}.")
        self._facts = models.get(self._model, {})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    def describe(self) -> Description:
        owner = text_or_none(self._facts.get("owned_by"))
        found = self._found
        known = owner in _EXACT and found.ignore_eos == "not proven"
        server = "LM Studio" if owner == lm_studio.OWNER else owner
        return Description(
            engine="openai",
            version=f"served by {server}" if server else None,
            model=self._told or self._listed(),
            attached=True,
            capabilities=Capabilities(
                exact_length=known or found.ignore_eos == "obeyed", reports_cache=found.cached_tokens
            ),
            settings={"url": self._base, **found.settings()},
            pids=self._pids,
        )

    def _listed(self) -> Model:
        """What the list of models says: llama-server's ``meta``, vLLM's and SGLang's ``max_model_len``."""
        meta = table(self._facts.get("meta"))
        return Model(
            name=self._model,
            quant=text_or_none(meta.get("ftype")),
            size_bytes=count_or_none(meta.get("size")),
            parameters=count_or_none(meta.get("n_params")),
            context_trained=count_or_none(meta.get("n_ctx_train") or self._facts.get("max_model_len")),
        )

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        async for event in self._send(self._found.dialect, request):
            yield event

    async def _send(
        self, dialect: Dialect, request: Request, fields: set[str] | None = None
    ) -> AsyncIterator[StreamEvent]:
        async with self._connections.one() as connection:
            body = dialect.body(self._model, request)
            async for event in stream_chat(connection, body, self._headers, fields=fields):
                yield event


def authorization() -> dict[str, str]:
    """The header that carries the key, where there is one. Raises UsageError where no header could."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{KEY_VARIABLE} holds more than a key: set it to the key alone, in one line.")
    return {"authorization": f"Bearer {key}"}
