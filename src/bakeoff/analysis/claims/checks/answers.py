"""An answer that a publication holds to be right, graded by a task of the package whose key was worked out twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict
from bakeoff.quality.grading.choice import choice
from bakeoff.quality.grading.date import date
from bakeoff.quality.grading.number import number
from bakeoff.quality.grading.series import series
from bakeoff.quality.grading.word import word
from bakeoff.quality.sets.article import article
from bakeoff.quality.sets.packaged import standard
from bakeoff.quality.tasks import Grader, Task

GRADERS: dict[str, Grader] = {"number": number, "choice": choice, "word": word, "date": date, "series": series}
"""Those that run nothing."""


@cache
def tasks() -> dict[str, Task]:
    """The tasks of the package that can be graded without running code, by id."""
    return {task.id: task for task in (*article(), *standard()) if task.checker in GRADERS}


def answer(claim: Claim) -> Iterator[Evidence]:
    """The claimed answer under the task's own grader."""
    task = tasks()[claim.task or ""]
    score = GRADERS[task.checker](claim.claimed, task)
    verdicts: dict[str, Verdict] = {"right": "holds", "wrong": "impossible"}
    yield Evidence(
        source="arithmetic",
        words=f"graded {score.verdict} by the task {task.id}. {score.note or task.note}".rstrip(),
        verdict=verdicts.get(score.verdict),
        formula="the key, worked out from the figures in the prompt",
        given=(Given(name="prompt", value=task.prompt, source=f"the task {task.id} of the set {task.set}"),),
    )
