"""Opening cells: warmed up with the trials' own options until two trials agree, described, predicted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from bakeoff.engines.base import Description
from bakeoff.errors import EngineCrashed, EngineError, RateLimited, ServerRefused, UsageError
from bakeoff.results.records import (
    AnyRecord,
    CellFailed,
    CellOpened,
    Prediction,
    Purpose,
    Subject,
    Trial,
    Warmed,
    Workload,
)
from bakeoff.run.asking import Session
from bakeoff.run.cells import Cell
from bakeoff.run.contestant import Observer
from bakeoff.run.fitting import fitted, wants_text
from bakeoff.run.plan import Protocol, workloads
from bakeoff.run.predicting import Predictor
from bakeoff.run.rules import agree
from bakeoff.workload.asked import Asked

FEWEST = 2
"""One warm-up cannot show that it was one too few."""

Ask = Callable[[Session, Cell, Purpose, int], Awaitable[tuple[Trial, EngineError | None]]]


class Warming:
    """Opens the cells of a session, and adds them to the run's ``cells``."""

    def __init__(
        self,
        protocol: Protocol,
        write: Callable[[AnyRecord], None],
        observer: Observer,
        predictor: Predictor | None,
        cells: list[Cell],
        ask: Ask,
        now: Callable[[], int],
    ) -> None:
        self._protocol = protocol
        self._write = write
        self._observer = observer
        self._predictor = predictor
        self._cells = cells
        self._ask = ask
        self._now = now

    async def all(self, session: Session, asked: Sequence[Asked], until_ns: int | None) -> list[Cell]:
        """Every cell that the engine does not refuse; where it refuses all, its last word is raised."""
        cells: list[Cell] = []
        refusals: list[ServerRefused | UsageError] = []
        for place, workload in enumerate(_workloads(asked, session, refusals)):
            self._observer.stage(f"Warming up: {workload.name}")
            try:
                cells.append(await self._one(session, workload, place, until_ns))
            except ServerRefused as error:
                refusals.append(error)
        if not cells:
            raise refusals[-1]
        for refusal in refusals:
            subject = session.contestant.text
            self._write(CellFailed(subject=subject, error=str(refusal), entrant=session.entrant))
        return cells

    async def again(self, session: Session, cell: Cell, until_ns: int | None = None) -> None:
        """Warm up a cell that is open, after its model was loaded once more."""
        attempts, agreed = await self._attempts(session, cell, until_ns)
        self._keep(cell, attempts, agreed)

    async def _one(self, session: Session, workload: Workload, place: int, until_ns: int | None) -> Cell:
        for cell in self._cells:
            if (cell.opened.entrant, cell.opened.place) == (session.entrant, place):
                if cell.ended is None or (place == 0 and self._protocol.anchors):
                    await self.again(session, cell, until_ns)
                return cell
        return await self._open(session, workload, place, until_ns)

    async def _open(self, session: Session, workload: Workload, place: int, until_ns: int | None) -> Cell:
        """Warm up; learn what the chat template itself puts before a prompt.

        The second of two unlike prompts can match the first only by what the template put there. Where the
        cache is off there is nothing to learn.
        """
        if wants_text(workload):
            workload, fit = await fitted(session, workload)
            if fit.remark:
                self._observer.note(f"{workload.name}: {fit.remark}")
        about = session.about
        cell = Cell(
            CellOpened(
                cell=len(self._cells),
                subject=subject_of(session.contestant.text, about),
                workload=workload,
                entrant=session.entrant,
                place=place,
                start=about.start,
                engine_memory=about.memory,
            )
        )
        attempts, agreed = await self._attempts(session, cell, until_ns)
        reuses = attempts[0].usage.cached_tokens is not None and not about.capabilities.cache_off
        template = next((trial.usage.cached_tokens for trial in attempts[1:] if trial.status == "ok"), None)
        cell.opened = structs.replace(
            cell.opened,
            template_tokens=template if workload.cache == "cold" and reuses else None,
            predicted=self._predict(session, workload, attempts[0]),
        )
        self._cells.append(cell)
        self._write(cell.opened)
        self._keep(cell, attempts, agreed)
        return cell

    async def _attempts(self, session: Session, cell: Cell, until_ns: int | None) -> tuple[list[Trial], bool]:
        """Warm-ups until the last two agree, and whether they do.

        The first one's error is raised, since no trial would fare better; a later one's only where it is final.
        """
        attempts: list[Trial] = []
        while True:
            trial, error = await self._ask(session, cell, "warm-up", cell.warm_ups + len(attempts))
            if error is not None and (not attempts or isinstance(error, (EngineCrashed, RateLimited))):
                raise error
            attempts.append(trial)
            if len(attempts) >= FEWEST and agree(*attempts[-2:]):
                return attempts, True
            late = until_ns is not None and self._now() >= until_ns
            if len(attempts) >= (FEWEST if late else self._protocol.warm_ups):
                return attempts, False

    def _keep(self, cell: Cell, attempts: Sequence[Trial], agreed: bool) -> None:
        for attempt in attempts:
            self._write(attempt)
            cell.add(attempt)
        self._write(Warmed(cell=cell.opened.cell, trials=len(attempts), agreed=agreed))
        if not agreed:
            self._observer.note(
                f"{cell.opened.workload.name}: its last two of {len(attempts)} warm-ups differ by more than 5 %: "
                "the first trials may still be warming up."
            )

    def _predict(self, session: Session, workload: Workload, warm_up: Trial) -> Prediction | None:
        tokens = warm_up.usage.prompt_tokens
        if self._predictor is None or not tokens:
            return None
        return self._predictor(session.contestant.weights, session.about, workload, tokens)


def _workloads(asked: Sequence[Asked], session: Session, refusals: list[ServerRefused | UsageError]) -> list[Workload]:
    """What this engine can be asked for; what it cannot is refused before anything is sent."""
    found: list[Workload] = []
    for each in asked:
        try:
            found += workloads(each, session.about, session.seed)
        except UsageError as error:
            refusals.append(error)
    return found


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
