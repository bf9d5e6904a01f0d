"""The one interface of an engine, and what flows through it.

An engine is entered (attached to, or launched), described, asked for streams, and left. ``stream`` never reads
the clock, never retries, never prints: the transport stamps what arrives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from msgspec import Struct

from bakeoff.clock import Clock
from bakeoff.results.answers import Likeliest
from bakeoff.results.records import EngineCounts, EngineTimings, MemoryPart, Model, Start, Usage


class Prompt(Struct, frozen=True):
    """What is sent: a user's text with an optional system message, or token ids."""

    text: str | None = None
    system: str | None = None
    token_ids: tuple[int, ...] | None = None


class Request(Struct, frozen=True, kw_only=True):
    """One generation. ``cache=False`` asks the engine, where it can be told, to reuse nothing.

    ``top_p`` None leaves sampling beyond the temperature to the engine; with one, what else would shape it (top-k,
    min-p, penalties for repetition) is switched off where the engine can be told. ``to_the_limit``: exactly
    ``max_tokens`` tokens, where the engine can be told; else the answer ends where the model ends it.
    """

    prompt: Prompt
    max_tokens: int
    context: int | None = None
    temperature: float = 0.0
    top_p: float | None = None
    seed: int = 0
    cache: bool = False
    to_the_limit: bool = True


class Chunk(Struct, frozen=True, gc=False):
    """One piece of the stream as its message arrived.

    ``tokens`` is the running count of tokens generated, where the stream carries one.
    """

    at_ns: int
    text: str = ""
    reasoning: str = ""
    tokens: int | None = None


class Begun(Struct, frozen=True):
    """The request is fully sent."""

    at_ns: int


class Finished(Struct, frozen=True, kw_only=True):
    """The stream ended properly; what the engine says of it."""

    at_ns: int
    finish: str | None = None
    usage: Usage = Usage()
    timings: EngineTimings = EngineTimings()
    clock: str = "user"
    clock_step_ns: int = 0


StreamEvent = Begun | Chunk | Finished


class Capabilities(Struct, frozen=True, kw_only=True):
    """What the engine can be asked for, found out and not assumed.

    ``exact_length``: it generates exactly ``max_tokens``. ``cache_off``: its prompt cache can be switched off.
    ``reports_cache``: it says how many prompt tokens came from its cache. ``token_ids``: it takes them.
    ``at_once``: it takes a request while it answers another.
    """

    exact_length: bool = False
    cache_off: bool = False
    reports_cache: bool = False
    token_ids: bool = False
    at_once: bool = True


class Description(Struct, frozen=True, kw_only=True):
    """What answers, once it is there. ``opens_thinking``: its chat template already holds ``<think>``.

    ``start`` is that of an engine which we started, ``memory`` what the engine says that it holds.
    """

    engine: str
    version: str | None
    model: Model
    attached: bool
    capabilities: Capabilities
    settings: dict[str, str | int | float | bool | None] = {}
    opens_thinking: bool | None = None
    pids: tuple[int, ...] = ()
    device: Literal["cpu", "gpu", "unknown"] = "unknown"
    start: Start | None = None
    memory: tuple[MemoryPart, ...] = ()


class Engine(Protocol):
    """Talks to one engine about one model. Entering and every stream may raise EngineError."""

    async def __aenter__(self) -> Self:
        """Attach or launch, and find out what is there."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was launched, leave alone what was not."""
        ...

    def describe(self) -> Description: ...

    def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        """``Begun``, then chunks, then ``Finished``; whatever goes wrong is an EngineError."""
        ...


class Counters(Struct, frozen=True, kw_only=True):
    """An engine's totals over all whom it serves since it started, and what it holds now; None: not told."""

    requests: int | None = None
    preemptions: int | None = None
    queue_s: float | None = None
    running: int | None = None
    waiting: int | None = None
    kv_cache_used: float | None = None

    def until(self, after: Counters) -> EngineCounts:
        """What was counted from this reading to a later one."""
        return EngineCounts(
            requests=_grown(self.requests, after.requests),
            preemptions=_grown(self.preemptions, after.preemptions),
            queue_s=None if self.queue_s is None or after.queue_s is None else max(0.0, after.queue_s - self.queue_s),
            running=self.running,
            waiting=self.waiting,
            kv_cache_used=self.kv_cache_used,
        )


@runtime_checkable
class Counting(Protocol):
    """An engine that counts what it does for all: it is asked before and after each trial, outside its time."""

    async def counters(self) -> Counters:
        """A reading. Raises EngineError."""
        ...


class Foreteller(Protocol):
    """Untimed questions of how likely a model holds its next token; its cache is used. Asking may raise EngineError."""

    async def vocabulary(self) -> int | None:
        """How many tokens its model has; None: not told."""
        ...

    async def token_ids(self, text: str, *, chat: bool) -> tuple[int, ...]:
        """A text in them; ``chat``: as a user's message, up to where the answer begins."""
        ...

    async def answer(self, ids: tuple[int, ...], most: int, top: int) -> tuple[tuple[int, ...], tuple[Likeliest, ...]]:
        """The greedy answer of at most so many tokens, and for each its ``top`` likeliest."""
        ...

    async def likeliest(self, ids: tuple[int, ...], top: int) -> Likeliest:
        """The ``top`` likeliest tokens behind these."""
        ...

    def forget(self) -> None:
        """What is asked next is reckoned anew, from the first token on."""
        ...


@runtime_checkable
class Foretelling(Protocol):
    """An engine that tells how likely next tokens are."""

    def foreteller(self) -> Foreteller: ...


@runtime_checkable
class Connecting(Protocol):
    """An engine whose connections can be opened before the requests that use them."""

    async def ready(self, count: int) -> None:
        """Have ``count`` open and unused, and keep as many; 0 closes them. Raises EngineError."""
        ...


@runtime_checkable
class KeepsTime(Protocol):
    """An engine whose times are of a clock of its own."""

    @property
    def clock(self) -> Clock: ...


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)
