"""What a file of claims holds: a publication, the conditions that its figures share, and the claims one by one.

Statements are in words of one's own, with the units as they were published; ``claimed`` is the figure
(``90-110 tok/s``) or the word (``fits``: ``yes``) that is checked. ``claims_file`` reads and checks a file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bakeoff.analysis.claims.quantity import Quantity

Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Text = Annotated[str, Meta(min_length=1, max_length=400)]
Short = Annotated[str, Meta(min_length=1, max_length=120)]
Long = Annotated[str, Meta(min_length=1, max_length=4000)]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Ids = Annotated[list[Id], Meta(max_length=200)]
Engine = Literal["llamacpp", "ollama", "vllm", "mlx", "lmstudio"]

Metric = Literal[
    "decode", "prefill", "ttft", "memory", "weights", "disk", "download_time", "kv_cache", "parameters", "size_ratio",
    "bandwidth", "memory_size", "gpu_memory", "gpu_cores", "fits", "only_fit", "recommended", "bottleneck",
    "sum", "ratio", "break_even", "accuracy_difference", "answer", "power", "price", "command", "commands_cover",
    "method", "versions", "likeness", "code", "licence", "words",
]  # fmt: skip
MethodCheck = Literal[
    "loaded_before_timing", "prompts_evaluated", "prompts_measured", "prompts_as_published", "answers_whole",
    "answers_kept", "everything_recorded", "everything_reported", "models_measured", "engines_reported",
    "failures_left_out", "plain_mean", "any_address",
]  # fmt: skip


class Rule(Struct, frozen=True, kw_only=True):
    """What a metric is, the dimension of its figure (any of its units) or its words, and the keys that it needs."""

    what: str
    dimension: str = ""
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


_SUBJECT = ("hardware", "model", "quant")
ANY = "any"
"""The dimension of a sum; and, as a ``quant``, every quantization that there is."""
NONE = "none"
"""Recommended: no quantization at all."""

METRICS: dict[str, Rule] = {
    "decode": Rule(what="tokens a second of one answer", dimension="rate", needs=_SUBJECT),
    "prefill": Rule(what="prompt tokens a second", dimension="rate", needs=_SUBJECT),
    "ttft": Rule(what="time to the first token", dimension="time", needs=_SUBJECT),
    "memory": Rule(what="memory that the engine takes: weights, cache, buffers", dimension="bytes", needs=_SUBJECT),
    "weights": Rule(what="size of the weights", dimension="bytes", needs=("model", "quant")),
    "disk": Rule(what="space on disk that is enough for the file", dimension="bytes", needs=("model", "quant")),
    "download_time": Rule(what="time to fetch the file", dimension="time", needs=("model", "quant")),
    "kv_cache": Rule(what="size of the KV cache", dimension="bytes", needs=("model", "context")),
    "parameters": Rule(what="parameters of the model", dimension="parameters", needs=("model",)),
    "size_ratio": Rule(what="size over that at another quantization", dimension="ratio", needs=("quant", "against")),
    "bandwidth": Rule(what="memory bandwidth", dimension="bandwidth", needs=("hardware",)),
    "memory_size": Rule(what="memory of the GPU or machine; GB as vendors count", dimension="bytes",
                        needs=("hardware",)),
    "gpu_memory": Rule(what="memory that the GPU may use, unless a limit is raised; GB as vendors count",
                       dimension="bytes", needs=("hardware",)),
    "gpu_cores": Rule(what="GPU cores", dimension="cores", needs=("hardware",)),
    "fits": Rule(what="whether it fits", words=("yes", "tight", "split", "no"), needs=("hardware", "model", "quant")),
    "only_fit": Rule(what="the only hardware of several on which it fits whole", words=("only",),
                     needs=(*_SUBJECT, "among")),
    "recommended": Rule(what="the quantization to take, or none", needs=("hardware", "model")),
    "bottleneck": Rule(what="what bounds a split model", words=("pcie", "host_memory", "gpu_memory"), needs=_SUBJECT),
    "sum": Rule(what="a sum over claims and constants", dimension=ANY, needs=("expression",)),
    "ratio": Rule(what="the first of two claims over the second", dimension="ratio", needs=("of",)),
    "break_even": Rule(what="months until hardware has cost less than an API", dimension="months", needs=("where",)),
    "accuracy_difference": Rule(what="difference of two accuracies", dimension="points", needs=("items", "samples")),
    "answer": Rule(what="an answer to a task of the package that is held to be right", needs=("task",)),
    "power": Rule(what="power drawn", dimension="power", needs=("hardware",)),
    "price": Rule(what="a price", dimension="money*"),
    "command": Rule(what="a command that starts or fetches a model", words=("works",), needs=("command",)),
    "commands_cover": Rule(what="commands that fetch everything measured", words=("all",), needs=("of", "commands")),
    "method": Rule(what="how it was measured, by the file's [protocol]", words=MethodCheck.__args__,  # type: ignore[attr-defined]
                   needs=()),
    "versions": Rule(what="requirements on one thing that agree", words=("agree",), needs=("ranges",)),
    "likeness": Rule(what="figures that may be set against each other", words=("alike",), needs=("of", "same")),
    "code": Rule(what="Python that can be read", words=("parses",), needs=("code",)),
    "licence": Rule(what="the licence of the weights", needs=("model",)),
    "words": Rule(what="a statement that only a measurement of its own could check", needs=("needed",)),
}  # fmt: skip


class Conditions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Under what a figure was measured. A claim's own go before the file's.

    ``gpu_layers`` or ``gpu_share`` (of the layers) is the split of a model that does not fit; ``host_gb`` and
    ``host_gb_s`` are the memory and the bandwidth of the host that a GPU stands in. ``scope`` is a power figure's.
    """

    engine: Engine | None = None
    engine_version: Short | None = None
    context: Count | None = None
    prompt_tokens: Count | None = None
    answer_tokens: Count | None = None
    streams: Annotated[int, Meta(ge=1, le=4096)] | None = None
    gpu_layers: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    gpu_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    host_gb: Annotated[float, Meta(ge=1, le=65_536)] | None = None
    host_gb_s: Annotated[float, Meta(ge=1, le=10_000)] | None = None
    scope: Literal["gpu", "package", "soc", "system", "wall"] | None = None


