"""Answers as a screen and as one object: how many are right, how sure that is, what limits it, what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.findings import Finding
from bakeoff.analysis.quality import QualitySummary, SubjectQuality, noted
from bakeoff.quality.sampling import ADVISED_TOKENS
from bakeoff.report.agreement import agreement_sentences
from bakeoff.report.quality_pairs import pair_document, pair_sentences
from bakeoff.report.terminal import host_line
from bakeoff.results.answers import Answer, TaskSet
from bakeoff.results.records import SCHEMA, Figure
from bakeoff.units import one_line, seconds_text, significant

MOST_SHOWN = 4
"""Answers of each subject that are shown where they were not right."""
_LONGEST_BASIS = 100
THINKS = "thinks\nfor"
HEADS = {"accuracy\n%": False, "right of\ngraded": True, "\ncut": False, "un-\ngraded": False, "tokens\neach": False,
         THINKS: False, "answer\ntakes": True, "a right\none costs": True}  # fmt: skip
"""The table's columns; those that may break their cells, so that all of it fits on 80 columns."""
_STYLES = {"severe": "bold red", "warning": "yellow", "info": "dim"}
_MARKS = {"severe": "✗", "warning": "!", "info": "·"}


def print_quality(summary: QualitySummary, path: str, console: Console) -> None:
    """Write the whole screen."""
    console.print(Group(*_parts(summary, path)))


def _parts(summary: QualitySummary, path: str) -> Iterator[RenderableType]:
    started = summary.run.started
    yield Text.assemble(("Bakeoff", "bold"), f" answers of run {one_line(started.id)}")
    if not summary.run.cells:
        yield Text(host_line(started.host), style="dim")
    yield Text(asked_words(summary.tasks))
    for item in noted(summary.tasks):
        yield Text(f"· {one_line(item.id)}: {one_line(item.note)}", style="dim")
    yield Text()
    yield _table(summary)
    for subject in summary.subjects:
        yield from _subject(subject, alone=len(summary.subjects) == 1)
    for pair in summary.pairs:
        yield Text()
        for line in pair_sentences(pair, len(summary.pairs)):
            yield Text(line)
    if summary.agreement is not None:
        yield Text()
        for line in agreement_sentences(summary.agreement):
            yield Text(line)
    front = [subject.side.name for subject in summary.subjects if subject.on_front]
    if len(summary.subjects) > 1 and any(subject.counts.right for subject in summary.subjects) and front:
        yield Text(f"\nOn the front of accuracy against time, by the points: {', '.join(map(one_line, front))}.")
    for failure in summary.run.failures:
        yield Text(f"✗ {one_line(failure.subject)}: {one_line(failure.error)}", style="bold red")
    if summary.run.ended is None or summary.run.ended.status == "interrupted":
        yield Text("\nThis run was interrupted: it holds what was answered until then.", style="yellow")
    yield Text(f"\nBrackets and ± are 95 % intervals over tasks. Everything is in {path}", style="dim")


def asked_words(tasks: TaskSet) -> str:
    """What was asked, in a sentence or two."""
    sets = ", ".join(map(one_line, tasks.sets))
    samples = f" × {tasks.samples} samples" if tasks.samples > 1 else ""
    how = "greedy" if tasks.temperature == 0 else f"temperature {tasks.temperature:g}, top-p {tasks.top_p:g}"
    less = "" if tasks.max_tokens >= ADVISED_TOKENS else f" (authors of reasoning models advise {ADVISED_TOKENS:,})"
    count = f"{len(tasks.items)} task{'s' if len(tasks.items) != 1 else ''}"
    return f"{count} of {sets}{samples}, {how}, seed {tasks.seed}, at most {tasks.max_tokens:,} tokens an answer{less}."


def _table(summary: QualitySummary) -> Table:
    thinks = any(subject.side.reasons for subject in summary.subjects)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for head, breaks in HEADS.items():
        if thinks or head != THINKS:
            table.add_column(head, justify="right", no_wrap=not breaks, max_width=8 if breaks else None)
    for subject in summary.subjects:
        counts, means = subject.counts, subject.means
        table.add_row(
            one_line(subject.side.name),
            percent_text(subject.accuracy),
            f"{counts.right} of {counts.right + counts.wrong + counts.truncated}",
            str(counts.truncated),
            str(counts.ungraded),
            _number(means["output_tokens"]),
            *([_number(means["reasoning_tokens"])] if thinks else []),
            _time(means["seconds"]),
            _time(subject.per_correct.seconds),
        )
    return table


def percent_text(figure: Figure | None) -> str:
    """``62 (48–74)``: in per cent, with the interval."""
    if figure is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{100 * figure.point:.0f}"
    return f"{100 * figure.point:.0f} ({100 * figure.low:.0f}–{100 * figure.high:.0f})"


def _number(figure: Figure | None) -> str:
    return "–" if figure is None else f"{figure.point:.0f}"


def _time(figure: Figure | None) -> str:
    return "–" if figure is None else seconds_text(figure.point)


def _subject(subject: SubjectQuality, *, alone: bool) -> Iterator[RenderableType]:
    yield Text()
    if not alone:
        yield Text(one_line(subject.side.name), style="bold cyan")
    if len(subject.by_level) > 1:
        levels = "; ".join(f"level {level}: {percent_text(figure)} %" for level, figure in subject.by_level.items())
        yield Text(f"By difficulty: {levels}.")
    yield Text(cost_sentence(subject))
    if subject.side.reasons:
        yield Text(thinking_sentence(subject))
    for finding in subject.findings:
        yield _finding(finding)
    yield from _shown(subject)


