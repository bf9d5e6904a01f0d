"""How likely a llama-server holds its next tokens: one ``/completion`` a place, its probabilities before any sampling.

The server's README has them as ``completion_probabilities`` for ``n_probs``; with ``post_sampling_probs`` off they are
the softmax of the model's own logits, whatever the temperature. Builds before December 2024 tell no token ids with
them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bakeoff.engines.lookup import count_or_none, get_json, table
from bakeoff.errors import BrokenReply
from bakeoff.results.answers import Count, Likeliest, Logprob

ANSWER_TIMEOUT_S = 600.0
_T = TypeVar("_T")


class _Tokens(Struct):
    tokens: tuple[Count, ...]


class _Prompt(Struct):
    prompt: str


class _Token(Struct):
    id: Count
    logprob: Logprob


class _Place(Struct):
    top_logprobs: list[_Token]


class _Completion(_Tokens):
    completion_probabilities: list[_Place]


class LlamaForeteller:
    """Asks the server at ``url`` of this ``model``."""

    def __init__(self, url: str, model: str) -> None:
        self._url = url
        self._model = model
        self._cached = True

    async def vocabulary(self) -> int:
        """How many tokens its model has."""
        cards = table(await get_json(f"{self._url}/v1/models", name="llama-server")).get("data")
        known = [table(card) for card in cards] if isinstance(cards, list) else []
        named = [card for card in known if card.get("id") == self._model] or known[:1] or [{}]
        size = count_or_none(table(named[0].get("meta")).get("n_vocab"))
        if size is None:
            raise self._tells_too_little("/v1/models", "no n_vocab")
        return size

    async def token_ids(self, text: str, *, chat: bool) -> tuple[int, ...]:
        """A text in its tokens; ``chat``: as a user's message, up to where the answer begins."""
        if chat:
            body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
            text = (await self._ask("/apply-template", body, _Prompt)).prompt
        body = {"content": text, "add_special": chat, "parse_special": chat}
        return (await self._ask("/tokenize", body, _Tokens)).tokens

    async def answer(self, ids: tuple[int, ...], most: int, top: int) -> tuple[tuple[int, ...], tuple[Likeliest, ...]]:
        """The greedy answer of at most so many tokens, and for each its ``top`` likeliest."""
        return await self._complete(ids, most, top)

    async def likeliest(self, ids: tuple[int, ...], top: int) -> Likeliest:
        """The ``top`` likeliest tokens behind these."""
        _, at = await self._complete(ids, 1, top)
        if len(at) != 1:
            raise self._tells_too_little("/completion", f"probabilities of {len(at)} tokens where it was asked for one")
        return at[0]

    def forget(self) -> None:
        """What is asked next is reckoned anew, from the first token on."""
        self._cached = False

    async def _complete(
        self, ids: tuple[int, ...], most: int, top: int
    ) -> tuple[tuple[int, ...], tuple[Likeliest, ...]]:
        """As many tokens as it tells probabilities of, and these."""
        body = {
            "prompt": ids,
            "n_predict": most,
            "n_probs": top,
            "post_sampling_probs": False,
            "temperature": 0,
            "top_k": 1,
            "repeat_penalty": 1.0,
            "cache_prompt": self._cached,
            "return_tokens": True,
            "stream": False,
        }
        self._cached = True
        found = await self._ask("/completion", body, _Completion)
        try:
            at = tuple(_likeliest(place.top_logprobs) for place in found.completion_probabilities)
        except ValueError as error:
            raise self._tells_too_little("/completion", str(error)) from error
        return found.tokens[: len(at)], at[: len(found.tokens)]

    async def _ask(self, path: str, body: dict[str, Any], kind: type[_T]) -> _T:
        answer = await get_json(f"{self._url}{path}", body={"model": self._model, **body}, timeout_s=ANSWER_TIMEOUT_S)
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise self._tells_too_little(path, str(error)) from error

    def _tells_too_little(self, path: str, what: str) -> BrokenReply:
        return BrokenReply(
            f"The llama-server at {self._url} does not tell at {path} what --agreement needs: {what}. Take a newer "
            "build, or leave --agreement out."
        )


def _likeliest(told: list[_Token]) -> Likeliest:
    """To a millionth, which is finer than the server reckons."""
    return Likeliest(tuple(each.id for each in told), tuple(round(each.logprob, 6) for each in told))
