"""How likely a vLLM server holds its next tokens: one ``/v1/completions`` a place, tokens told by their ids.

Its ``logprobs`` are those of the model itself, before temperature and sampling (``--logprobs-mode raw_logprobs``, the
default). It is asked for 20 at most, which is what it allows by default (``--max-logprobs``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from bakeoff.engines.foretelling import Asked
from bakeoff.results.answers import Count, Likeliest, Logprob

MOST = 20
_PREFIX = "token_id:"
_Told = Annotated[str, Meta(pattern=rf"^{_PREFIX}[0-9]{{1,15}}$")]


class _Tokens(Struct):
    tokens: tuple[Count, ...]


class _Logprobs(Struct):
    tokens: list[_Told]
    top_logprobs: list[dict[_Told, Logprob]]


class _Choice(Struct):
    logprobs: _Logprobs


class _Completion(Struct):
    choices: Annotated[list[_Choice], Meta(min_length=1)]


class VllmForeteller:
    """Asks the server at ``base`` of the model that it calls ``name``."""

    def __init__(self, base: str, headers: Mapping[str, str], name: str) -> None:
        self._server = Asked("vLLM", base, name, headers)
        self._salt = secrets.token_hex(8)

    async def vocabulary(self) -> int | None:
        """It does not tell how many tokens its model has."""
        return None

    async def token_ids(self, text: str, *, chat: bool) -> tuple[int, ...]:
        """A text in its tokens; ``chat``: as a user's message, up to where the answer begins."""
        body: dict[str, Any] = {"prompt": text, "add_special_tokens": False}
        if chat:
            body = {"messages": [{"role": "user", "content": text}], "add_generation_prompt": True}
        return (await self._server.ask("/tokenize", body, _Tokens)).tokens

    async def answer(self, ids: tuple[int, ...], most: int, top: int) -> tuple[tuple[int, ...], tuple[Likeliest, ...]]:
        """The greedy answer of at most so many tokens, and for each its ``top`` likeliest, 20 at most."""
        body = {
            "prompt": ids,
            "max_tokens": most,
            "logprobs": min(top, MOST),
            "return_tokens_as_token_ids": True,
            "temperature": 0,
            "repetition_penalty": 1.0,
            "cache_salt": self._salt,
        }
        told = (await self._server.ask("/v1/completions", body, _Completion)).choices[0].logprobs
        if len(told.tokens) != len(told.top_logprobs) or not all(told.top_logprobs):
            raise self._server.tells_too_little("/v1/completions", "a probability of each token")
        return tuple(map(_id, told.tokens)), tuple(map(_likeliest, told.top_logprobs))

    async def likeliest(self, ids: tuple[int, ...], top: int) -> Likeliest:
        """The ``top`` likeliest tokens behind these, 20 at most."""
        _, at = await self.answer(ids, 1, top)
        if len(at) != 1:
            raise self._server.tells_too_little("/v1/completions", f"{len(at)} tokens where it was asked for one")
        return at[0]

    def forget(self) -> None:
        """What is asked next is reckoned anew, from the first token on: its prefix cache knows no such salt."""
        self._salt = secrets.token_hex(8)


def _id(told: str) -> int:
    return int(told.removeprefix(_PREFIX))


def _likeliest(told: dict[str, float]) -> Likeliest:
    """To a millionth, as from llama.cpp."""
    ordered = sorted(told.items(), key=lambda each: -each[1])
    return Likeliest(tuple(_id(token) for token, _ in ordered), tuple(round(logprob, 6) for _, logprob in ordered))