def cost_sentence(subject: SubjectQuality) -> str:
    """What a right answer costs, in words."""
    cost = subject.per_correct
    if not subject.counts.right:
        return "No answer was right, so that a right one has no price."
    parts = [f"{_with_bounds(cost.seconds)} s"] if cost.seconds else []
    parts += [f"{_with_bounds(cost.tokens)} tokens"] if cost.tokens else []
    parts += [f"{_with_bounds(figure)} J ({scope})" for scope, figure in cost.joules.items() if figure]
    parts += [f"{_with_bounds(cost.dollars)} dollars"] if cost.dollars else []
    return f"A right answer costs {', '.join(parts)}, wrong ones paid for." if parts else "What it costs is not known."


def thinking_sentence(subject: SubjectQuality) -> str:
    """How it reasons, by counts."""
    means = subject.means
    first = means["ttfa_s"]
    until = f"; its answer begins after {seconds_text(first.point)}" if first else ""
    return (
        f"It thinks for {_number(means['reasoning_tokens'])} tokens in {_decimal(means['steps'])} steps, with "
        f"{_decimal(means['verifications'])} passages that verify{until}."
    )


def _decimal(figure: Figure | None) -> str:
    return "–" if figure is None else significant(figure.point, 2)


def _with_bounds(figure: Figure) -> str:
    low = "0" if figure.low is None else significant(figure.low, 2)
    high = "no bound" if figure.high is None else significant(figure.high, 2)
    bounds = "" if figure.low is None and figure.high is None else f" ({low}–{high})"
    return f"{significant(figure.point, 3)}{bounds}"


def _finding(finding: Finding) -> Text:
    words = f"{_MARKS[finding.severity]} {one_line(finding.evidence)}. {one_line(finding.advice)}"
    return Text(words, style=_STYLES[finding.severity])


def _shown(subject: SubjectQuality) -> Iterator[RenderableType]:
    """The first answers that were not right, with what their verdicts rest on; foreign text is kept to a line."""
    odd = [answer for answer in subject.side.answers if answer.verdict != "right"]
    for answer in odd[:MOST_SHOWN]:
        yield Text(f"  {answer_line(answer)}", style="dim")
    if len(odd) > MOST_SHOWN:
        yield Text(f"  … and {len(odd) - MOST_SHOWN} more that were not right.", style="dim")


def answer_line(answer: Answer) -> str:
    """One answer in a line: verdict, what it rests on, and why."""
    basis = one_line(answer.basis[: 4 * _LONGEST_BASIS])
    basis = f"{basis[:_LONGEST_BASIS]}…" if len(basis) > _LONGEST_BASIS else basis
    said = f" “{basis}”" if basis else ""
    why = one_line(answer.note or answer.error or "")
    return f"{one_line(answer.item)} #{answer.sample + 1}: {answer.verdict}{said}{': ' if why else ''}{why[:200]}"


def quality_document(summary: QualitySummary, path: str) -> dict[str, Any]:
    """Everything that was found, as plain values; a missing figure is null."""
    tasks = summary.tasks
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "run": summary.run.started.id,
        "file": path,
        "host": msgspec.to_builtins(summary.run.started.host),
        "tasks": {
            **{name: msgspec.to_builtins(getattr(tasks, name)) for name in tasks.__struct_fields__ if name != "items"},
            "items": len(tasks.items),
            "notes": {item.id: item.note for item in noted(tasks)},
        },
        "reference": summary.reference,
        "subjects": [_entry(subject) for subject in summary.subjects],
        "pairs": [pair_document(pair) for pair in summary.pairs],
        "agreement": msgspec.to_builtins(summary.agreement),
        "failures": [msgspec.to_builtins(failure) for failure in summary.run.failures],
    }
    if len(summary.subjects) == 1:
        document["accuracy"] = document["subjects"][0]["accuracy"]
    return document


def _entry(subject: SubjectQuality) -> dict[str, Any]:
    opened = subject.side.opened
    counts = msgspec.to_builtins(subject.counts)
    return {
        "subject": opened.subject.text,
        "engine": opened.subject.engine,
        "engine_version": opened.subject.engine_version,
        "model": opened.subject.model.name,
        "quant": opened.subject.model.quant,
        "digest": opened.subject.model.digest,
        "settings": opened.subject.settings,
        "accuracy": msgspec.to_builtins(subject.accuracy),
        "interval": subject.interval,
        **counts,
        "due": subject.due,
        "accuracy_if_ungraded_wrong": msgspec.to_builtins(subject.if_ungraded_wrong),
        "accuracy_by_level": {str(level): msgspec.to_builtins(fig) for level, fig in subject.by_level.items()},
        "accuracy_by_kind": msgspec.to_builtins(subject.by_kind),
        "means": {name: msgspec.to_builtins(figure) for name, figure in subject.means.items()},
        "loops": subject.loops,
        "per_correct": {
            "seconds": msgspec.to_builtins(subject.per_correct.seconds),
            "tokens": msgspec.to_builtins(subject.per_correct.tokens),
            "dollars": msgspec.to_builtins(subject.per_correct.dollars),
            "joules": msgspec.to_builtins(subject.per_correct.joules),
        },
        "on_front": subject.on_front,
        "findings": [msgspec.to_builtins(finding) for finding in subject.findings],
    }
