"""The client's own timing error: when it says a token came, against when the server sent it.

Loopback delivers within the sender's call, so the difference is what the client adds. Every client runs in a
process of its own, does the same work with the same decoder, and takes its turn in alternating order.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from bakeoff.errors import BakeoffError
from bench.clients import WARM_UP, WARM_UP_TOKENS, Load, Outcome
from bench.server import serve
from bench.targets import Target, number, progress, table

if TYPE_CHECKING:
    from collections.abc import Sequence

KERNEL, PORTABLE, HTTPX = "Bakeoff, kernel time", "Bakeoff, portable", "httpx"
CLIENTS = {
    KERNEL: "bakeoff-kernel",
    PORTABLE: "bakeoff-portable",
    "Bakeoff, portable, plain asyncio": "bakeoff-portable/asyncio",
    "aiohttp": "aiohttp",
    HTTPX: "httpx",
}
ONE, MANY, USUAL = "1 × 100 tok/s", "256 × 50 tok/s", "64 × 50 tok/s"
ALIGNED = "64 × 50 tok/s, all at the same instants"
LADDER = (5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000, 100_000)
LADDER_STREAMS = 256
LADDER_ERROR_MS = 1.0


@dataclass(frozen=True)
class Score:
    """One client under one load: absolute errors, CPU time, and the rate that was really reached."""

    median_ms: float
    p99_ms: float
    earliest_ms: float  # signed: a token cannot be received before it is sent
    cpu_ms_per_1k: float
    tokens_per_s: float


@dataclass(frozen=True)
class Result:
    """Scores are medians over the repeats, each taken by itself."""

    cases: dict[str, dict[str, Score]]
    ladder: dict[str, list[Score]]

    def targets(self) -> list[Target]:
        return [*self._error_targets(), *self._rate_targets(), *self._cpu_targets()]

    def _error_targets(self) -> list[Target]:
        limits = {KERNEL: (0.03, 0.2), PORTABLE: (0.1, 1.0)}
        return [
            target
            for client, (middle, tail) in limits.items()
            for case in (ONE, MANY)
            for score in [self.cases[case][client]]
            for target in (
                Target(f"{client}, {case}: median error", "ms", score.median_ms, middle),
                Target(f"{client}, {case}: 99th percentile", "ms", score.p99_ms, tail),
            )
        ]

    def _rate_targets(self) -> list[Target]:
        what = f"rate before the median error reaches {LADDER_ERROR_MS:g} ms"
        return [
            Target(f"{client}: {what}", "tok/s", sustained(self.ladder[client]), 40_000, at_least=True)
            for client in (KERNEL, PORTABLE)
        ]

    def _cpu_targets(self) -> list[Target]:
        return [
            Target(
                f"{client}, {case}: CPU per token, of httpx's",
                "",
                _cpu_ratio(self.cases[case], client),
                1 / 3,
            )
            for client in (KERNEL, PORTABLE)
            for case in (USUAL, MANY)
        ]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        blocks = [f"{case}\n\n{_case_table(scores)}" for case, scores in self.cases.items()]
        title = f"Rising total rate over {LADDER_STREAMS} streams: median error in ms @ rate reached"
        return "\n\n".join([*blocks, f"{title}\n\n{_ladder_table(self.ladder)}"])


def run(quick: bool) -> Result:
    """Measure every client under every load; about 5 minutes, or 25 seconds with ``quick``."""
    repeats, seconds = (1, 1.0) if quick else (3, 2.0)
    loads = {
        ONE: Load(streams=1, rate=100, tokens=round(200 * seconds)),
        USUAL: Load(streams=64, rate=50, tokens=round(50 * seconds)),
        ALIGNED: Load(streams=64, rate=50, tokens=round(50 * seconds), aligned=True),
        MANY: Load(streams=256, rate=50, tokens=round(50 * seconds)),
    }
    if quick:
        del loads[ALIGNED]
    cases = {case: _score_all(case, load, repeats, list(CLIENTS)) for case, load in loads.items()}
    return Result(cases, _climb(LADDER[3::2] if quick else LADDER, repeats))


def sustained(steps: Sequence[Score]) -> float | None:
    """The highest rate reached with a median error under the limit, in tokens per second."""
    return max((step.tokens_per_s for step in steps if step.median_ms < LADDER_ERROR_MS), default=None)


def _climb(rates: Sequence[int], repeats: int) -> dict[str, list[Score]]:
    """Raise the rate for each client until its median error passes the limit."""
    ladder: dict[str, list[Score]] = {client: [] for client in CLIENTS}
    for rate in rates:
        climbing = [c for c, steps in ladder.items() if not steps or steps[-1].median_ms < LADDER_ERROR_MS]
        load = Load(streams=LADDER_STREAMS, rate=rate / LADDER_STREAMS, tokens=max(20, rate // LADDER_STREAMS))
        for client, score in _score_all(f"{rate:,} tok/s", load, repeats, climbing).items():
            ladder[client].append(score)
    return ladder


def _score_all(case: str, load: Load, repeats: int, clients: list[str]) -> dict[str, Score]:
    scores: dict[str, list[Score]] = {client: [] for client in clients}
    for repeat in range(repeats):
        for client in clients if repeat % 2 == 0 else reversed(clients):
            progress(f"{case} · {repeat + 1} of {repeats} · {client}")
            scores[client].append(_score(CLIENTS[client], load))
    return {client: _median_score(repeated) for client, repeated in scores.items()}


def _median_score(scores: list[Score]) -> Score:
    columns = [asdict(score) for score in scores]
    return Score(**{name: median(column[name] for column in columns) for name in columns[0]})


def _score(client: str, load: Load) -> Score:
    with serve(load.streams * (load.tokens + WARM_UP_TOKENS)) as server:
        outcome = _run_client(client, server.port, load)
    log = server.log[server.log["stream"] < WARM_UP]
    sent_ns = np.zeros((load.streams, load.tokens), np.int64)
    sent_ns[log["stream"], log["token"]] = log["sent_ns"]
    errors_ms = (_received_ns(outcome, load) - sent_ns).ravel() / 1e6
    p50, p99 = np.quantile(np.abs(errors_ms), (0.5, 0.99))
    span_s = (sent_ns.max() - sent_ns.min()) / 1e9
    cpu_ms_per_1k = outcome.cpu_s * 1e6 / sent_ns.size
    reached = sent_ns.size * (1 - 1 / load.tokens) / span_s
    return Score(float(p50), float(p99), float(errors_ms.min()), cpu_ms_per_1k, float(reached))


def _run_client(client: str, port: int, load: Load) -> Outcome:
    command = [sys.executable, "-m", "bench.clients", client, str(port), msgspec.json.encode(load).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        raise BakeoffError(f"the client {client} ended with status {done.returncode}; its reason stands above")
    return msgspec.json.decode(done.stdout, type=Outcome)


def _received_ns(outcome: Outcome, load: Load) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Receive times by stream and token, read from the tokens' own text; every token must be there once."""
    received = np.zeros((load.streams, load.tokens), np.int64)
    for text, at_ns in outcome.received:
        stream, _, token = text.removeprefix(" s").partition("t")
        received[int(stream), int(token)] = at_ns
    if len(outcome.received) != received.size or not received.all():
        raise BakeoffError(f"of {received.size} tokens {np.count_nonzero(received)} arrived")
    return received


def _cpu_ratio(scores: dict[str, Score], client: str) -> float:
    return scores[client].cpu_ms_per_1k / scores[HTTPX].cpu_ms_per_1k


def _case_table(scores: dict[str, Score]) -> str:
    rows: list[tuple[str, ...]] = [("client", "median error, ms", "p99, ms", "CPU per 1,000 tokens, ms", "of httpx's")]
    for client, score in scores.items():
        figures = (score.median_ms, score.p99_ms, score.cpu_ms_per_1k, _cpu_ratio(scores, client))
        rows.append((client, *map(number, figures)))
    return table(rows)


def _ladder_table(ladder: dict[str, list[Score]]) -> str:
    steps = max(len(scores) for scores in ladder.values())
    rows: list[tuple[str, ...]] = [("client", *[""] * steps, "sustained, tok/s")]
    for client, scores in ladder.items():
        cells = [f"{number(score.median_ms)} @ {score.tokens_per_s / 1000:.0f}k" for score in scores]
        best = sustained(scores)
        rows.append((client, *cells, *[""] * (steps - len(cells)), "none" if best is None else number(best)))
    return table(rows)