class Reference(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What another publication says of the same thing."""

    value: Short
    source: Text
    date: Short


class Protocol(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the publication measured, as far as it tells; what its script really does.

    ``prompts_stated`` and ``prompts_run`` are the prompts (or enough of them to tell them apart); ``models_run`` what
    the script measures (``r1-7b@Q4_K_M``), ``engines_stated`` what is said to have been;
    ``warm_up_context`` and ``trial_context`` the contexts asked for, absent where none is; ``stated_metrics`` what is
    said to be captured, in words of ``REPORTED_AS`` as far as they are there.
    """

    runs: Count
    warm_up: bool = True
    warm_up_context: Count | None = None
    trial_context: Count | None = None
    prompts_stated: Annotated[list[Short], Meta(max_length=50)] = []
    prompts_run: Annotated[list[Short], Meta(max_length=50)] = []
    models_run: Annotated[list[Short], Meta(max_length=100)] = []
    engines_stated: list[Engine] = []
    same_prompt_every_run: bool = True
    cache_off: bool = False
    answer_tokens: Count | None = None
    reasoning: bool = False
    keeps_answers: bool = True
    stated_metrics: Annotated[list[Short], Meta(max_length=50)] = []
    recorded_metrics: Annotated[list[Short], Meta(max_length=50)] = []
    mean_of: Literal["rates", "totals"] = "totals"
    failures_count_as_zero: bool = False
    address_variable: Short | None = None
    address_needs_scheme: bool = False


REPORTED_AS = {
    "decode rate": "decode", "prompt rate": "prefill", "time to the first token": "ttft", "peak memory": "memory",
    "power": "power", "wall power": "power",
}  # fmt: skip
"""The metric that a claim about a captured one has."""


class Claim(Conditions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One published figure or statement. Which keys a metric needs, ``METRICS`` says.

    ``implied``: not said in so many words, but needed for what is said. ``note`` is told with the verdict; ``needed``
    says what could check it; ``references`` are others' figures.
    """

    id: Id
    statement: Text
    metric: Metric
    claimed: Text
    implied: bool = False
    hardware: Short | None = None
    model: Short | None = None
    models: Annotated[list[Short], Meta(max_length=20)] = []
    quant: Short | None = None
    against: Short | None = None
    among: Annotated[list[Short], Meta(max_length=32)] = []
    expression: Text | None = None
    where: dict[Id, float | Id] = {}
    also: dict[Id, float | Id] = {}
    of: Ids = []
    same: Annotated[
        list[Literal["hardware", "model", "quant", "engine", "context", "streams", "scope"]], Meta(max_length=8)
    ] = []
    task: Short | None = None
    items: Count | None = None
    samples: Count | None = None
    command: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    commands: Ids = []
    ranges: Annotated[list[Short], Meta(max_length=20)] = []
    code: Long | None = None
    copy_is_faithful: bool = True
    references: Annotated[list[Reference], Meta(max_length=20)] = []
    note: Text | None = None
    needed: Text | None = None  # fmt: skip


class ClaimSet(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One publication's claims: what it is, where and when it appeared (as far as is known), and what it says."""

    title: Text
    source: Text
    date: Short
    author: Short | None = None
    url: Annotated[str, Meta(max_length=500)] | None = None
    conditions: Conditions = Conditions()
    protocol: Protocol | None = None
    claims: Annotated[list[Claim], Meta(min_length=1, max_length=1000)]


class Stated(Struct, kw_only=True, frozen=True):
    """A claim made complete: the file's conditions filled in, its figure read (None where it is a word)."""

    claim: Claim
    figure: Quantity | None


class Claims(Struct, kw_only=True, frozen=True):
    """A whole file, read and checked, its claims by id in the file's order."""

    name: str
    about: ClaimSet
    stated: dict[str, Stated]
