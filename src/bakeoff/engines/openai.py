"""Any OpenAI-compatible server, attached to: chat completions, streaming, usage."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Description, Prompt, Request, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.lookup import count_or_none, get_json, some_names, table, text_or_none
from bakeoff.engines.transport import Connection
from bakeoff.engines.wire_errors import KEY_VARIABLE
from bakeoff.errors import BrokenReply, ModelMissing, ServerRefused, UsageError
from bakeoff.results.records import Model

# What servers are asked for, most exact first; each falls back to the next when it is refused as unknown.
_RICH: dict[str, Any] = {
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "ignore_eos": True,
    "cache_prompt": False,
    "timings_per_token": True,
}
_PLAIN: dict[str, Any] = {"stream_options": {"include_usage": True}}
_DIALECTS: tuple[tuple[str, bool, dict[str, Any]], ...] = (
    ("max_tokens", True, _RICH),
    ("max_tokens", True, _PLAIN),
    ("max_completion_tokens", False, _PLAIN),
)
_UNKNOWN_FIELD = (400, 422)
_PROBE_TOKENS = 16
"""OpenAI's reasoning models refuse a limit that their hidden reasoning uses up."""
_EXACT = ("llamacpp", "sglang", "vllm")
"""Who owns the models of servers that are known to obey ``ignore_eos``; others take it and ignore it."""


class OpenAICompatible:
    """Attaches to the server at ``url`` (with or without ``/v1``); the key comes from the environment."""

    def __init__(self, model: str, url: str | None) -> None:
        url = url or os.environ.get("OPENAI_BASE_URL")
        if not url:
            raise UsageError("openai: needs the server's address: add --url http://HOST:PORT")
        address = Address.parse(url)
        self._base = address.url.removesuffix("/v1")
        self._model = model
        self._headers = authorization()
        self._dialect = 0
        self._facts: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self._find_model()
        await self._find_dialect()
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
        if models and self._model not in models:
            raise ModelMissing(f"{self._base} has no model {self._model!r}. It has: {some_names(models)}.")
        self._facts = models.get(self._model, {})

    async def _find_dialect(self) -> None:
        """Ask for a few tokens, dropping what the server does not know until it answers."""
        probe = Request(prompt=Prompt(text="Hello"), max_tokens=_PROBE_TOKENS)
        for self._dialect in range(len(_DIALECTS)):
            try:
                async for _ in self.stream(probe):
                    pass
                return
            except ServerRefused as error:
                if error.status in (404, 405):
                    raise ModelMissing(f"{error} Check the model's name and --url.") from error
                if error.status not in _UNKNOWN_FIELD or self._dialect == len(_DIALECTS) - 1:
                    raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def describe(self) -> Description:
        meta = table(self._facts.get("meta"))
        owner = text_or_none(self._facts.get("owned_by"))
        return Description(
            engine="openai",
            version=f"served by {owner}" if owner else None,
            model=Model(
                name=self._model,
                quant=text_or_none(meta.get("ftype")),
                size_bytes=count_or_none(meta.get("size")),
                parameters=count_or_none(meta.get("n_params")),
                context_trained=count_or_none(meta.get("n_ctx_train") or self._facts.get("max_model_len")),
            ),
            attached=True,
            capabilities=Capabilities(exact_length=self._dialect == 0 and owner in _EXACT),
            settings={"url": self._base},
        )

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        limit, with_temperature, extra = _DIALECTS[self._dialect]
        system = [{"role": "system", "content": request.prompt.system}] if request.prompt.system else []
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [*system, {"role": "user", "content": request.prompt.text or ""}],
            "stream": True,
            limit: request.max_tokens,
            **extra,
        }
        if "cache_prompt" in body:
            body["cache_prompt"] = request.cache
        if with_temperature:
            body |= {"temperature": request.temperature, "seed": request.seed}
        connection = await Connection.open(self._base)
        try:
            async for event in stream_chat(connection, body, self._headers):
                yield event
        finally:
            await connection.close()


def authorization() -> dict[str, str]:
    """The header that carries the key, where there is one. Raises UsageError where no header could."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{KEY_VARIABLE} holds more than a key: set it to the key alone, in one line.")
    return {"authorization": f"Bearer {key}"}
