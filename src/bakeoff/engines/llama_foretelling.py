"""How likely a llama-server holds its next tokens: one ``/completion`` a place, its probabilities before any sampling.

The server's README has them as ``completion_probabilities`` for ``n_probs``; with ``post_sampling_probs`` off they are
the softmax of the model's own logits, whatever the temperature. Builds before December 2024 tell no token ids with
them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bakeoff.engines.foretelling import Asked
from bakeoff.engines.lookup import count_or_none, get_json, table
from bakeoff.results.answers import Count, Likeliest, Logprob


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
        self._server = Asked("llama-server", url, model)
        self._cached = True

    async def vocabulary(self) -> int:
        """How many tokens its model has."""
        cards = table(await get_json(f"{self._server.url}/v1/models", name="llama-server")).get("data")
        known = [table(card) for card in cards] if isinstance(cards, list) else []
        named = [card for card in known if card.get("id") == self._server.model] or known[:1] or [{}]
        size = count_or_none(table(named[0].get("meta")).get("n_vocab"))
        if size is None:
            raise self._server.tells_too_little("/v1/models", "no n_vocab")
        return size

    async def token_ids(self, text: str, *, chat: bool) -> tuple[int, ...]:
        """A text in its tokens; ``chat``: as a user's message, up to where the answer begins."""
        if chat:
            body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
            text = (await self._server.ask("/apply-template", body, _Prompt)).prompt
        body = {"content": text, "add_special": chat, "parse_special": chat}
        return (await self._server.ask("/tokenize", body, _Tokens)).tokens

    async def answer(self, ids: tuple[int, ...], most: int, top: int) -> tuple[tuple[int, ...], tuple[Likeliest, ...]]:
        """The greedy answer of at most so many tokens, and for each its ``top`` likeliest."""
        return await self._complete(ids, most, top)

    async def likeliest(self, ids: tuple[int, ...], top: int) -> Likeliest:
        """The ``top`` likeliest tokens behind these."""
        _, at = await self._complete(ids, 1, top)
        if len(at) != 1:
            raise self._server.tells_too_little(
                "/completion", f"probabilities of {len(at)} tokens where it was asked for one"
            )
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
        found = await self._server.ask("/completion", body, _Completion)
        try:
            at = tuple(_likeliest(place.top_logprobs) for place in found.completion_probabilities)
        except ValueError as error:
            raise self._server.tells_too_little("/completion", str(error)) from error
        return found.tokens[: len(at)], at[: len(found.tokens)]


def _likeliest(told: list[_Token]) -> Likeliest:
    """To a millionth, which is finer than the server reckons."""
    return Likeliest(tuple(each.id for each in told), tuple(round(each.logprob, 6) for each in told))
