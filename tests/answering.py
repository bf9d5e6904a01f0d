"""Engines that answer by what they are asked, and a run of answers in a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from bakeoff.analysis.quality import QualitySummary, summarize_quality
from bakeoff.engines.base import Begun, Capabilities, Chunk, Description, Finished, Request, StreamEvent
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import BakeoffError, EngineError
from bakeoff.quality.grading.grade import graders
from bakeoff.quality.sampling import Sampling
from bakeoff.quality.sandbox.base import NoSandbox
from bakeoff.quality.tasks import Grader, Task
from bakeoff.results.records import Model, Usage
from bakeoff.results.runfile import read_run
from bakeoff.run.contestant import Contestant
from bakeoff.run.file import RunFile
from bakeoff.run.plan import Entrant, Plan
from bakeoff.run.quality import Answerer, Progress
from bakeoff.run.quality_plan import Quality, task_set
from bakeoff.run.resume import plan_to_resume
from bakeoff.run.session import run_all
from tests.test_runner import HOST, Silent, ids

MS = 1_000_000


class Said(Struct, frozen=True, kw_only=True):
    """One answer: ``text`` after ``reasoning``, so many milliseconds a word; or an error in its place."""

    text: str = ""
    reasoning: str = ""
    finish: str = "stop"
    ms_a_word: int = 10
    error: EngineError | None = None


Answers = Callable[[Request], Said]


class Oracle:
    """An engine in invented time that answers each request by a function; it counts tokens as words."""

    def __init__(self, answers: Answers, about: dict[str, Any] | None = None) -> None:
        self._answers = answers
        self._about = about or {}
        self.asked: list[Request] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def describe(self) -> Description:
        facts: dict[str, Any] = {
            "engine": "oracle",
            "version": "1",
            "model": Model(name="Oracle", quant="Q8_0", context_trained=32_768),
            "attached": False,
            "capabilities": Capabilities(cache_off=True, reports_cache=True),
        }
        return Description(**facts | self._about)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.asked.append(request)
        said = self._answers(request)
        yield Begun(0)
        if said.error is not None:
            raise said.error
        at_ns = 50 * MS
        words = [(word, True) for word in _pieces(said.reasoning)] + [(word, False) for word in _pieces(said.text)]
        for word, thought in words:
            at_ns += said.ms_a_word * MS
            yield Chunk(at_ns, "" if thought else word, word if thought else "")
        usage = Usage(
            prompt_tokens=9 + len((request.prompt.text or "").split()), cached_tokens=0, output_tokens=len(words)
        )
        yield Finished(at_ns=at_ns + MS, finish=said.finish, usage=usage, clock="scripted")


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def sums(count: int) -> tuple[Task, ...]:
    """Tasks whose answer is in their prompt: ``sum 3`` is 6."""
    return tuple(
        Task(id=f"sum-{n}", set="sums", level=1 + n % 3, prompt=f"What is {n} + {n}?", checker="number",
             target={"value": str(2 * n)}, kind="arithmetic")
        for n in range(1, count + 1)
    )  # fmt: skip


def number_in(request: Request) -> int:
    """The n of the prompt."""
    return int((request.prompt.text or "").split()[2])


def right(request: Request) -> Said:
    return Said(text=f"Answer: {2 * number_in(request)}")


def wrong(_: Request) -> Said:
    return Said(text="Answer: -1")


def right_of(numbers: set[int]) -> Answers:
    """Right where the task's number is among these."""
    return lambda request: right(request) if number_in(request) in numbers else wrong(request)


def plan_of(
    *names: str, samples: int = 1, max_tokens: int = 64, temperature: float = 0.6, seed: int = 3, **judging: Any
) -> Plan:
    sampling = Sampling(samples=samples, max_tokens=max_tokens, temperature=temperature, seed=seed)
    entrants = tuple(Entrant(SubjectText(name, "scripted", name), EngineOptions(), ()) for name in names)
    return Plan(entrants, quality=Quality(sets=("sums",), sampling=sampling, **judging))


Engines = dict[str, Oracle]


def answerer_for(
    plan: Plan, tasks: tuple[Task, ...], path: Path | None = None, known: dict[str, Grader] | None = None,
    answered: Callable[[Progress], None] = lambda _: None,
) -> Answerer:  # fmt: skip
    assert plan.quality is not None
    before = read_run(path, to_resume=True) if path else None
    held = before.task_sets[0] if before and before.task_sets else task_set(plan.quality, tasks, "none")
    return Answerer(held, known or graders(NoSandbox()), answered, before)


def making(engines: Engines) -> Callable[[Entrant], Contestant]:
    def make(entrant: Entrant) -> Contestant:
        found = engines.get(entrant.text)
        if found is None:
            raise EngineError(f"There is no {entrant.text}.")
        return Contestant(entrant.text, found, ids)

    return make


def begin(
    folder: Path, plan: Plan, engines: Engines, tasks: tuple[Task, ...], known: dict[str, Grader] | None = None
) -> tuple[Path, list[BakeoffError]]:
    file = RunFile.new(folder, "bakeoff quality", plan, HOST)
    answerer = answerer_for(plan, tasks, known=known)
    return file.path, run_all(plan, making(engines), file, Silent(), answerer=answerer)


def go_on(path: Path, engines: Engines, tasks: tuple[Task, ...]) -> list[BakeoffError]:
    file = RunFile.old(path, HOST)
    before = read_run(path, to_resume=True)
    plan = plan_to_resume(before, HOST)
    return run_all(plan, making(engines), file, Silent(), before=before, answerer=answerer_for(plan, tasks, path))


def summary_of(path: Path) -> QualitySummary:
    found = summarize_quality(read_run(path))
    assert found is not None
    return found


def compared(folder: Path, a: Answers, b: Answers, count: int, **plan: Any) -> QualitySummary:
    """Two subjects, *a* and *b*, asked as many sums."""
    path, errors = begin(folder, plan_of("a", "b", **plan), {"a": Oracle(a), "b": Oracle(b)}, sums(count))
    assert errors == []
    return summary_of(path)
