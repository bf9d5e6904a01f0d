"""An engine that plays a script in invented time: for tests, docs and trying things out.

It keeps no real time at all, so its figures are exactly what the script says, and never a measurement.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta, Struct

from bakeoff.engines.base import Begun, Capabilities, Chunk, Description, Finished, Request, StreamEvent
from bakeoff.engines.invented import InventedTime
from bakeoff.errors import (
    BrokenReply,
    EngineCrashed,
    EngineError,
    FileError,
    ModelMissing,
    ServerRefused,
    ServerSilent,
    ServerUnreachable,
)
from bakeoff.results.records import EngineTimings, Model, Usage

_S = 1_000_000_000

Fault = Literal["refused", "error", "cut", "silent", "crashed"]


class Turn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request's fate. ``fault`` strikes after ``fault_after`` tokens; ``refused`` before any."""

    ttft_s: float = 0.1
    tpot_s: float = 0.01
    load_s: float | None = None
    thinking_tokens: int = 0
    stop_after: int | None = None
    tokens_per_chunk: int = 1
    cached_tokens: int = 0
    reports_usage: bool = True
    engine_decode_factor: float = 1.0
    text: str = "word "
    fault: Fault | None = None
    fault_after: int = 0


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an engine behaves: one turn a request, the last one repeated. ``start`` is what goes wrong on entering.

    ``spread`` is by what share at most a request is slower or faster than its turn says: drawn from its seed.
    ``slots`` requests are answered at once, the others wait; each other one makes a token slower by the share
    ``batch_cost``.
    """

    turns: tuple[Turn, ...] = (Turn(),)
    prompt_tokens: int = 40
    prefill_tps: float = 400.0
    spread: float = 0.0
    slots: Annotated[int, Meta(ge=1)] = 1024
    batch_cost: Annotated[float, Meta(ge=0)] = 0.0
    exact_length: bool = True
    reports_cache: bool = True
    opens_thinking: bool | None = None
    tags_in_text: bool = False
    synthetic: bool = False
    context_trained: int = 8192
    start: Literal["unreachable"] | None = None


SCRIPTS: dict[str, Script] = {
    "steady": Script(),
    "thinking": Script(turns=(Turn(thinking_tokens=24),)),
}


def script_named(name: str) -> Script:
    """A script in the package by name, or a JSON file. Raises ModelMissing or FileError."""
    if name in SCRIPTS:
        return SCRIPTS[name]
    path = Path(name)
    if path.suffix != ".json":
        raise ModelMissing(f"There is no script {name!r}. Scripts: {', '.join(SCRIPTS)}, or a .json file.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Script)
    except OSError as error:
        raise FileError(f"Cannot read the script {path}: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"{path} is not a script: {error}.") from error


class Scripted:
    """Plays ``script``; every request is the next turn."""

    def __init__(self, name: str, script: Script | None = None) -> None:
        self._name = name
        self._script = script or script_named(name)
        self._requests = 0
        self._time = InventedTime()
        self._slots = asyncio.Semaphore(self._script.slots)
        self._answering = 0
        self._together = False

    async def __aenter__(self) -> Self:
        if self._script.start == "unreachable":
            raise ServerUnreachable("Nobody answers: the script says so.")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def describe(self) -> Description:
        script = self._script
        return Description(
            engine="scripted",
            version="1",
            model=Model(name=Path(self._name).stem, context_trained=script.context_trained, synthetic=script.synthetic),
            attached=False,
            capabilities=Capabilities(
                exact_length=script.exact_length,
                cache_off=True,
                reports_cache=script.reports_cache,
                token_ids=True,
            ),
            opens_thinking=script.opens_thinking,
        )

    @property
    def clock(self) -> InventedTime:
        """The time that it invents."""
        return self._time

    async def ready(self, count: int) -> None:
        """With streams to come, time passes for all of them together; without, each request has it for itself."""
        self._together = count > 0

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        script = self._script
        turn = _varied(script.turns[min(self._requests, len(script.turns) - 1)], script.spread, request.seed)
        self._requests += 1
        yield Begun(self._time.now_ns())
        async with self._slots:
            self._answering += 1
            try:
                async for event in self._answer(turn, request):
                    yield event
            finally:
                self._answering -= 1

    async def _answer(self, turn: Turn, request: Request) -> AsyncIterator[StreamEvent]:
        script = self._script
        count = min(request.max_tokens, turn.stop_after or request.max_tokens)
        first_ns = at_ns = self._time.now_ns() + round((turn.ttft_s + (turn.load_s or 0)) * _S)
        for token in range(0, count, turn.tokens_per_chunk):
            if turn.fault is not None and (token >= turn.fault_after or turn.fault == "refused"):
                raise _fault(turn.fault)
            if token:
                at_ns += round(turn.tokens_per_chunk * turn.tpot_s * self._crowding() * _S)
            await self._pass(at_ns)
            thinking, text = _piece(script, turn, token)
            running = min(count, token + turn.tokens_per_chunk)
            counted = running if turn.reports_usage and turn.tokens_per_chunk > 1 else None
            yield Chunk(at_ns, text, thinking, counted)
        if turn.fault is not None:
            raise _fault(turn.fault)
        if not self._together:
            self._time.jump(at_ns + _S)
        yield Finished(
            at_ns=at_ns,
            finish="length" if count == request.max_tokens else "stop",
            usage=_usage(script, turn, count),
            timings=_timings(script, turn, count, (at_ns - first_ns) / _S),
            clock="scripted",
        )

    def _crowding(self) -> float:
        """How much longer a token takes than alone."""
        return 1 + self._script.batch_cost * (self._answering - 1)

    async def _pass(self, at_ns: int) -> None:
        if self._together:
            await self._time.until(at_ns)
        else:
            self._time.jump(at_ns)


def _varied(turn: Turn, spread: float, seed: int) -> Turn:
    factor = 1 + spread * random.Random(seed).uniform(-1, 1)  # noqa: S311 (a script, no secret)
    return msgspec.structs.replace(turn, ttft_s=turn.ttft_s * factor, tpot_s=turn.tpot_s * factor)


def _piece(script: Script, turn: Turn, token: int) -> tuple[str, str]:
    """Reasoning and text of the chunk that begins at ``token``, by the engine's field or by tags."""
    inside = token < turn.thinking_tokens
    if not script.tags_in_text:
        return (turn.text, "") if inside else ("", turn.text)
    opening = "<think>" if token == 0 and turn.thinking_tokens and not script.opens_thinking else ""
    closing = "</think>" if turn.thinking_tokens and token == turn.thinking_tokens else ""
    return "", f"{opening}{closing}{turn.text}"


def _usage(script: Script, turn: Turn, count: int) -> Usage:
    if not turn.reports_usage:
        return Usage()
    cached = turn.cached_tokens if script.reports_cache else None
    return Usage(prompt_tokens=script.prompt_tokens, cached_tokens=cached, output_tokens=count)


def _timings(script: Script, turn: Turn, count: int, decode_s: float) -> EngineTimings:
    evaluated = script.prompt_tokens - turn.cached_tokens
    return EngineTimings(
        prefill_tokens=evaluated,
        prefill_s=evaluated / script.prefill_tps,
        decode_s=decode_s / turn.engine_decode_factor if count > 1 else None,
        load_s=turn.load_s,
    )


def _fault(kind: Fault) -> EngineError:
    match kind:
        case "refused":
            return ServerRefused("The script's server answered 500: out of memory.", 500)
        case "error":
            return ServerRefused("The script's server broke off with an error: out of memory.")
        case "cut":
            return BrokenReply("The script's server closed the connection in the middle of the reply.")
        case "silent":
            return ServerSilent("Nothing came from the script's server for longer than allowed.")
        case "crashed":
            return EngineCrashed("The script's engine ended by itself (status 1) while it was answering.")
