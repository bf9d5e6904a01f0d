"""Beside the main figures: all measured twice, a real model and its twin, what a right answer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.analysis.quality import summarize_quality
from bakeoff.units import figure_text
from fit.gpu.runs import QUALITY_FILE, SPLIT, SPLIT_FILE, examples, first, read, record
from fit.gpu.text import number, prose, share, shown, span
from fit.markdown import table

if TYPE_CHECKING:
    from bakeoff.results.records import Figure


def twice() -> str:
    """Decode and throughput as they came in the first runs and in those that the page shows."""
    lines, alone, many = [], [], []
    for (model, workload, layers, metric), before in first().items():
        if metric == "prefill_tps":
            continue
        split = workload == SPLIT
        found = read(SPLIT_FILE) if split else next(example for example in examples() if example.name == model)
        cell = found.cell(workload, f"--gpu-layers {layers}" if split else "")
        now = cell.load.output_tps if cell.load else cell.metrics[metric]
        assert now is not None
        change = now.point / before.measured.point - 1
        if cell.load and cell.opened.workload.concurrency != 1:
            many.append(change)
        elif layers != "40":
            alone.append(change)
        lines.append((
            model, f"{workload}, {layers} layers" if split else workload, shown(before.measured), shown(now),
            share(change, signed=True, places=1), "yes" if _meet(before.measured, now) else "no",
        ))  # fmt: skip
    heading = ("model", "workload", "first run, tok/s", "second, tok/s", "change", "intervals meet")
    said = f"""Every cell was measured twice that day, on cards and hosts of one kind, with the same engine and weights;
    the figures on this page are the second run's. One stream on the GPU alone came out within
    {share(max(map(abs, alone)))}; several streams were {share(min(many))} to {share(max(many))} faster the second time.
    Their speed depends on the host too, and Bakeoff's own client had become lighter in between: which it was, was not
    looked into. Where intervals do not meet, ± told of the trials of one start, and a start, a card and a host differ
    by more. So much must two machines' figures differ, at the least, to mean anything."""
    return table(heading, lines) + "\n\n" + prose(said)


def _meet(one: Figure, other: Figure) -> bool:
    bounds = (one.low, one.high, other.low, other.high)
    assert None not in bounds
    low, high, other_low, other_high = (bound or 0.0 for bound in bounds)
    return low <= other_high and other_low <= high


def twin() -> str:
    """The real SmolLM2 beside its synthetic twin."""
    told = record("twin.json")
    lines = []
    for measure, pairs in told["rounds"].items():
        tokens = sum(pair["tokens"] for pair in pairs)
        rates = [number(tokens / sum(pair[which] for pair in pairs)) for which in ("real_s", "synthetic_s")]
        found = told["ratios"][measure]
        lines.append((measure, *rates, figure_text(found["point"], found["low"], found["high"])))
    said = f"""SmolLM2-135M-Instruct (Q4_1) and random weights in its exact shape and types, taking turns on the card by
    `python -m bench twin --program llama-server`: {told["setting"]}. Each round has a start in either order, with new
    copies of both files. All weights above are synthetic: this is what that rests on. It was seen with one small
    model, whose speed here is bound by overhead rather than by reading weights."""
    return table(("", "real, tok/s", "synthetic, tok/s", "synthetic / real (95 %)"), lines) + "\n\n" + prose(said)


def right_answers() -> str:
    """What a right answer of a small model took, with joules by the driver's counter."""
    summary = summarize_quality(read(QUALITY_FILE).run)
    assert summary is not None
    (subject,) = summary.subjects
    cost, counts, accuracy = subject.per_correct, subject.counts, subject.accuracy
    assert accuracy is not None
    joules = cost.joules["gpu"]
    said = f"""SmolLM2-135M-Instruct, the real file, {len(summary.tasks.items)} easy tasks of our own (small sums,
    capitals) with four samples each, {counts.right} of {counts.answers} answers right: {_bounds(accuracy, 100)} % of
    what could be graded ({counts.ungraded} could not). A right answer took {_bounds(cost.seconds)} s,
    {_bounds(cost.tokens)} tokens and **{_bounds(joules)} J** at the GPU, wrong ones paid for. An answer took less than
    a tenth of a second, about as long as the driver takes to change its figures: energy was read over blocks of
    answers."""
    return prose(said)


def _bounds(figure: Figure | None, scale: float = 1.0) -> str:
    assert figure is not None
    return span(*((bound or 0.0) * scale for bound in (figure.low, figure.point, figure.high)))
