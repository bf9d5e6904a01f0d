"""A run's answers → what they say: accuracy, thinking, the cost of a right answer, and each subject against another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from bakeoff.analysis.agreement import AgreementSummary, summarize_agreement
from bakeoff.analysis.findings.base import Finding
from bakeoff.analysis.quality_costs import PerCorrect, per_correct
from bakeoff.analysis.quality_findings import findings_of
from bakeoff.analysis.quality_items import came, first_token_s, item_means, means_of
from bakeoff.analysis.quality_pairs import CHANGES, Pair, Side, pairs, thought_of
from bakeoff.measurement.metrics import as_figure
from bakeoff.results.answers import Answer, Item, TaskSet
from bakeoff.results.records import Figure, Run
from bakeoff.stats.accuracy import accuracy
from bakeoff.stats.intervals import mean_interval

_K = TypeVar("_K", int, str)


class Counts(Struct, frozen=True, kw_only=True):
    """How many answers there are, and by verdict."""

    answers: int
    right: int
    wrong: int
    ungraded: int
    truncated: int
    failed: int


class SubjectQuality(Struct, frozen=True, kw_only=True):
    """One subject. ``accuracy`` is over tasks with graded answers; ``if_ungraded_wrong`` counts the others as wrong.

    ``means`` are over tasks, of the figures in ``CHANGES`` and the time to the first token. ``loops`` are answers whose
    reasoning ends in a repeated passage. ``on_front``: no other subject is at least as accurate and as fast, and better
    in one of the two; None where either is not known.
    """

    side: Side
    counts: Counts
    due: int
    accuracy: Figure | None
    interval: str
    if_ungraded_wrong: Figure | None
    by_level: dict[int, Figure]
    by_kind: dict[str, Figure]
    means: dict[str, Figure | None]
    loops: int
    per_correct: PerCorrect
    on_front: bool | None
    findings: tuple[Finding, ...]


class QualitySummary(Struct, frozen=True, kw_only=True):
    """All of a run's answers. ``reference`` is the subject that the others are held against."""

    run: Run
    tasks: TaskSet
    subjects: tuple[SubjectQuality, ...]
    pairs: tuple[Pair, ...]
    reference: str
    agreement: AgreementSummary | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What the run's plan says of how to judge; it is not trusted to be one."""

    reference: str | None = None
    margin: Annotated[float, Meta(gt=0, lt=1)] | None = None
    price_per_hour: Annotated[float, Meta(ge=0, le=1e6)] | None = None


def summarize_quality(run: Run) -> QualitySummary | None:
    """None where the run has no answers, and no subject that was asked."""
    if not run.task_sets or not run.answering:
        return None
    tasks, wanted = run.task_sets[0], wanted_of(run)
    by_entrant: defaultdict[int, list[Answer]] = defaultdict(list)
    for answer in run.answers:
        by_entrant[answer.entrant].append(answer)
    sides = [
        Side(opened=opened, answers=found, thought=thought_of(opened, found))
        for opened in run.answering
        for found in (by_entrant[opened.entrant],)
    ]
    names = [side.name for side in sides]
    reference = names.index(wanted.reference) if wanted.reference in names else 0
    front = _front(sides)
    return QualitySummary(
        run=run,
        tasks=tasks,
        subjects=tuple(
            _subject(side, run, tasks, wanted.price_per_hour, on_front)
            for side, on_front in zip(sides, front, strict=True)
        ),
        pairs=pairs(sides, reference, tasks, wanted.margin),
        reference=names[reference],
        agreement=summarize_agreement(run),
    )


def wanted_of(run: Run) -> Wanted:
    """How the run's answers are to be judged, by its plan."""
    plan = run.started.plan or {}
    try:
        return msgspec.convert(plan.get("quality") or {}, Wanted)
    except msgspec.ValidationError:
        return Wanted()


def _subject(
    side: Side, run: Run, tasks: TaskSet, price_per_hour: float | None, on_front: bool | None
) -> SubjectQuality:
    answers = side.answers
    means = item_means(answers)
    graded = _accuracy(means.values())
    items = {item.id: item for item in tasks.items}
    verdicts = Counter(answer.verdict for answer in answers)
    loops = sum(thought.loop_words > 0 for thought in side.thought.values())
    single = len([a for a in answers if a.verdict not in ("failed", "ungraded")]) == len(means)
    return SubjectQuality(
        side=side,
        counts=Counts(
            answers=len(answers),
            right=verdicts["right"],
            wrong=verdicts["wrong"],
            ungraded=verdicts["ungraded"],
            truncated=verdicts["truncated"],
            failed=verdicts["failed"],
        ),
        due=len(tasks.items) * tasks.samples,
        accuracy=graded,
        interval="Wilson" if single else "clustered by task",
        if_ungraded_wrong=_accuracy(means_of(came(answers), lambda a: float(a.verdict == "right")).values()),
        by_level=_grouped(means, lambda item: items[item].level),
        by_kind=_grouped(means, lambda item: items[item].kind or items[item].set),
        means={name: _mean(of(side).values()) for name, of in CHANGES.items()}
        | {"ttft_s": _mean(means_of(came(answers), first_token_s).values())},
        loops=loops,
        per_correct=per_correct(answers, run.metered, price_per_hour),
        on_front=on_front,
        findings=tuple(findings_of(side, tasks)),
    )


def _accuracy(means: Iterable[float]) -> Figure | None:
    values = list(means)
    return as_figure(accuracy(values)) if values else None


def _mean(values: Iterable[float]) -> Figure | None:
    found = list(values)
    return as_figure(mean_interval(found)) if found else None


def _grouped(means: dict[str, float], key: Callable[[str], _K]) -> dict[_K, Figure]:
    """The accuracy of each group of tasks, in order."""
    groups: defaultdict[_K, list[float]] = defaultdict(list)
    for item, mean in means.items():
        groups[key(item)].append(mean)
    return {name: as_figure(accuracy(groups[name])) for name in sorted(groups)}


def _front(sides: Sequence[Side]) -> list[bool | None]:
    """Who is on the front of accuracy against the time of an answer, by the points alone."""
    places: list[tuple[float, float] | None] = []
    for side in sides:
        right, took = list(item_means(side.answers).values()), list(CHANGES["seconds"](side).values())
        places.append((sum(right) / len(right), sum(took) / len(took)) if right and took else None)
    return [place and not any(other and _beats(other, place) for other in places) for place in places]


def _beats(other: tuple[float, float], place: tuple[float, float]) -> bool:
    return other != place and other[0] >= place[0] and other[1] <= place[1]


def noted(tasks: TaskSet) -> list[Item]:
    """Items of which something is to be told."""
    return [item for item in tasks.items if item.note]
