"""Answers of several runs, set against each other task by task; pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from bakeoff.analysis.quality_pairs import Pair, Side, pairs, thought_of
from bakeoff.errors import UsageError
from bakeoff.results.records import Host, Run
from bakeoff.units import one_line

_ASKED = {"digest": "tasks", "samples": "samples", "max_tokens": "token limit", "temperature": "temperature",
          "top_p": "top-p"}  # fmt: skip


class Entry(Struct, frozen=True):
    """One subject of one run."""

    run: str
    host: Host
    side: Side


class AnswersCompared(Struct, frozen=True):
    """Subjects of several runs, all against the first."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]


def compare_answers(runs: Sequence[Run], margin: float | None) -> AnswersCompared:
    """Every other subject of all runs against the first one's first.

    Subjects of one name are told apart by their runs. Raises UsageError where there is one subject alone, or the runs
    were not asked the same in the same way.
    """
    first = runs[0].task_sets[0]
    for run in runs[1:]:
        unlike = [what for name, what in _ASKED.items() if getattr(run.task_sets[0], name) != getattr(first, name)]
        if unlike:
            raise UsageError(
                f"{one_line(run.started.id)} and {one_line(runs[0].started.id)} differ in {', '.join(unlike)}: answers "
                "are compared where the same was asked in the same way."
            )
    entries = [entry for run in runs for entry in _entries(run)]
    names = [entry.side.name for entry in entries]
    entries = [_named(entry) if names.count(entry.side.name) > 1 else entry for entry in entries]
    if len(entries) < 2:
        raise UsageError("There is one subject only. Name another run to compare it with.")
    return AnswersCompared(tuple(entries), pairs([entry.side for entry in entries], 0, first, margin))


def _entries(run: Run) -> list[Entry]:
    found = []
    for opened in run.answering:
        answers = [answer for answer in run.answers if answer.entrant == opened.entrant]
        side = Side(opened=opened, answers=answers, thought=thought_of(opened, answers))
        found.append(Entry(run.started.id, run.started.host, side))
    return found


def _named(entry: Entry) -> Entry:
    opened = entry.side.opened
    subject = structs.replace(opened.subject, text=f"{opened.subject.text} of {entry.run}")
    return structs.replace(entry, side=structs.replace(entry.side, opened=structs.replace(opened, subject=subject)))
