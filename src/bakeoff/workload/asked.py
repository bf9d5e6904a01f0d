"""A workload as it is asked for: the same for every engine."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bakeoff.results.records import Slo


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be asked of a subject; what its engine can do with it is found out when it is up.

    At most one of ``prompt`` (a text), ``prompt_tokens`` (so many token ids) and ``shape`` (a length or a kind by
    its name, made to fit the engine) says what is sent. None of them: what suits the model, the article's two
    prompts or, of random weights, token ids. The rest is as in a record's Workload.
    """

    name: str = ""
    prompt: str | None = None
    prompt_tokens: int | None = None
    shape: str | None = None
    max_tokens: int = 128
    context: int = 2048
    temperature: float = 0.0
    cache: Literal["cold", "warm"] = "cold"
    concurrency: int = 1
    arrival: Literal["closed", "poisson", "constant"] = "closed"
    rate_rps: float | None = None
    requests: int | None = None
    slo: Slo | None = None
