"""Bakeoff beside GuideLLM and llama-benchy: who tells best what a server did, and at what cost.

Each tool is run as its users run it, in a process of its own, against the server that logs what it sends: the same
streams, requests and lengths of answers, taking turns in alternating order. What it reports stands against the same
definition worked out on the server's log, for the requests that it counted itself. The processor time is that of the
tool's whole process tree, from its first counted request to the end of its last counted answer, for the tokens sent
meanwhile; the time from launch is that to the first byte of the first request for tokens.

Warm-ups and probes are each tool's own, and count for nobody. A request is dated by its first byte for a tool whose
clock starts before it sends, by its last for one whose clock starts after; a request that came in two parts while the
server was sending is dated by its last byte alone, at most a millisecond late. No tool may fetch anything: the
tokenizer is a small one of ours, and llama-benchy finds a book as long as its usual one in its cache.

The others are installed on first use (GuideLLM brings PyTorch: 6 GB), each in a folder of its own under
``bench/build``, never in the project's environment.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BakeoffError
from bench.quiet import quiet_text, quietly
from bench.sent import answers, resolution_s
from bench.server import serve
from bench.targets import Target, number, progress, table
from bench.tools import Bakeoff, Figures, GuideLLM, LlamaBenchy, Load
from bench.watch import watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.tools import Tool

US = "Bakeoff"
DELAY_MS = 200
CAPACITY = 100_000
TIMEOUT_S = 180.0
ONE, MANY = Load(streams=1, rate=100, tokens=100, rounds=5), Load(streams=64, rate=50, tokens=64, rounds=3)
PATIENCE = 2


@dataclass(frozen=True)
class Score:
    """One run of one tool."""

    told: Figures
    true: Figures
    cpu_ms_per_1k: float
    launch_s: float
    cpu_s: float  # of the whole run
    rate_span_s: float  # what its true rate is a rate over: tokens counted / rate
    resolution_s: float

    @property
    def ttft_error_ms(self) -> float:
        return abs(self.told.ttft_s - self.true.ttft_s) * 1e3

    @property
    def itl_error_us(self) -> float:
        return abs(self.told.itl_s - self.true.itl_s) * 1e6

    @property
    def tps_error_percent(self) -> float:
        return abs(self.told.tps / self.true.tps - 1) * 100


@dataclass(frozen=True)
class Row:
    """One figure of a score, and how far the server itself knows it."""

    name: str
    unit: str
    of: Callable[[Score], float]
    known: Callable[[Score, Load], float]


ROWS = (
    Row("error of TTFT", "ms", lambda s: s.ttft_error_ms, lambda s, _: s.resolution_s * 1e3),
    Row("error of ITL", "µs", lambda s: s.itl_error_us, lambda s, load: s.resolution_s * 1e6 / (load.tokens - 1)),
    Row("error of tok/s", "%", lambda s: s.tps_error_percent, lambda s, _: s.resolution_s / s.rate_span_s * 100),
    Row("CPU per 1,000 tokens", "ms", lambda s: s.cpu_ms_per_1k, lambda *_: 0.0),
    Row("launch to first request", "s", lambda s: s.launch_s, lambda *_: 0.0),
)


@dataclass(frozen=True)
class Case:
    """One load: every tool's scores, round by round, and why a tool has none."""

    load: Load
    scores: dict[str, list[Score]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    quiet: str = ""

    def middle(self, tool: str, row: Row) -> float | None:
        """The median over the rounds; None of a tool without scores."""
        return median(map(row.of, self.scores[tool])) if tool in self.scores else None

    def known(self, row: Row) -> float:
        """How far the server's log knows this figure: nearer than that, two are equal."""
        return median([row.known(score, self.load) for scores in self.scores.values() for score in scores])

    def name(self) -> str:
        return f"{self.load.streams} × {self.load.rate:g} tok/s"


@dataclass(frozen=True)
class Result:
    """The cases, and each tool's version and what figures of it are read, by its name."""

    tools: dict[str, tuple[str, str]]
    cases: list[Case]

    def targets(self) -> list[Target]:
        """Bakeoff's figure against the best of the others': equal is as good."""
        return [_target(case, row) for case in self.cases for row in ROWS]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "medians": [
                {name: {row.name: case.middle(name, row) for row in ROWS} for name in self.tools} for case in self.cases
            ]
        }

    def text(self) -> str:
        read = "\n".join(f"{name} {version}: {figures}." for name, (version, figures) in self.tools.items())
        blocks = [_case_text(self, case) for case in self.cases]
        return "\n\n".join(["Rivals: medians of absolute errors over the rounds", *blocks, f"What is read\n\n{read}"])


