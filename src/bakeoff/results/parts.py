"""What records of every kind are made of. Everything else imports these from ``records``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Whole numbers as other languages hold them; JSON itself has no limit."""


class Record(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of everything that is one line of a run file."""


class Model(Struct, frozen=True, kw_only=True):
    """The weights that answered. ``digest`` is the file's SHA-256 or the engine's own digest.

    ``chat_template``: whether they come with one; None: not known.
    """

    name: str
    quant: str | None = None
    size_bytes: Int64 | None = None
    digest: str | None = None
    architecture: str | None = None
    parameters: Int64 | None = None
    context_trained: Int64 | None = None
    synthetic: bool = False
    chat_template: bool | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """What is measured: engine × model × quantization × engine settings."""

    text: str
    engine: str
    engine_version: str | None
    model: Model
    attached: bool
    settings: dict[str, str | Int64 | float | bool | None] = {}


class Start(Struct, frozen=True, kw_only=True):
    """How an engine that we started came up.

    ``ready_s`` runs from its launch until it was ready to answer; where we only had a running server load the model,
    from that request on. ``load_s`` is the part of it that the model's load took, where it is known apart.
    ``page_cache``: *cold*, none of the model's files lay in the system's cache; *warm*, some did; *unknown*, the
    system does not tell.
    """

    ready_s: float
    load_s: float | None = None
    page_cache: Literal["cold", "warm", "unknown"] = "unknown"


class MemoryPart(Struct, frozen=True, kw_only=True):
    """One allocation as the engine tells it: ``what`` is weights, kv_cache, compute, output, state or all."""

    what: str
    device: str
    bytes: Int64


class Usage(Struct, frozen=True, kw_only=True):
    """The engine's own count of tokens; None where it does not report one.

    ``prompt_tokens`` is the whole prompt, ``cached_tokens`` the part of it that was not evaluated again.
    """

    prompt_tokens: Int64 | None = None
    cached_tokens: Int64 | None = None
    output_tokens: Int64 | None = None
    reasoning_tokens: Int64 | None = None


class EngineTimings(Struct, frozen=True, kw_only=True):
    """The engine's own account of one request. ``decode_s`` spans ``output_tokens`` − 1 intervals.

    ``queue_s`` is how long the request waited for its turn, ``peak_memory_bytes`` the most that the engine says it
    held meanwhile.
    """

    prefill_tokens: Int64 | None = None
    prefill_s: float | None = None
    decode_s: float | None = None
    load_s: float | None = None
    queue_s: float | None = None
    peak_memory_bytes: Int64 | None = None


Phase = Literal["trial", "prefill", "decode", "block", "idle", "run"]
Scope = Literal["gpu", "package", "soc", "system", "wall", "process", "unified", "engine", "machine"]


class Reading(Struct, frozen=True, kw_only=True):
    """What one meter told of one window of time.

    ``quantity`` ends in its unit: ``energy_j``, ``power_w``, ``memory_bytes``, ``temperature_c``, ``clock_hz``,
    ``fan_share``, ``swap_in_bytes``, ``pressure_share``, ``throttled_share``. ``value`` is the energy, else the mean
    over the window; ``low`` and ``high`` are the least and the most seen, of an energy what the meter's resolution
    leaves it between. ``method`` says how it came about: a hardware counter, an integral of samples, the driver's or
    the kernel's account. ``detail`` is which one it was where there are several (a GPU's index, a sensor's name), or
    why: the reasons for throttling.
    """

    meter: str
    scope: Scope
    quantity: str
    phase: Phase = "trial"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    span_s: float | None = None
    samples: Int64 | None = None
    method: str = ""
    detail: str = ""
