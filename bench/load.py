"""Whether 256 streams at once are timed as one is: Bakeoff's windows of load against a server that logs its sends.

The whole client is measured: connections, stream, recorder, record. Within the steady part of the window, which its
figures are made of, a token's receive time by the run's own record stands against the time just before the server's
``send`` of it, and the total rate against that of the sends; and counted requests were sent so long after they were
due.

``python -m bench.load PORT STREAMS TOKENS`` runs one window in this process and writes what is ``Measured``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from bakeoff.engines.base import Begun, Capabilities, Description, Request, StreamEvent
from bakeoff.engines.chat import stream_chat
from bakeoff.engines.connections import Connections
from bakeoff.errors import BakeoffError
from bakeoff.measurement.load_metrics import steady, steady_part
from bakeoff.results.records import CellOpened, Model, Subject, Workload
from bakeoff.run.asking import Session
from bakeoff.run.cells import Cell
from bakeoff.run.contestant import Contestant
from bakeoff.run.instruments import Instruments
from bakeoff.run.load import Load
from bakeoff.run.session import run_async
from bakeoff.workload.prompts import any_token_ids
from bench.server import serve
from bench.targets import Target, number, progress, table

RATE, DELAY_MS = 50.0, 100
STREAMS = (1, 64, 256)
REQUESTS_A_STREAM = 3


class Measured(msgspec.Struct, frozen=True):
    """Of one window: each request's receive times, the steady part, and what the window says of itself.

    All times are the monotonic clock's.
    """

    received: list[list[int]]
    begin_ns: int
    end_ns: int
    total_tps: float
    client_cpu: float
    late_ms: list[float]


@dataclass(frozen=True)
class Score:
    """Absolute errors of receive times, how late requests were sent, the total rate and its error."""

    median_ms: float
    p99_ms: float
    late_p99_ms: float
    tokens_per_s: float
    rate_error: float
    client_cpu: float


@dataclass(frozen=True)
class Result:
    """By the number of streams."""

    scores: dict[int, Score]

    def targets(self) -> list[Target]:
        streams, score = max(self.scores.items())
        return [
            Target(f"windows of load, {streams} streams: median error", "ms", score.median_ms, 0.03),
            Target(f"windows of load, {streams} streams: 99th percentile", "ms", score.p99_ms, 0.2),
            Target(f"windows of load, {streams} streams: error of the total rate", "%", 100 * score.rate_error, 0.1),
        ]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("streams", "median error, ms", "p99, ms", "sent late, p99, ms", "tok/s in all", "its error", "of one core")
        ]
        for streams, score in self.scores.items():
            figures = (score.median_ms, score.p99_ms, score.late_p99_ms, score.tokens_per_s)
            rows.append((str(streams), *map(number, figures), f"{score.rate_error:.4%}", f"{score.client_cpu:.0%}"))
        return f"Windows of load, {RATE:g} tok/s a stream\n\n{table(rows)}"


def run(quick: bool) -> Result:
    """One window of each number of streams, each in a process of its own; about a minute."""
    scores = {}
    for streams in STREAMS:
        progress(f"load · {streams} streams")
        scores[streams] = _score(streams, tokens=50 if quick else 150)
    return Result(scores)


def _score(streams: int, tokens: int) -> Score:
    with serve(streams * (REQUESTS_A_STREAM + 2) * tokens) as server:
        command = [sys.executable, "-m", "bench.load", str(server.port), str(streams), str(tokens)]
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0:
        raise BakeoffError(f"the window of {streams} streams ended with status {done.returncode}")
    got = msgspec.json.decode(done.stdout, type=Measured)
    sent = {(int(row["stream"]), int(row["token"])): int(row["sent_ns"]) for row in server.log}
    errors_ms = [
        (at_ns - sent[request, token]) / 1e6
        for request, times in enumerate(got.received)
        for token, at_ns in enumerate(times)
        if got.begin_ns < at_ns <= got.end_ns
    ]
    median, p99 = np.quantile(np.abs(errors_ms), (0.5, 0.99))
    at_ns = server.log["sent_ns"]
    sends = int(((at_ns > got.begin_ns) & (at_ns <= got.end_ns)).sum())
    return Score(
        median_ms=float(median),
        p99_ms=float(p99),
        late_p99_ms=float(np.quantile(got.late_ms, 0.99)),
        tokens_per_s=got.total_tps,
        rate_error=abs(got.total_tps / (sends * 1e9 / (got.end_ns - got.begin_ns)) - 1),
        client_cpu=got.client_cpu,
    )


class TokenServer:
    """The token server as an engine; request after request has the next number."""

    def __init__(self, port: int) -> None:
        self._connections = Connections(f"http://127.0.0.1:{port}")
        self._numbers = count()
        self.begun_ns: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.close()

    def describe(self) -> Description:
        capabilities = Capabilities(exact_length=True, token_ids=True)
        model = Model(name="none")
        return Description(engine="tokenserver", version=None, model=model, attached=True, capabilities=capabilities)

    async def ready(self, count: int) -> None:
        await self._connections.ready(count)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        number = next(self._numbers)
        query = f"stream={number}&tokens={request.max_tokens}&rate={RATE:g}&delay={DELAY_MS}"
        body = {"model": "none", "messages": [{"role": "user", "content": "Count."}], "stream": True}
        async with self._connections.one() as connection:
            async for event in stream_chat(connection, body, {}, f"/v1/chat/completions?{query}"):
                if isinstance(event, Begun):
                    self.begun_ns[number] = event.at_ns
                yield event


async def _window(port: int, streams: int, tokens: int) -> Measured:
    engine = TokenServer(port)
    about = engine.describe()
    name = about.engine
    opened = CellOpened(
        cell=0,
        subject=Subject(text=name, engine=name, engine_version=None, model=about.model, attached=True),
        workload=Workload(
            name="load",
            prompt=None,
            prompt_tokens=8,
            max_tokens=tokens,
            concurrency=streams,
            requests=REQUESTS_A_STREAM * streams,
        ),
    )
    async with engine, Instruments(engine, about) as instruments:
        session = Session(Contestant(name, engine, any_token_ids), engine, about, instruments)
        got = await Load().window(session, Cell(opened))
    part, found = steady_part(got.window, got.trials), steady(got.window, got.trials, None)
    sent = [(number, trial) for number, trial in enumerate(got.trials) if trial.begun_ns is not None]
    assert part is not None
    assert found is not None
    zero_ns = engine.begun_ns[0] - (got.trials[0].begun_ns or 0)
    return Measured(
        received=[[engine.begun_ns[number] + at for at in trial.timeline.at_ns] for number, trial in sent],
        begin_ns=zero_ns + part[0],
        end_ns=zero_ns + part[1],
        total_tps=found.tokens / found.span_s,
        client_cpu=got.window.client_cpu or 0.0,
        late_ms=[((t.begun_ns or 0) - (t.due_ns or 0)) / 1e6 for _, t in sent if t.purpose == "timed"],
    )


if __name__ == "__main__":
    port, streams, tokens = map(int, sys.argv[1:])
    sys.stdout.buffer.write(msgspec.json.encode(run_async(_window(port, streams, tokens))))