def run(quick: bool) -> Result:
    """Measure; about 5 minutes after installation, or 1 with ``quick``."""
    tools: list[Tool] = [Bakeoff(), GuideLLM(), LlamaBenchy()]
    missing = dict(_install(tools))
    cases = [asyncio.run(_case(load, tools, missing, quick)) for load in (ONE, MANY)]
    return Result({tool.name: (tool.version, tool.figures) for tool in tools}, cases)


def _install(tools: Sequence[Tool]) -> Iterator[tuple[str, str]]:
    """Install them; give those that cannot be, and why."""
    for tool in tools:
        try:
            tool.install()
        except BakeoffError as error:
            yield tool.name, str(error)


async def _case(load: Load, tools: Sequence[Tool], missing: dict[str, str], quick: bool) -> Case:
    """Rounds of all tools; one that fails once is left out from then on, and all of its scores with it."""
    lacking = dict(missing)

    async def measure(attempt: int) -> dict[str, Score]:
        scores = {}
        for tool in tools if attempt % 2 == 0 else reversed(tools):
            if tool.name not in lacking:
                progress(f"rivals · {load.streams} streams · round {attempt + 1} · {tool.name}")
                try:
                    scores[tool.name] = await _score(tool, load)
                except BakeoffError as error:
                    if tool.name == US:
                        raise
                    lacking[tool.name] = str(error)
        return scores

    kept = await quietly(measure, 1, patience=1) if quick else await quietly(measure, 3, patience=PATIENCE)
    scores = {tool.name: [scores[tool.name] for scores in kept.items] for tool in tools if tool.name not in lacking}
    return Case(load, scores, lacking, quiet_text(kept.others, kept.made))


async def _score(tool: Tool, load: Load) -> Score:
    """Run it once. Raises BakeoffError where it fails, or did not do what it was asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(CAPACITY, f"rate={load.rate:g}&delay={DELAY_MS}") as server:
            command, environment = tool.command(server.port, load, folder), tool.environment(folder)
            watched = await watch(command, environment, TIMEOUT_S)
        sent = answers(server.log)
        try:
            reading = tool.read(folder, watched.output, load, sent)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise BakeoffError(f"its report could not be read: {error!r}") from error
    begin_ns = min(answer.begun_ns for answer in reading.counted)
    end_ns = max(answer.ended_ns for answer in reading.counted)
    log = server.log
    tokens = int(((log["sent_ns"] >= begin_ns) & (log["sent_ns"] <= end_ns)).sum())
    counted = sum(answer.tokens for answer in reading.counted)
    return Score(
        told=reading.told,
        true=reading.true,
        cpu_ms_per_1k=watched.cpu_between(begin_ns, end_ns) * 1e6 / tokens,
        launch_s=(int(log["begun_ns"].min()) - watched.launched_ns) / 1e9,
        cpu_s=watched.cpu_s[-1],
        rate_span_s=counted / reading.true.tps,
        resolution_s=resolution_s(log),
    )


def _target(case: Case, row: Row) -> Target:
    others = [figure for name in case.scores if name != US and (figure := case.middle(name, row)) is not None]
    ours = case.middle(US, row) if others else None
    limit = min(others, default=0.0) + (case.known(row) if others else 0.0)
    return Target(f"{case.name()}: {row.name}, at most the best other's", row.unit, ours, limit)


def _case_text(result: Result, case: Case) -> str:
    rounds = len(case.scores[US])
    turns = "1 round" if rounds == 1 else f"{rounds} rounds"
    what = f"{case.load.requests} answers of {case.load.tokens} tokens; {turns}"
    return f"{case.name()}, {what}; {case.quiet}\n\n{_case_table(result, case)}"


def _case_table(result: Result, case: Case) -> str:
    rows: list[tuple[str, ...]] = [("tool", *(f"{row.name}, {row.unit}" for row in ROWS), "CPU of the whole run, s")]
    for name, (version, _) in result.tools.items():
        if name not in case.scores:
            rows.append((f"{name} {version} ({case.missing[name]})", *["none"] * (len(ROWS) + 1)))
            continue
        figures = [number(median(map(row.of, case.scores[name]))) for row in ROWS]
        rows.append((f"{name} {version}", *figures, number(median(score.cpu_s for score in case.scores[name]))))
    known = [number(case.known(row)) if case.known(row) else "" for row in ROWS]
    rows.append(("equal if nearer than", *known, ""))
    return table(rows)
