"""The only place where an engine, a workload and an instrument meet: cells warmed up, trials run, records kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import count
from typing import Protocol as Interface

import msgspec
from msgspec import Struct

from bakeoff.engines import rate
from bakeoff.engines.base import Description, Engine
from bakeoff.errors import EngineCrashed, EngineError, RateLimited, ServerRefused
from bakeoff.measurement.metrics import client_decode_parts
from bakeoff.results.records import (
    AnyRecord,
    CellFailed,
    CellOpened,
    Prediction,
    Purpose,
    Subject,
    Trial,
    Workload,
)
from bakeoff.run.instruments import Instruments
from bakeoff.run.plan import AUTO_FEWEST, AUTO_HALF_WIDTH, AUTO_MOST, Protocol, request_for, workloads
from bakeoff.run.predicting import Predictor, Weights
from bakeoff.run.trial import Recorder, perform
from bakeoff.stats.intervals import ratio_of_sums
from bakeoff.units import seconds_text
from bakeoff.workload.prompts import trial_seed

FAILURES_IN_A_ROW = 3

TokenIds = Callable[[int, int], tuple[int, ...]]
"""(how many, seed) → token ids that the model's vocabulary holds."""


class Contestant(Struct, frozen=True):
    """A subject as it was written, its engine not yet entered, and how to make prompts of token ids for it.

    ``weights`` are its model's shape and tensors, where they are known before it runs.
    """

    text: str
    engine: Engine
    token_ids: TokenIds
    weights: Weights | None = None


class _Session(Struct, frozen=True):
    """A contestant whose engine is up."""

    contestant: Contestant
    engine: Engine
    about: Description
    instruments: Instruments


class Observer(Interface):
    """Who wants to know how it goes."""

    def stage(self, text: str) -> None:
        """Something that takes a while begins."""

    def cell(self, opened: CellOpened, trials: int | None) -> None:
        """A cell is warm, and will have so many trials (None: until its interval is narrow enough)."""

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""


class _Cell:
    """A cell while it is measured."""

    def __init__(self, opened: CellOpened) -> None:
        self.opened = opened
        self.trials: list[Trial] = []

    def wants_more(self, protocol: Protocol) -> bool:
        last = self.trials[-FAILURES_IN_A_ROW:]
        if len(last) == FAILURES_IN_A_ROW and all(trial.status != "ok" for trial in last):
            return False
        if protocol.runs is not None:
            return len(self.trials) < protocol.runs
        return len(self.trials) < AUTO_MOST and not self._narrow_enough()

    def _narrow_enough(self) -> bool:
        parts = [p for t in self.trials if t.status == "ok" and (p := client_decode_parts(t))]
        if len(parts) < AUTO_FEWEST:
            return False
        return ratio_of_sums([p[0] for p in parts], [p[1] for p in parts]).relative_half_width < AUTO_HALF_WIDTH


