"""What a suite holds: subjects × workloads × settings, what to leave out, and how to measure.

A suite is a TOML file; ``suite_file`` reads it, ``matrix`` spreads it out. A setting is a value or a list, of which
every one is measured. A workload's own settings go before a subject's, these before the suite's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bakeoff.results.records import Slo

Context = Annotated[int, Meta(ge=16, le=10_000_000)]
Answer = Annotated[int, Meta(ge=1, le=131_072)]
Streams = Annotated[int, Meta(ge=1, le=4096)]
Layers = Annotated[int, Meta(ge=0, le=10_000)]
Rate = Annotated[float, Meta(gt=0, le=100_000)]
Seconds = Annotated[float, Meta(gt=0, le=100_000)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
AutoLayers = Literal["auto", "all"]


class Sampling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the next token is drawn; ``top_p`` left out leaves it to the engine."""

    temperature: Annotated[float, Meta(ge=0, le=5)] = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None


class Limits(Slo, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request has to keep to count as served well, in seconds."""

    ttft_s: Seconds | None = None
    tpot_s: Seconds | None = None
    itl_s: Seconds | None = None
    latency_s: Seconds | None = None


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each a value or a list of values. None: the default, or what a wider place says.

    ``quant`` is for subjects that name none. ``max_tokens`` does not reach shapes, which state their answer's length.
    ``rate_rps`` makes the load an open one, with ``arrival``; ``requests`` and ``slo`` are a window's.
    """

    quant: Text | list[Text] | None = None
    context: Context | list[Context] | None = None
    max_tokens: Answer | list[Answer] | None = None
    gpu_layers: Layers | AutoLayers | list[Layers | AutoLayers] | None = None
    concurrency: Streams | list[Streams] | None = None
    rate_rps: Rate | list[Rate] | None = None
    arrival: Literal["poisson", "constant"] | None = None
    requests: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    slo: Limits | None = None
    sampling: Sampling | list[Sampling] | None = None
    cache: Literal["cold", "warm"] | None = None


class SubjectEntry(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subject with settings of its own: ``ENGINE:MODEL[@QUANT]``, or ``MODEL[@QUANT]`` for the suite's engines."""

    subject: Text


class WorkloadEntry(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workload with settings of its own: a shape, a prompt's text, a file that holds one, or a number of token ids.

    ``prompt_tokens`` beside a text stand in for it where the weights are random.
    """

    name: Text | None = None
    shape: Text | None = None
    prompt: Annotated[str, Meta(min_length=1, max_length=8_388_608)] | None = None
    file: Text | None = None
    prompt_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None


class Exclude(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cells to leave out: those of which all of this is true. Names may hold ``*`` and ``?``."""

    subject: Text | list[Text] | None = None
    engine: Text | list[Text] | None = None
    quant: Text | list[Text] | None = None
    workload: Text | list[Text] | None = None
    context: Context | list[Context] | None = None
    max_tokens: Answer | list[Answer] | None = None
    gpu_layers: Layers | AutoLayers | list[Layers | AutoLayers] | None = None
    concurrency: Streams | list[Streams] | None = None


class Measuring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to measure; None: as ``bakeoff run`` does without a word. ``precision`` is a share of the figure."""

    runs: Annotated[int, Meta(ge=1, le=10_000)] | Literal["auto"] | None = None
    precision: Annotated[float, Meta(gt=0, lt=1)] | None = None
    time_budget_s: Annotated[float, Meta(gt=0, le=10_000_000)] | None = None
    warm_ups: Annotated[int, Meta(ge=1, le=100)] | None = None
    anchors: Annotated[int, Meta(ge=0, le=100)] | None = None


class Suite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole suite. Without ``subjects``: what is there to be measured; without ``workloads``: what suits the model.

    ``engines`` run the subjects that name none. ``instead`` holds for an engine what it is given for a quantization
    that it does not have. ``repeats``: how many times the whole is gone through, with every engine started anew.
    """

    description: Annotated[str, Meta(max_length=2000)] = ""
    engines: list[Text] = []
    subjects: list[Text | SubjectEntry] | None = None
    workloads: list[Text | WorkloadEntry] | None = None
    settings: Settings = Settings()
    exclude: list[Exclude] = []
    instead: dict[str, dict[str, Text]] = {}
    repeats: Annotated[int, Meta(ge=1, le=100)] = 1
    measuring: Measuring = Measuring()
