"""Any OpenAI-compatible server, attached to: chat completions, streaming, usage."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Description, Prompt, Request, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.lookup import count_or_none, get_json, table, text_or_none
from bakeoff.engines.transport import Connection
from bakeoff.errors import EngineError, ModelMissing, ServerRefused, UsageError
from bakeoff.results.records import Model

KEY_VARIABLE = "OPENAI_API_KEY"

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


class OpenAICompatible:
    """Attaches to the server at ``url`` (with or without ``/v1``); the key comes from the environment."""

    def __init__(self, model: str, url: str | None) -> None:
        url = url or os.environ.get("OPENAI_BASE_URL")
        if not url:
            raise UsageError("openai: needs the server's address: add --url http://HOST:PORT")
        address = Address.parse(url)
        self._base = address.url.removesuffix("/v1")
        self._model = model
        self._key = os.environ.get(KEY_VARIABLE, "")
        self._headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        self._dialect = 0
        self._facts: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        with self._secret_kept():
            await self._find_model()
            await self._find_dialect()
        return self

    async def _find_model(self) -> None:
        """Check the model's name where the server lists its models; many do, none must."""
        try:
            listing = await get_json(f"{self._base}/v1/models", self._headers)
        except ServerRefused as error:
            if error.status in (401, 403):
                raise ServerRefused(f"{error} Set {KEY_VARIABLE} to a valid key.", error.status) from error
            return
        entries = table(listing).get("data")
        models = {str(e["id"]): e for e in entries or () if isinstance(e, dict) and "id" in e}
        if models and self._model not in models:
            names = ", ".join(sorted(models)[:8])
            raise ModelMissing(f"{self._base} has no model {self._model!r}. It has: {names}.")
        self._facts = models.get(self._model, {})

    async def _find_dialect(self) -> None:
        """Ask for one token, dropping what the server does not know until it answers."""
        probe = Request(prompt=Prompt(text="Hello"), max_tokens=1)
        for self._dialect in range(len(_DIALECTS)):
            try:
                async for _ in self.stream(probe):
                    pass
                return
            except ServerRefused as error:
                if error.status == 404:
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
        asks_for_all = self._dialect == 0
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
            capabilities=Capabilities(exact_length=asks_for_all),
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
        with self._secret_kept():
            connection = await Connection.open(self._base)
            try:
                async for event in stream_chat(connection, body, self._headers):
                    yield event
            finally:
                await connection.close()

    @contextmanager
    def _secret_kept(self) -> Iterator[None]:
        """A server may echo the key in its error; nothing of ours repeats it."""
        try:
            yield
        except EngineError as error:
            if self._key and self._key in str(error):
                error.args = (str(error).replace(self._key, "[key]"),)
            raise
