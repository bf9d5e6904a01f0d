"""What a run is to do: which workloads, how many trials."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bakeoff.engines.base import Description, Prompt, Request
from bakeoff.errors import UsageError
from bakeoff.results.records import Workload
from bakeoff.workload.prompts import ARTICLE, NamedPrompt, preamble

DEFAULT_SYNTHETIC_TOKENS = 128
AUTO_FEWEST, AUTO_MOST, AUTO_HALF_WIDTH = 5, 20, 0.03
TEMPLATE_ALLOWANCE = 128
"""Tokens that a chat template and our preamble may add to a prompt."""


class Protocol(Struct, frozen=True, kw_only=True):
    """How to measure. ``runs=None``: until the interval is narrow enough."""

    runs: int | None = None
    max_tokens: int = 128
    context: int = 2048
    prompts: tuple[NamedPrompt, ...] = ()
    prompt_tokens: int | None = None
    cache: Literal["cold", "warm"] = "cold"
    temperature: float = 0.0
    seed: int = 0


def workloads(protocol: Protocol, about: Description) -> list[Workload]:
    """The cells of one subject: the prompts given, else the article's two, else (synthetic) token ids.

    Raises UsageError where prompt and answer cannot fit the context, or the engine cannot take token ids.
    """
    common = {
        "max_tokens": protocol.max_tokens,
        "context": protocol.context,
        "temperature": protocol.temperature,
        "seed": protocol.seed,
        "cache": protocol.cache,
        "exact_length": about.capabilities.exact_length,
    }
    ids = protocol.prompt_tokens
    if ids is None and about.model.synthetic:
        if protocol.prompts:
            raise UsageError(
                "Synthetic weights have no real tokenizer, so a text prompt would have the wrong length: "
                "leave --prompt out, or state a length with --prompt-tokens N."
            )
        ids = DEFAULT_SYNTHETIC_TOKENS
    if ids is not None:
        if not about.capabilities.token_ids:
            raise UsageError(f"{about.engine} does not take token ids: leave --prompt-tokens out.")
        _check_room(ids, protocol)
        return [Workload(name=f"synthetic prompt, {ids} tokens", prompt=None, prompt_tokens=ids, **common)]  # type: ignore[arg-type]
    return [Workload(name=p.name, prompt=p.text, **common) for p in protocol.prompts or ARTICLE]  # type: ignore[arg-type]


def _check_room(prompt_tokens: int, protocol: Protocol) -> None:
    needed = prompt_tokens + protocol.max_tokens
    if needed > protocol.context:
        raise UsageError(
            f"{prompt_tokens} prompt tokens and {protocol.max_tokens} of answer do not fit a context of "
            f"{protocol.context}: set --context to {needed} or more."
        )


def request_for(workload: Workload, seed: int, token_ids: tuple[int, ...] | None) -> Request:
    """One trial's request: the workload's prompt behind a preamble that no other trial has."""
    if token_ids is not None:
        prompt = Prompt(token_ids=token_ids)
    else:
        prompt = Prompt(text=workload.prompt, system=preamble(seed))
    return Request(
        prompt=prompt,
        max_tokens=workload.max_tokens,
        context=workload.context,
        temperature=workload.temperature,
        seed=seed,
        cache=workload.cache == "warm",
    )
