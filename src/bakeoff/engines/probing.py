"""What one OpenAI-compatible server does, found out by two short requests before anything is timed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal

from msgspec import Struct

from bakeoff.engines.base import Chunk, Finished, Prompt, Request, StreamEvent
from bakeoff.engines.dialect import Dialect
from bakeoff.engines.rate import patiently
from bakeoff.engines.wire_errors import NO_SUCH_QUESTION
from bakeoff.errors import BrokenReply, ModelMissing, RateLimited, ServerRefused

PROBE = Request(prompt=Prompt(text="Reply with one word and nothing else: yes"), max_tokens=16, top_p=1.0)
"""An answer that ends at once; every field that a request may have is tried.

OpenAI's reasoning models refuse a limit that their hidden reasoning uses up.
"""
_UNKNOWN_FIELD = (400, 422)

Obedience = Literal["obeyed", "ignored", "refused", "not proven"]
Send = Callable[[Dialect, Request, set[str]], AsyncIterator[StreamEvent]]
"""(what to ask for, the request, where to note the fields that come) → the stream."""


class Answer(Struct, frozen=True):
    """One probe's answer. ``fields``: those of ``reasoning``, ``reasoning_content``, ``logprobs`` that came."""

    finished: Finished
    chunks: tuple[Chunk, ...]
    fields: frozenset[str]

    @property
    def whole(self) -> bool:
        """Whether it ran to the limit."""
        tokens = self.finished.usage.output_tokens
        return self.finished.finish == "length" if tokens is None else tokens >= PROBE.max_tokens


class Found(Struct, frozen=True, kw_only=True):
    """What it does. ``ignore_eos`` is *not proven* where the answer would have gone on by itself."""

    dialect: Dialect = Dialect()
    ignore_eos: Obedience = "not proven"
    usage: bool = False
    counts_each_chunk: bool = False
    cached_tokens: bool = False
    timings: bool = False
    logprobs: bool = False
    reasoning_field: str | None = None

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """As a run file keeps it."""
        sent = self.dialect.fields
        return {
            "limit": self.dialect.limit,
            "ignore_eos": self.ignore_eos,
            "usage": self.usage,
            "counts_each_chunk": self.counts_each_chunk,
            "cached_tokens": self.cached_tokens,
            "timings": self.timings,
            "temperature": "temperature" in sent,
            "top_p": "top_p" in sent,
            "seed": "seed" in sent,
            "logprobs": self.logprobs,
            "reasoning_field": self.reasoning_field,
        }


async def probe(send: Send, base: str) -> Found:
    """Ask, leaving out what is refused, until the server answers; then once more, to compare.

    Raises ModelMissing, ServerRefused, BrokenReply (another service answers), and as the transport does.
    """
    dialect, answer = await _first_answer(send, base)
    as_it_likes = dialect.without("ignore_eos")
    with_logprobs = await _or_none(send, as_it_likes.asking("logprobs"))
    plain = with_logprobs or await _or_none(send, as_it_likes)
    spoken = answer.fields & {"reasoning", "reasoning_content"}
    return Found(
        dialect=dialect,
        ignore_eos=_obedience(dialect, answer, plain),
        usage=answer.finished.usage.output_tokens is not None,
        counts_each_chunk=any(chunk.tokens is not None for chunk in answer.chunks),
        cached_tokens=answer.finished.usage.cached_tokens is not None,
        timings=answer.finished.timings.decode_s is not None,
        logprobs=with_logprobs is not None and "logprobs" in with_logprobs.fields,
        reasoning_field=min(spoken) if spoken else None,
    )


def _obedience(dialect: Dialect, answer: Answer, plain: Answer | None) -> Obedience:
    """Only an answer that ends by itself, and does not when told to go on, is a proof."""
    if "ignore_eos" not in dialect.fields:
        return "refused"
    if not answer.whole:
        return "ignored"
    return "not proven" if plain is None or plain.whole else "obeyed"


async def _first_answer(send: Send, base: str) -> tuple[Dialect, Answer]:
    dialect = Dialect()
    while True:
        try:
            return dialect, await _answer(send, dialect)
        except ServerRefused as error:
            if error.status in NO_SUCH_QUESTION:
                raise ModelMissing(f"{error} Check the model's name and --url.") from error
            narrower = dialect.narrowed(str(error)) if error.status in _UNKNOWN_FIELD else None
            if narrower is None:
                raise
            dialect = narrower
        except BrokenReply as error:
            raise BrokenReply(
                f"{base} answers, but not as an OpenAI-compatible server: {error} Check --url."
            ) from error


async def _or_none(send: Send, dialect: Dialect) -> Answer | None:
    """The answer; None where the server refuses to give it in this way."""
    try:
        return await _answer(send, dialect)
    except RateLimited:
        raise
    except ServerRefused:
        return None


async def _answer(send: Send, dialect: Dialect) -> Answer:
    fields: set[str] = set()

    async def whole() -> list[StreamEvent]:
        return [event async for event in send(dialect, PROBE, fields)]

    events = await patiently(whole)
    (finished,) = (event for event in events if isinstance(event, Finished))
    return Answer(finished, tuple(event for event in events if isinstance(event, Chunk)), frozenset(fields))
