"""What goes between us and the child that runs mlx_lm: one line of JSON a message."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from bakeoff.engines.base import Finished, Request
from bakeoff.engines.chat import Count
from bakeoff.engines.llama_server import chat_messages
from bakeoff.results.records import EngineTimings, Usage


class About(Struct):
    """What is there, once the model is loaded; ``revision`` is a repository's commit."""

    version: str
    mlx: str
    download_s: float
    load_s: float
    gpu: bool
    exact_length: bool
    chat_template: bool
    dtype: str
    opens_thinking: bool | None = None
    device: str | None = None
    wired_limit_bytes: Count | None = None
    size_bytes: Count | None = None
    parameters: Count | None = None
    revision: str | None = None
    bits: Count | None = None
    group_size: Count | None = None
    architecture: str | None = None
    context_trained: Count | None = None


class Done(Struct):
    """A whole answer, as mlx_lm counts it: rates in tokens/s, ``peak_memory`` in GB."""

    generation_tokens: Count
    prompt_tokens: Count
    prompt_tps: float
    generation_tps: float
    peak_memory: float
    finish_reason: str | None = None


class Line(Struct):
    """One message of the child's: ``n`` tokens of request ``id`` by the time ``at``, in ns, or what became of it."""

    id: int | None = None
    at: int = 0
    n: Count = 0
    text: str = ""
    done: Done | None = None
    cancelled: bool = False
    ready: About | None = None
    clock: int | None = None
    error: str | None = None
    kind: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing more comes of its request."""
        return self.done is not None or self.cancelled or self.error is not None


decode_line = msgspec.json.Decoder(Line).decode


def as_message(number: int, request: Request) -> dict[str, Any]:
    """A request as the child takes it."""
    return {
        "id": number,
        "ids": request.prompt.token_ids,
        "messages": chat_messages(request),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "ignore_eos": request.to_the_limit,
    }


def as_finished(at_ns: int, done: Done) -> Finished:
    """mlx_lm's rates as times: it divides all n tokens by the n − 1 intervals from the first one on."""
    several = done.generation_tokens > 1 and done.generation_tps > 0
    return Finished(
        at_ns=at_ns,
        finish=done.finish_reason,
        usage=Usage(prompt_tokens=done.prompt_tokens, cached_tokens=0, output_tokens=done.generation_tokens),
        timings=EngineTimings(
            prefill_tokens=done.prompt_tokens,
            prefill_s=done.prompt_tokens / done.prompt_tps if done.prompt_tps > 0 else None,
            decode_s=done.generation_tokens / done.generation_tps if several else None,
            peak_memory_bytes=round(done.peak_memory * 1e9),
        ),
        clock="engine",
    )