class Runner:
    """Measures one contestant after the other; every record goes to ``write`` before the next trial starts."""

    def __init__(
        self,
        protocol: Protocol,
        write: Callable[[AnyRecord], None],
        observer: Observer,
        predictor: Predictor | None = None,
    ) -> None:
        self._protocol = protocol
        self._write = write
        self._observer = observer
        self._predictor = predictor
        self._cells = 0

    async def measure(self, contestant: Contestant) -> None:
        """All cells of one subject, in rounds of random order.

        Raises EngineError where it cannot be measured, UsageError where it cannot be asked for this workload.
        """
        self._observer.stage(f"Starting {contestant.text}")
        async with contestant.engine as engine:
            about = engine.describe()
            async with Instruments(engine, about) as instruments:
                if instruments.metered is not None:
                    self._write(instruments.metered)
                session = _Session(contestant, engine, about, instruments)
                await self._rounds(session, await self._warm_up(session))

    async def _warm_up(self, session: _Session) -> list[_Cell]:
        """Open every cell that the server does not refuse; where it refuses all, raise its last word."""
        cells: list[_Cell] = []
        refusals: list[ServerRefused] = []
        for workload in workloads(self._protocol, session.about):
            self._observer.stage(f"Warming up: {workload.name}")
            try:
                cells.append(await self._open(session, workload))
            except ServerRefused as error:
                refusals.append(error)
        if not cells:
            raise refusals[-1]
        for refusal in refusals:
            self._write(CellFailed(subject=session.contestant.text, error=str(refusal)))
        return cells

    async def _open(self, session: _Session, workload: Workload) -> _Cell:
        """Warm up with the trials' own options; learn what the chat template itself puts before a prompt.

        The second of two unlike prompts can match the first only by what the template put there. Where the
        cache is off there is nothing to learn.
        """
        about = session.about
        subject = subject_of(session.contestant.text, about)
        opened = CellOpened(
            cell=self._cells, subject=subject, workload=workload, start=about.start, engine_memory=about.memory
        )
        attempts = [await self._must(session, opened, 0)]
        reuses = attempts[0].usage.cached_tokens is not None and not about.capabilities.cache_off
        if workload.cache == "cold" and reuses:
            attempts.append(await self._must(session, opened, 1))
            opened = msgspec.structs.replace(opened, template_tokens=attempts[-1].usage.cached_tokens)
        self._cells += 1
        opened = msgspec.structs.replace(opened, predicted=self._predict(session, workload, attempts[0]))
        self._write(opened)
        for attempt in attempts:
            self._write(attempt)
        return _Cell(opened)

    def _predict(self, session: _Session, workload: Workload, warm_up: Trial) -> Prediction | None:
        weights, tokens = session.contestant.weights, warm_up.usage.prompt_tokens
        if self._predictor is None or weights is None or not tokens:
            return None
        return self._predictor(weights, session.about, workload, tokens)

    async def _must(self, session: _Session, opened: CellOpened, index: int) -> Trial:
        """A warm-up: its error is raised, since no trial would fare better."""
        trial, error = await self._record(session, opened, "warm-up", index)
        if error is not None:
            raise error
        return trial

    async def _rounds(self, session: _Session, cells: list[_Cell]) -> None:
        """Each cell once a round, in a seeded random order, until each has what it wants."""
        rng = random.Random(self._protocol.seed)  # noqa: S311 (an order, not a secret)
        for cell in cells:
            self._observer.cell(cell.opened, self._protocol.runs)
        while waiting := [cell for cell in cells if cell.wants_more(self._protocol)]:
            rng.shuffle(waiting)
            for cell in waiting:
                trial, error = await self._record(session, cell.opened, "timed", len(cell.trials))
                cell.trials.append(trial)
                self._write(trial)
                self._observer.trial(trial)
                if isinstance(error, (EngineCrashed, RateLimited)):
                    raise error

    async def _record(
        self, session: _Session, opened: CellOpened, purpose: Purpose, index: int
    ) -> tuple[Trial, EngineError | None]:
        """One request's record, and the engine's error if it ended in one; sent again where the rate is limited."""
        waited_s = 0.0
        for refusals in count(1):
            trial, error = await self._attempt(session, opened, purpose, index)
            if not isinstance(error, RateLimited):
                break
            wait_s = rate.pause_s(error, refusals)
            if wait_s is None:
                error = rate.given_up(error, refusals)
                return msgspec.structs.replace(trial, waited_s=waited_s, error=str(error)), error
            self._observer.stage(f"Waiting {seconds_text(wait_s)}: the server limits the rate")
            await rate.sleep(wait_s)
            waited_s += wait_s
        return msgspec.structs.replace(trial, waited_s=waited_s if refusals > 1 else None), error

    async def _attempt(
        self, session: _Session, opened: CellOpened, purpose: Purpose, index: int
    ) -> tuple[Trial, EngineError | None]:
        """One request, its record, and the engine's error if it ended in one; interrupted, it is written first."""
        workload, about = opened.workload, session.about
        fresh = workload.cache == "cold"
        seed = trial_seed(self._protocol.seed, opened.cell, *((purpose, index) if fresh else ("repeated", 0)))
        ids = session.contestant.token_ids(workload.prompt_tokens, seed) if workload.prompt_tokens else None
        recorder = Recorder(opened.cell, index, purpose, seed)

        def record(error: str | None) -> Trial:
            return recorder.trial(opens_thinking=about.opens_thinking, keep_text=not about.model.synthetic, error=error)

        await session.instruments.start()
        try:
            error = await perform(recorder, session.engine, request_for(workload, seed, ids))
        except asyncio.CancelledError:
            if purpose == "timed":
                self._write(record("interrupted by the user"))
            raise
        seen = await session.instruments.finish(recorder.span())
        return msgspec.structs.replace(record(str(error) if error else None), **seen.fields()), error


def subject_of(text: str, about: Description) -> Subject:
    """What goes into the run file about a subject."""
    return Subject(
        text=text,
        engine=about.engine,
        engine_version=about.version,
        model=about.model,
        attached=about.attached,
        settings=about.settings,
    )
