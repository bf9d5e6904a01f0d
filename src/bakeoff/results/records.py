"""The versioned records: what a run file holds, and nothing that can be derived from it.

Times inside a trial are nanoseconds since its request was fully sent; everything else is in seconds, bytes and
tokens. Every record names its kind in ``type``.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from bakeoff.results.answers import Answer, Answering, Foretold, ReferenceAnswer, TaskSet
from bakeoff.results.parts import EngineTimings as EngineTimings
from bakeoff.results.parts import Int64 as Int64
from bakeoff.results.parts import MemoryPart as MemoryPart
from bakeoff.results.parts import Model as Model
from bakeoff.results.parts import Phase as Phase
from bakeoff.results.parts import Reading as Reading
from bakeoff.results.parts import Record as Record
from bakeoff.results.parts import Scope as Scope
from bakeoff.results.parts import Start as Start
from bakeoff.results.parts import Subject as Subject
from bakeoff.results.parts import Usage as Usage

SCHEMA = 2
"""Version of the run file. Higher: a reader refuses. Changes are listed here, newest first.

2  the plan of a run and its resumption; what warmed a cell up and what ended it, and pauses to cool down; anchors;
   windows of load; readings of meters; tasks and the answers to them, and what is held likely in these.
1  the first.
"""


class Figure(Struct, frozen=True, kw_only=True):
    """A figure with its interval; ``low`` and ``high`` are None where n does not allow one."""

    point: float
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: Int64 = 1


class Prediction(Struct, frozen=True, kw_only=True):
    """What the planner said before the first trial, with 80 % intervals.

    ``plain_…`` are the points before what earlier runs on this machine taught. No rate of one stream can pass
    ``limit_tps``, unless the model fits the processor's cache; ``limit_assumed``: nobody named or measured the
    bandwidth of the memory that it hangs on. ``cores_bound``: the processor's cores set the pace, not its memory.
    """

    device: Literal["cpu", "gpu"]
    decode_tps: Figure
    prefill_tps: Figure
    plain_decode_tps: float
    plain_prefill_tps: float
    limit_tps: float
    memory_bytes: int
    limit_assumed: bool = False
    cores_bound: bool = False


class Gpu(Struct, frozen=True, kw_only=True):
    """One accelerator as its driver reports it."""

    name: str
    memory_bytes: Int64 | None = None
    driver: str | None = None


class Host(Struct, frozen=True, kw_only=True):
    """The machine that was measured. Nothing that identifies its owner."""

    cpu: str
    cores_physical: Int64 | None
    cores_logical: Int64
    memory_bytes: Int64
    os: str
    arch: str
    python: str
    bakeoff: str
    power_source: Literal["mains", "battery", "unknown"]
    gpus: tuple[Gpu, ...] = ()


class Slo(Struct, frozen=True, kw_only=True):
    """What a request has to keep to count as served well; None: no limit."""

    ttft_s: float | None = None
    tpot_s: float | None = None
    itl_s: float | None = None
    latency_s: float | None = None


class Workload(Struct, frozen=True, kw_only=True):
    """What is asked of it. ``prompt`` is the text, or None where token ids were sent.

    ``shape`` names the length that the text was fitted to, in tokens as the engine counts them; then each request has
    its words in another order, and no preamble.
    ``arrival``: *closed*, each of ``concurrency`` streams sends its next request when its last is answered;
    *poisson* and *constant*, requests are due at ``rate_rps`` a second, answered or not. ``requests`` is how many
    one window of load holds; None where trials run one by one.
    """

    name: str
    prompt: str | None
    prompt_tokens: Int64 | None = None
    shape: str | None = None
    max_tokens: Int64 = 128
    context: Int64 | None = None
    temperature: float = 0.0
    top_p: float | None = None
    seed: Int64 = 0
    cache: Literal["cold", "warm"] = "cold"
    exact_length: bool = False
    concurrency: Int64 = 1
    arrival: Literal["closed", "poisson", "constant"] = "closed"
    rate_rps: float | None = None
    requests: Int64 | None = None
    slo: Slo | None = None


class EngineCounts(Struct, frozen=True, kw_only=True):
    """What an engine counted around a trial, over all whom it serves; None: not told.

    From just before the trial to just after it: ``requests`` that came to their end; ``preemptions``, requests that
    lost their place in a full KV cache and were evaluated again; ``queue_s``, the time that all together waited for
    their turn. Just before it, hence of others: requests ``running`` and ``waiting``, and ``kv_cache_used``, the
    share of the KV cache, 0 to 1, that they held.
    """

    requests: Int64 | None = None
    preemptions: Int64 | None = None
    queue_s: float | None = None
    running: Int64 | None = None
    waiting: Int64 | None = None
    kv_cache_used: float | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    """The chunks of one stream that carried text, in compact form: one entry each.

    ``at_ns`` when its read arrived, since the request was fully sent; chunks of one read share it.
    ``kinds`` one letter each: ``r`` reasoning, ``a`` answer, ``-`` only a tag or the space around one.
    ``tokens`` the engine's running count of tokens, where the stream carries one.
    """

    at_ns: tuple[Int64, ...] = ()
    kinds: str = ""
    tokens: tuple[Int64, ...] | None = None

    def __post_init__(self) -> None:
        counts = self.kinds if self.tokens is None else self.tokens
        if self.kinds.strip("ra-") or {len(self.kinds), len(counts)} != {len(self.at_ns)}:
            raise ValueError("a timeline needs one kind, and one count or none, for each chunk")


INTERRUPTED = "interrupted by the user"
"""The error of a trial that Ctrl-C ended: a resumed run does it again."""

Status = Literal["ok", "failed", "truncated"]
Purpose = Literal["warm-up", "timed", "anchor"]
"""``anchor``: the same cell again at the start and the end, to show drift; no figure is made of it."""


class RunStarted(Record, frozen=True, kw_only=True, tag="run"):
    """The first line: the schema's version, the run, the host.

    ``plan`` is what was asked for, complete enough to go on with after an interruption; it holds no secret.
    """

    schema: Int64
    id: str
    started: str
    command: str
    seed: Int64
    host: Host
    plan: dict[str, Any] | None = None


class CellOpened(Record, frozen=True, kw_only=True, tag="cell"):
    """A subject under a workload, before its first trial.

    ``entrant`` is its subject's place in the run's plan, ``place`` the workload's place among that subject's.
    """

    cell: Int64
    subject: Subject
    workload: Workload
    entrant: Int64 = 0
    place: Int64 = 0
    predicted: Prediction | None = None
    template_tokens: Int64 | None = None
    start: Start | None = None
    engine_memory: tuple[MemoryPart, ...] = ()


class Warmed(Record, frozen=True, kw_only=True, tag="warm"):
    """A cell was warmed up by so many trials: until the last two agreed, or until the limit was reached."""

    cell: Int64
    trials: Int64
    agreed: bool


class CooledDown(Record, frozen=True, kw_only=True, tag="cooled"):
    """Before this trial we waited, since the device held itself back; ``recovered``: until it no longer did."""

    cell: Int64
    purpose: Purpose
    index: Int64
    reason: str
    waited_s: float
    recovered: bool


EndedBy = Literal["precision", "number", "budget", "failures", "overload"]


class CellEnded(Record, frozen=True, kw_only=True, tag="cell_end"):
    """A cell gets no more trials.

    ``by``: its interval is narrow enough, it has as many as were asked for or are allowed, its share of the time is
    used up, too many failed in a row, or the server could not keep up with what was due. ``half_width`` is the
    interval's, as a share of the figure, and ``wanted`` what it was to come down to; None where there is none, or a
    number of trials was asked for.
    """

    cell: Int64
    by: EndedBy
    half_width: float | None = None
    wanted: float | None = None


class EntrantEnded(Record, frozen=True, kw_only=True, tag="entrant_end"):
    """All that was to be measured of this place in the plan is: a resumed run leaves it alone."""

    entrant: Int64


class RunResumed(Record, frozen=True, kw_only=True, tag="resumed"):
    """An interrupted run goes on from here; what it had is kept."""

    resumed: str
    bakeoff: str


class MeterState(Struct, frozen=True, kw_only=True):
    """One instrument: usable, or why not and the one command that would mend it. ``rate_hz``: how often it is read."""

    name: str
    scope: Scope
    quantity: str
    state: Literal["ready", "denied", "missing", "failed"]
    method: str = ""
    rate_hz: float | None = None
    reason: str = ""
    fix: str = ""


class Metered(Record, frozen=True, kw_only=True, tag="meters"):
    """The instruments of the cells that follow, and the idle level of each scope, measured before them."""

    meters: tuple[MeterState, ...]
    idle: tuple[Reading, ...] = ()


class Window(Record, frozen=True, kw_only=True, tag="window"):
    """Many requests together, from the first that was due to the end of the last; its trials name it.

    ``stopped`` says why it was ended early: the server could not keep up with what was due.
    """

    cell: Int64
    index: Int64
    purpose: Purpose
    started: str
    span_ns: Int64
    others_cpu: float | None = None
    client_cpu: float | None = None
    memory_peak_bytes: Int64 | None = None
    engine_counts: EngineCounts | None = None
    readings: tuple[Reading, ...] = ()
    stopped: str | None = None


class Trial(Record, frozen=True, kw_only=True, tag="trial"):
    """One request, as it went. Only timed trials with status ``ok`` enter a rate.

    ``failed``: an error, or no token came. ``truncated``: the stream was cut, or the user interrupted it.
    ``others_cpu`` is the share of the machine's processor time, 0 to 1, that went to others meanwhile.
    ``waited_s`` is how long the server's rate limit held the request back, before it was sent: no figure holds it.
    Under load, ``window`` is the index of its window, ``stream`` which stream sent it, and ``due_ns`` and ``begun_ns``
    when it was due and when it was fully sent, since the window began.
    """

    cell: Int64
    index: Int64
    purpose: Purpose
    status: Status
    started: str
    seed: Int64
    timeline: Timeline = Timeline()
    end_ns: Int64 | None = None
    finish: str | None = None
    usage: Usage = Usage()
    engine: EngineTimings = EngineTimings()
    clock: str = "user"
    clock_step_ns: Int64 = 0
    memory_peak_bytes: Int64 | None = None
    others_cpu: float | None = None
    engine_counts: EngineCounts | None = None
    waited_s: float | None = None
    window: Int64 | None = None
    stream: Int64 | None = None
    due_ns: Int64 | None = None
    begun_ns: Int64 | None = None
    readings: tuple[Reading, ...] = ()
    text: str | None = None
    error: str | None = None


class CellFailed(Record, frozen=True, kw_only=True, tag="cell_failed"):
    """A subject that could not be measured, or not to the end, or not under one of its workloads; and why."""

    subject: str
    error: str
    entrant: Int64 = 0


class RunEnded(Record, frozen=True, kw_only=True, tag="end"):
    """The last line of a run that came to its end, or was interrupted.

    ``failed``: nothing could be measured, or something broke off in the middle. Such a run can be resumed, as an
    interrupted one can.
    """

    ended: str
    status: Literal["done", "interrupted", "failed"]


AnyRecord = (
    RunStarted
    | RunResumed
    | Metered
    | CellOpened
    | Warmed
    | CooledDown
    | Trial
    | Window
    | CellEnded
    | EntrantEnded
    | CellFailed
    | TaskSet
    | Answering
    | Answer
    | ReferenceAnswer
    | Foretold
    | RunEnded
)


class Run(Struct, frozen=True, kw_only=True):
    """A whole run file, read. ``ended`` is None where it was cut.

    What a resumed run did again is here once: trials that were interrupted or whose window never ended, and failures
    of what was then taken up again, are in the file alone.
    """

    started: RunStarted
    resumed: tuple[RunResumed, ...] = ()
    metered: tuple[Metered, ...] = ()
    cells: tuple[CellOpened, ...] = ()
    trials: tuple[Trial, ...] = ()
    windows: tuple[Window, ...] = ()
    warmed: tuple[Warmed, ...] = ()
    cooled: tuple[CooledDown, ...] = ()
    cell_ends: tuple[CellEnded, ...] = ()
    entrant_ends: tuple[EntrantEnded, ...] = ()
    failures: tuple[CellFailed, ...] = ()
    task_sets: tuple[TaskSet, ...] = ()
    answering: tuple[Answering, ...] = ()
    answers: tuple[Answer, ...] = ()
    reference_answers: tuple[ReferenceAnswer, ...] = ()
    foretold: tuple[Foretold, ...] = ()
    ended: RunEnded | None = None

    def trials_of(self, cell: int, purpose: Purpose = "timed") -> list[Trial]:
        """The trials of one cell, in the order in which they ran."""
        return [trial for trial in self.trials if trial.cell == cell and trial.purpose == purpose]

    def windows_of(self, cell: int, purpose: Purpose = "timed") -> list[Window]:
        """The windows of load of one cell, in the order in which they ran."""
        return [window for window in self.windows if window.cell == cell and window.purpose == purpose]
