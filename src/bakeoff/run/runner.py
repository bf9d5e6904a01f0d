"""The fair trial: an engine started, its cells warmed up, measured in rounds of random order, anchored, and left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from bakeoff.clock import now_ns
from bakeoff.engines.base import Description, Engine
from bakeoff.errors import EngineCrashed, EngineError, RateLimited, UsageError
from bakeoff.results.records import AnyRecord, CellEnded, CooledDown, EndedBy, EntrantEnded, Purpose, Run, Trial, Window
from bakeoff.run import budget
from bakeoff.run.asking import Session, ask
from bakeoff.run.cells import Cell, check_unchanged
from bakeoff.run.contestant import Contestant, Observer
from bakeoff.run.cooling import cool_down
from bakeoff.run.instruments import Instruments
from bakeoff.run.order import Slot, anchor_numbers, anchor_slots, round_order
from bakeoff.run.plan import Protocol
from bakeoff.run.predicting import Predictor
from bakeoff.run.warming import Warming
from bakeoff.run.windows import Loader
from bakeoff.units import seconds_text, significant
from bakeoff.workload.asked import Asked

Write = Callable[[AnyRecord], None]


class Runner:
    """Measures one contestant after the other; every record goes to ``write`` before the next trial starts.

    ``before`` is what an interrupted run has already: that is not measured again.
    """

    def __init__(
        self,
        protocol: Protocol,
        write: Write,
        observer: Observer,
        predictor: Predictor | None = None,
        *,
        before: Run | None = None,
        instruments: Callable[[Engine, Description], Instruments] = Instruments,
        load: Loader | None = None,
        now: Callable[[], int] = now_ns,
    ) -> None:
        self._protocol = protocol
        self._to_file = write
        self._observer = observer
        self._instruments = instruments
        self._load = load
        self._now = now
        self._pending: list[AnyRecord] = []
        self._resumed = len(before.resumed) + 1 if before else 0
        parts_of = load.parts if load else _no_parts
        self._cells = [Cell.restored(opened, before, parts_of) for opened in before.cells] if before else []
        self._warming = Warming(protocol, self._write, observer, predictor, self._cells, self._ask, now)
        self._hot = False

    def cells_of(self, entrant: int) -> list[Cell]:
        """What has been opened of this place in the plan, in order."""
        return [cell for cell in self._cells if cell.opened.entrant == entrant]

    async def measure(
        self,
        contestant: Contestant,
        asked: Sequence[Asked] = (Asked(),),
        *,
        entrant: int = 0,
        entrants: int = 1,
        until_ns: int | None = None,
    ) -> None:
        """All that is asked of one subject, the ``entrant``-th of so many, in rounds of random order.

        ``until_ns`` is when its share of the time is used up. Raises EngineError where it cannot be measured,
        UsageError where it cannot be asked for this, and FileError where it is no longer what it was.
        """
        self._observer.stage(f"Starting {contestant.text}")
        async with self._session(contestant, entrant) as session:
            cells = await self._warming.all(session, asked, until_ns)
            for cell in cells:
                self._observer.cell(cell.opened, self._protocol.most_trials, cell.done)
            slots = anchor_slots(entrant, entrants, len(cells))
            await self._anchor(session, cells[0], slots, "start")
            await self._rounds(session, cells, until_ns, spare="end" in slots)
            await self._anchor(session, cells[0], slots, "end")
        self._write(EntrantEnded(entrant=entrant))

    def comes_back(self, entrants: int) -> Cell | None:
        """The run's first cell, where it is still to be measured again behind all others."""
        first = next(iter(self.cells_of(0)), None)
        if first is None or first.hopeless or entrants < 2:
            return None
        return first if self._missing(first, "return") else None

    async def come_back(self, cell: Cell, contestant: Contestant) -> None:
        """Load the first subject once more and measure its anchor. Raises as ``measure`` does."""
        self._observer.stage(
            f"Starting {contestant.text} once more, for {self._protocol.anchors} trials that show drift "
            "(--no-anchors leaves them out)"
        )
        async with self._session(contestant, cell.opened.entrant) as session:
            await self._warming.again(session, cell)
            await self._anchor(session, cell, ("return",), "return")

    @asynccontextmanager
    async def _session(self, contestant: Contestant, entrant: int) -> AsyncIterator[Session]:
        """The engine and its instruments, up."""
        self._hot = False
        async with contestant.engine as engine:
            about = engine.describe()
            for cell in self.cells_of(entrant):
                check_unchanged(cell.opened.subject, about)
            async with self._instruments(engine, about) as instruments:
                self._pending = [instruments.metered] if instruments.metered is not None else []
                seed = self._protocol.seed
                yield Session(contestant, engine, about, instruments, seed, entrant, self._resumed)

    async def _rounds(self, session: Session, cells: list[Cell], until_ns: int | None, *, spare: bool) -> None:
        """Each cell once a round, in a seeded random order, until each has enough or the time is used up."""
        for cell in cells:
            self._end_where_enough(cell)
        kept_s = self._protocol.anchors * cells[0].next_s if spare else 0.0
        number = min((cell.done for cell in cells if cell.ended is None), default=0)
        while due := self._due(cells, number, budget.left_s(until_ns, self._now()) - kept_s):
            for cell in round_order(cells, session.seed, session.entrant, number):
                if cell in due:
                    await (self._window if cell.is_load else self._trial)(session, cell)
            number += 1
        for cell in cells:
            if cell.ended is None:
                self._end(cell, "budget")

    def _due(self, cells: list[Cell], number: int, left_s: float) -> list[Cell]:
        """Whose turn it is in this round: whoever has had none yet, and whoever has the time."""
        wanting = [cell for cell in cells if cell.ended is None]
        fitting = budget.that_fit({cell: cell.next_s for cell in wanting}, left_s)
        return [cell for cell in wanting if cell.done <= number and (cell in fitting or not cell.done)]

    async def _trial(self, session: Session, cell: Cell) -> None:
        trial, error = await self._watched(session, cell, "timed", len(cell.trials))
        self._keep(cell, trial)
        _raise_if_final(error)
        self._end_where_enough(cell)

    async def _window(self, session: Session, cell: Cell) -> None:
        if self._load is None:
            raise UsageError("Nothing here can send many requests at once: ask for one stream.")
        await self._cool(session, cell, "timed", cell.done)
        began_ns = self._now()
        outcome = await self._load.window(session, cell)
        cell.next_s = (self._now() - began_ns) / 1e9
        for trial in outcome.trials:
            cell.add(trial)
            self._write(trial)
        parts = self._load.parts(outcome.window, outcome.trials)
        cell.add_window(outcome.window, parts)
        self._write(outcome.window)
        self._observer.window(outcome.window, parts[0] / parts[1] if parts else None)
        _raise_if_final(outcome.error)
        self._end_where_enough(cell)

    async def _anchor(self, session: Session, cell: Cell, slots: Sequence[Slot], slot: Slot) -> None:
        """The trials of a slot that are not there yet, of a cell that answers at all; of a load, single requests."""
        for index in self._missing(cell, slot) if slot in slots and not cell.hopeless else ():
            trial, error = await self._watched(session, cell, "anchor", index)
            self._keep(cell, trial)
            _raise_if_final(error)

    def _missing(self, cell: Cell, slot: Slot) -> list[int]:
        return [index for index in anchor_numbers(slot, self._protocol.anchors) if index not in cell.anchors]

    def _keep(self, cell: Cell, trial: Trial) -> None:
        cell.add(trial)
        self._write(trial)
        self._observer.trial(trial)

    async def _watched(
        self, session: Session, cell: Cell, purpose: Purpose, index: int
    ) -> tuple[Trial, EngineError | None]:
        await self._cool(session, cell, purpose, index)
        return await self._ask(session, cell, purpose, index)

    async def _cool(self, session: Session, cell: Cell, purpose: Purpose, index: int) -> None:
        """Wait while the device throttles; where that was in vain once, no more in this session."""
        limit_s = 0.0 if self._hot else self._protocol.cool_down_s
        pause = await cool_down(session.instruments.throttled, limit_s)
        if pause is None:
            return
        self._hot = not pause.recovered
        self._observer.note(
            f"Waited {seconds_text(pause.waited_s)} for the device to cool down ({pause.reason})"
            + ("." if pause.recovered else ", in vain: the figures are of a device that throttles.")
        )
        self._write(CooledDown(cell=cell.opened.cell, purpose=purpose, index=index, **structs.asdict(pause)))

    async def _ask(
        self, session: Session, cell: Cell, purpose: Purpose, index: int
    ) -> tuple[Trial, EngineError | None]:
        began_ns = self._now()
        asked = await ask(session, cell.opened, purpose, index, self._write, self._observer)
        cell.next_s = (self._now() - began_ns) / 1e9
        return asked

    def _end_where_enough(self, cell: Cell) -> None:
        by = cell.enough(self._protocol)
        if by is not None and cell.ended is None:
            self._end(cell, by)

    def _end(self, cell: Cell, by: EndedBy) -> None:
        """Write down why a cell gets no more trials, and say so where that cost precision."""
        wanted = self._protocol.wanted
        reached = cell.half_width
        cell.ended = CellEnded(cell=cell.opened.cell, by=by, half_width=reached, wanted=wanted)
        self._write(cell.ended)
        if by == "budget":
            is_wide = "without an interval" if reached is None else f"at ±{significant(reached * 100, 2)} %"
            aim = str(self._protocol.runs) if wanted is None else f"±{significant(wanted * 100, 2)} %"
            self._observer.note(
                f"{cell.opened.subject.text}, {cell.opened.workload.name}: the time was used up after "
                f"{cell.done} {'windows' if cell.is_load else 'trials'}, {is_wide}; {aim} were wanted. A longer "
                "--time-budget gets there."
            )

    def _write(self, record: AnyRecord) -> None:
        """Behind the instruments' own record, which is worth a file only with something measured."""
        pending, self._pending = self._pending, []
        for held in pending:
            self._to_file(held)
        self._to_file(record)


def _no_parts(_: Window, __: Sequence[Trial]) -> None:
    return None


def _raise_if_final(error: EngineError | None) -> None:
    """Where no later trial could succeed either."""
    if isinstance(error, (EngineCrashed, RateLimited)):
        raise error
