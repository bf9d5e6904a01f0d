"""One request of a cell, with all that watches it, to its record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from msgspec import Struct, structs

from bakeoff.engines import rate
from bakeoff.engines.base import Description, Engine, Request
from bakeoff.errors import EngineError, RateLimited
from bakeoff.results.records import INTERRUPTED, AnyRecord, CellOpened, Purpose, Trial
from bakeoff.run.contestant import Contestant, Observer
from bakeoff.run.instruments import Instruments
from bakeoff.run.plan import request_for
from bakeoff.run.trial import Recorder, perform
from bakeoff.units import seconds_text
from bakeoff.workload.prompts import trial_seed


class Session(Struct, frozen=True):
    """A contestant whose engine is up. ``entrant`` is its place in the plan, ``resumed`` how often the run was."""

    contestant: Contestant
    engine: Engine
    about: Description
    instruments: Instruments
    seed: int = 0
    entrant: int = 0
    resumed: int = 0

    def request(self, opened: CellOpened, purpose: str, index: int) -> Request:
        """What is sent in this place: after a resumption the same, but for a preamble that no cache has seen."""
        workload = opened.workload
        if workload.cache == "warm":
            seed = mark = trial_seed(self.seed, opened.cell, "repeated", 0)
        else:
            seed = trial_seed(self.seed, opened.cell, purpose, index)
            again = f", resumed {self.resumed}" if self.resumed else ""
            mark = trial_seed(self.seed, opened.cell, f"{purpose}{again}", index)
        ids = self.contestant.token_ids(workload.prompt_tokens, mark) if workload.prompt_tokens else None
        return request_for(workload, seed, mark, ids)


async def ask(
    session: Session,
    opened: CellOpened,
    purpose: Purpose,
    index: int,
    write: Callable[[AnyRecord], None],
    observer: Observer,
) -> tuple[Trial, EngineError | None]:
    """One request's record, and the engine's error if it ended in one; sent again where the rate is limited.

    Only a timed trial that is interrupted is written here.
    """
    waited_s = 0.0
    for refusals in count(1):
        trial, error = await _attempt(session, opened, purpose, index, write)
        if not isinstance(error, RateLimited):
            break
        wait_s = rate.pause_s(error, refusals)
        if wait_s is None:
            error = rate.given_up(error, refusals)
            return structs.replace(trial, waited_s=waited_s, error=str(error)), error
        observer.stage(f"Waiting {seconds_text(wait_s)}: the server limits the rate")
        await rate.sleep(wait_s)
        waited_s += wait_s
    return structs.replace(trial, waited_s=waited_s if refusals > 1 else None), error


async def _attempt(
    session: Session, opened: CellOpened, purpose: Purpose, index: int, write: Callable[[AnyRecord], None]
) -> tuple[Trial, EngineError | None]:
    about = session.about
    request = session.request(opened, purpose, index)
    recorder = Recorder(opened.cell, index, purpose, request.seed)

    def record(error: str | None) -> Trial:
        return recorder.trial(opens_thinking=about.opens_thinking, keep_text=not about.model.synthetic, error=error)

    await session.instruments.start()
    try:
        error = await perform(recorder, session.engine, request)
    except asyncio.CancelledError:
        if purpose == "timed":
            write(record(INTERRUPTED))
        raise
    seen = await session.instruments.finish(recorder.span())
    return structs.replace(record(str(error) if error else None), **seen.fields()), error
