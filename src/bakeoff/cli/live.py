"""Live progress on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from bakeoff.measurement.metrics import client_decode_parts, ttft_s
from bakeoff.results.records import CellOpened, Trial, Window
from bakeoff.run.plan import MOST_SUSTAINED
from bakeoff.run.quality import Progress as Progressed
from bakeoff.units import bytes_text, plain_text, seconds_text, significant


class _Stderr(Console):
    """Standard error; where nobody reads it any more, the measurement goes on in silence."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class LiveProgress:
    """Shows where a run is. Nothing here is timed: it draws between trials, never within one's reads."""

    def __init__(self) -> None:
        self._console = _Stderr(stderr=True, highlight=False)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=self._console,
            transient=True,
            refresh_per_second=2,
            disable=not self._console.is_terminal,
        )
        self._stage: TaskID | None = None
        self._cells: dict[int, tuple[TaskID, str, int | None]] = {}
        self._names: dict[int, str] = {}
        self._answering: tuple[TaskID, str] | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, text: str) -> None:
        """Something that takes a while begins; what was shown before is done."""
        text = plain_text(text)
        if text.startswith("Starting"):
            self._forget_cells()
        self._end_stage()
        self._stage = self._bar.add_task(text, total=None, detail="")
        self._say(f"{text} …")

    def bytes_done(self, text: str, done: int, total: int) -> None:
        """So many bytes of a file are written."""
        if self._stage is None or done == 0:
            self.stage(text)
        assert self._stage is not None
        self._bar.update(self._stage, total=total, completed=done, detail=f"{bytes_text(done)} of {bytes_text(total)}")

    def note(self, text: str) -> None:
        """Something that limits the figures: it stays on the screen, above the bars."""
        self._end_stage()
        self._console.print(plain_text(text), markup=False, soft_wrap=True)

    def cell(self, opened: CellOpened, most: int, done: int) -> None:
        """A cell is warm."""
        self._end_stage()
        name = plain_text(f"{opened.subject.model.name}, {opened.workload.name}")
        self._names[opened.cell] = name
        total = most if most < MOST_SUSTAINED else None
        self._cells[opened.cell] = (self._bar.add_task(name, total=total, completed=done, detail=""), name, total)

    def trial(self, trial: Trial) -> None:
        """A trial has ended: its own figures, unaveraged."""
        self._end_stage()
        detail = _detail(trial)
        if trial.purpose != "timed" or trial.cell not in self._cells:
            name = self._names.get(trial.cell, f"cell {trial.cell + 1}")
            self._say(f"{name}: {'anchor' if trial.purpose == 'anchor' else 'warm-up'}: {detail}")
            return
        task, name, total = self._cells[trial.cell]
        self._bar.update(task, advance=1, detail=detail)
        self._say(f"{name}: trial {trial.index + 1}{_of(total)}: {detail}")

    def window(self, window: Window, output_tps: float | None) -> None:
        """A window of load has ended."""
        self._end_stage()
        rate = "nothing came of it" if output_tps is None else f"{significant(output_tps)} tokens/s in all"
        detail = plain_text(f"{rate}, stopped: {window.stopped}" if window.stopped else rate)
        task, name, total = self._cells[window.cell]
        self._bar.update(task, advance=1, detail=detail)
        self._say(f"{name}: window {window.index + 1}{_of(total)}: {detail}")

    def answered(self, progress: Progressed) -> None:
        """An answer is graded: the verdict, the accuracy so far, and about how long the rest will take."""
        self._end_stage()
        name = plain_text(progress.subject)
        if self._answering is None or self._answering[1] != name:
            if self._answering is not None:
                self._bar.remove_task(self._answering[0])
            self._answering = (self._bar.add_task(name, total=progress.total, detail=""), name)
        detail = plain_text(f"{progress.answer.item}: {progress.answer.verdict}{_so_far(progress)}")
        self._bar.update(self._answering[0], completed=progress.done, detail=detail)
        self._say(f"{name}: answer {progress.done} of {progress.total}: {detail}")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, markup=False, soft_wrap=True)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._bar.remove_task(self._stage)
            self._stage = None

    def _forget_cells(self) -> None:
        for task, _, _ in self._cells.values():
            self._bar.remove_task(task)
        self._cells.clear()


def _of(total: int | None) -> str:
    return f" of {total}" if total is not None else ""


def _so_far(progress: Progressed) -> str:
    found = progress.accuracy
    so_far = ""
    if found is not None:
        bounds = "" if found.low is None or found.high is None else f" ({found.low:.0%}–{found.high:.0%})"
        so_far = f" · {found.point:.0%} right so far{bounds}"
    cut = f" · {progress.truncated} cut" if progress.truncated else ""
    left = f" · about {seconds_text(progress.left_s, 2)} left" if progress.left_s else ""
    return f"{so_far}{cut}{left}"


def _detail(trial: Trial) -> str:
    if trial.status != "ok":
        return plain_text(f"{trial.status}: {trial.error}")
    parts, first = client_decode_parts(trial), ttft_s(trial)
    rate = f"{significant(parts[0] / parts[1])} tokens/s" if parts else "too short for a rate"
    return f"{rate}, first token after {seconds_text(first)}" if first is not None else rate
