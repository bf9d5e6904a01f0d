"""Answers: each task put to each subject, graded as it comes and saved at once; the same items and seeds for all."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count

from msgspec import Struct, structs

from bakeoff.analysis.quality_items import item_means
from bakeoff.clock import now_ns
from bakeoff.engines import rate
from bakeoff.engines.base import Description, Engine, Prompt, Request
from bakeoff.errors import EngineCrashed, EngineError, PromptTooLong, RateLimited
from bakeoff.quality.grading.grade import grade
from bakeoff.quality.sampling import answer_seed, order
from bakeoff.quality.tasks import Grader, Score, Task
from bakeoff.results.answers import Answer, Answering, TaskSet
from bakeoff.results.records import AnyRecord, Run, Trial
from bakeoff.run.blocks import Blocks
from bakeoff.run.cells import check_unchanged
from bakeoff.run.contestant import Contestant, Observer
from bakeoff.run.instruments import Instruments
from bakeoff.run.quality_plan import as_task
from bakeoff.run.quality_record import LONGEST_TEXT, answer_of, was_cut
from bakeoff.run.rules import FAILURES_IN_A_ROW
from bakeoff.run.trial import Recorder, perform
from bakeoff.run.warming import subject_of
from bakeoff.stats.accuracy import accuracy
from bakeoff.stats.intervals import Interval
from bakeoff.units import seconds_text

WARM_UP_TOKENS = 8


class Progress(Struct, frozen=True, kw_only=True):
    """Where one subject is: so many of all its answers, the accuracy so far, and about how long the rest will take."""

    subject: str
    answer: Answer
    done: int
    total: int
    truncated: int
    accuracy: Interval | None
    left_s: float | None


class _Up(Struct, frozen=True):
    """A subject whose engine is up."""

    engine: Engine
    about: Description
    instruments: Instruments
    entrant: int
    text: str
    blocks: Blocks


class Answerer:
    """Puts the tasks to one subject after the other; what ``before`` holds already is not asked again."""

    def __init__(
        self,
        tasks: TaskSet,
        graders: Mapping[str, Grader],
        answered: Callable[[Progress], None],
        before: Run | None = None,
        now: Callable[[], int] = now_ns,
    ) -> None:
        self.tasks = tasks
        self._graders = graders
        self._answered = answered
        self._now = now
        self._by_id = {item.id: as_task(item) for item in tasks.items}
        self._order = list(order(list(self._by_id), tasks.samples, tasks.seed))
        self._opened = {opened.entrant: opened for opened in before.answering} if before else {}
        self._kept: defaultdict[int, list[Answer]] = defaultdict(list)
        for answer in before.answers if before else ():
            self._kept[answer.entrant].append(answer)
        self.is_new = before is None or not before.task_sets

    def due(self, entrant: int) -> list[tuple[str, int]]:
        """(item, sample) that this subject has still to answer, in order."""
        there = {(answer.item, answer.sample) for answer in self._kept[entrant]}
        return [place for place in self._order if place not in there]

    def has_begun(self, entrant: int) -> bool:
        """Whether any answer of this subject was asked for."""
        return entrant in self._opened

    async def answer(
        self,
        contestant: Contestant,
        entrant: int,
        write: Callable[[AnyRecord], None],
        observer: Observer,
        instruments: Callable[[Engine, Description], Instruments],
    ) -> None:
        """All that is due of one subject. Raises EngineError, and FileError where it is no longer what it was."""
        observer.stage(f"Starting {contestant.text}")
        async with contestant.engine as engine:
            about = engine.describe()
            if entrant in self._opened:
                check_unchanged(self._opened[entrant].subject, about)
            async with instruments(engine, about) as watching:
                up = _Up(engine, about, watching, entrant, contestant.text, Blocks())
                observer.stage(f"Warming up: {contestant.text}")
                await self._warm_up(up)
                self._open(up, write)
                await self._all(up, write, observer)

    async def _warm_up(self, up: _Up) -> None:
        """A few tokens under the answers' own options, so that the first answer is like the others."""
        item, sample = self._order[0]
        request = structs.replace(self._request(item, sample), max_tokens=min(WARM_UP_TOKENS, self.tasks.max_tokens))
        error = await perform(Recorder(up.entrant, 0, "warm-up", request.seed), up.engine, request)
        if error is not None and not isinstance(error, RateLimited):
            raise error

    def _open(self, up: _Up, write: Callable[[AnyRecord], None]) -> None:
        if up.entrant not in self._opened:
            about = up.about
            self._opened[up.entrant] = Answering(
                entrant=up.entrant,
                subject=subject_of(up.text, about),
                opens_thinking=about.opens_thinking,
                start=about.start,
                engine_memory=about.memory,
            )
            write(self._opened[up.entrant])
        if up.instruments.metered is not None:
            write(up.instruments.metered)

    async def _all(self, up: _Up, write: Callable[[AnyRecord], None], observer: Observer) -> None:
        due, began_ns, failures = self.due(up.entrant), self._now(), 0
        for number, (item, sample) in enumerate(due, 1):
            answer, error = await self._one(up, item, sample, observer)
            write(answer)
            self._kept[up.entrant].append(answer)
            left_s = (self._now() - began_ns) / 1e9 / number * (len(due) - number)
            self._answered(self._progress(up, answer, None if up.about.engine == "scripted" else left_s))
            failures = failures + 1 if error is not None else 0
            if error is not None and (isinstance(error, (EngineCrashed, RateLimited)) or failures == FAILURES_IN_A_ROW):
                raise error

    async def _one(self, up: _Up, item: str, sample: int, observer: Observer) -> tuple[Answer, EngineError | None]:
        """One answer, graded, and the engine's error if it ended in one; sent again where the rate is limited."""
        waited_s, request = 0.0, self._request(item, sample)
        for refusals in count(1):
            recorder = Recorder(up.entrant, sample, "timed", request.seed)
            await up.instruments.start()
            error = await perform(recorder, up.engine, request)
            since_ns, together = up.blocks.add(recorder.span() if error is None else None)
            seen = await up.instruments.finish(recorder.span(), since_ns if together > 1 else None)
            wait_s = rate.pause_s(error, refusals) if isinstance(error, RateLimited) else None
            if wait_s is None:
                break
            observer.stage(f"Waiting {seconds_text(wait_s)}: the server limits the rate")
            await rate.sleep(wait_s)
            waited_s += wait_s
        if isinstance(error, RateLimited):
            error = rate.given_up(error, refusals)
        if isinstance(error, PromptTooLong):
            error = PromptTooLong(f"{error} Ask for a smaller --max-tokens.", error.status)
        trial = recorder.trial(
            opens_thinking=up.about.opens_thinking, keep_text=False, error=str(error) if error else None
        )
        trial = structs.replace(trial, **seen.fields(), waited_s=waited_s if refusals > 1 else None)
        said = recorder.said()
        score = await self._score(self._by_id[item], trial, said, up.about) if error is None else None
        block = together if any(reading.phase == "block" for reading in seen.readings) else 0
        return answer_of(trial, said, score, entrant=up.entrant, item=item, sample=sample, block=block), error

    async def _score(self, task: Task, trial: Trial, said: tuple[str, str], about: Description) -> Score:
        """Graded in a thread: code may run for seconds in its sandbox."""
        reasoning, text = said
        if len(text) > LONGEST_TEXT:
            return Score(verdict="ungraded", note=f"It is longer than {LONGEST_TEXT:,} characters.")
        cut = was_cut(trial, self.tasks.max_tokens)
        opens = False if reasoning else about.opens_thinking
        if reasoning and not text.strip() and not cut:
            return Score(verdict="ungraded", note="No answer followed the reasoning.")
        return await asyncio.to_thread(grade, text, task, self._graders, cut=cut, opens_thinking=opens)

    def _request(self, item: str, sample: int) -> Request:
        """The bare prompt, without system message or preamble."""
        tasks = self.tasks
        return Request(
            prompt=Prompt(text=self._by_id[item].prompt),
            max_tokens=tasks.max_tokens,
            context=tasks.context,
            temperature=tasks.temperature,
            top_p=tasks.top_p,
            seed=answer_seed(tasks.seed, item, sample),
            to_the_limit=False,
        )

    def _progress(self, up: _Up, answer: Answer, left_s: float | None) -> Progress:
        kept = self._kept[up.entrant]
        means = list(item_means(kept).values())
        return Progress(
            subject=up.text,
            answer=answer,
            done=len(kept),
            total=len(self._order),
            truncated=sum(each.verdict == "truncated" for each in kept),
            accuracy=accuracy(means) if means else None,
            left_s=left_s,
        )
