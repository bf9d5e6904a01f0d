"""One invocation from its first line to its last: the run file, the contestants in turn, how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from msgspec import structs

from bakeoff.clock import now_ns
from bakeoff.errors import BakeoffError, EngineError, Interrupted, UsageError
from bakeoff.results.records import CellFailed, Run
from bakeoff.run.budget import left_s, share_s, spent_s
from bakeoff.run.contestant import Contestant, Observer
from bakeoff.run.file import RunFile
from bakeoff.run.foretelling import Agreement
from bakeoff.run.instruments import Instruments
from bakeoff.run.load import Load
from bakeoff.run.metering import Metering
from bakeoff.run.plan import Entrant, Plan, expected_cells
from bakeoff.run.predicting import Predictor
from bakeoff.run.quality import Answerer
from bakeoff.run.runner import Runner

_T = TypeVar("_T")

Make = Callable[[Entrant], Contestant]
"""Makes a subject ready, which is done only when its turn comes."""


def run_all(
    plan: Plan,
    make: Make,
    file: RunFile,
    observer: Observer,
    predictor: Predictor | None = None,
    before: Run | None = None,
    metering: Metering | None = None,
    answerer: Answerer | None = None,
    agreement: Agreement | None = None,
) -> list[BakeoffError]:
    """Measure what is in the plan; give the errors of what could not be measured, which the file holds as well.

    ``before`` is what the run has already, read to be resumed: that is left alone. Without ``metering`` no meters are
    read. ``answerer`` puts the plan's tasks to every subject, behind all that is measured, and ``agreement`` asks them
    for their next tokens, last of all.

    Raises Interrupted on Ctrl-C, UsageError where a meter that was asked for cannot be read, and FileError where the
    file cannot be written or is of something that has changed; everything measured is kept.
    """
    file.check()
    invocation = _Invocation(plan, make, file, observer, predictor, before, metering)
    try:
        if metering is not None:
            metering.begin(observer.stage)
        invocation.run()
        if answerer is not None:
            invocation.answer(answerer)
            if agreement is not None:
                invocation.agree(agreement, answerer.tasks.context)
        by_hand = metering.end() if metering is not None and file.written else None
        if by_hand is not None:
            file.write(by_hand)
    except KeyboardInterrupt:
        file.end("interrupted")
        raise Interrupted(f"Interrupted. {_what_is_kept(file)}") from None
    except BakeoffError:
        file.end("failed")
        raise
    broken = invocation.broke_off or len(invocation.failed) == len(plan.entrants)
    file.end("failed" if broken else "done")
    return invocation.errors


def _what_is_kept(file: RunFile) -> str:
    if not file.written and not file.is_old:
        return "Nothing was measured yet."
    return f"What was measured is in {file.path}; go on with: bakeoff runs resume {file.path.stem}"


class _Invocation:
    """The entrants in turn. ``broke_off``: one that had begun could not be measured to the end."""

    def __init__(
        self,
        plan: Plan,
        make: Make,
        file: RunFile,
        observer: Observer,
        predictor: Predictor | None,
        before: Run | None,
        metering: Metering | None,
    ) -> None:
        self._plan = plan
        self._make = make
        self._file = file
        self._observer = observer
        self._instruments = partial(Instruments, metering=metering)
        self._runner = Runner(
            plan.protocol, file.write, observer, predictor, before=before, instruments=self._instruments, load=Load()
        )
        ended = {record.entrant for record in before.entrant_ends} if before else set()
        self._left = [number for number, each in enumerate(plan.entrants) if each.asked and number not in ended]
        self._resumed = before is not None
        self._spent_s = spent_s(before) if before else 0.0
        self.errors: list[BakeoffError] = []
        self.failed: set[int] = set()
        self.broke_off = False

    def run(self) -> None:
        """Making is done outside the event loop, which would hold Ctrl-C back until it is done."""
        entrants = self._plan.entrants
        budget_s = self._plan.protocol.time_budget_s
        until_ns = None if budget_s is None else now_ns() + round((budget_s - self._spent_s) * 1e9)
        with _event_loop() as loop:
            while self._left:
                measure = partial(self._measure, self._left[0], self._share_ns(until_ns))
                self._take(loop, self._left.pop(0), measure)
            anchor = self._runner.comes_back(len(entrants))
            if anchor is not None:
                self._take(loop, 0, partial(self._runner.come_back, anchor))

    def answer(self, answerer: Answerer) -> None:
        """Put the tasks to every subject that could be measured, started with the context that they need."""
        if answerer.is_new:
            self._file.hold(answerer.tasks)
        for number, entrant in enumerate(self._plan.entrants):
            if number in self.failed or not answerer.due(number):
                continue
            options = structs.replace(entrant.options, context=answerer.tasks.context, parallel=1)
            with _event_loop() as loop:
                self._answer(loop, answerer, number, structs.replace(entrant, options=options))

    def _answer(self, loop: asyncio.Runner, answerer: Answerer, number: int, entrant: Entrant) -> None:
        begun = answerer.has_begun(number)
        try:
            contestant = self._make(entrant)
            loop.run(answerer.answer(contestant, number, self._file.write, self._observer, self._instruments))
        except (EngineError, UsageError) as error:
            self._failed(number, error)
            self.broke_off = self.broke_off or answerer.has_begun(number)
        except BakeoffError as error:
            if begun:
                raise
            self._failed(number, error)

    def agree(self, agreement: Agreement, context: int) -> None:
        """Hold the next tokens of every subject that could be measured against those of the reference."""
        numbers = sorted(range(len(self._plan.entrants)), key=lambda number: number != agreement.reference)
        for number in numbers:
            if self.failed & {number, agreement.reference} or not agreement.due(number):
                continue
            entrant = self._plan.entrants[number]
            options = structs.replace(entrant.options, context=context, parallel=1)
            try:
                contestant = self._make(structs.replace(entrant, options=options))
                with _event_loop() as loop:
                    loop.run(agreement.ask(contestant, number, self._file.write, self._observer))
            except (EngineError, UsageError) as error:
                self._failed(number, error)
                self.broke_off = self.broke_off or isinstance(error, EngineError)

    async def _measure(self, number: int, until_ns: int | None, contestant: Contestant) -> None:
        entrants = self._plan.entrants
        asked = entrants[number].asked
        await self._runner.measure(contestant, asked, entrant=number, entrants=len(entrants), until_ns=until_ns)

    def _share_ns(self, until_ns: int | None) -> int | None:
        """Until when the next entrant may take: its fair share of what is left, by the cells still to come."""
        if until_ns is None:
            return None
        cells = [expected_cells(self._plan.entrants[number]) for number in self._left]
        comes_back = len(self._plan.entrants) > 1 and self._plan.protocol.anchors > 0
        now = now_ns()
        return now + round(share_s(left_s(until_ns, now), cells[0], sum(cells) + comes_back) * 1e9)

    def _take(
        self, loop: asyncio.Runner, number: int, measure: Callable[[Contestant], Coroutine[Any, Any, None]]
    ) -> None:
        """One entrant; an error of the run file is raised, and one of a subject that an earlier part measured too."""
        entrant = self._plan.entrants[number]
        try:
            contestant = self._make(entrant)
        except BakeoffError as error:
            if self._resumed and self._runner.cells_of(number):
                raise
            self._failed(number, error)
            return
        try:
            loop.run(measure(contestant))
        except (EngineError, UsageError) as error:
            self._failed(number, error)

    def _failed(self, number: int, error: BakeoffError) -> None:
        self.errors.append(error)
        self.failed.add(number)
        self.broke_off = self.broke_off or bool(self._runner.cells_of(number))
        self._file.hold(CellFailed(subject=self._plan.entrants[number].text, error=str(error), entrant=number))


def run_async(main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end on uvloop where it is installed, else on asyncio's own loop."""
    with _event_loop() as loop:
        return loop.run(main)


def _event_loop() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)
