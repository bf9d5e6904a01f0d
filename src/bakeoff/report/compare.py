"""A comparison as a screen and as one object: first the sentence that answers, then the figures beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.analysis.compare import Compared, Comparison, Pair
from bakeoff.analysis.gate import Gate
from bakeoff.analysis.sides import ENERGY, MEMORY, Side
from bakeoff.results.records import SCHEMA, Figure
from bakeoff.stats.verdicts import percent
from bakeoff.units import bytes_text, figure_text, one_line, seconds_text

MOST_ANSWERS = 12
"""Sentences at the top; what they leave out is in the tables."""
_NAMES = {
    "decode_tps": "tokens/s",
    "engine_decode_tps": "tokens/s, by the engine",
    "ttft_s": "first token",
    "ttfa_s": "first word of the answer",
    "prefill_tps": "prompt tokens/s",
    "tpot_s": "time per token",
    "itl_s": "gap between tokens",
    "latency_s": "whole answer",
    "load_s": "load",
    "output_tps": "tokens/s, all told",
    "goodput_rps": "requests/s well served",
    MEMORY: "peak memory",
    ENERGY: "energy per token",
}
_ANSWERED_BY = ("decode_tps", "output_tps")
_STYLES = {"faster": "green", "slower": "red", "unlike": "yellow"}


def print_compared(compared: Compared, console: Console, limit: Gate | None = None) -> None:
    """Write the whole screen."""
    console.print(Group(*_parts(compared, limit)))


def _parts(compared: Compared, limit: Gate | None) -> Iterator[RenderableType]:
    names = names_of(compared)
    for pair in compared.pairs[:MOST_ANSWERS]:
        yield Text(answer(pair, names, compared.margin), style="bold")
    if len(compared.pairs) > MOST_ANSWERS:
        yield Text(f"… and {len(compared.pairs) - MOST_ANSWERS} more, below.", style="dim")
    for pair in compared.pairs:
        yield Text()
        yield from _pair(pair)
    if compared.unmatched:
        yield Text()
    for side in compared.unmatched:
        yield Text(f"! {one_line(side.name)}, {_subject(side)}, {_workload(side)}: the reference has no cell that was "
                   "asked the same.", style="yellow")  # fmt: skip
    yield Text(f"\n{_about_intervals(compared)}", style="dim")
    if limit is not None:
        yield Text("\n".join(gate_lines(limit, names)), style="bold red" if limit.slower else "")


def answer(pair: Pair, names: Mapping[str, str], margin: float) -> str:
    """The sentence that answers, by the rate of tokens where there is one."""
    a, b, each = names[pair.a.name], names[pair.b.name], _main(pair)
    if each is None:
        return f"Nothing that could be compared is known of both {a} and {b}."
    by = f", in {_metric(each.metric)}"
    if each.verdict == "unlike":
        return f"{b} and {a} are not ranked: they are unlike in {', '.join(each.unlike)}."
    if each.verdict in ("faster", "slower"):
        word, _, how = each.words.partition(" ")
        return f"{b} is {word} than {a} {how}{by}."
    if each.verdict == "equivalent":
        return f"{b} and {a} are {each.words}{by}."
    if each.verdict == "no_difference_seen":
        return f"{each.words.replace('no difference seen', f'No difference seen between {b} and {a}')}{by}."
    more = f" About {each.trials_wanted} each would show one of {percent(margin)}." if each.trials_wanted else ""
    return f"Too few trials to tell a difference between {b} and {a}{by}.{more}"


def _main(pair: Pair) -> Comparison | None:
    by_name = {each.metric: each for each in pair.comparisons}
    return next((by_name[name] for name in _ANSWERED_BY if name in by_name), next(iter(pair.comparisons), None))


def names_of(compared: Compared) -> dict[str, str]:
    """What each cell is called in sentences: as little as tells it from the others."""
    sides = {side.name: side for pair in compared.pairs for side in (pair.a, pair.b)}
    several = len({_workload(side) for side in sides.values()}) > 1
    names: dict[str, str] = {}
    for called in _CALLED:
        names = {name: called(side) for name, side in sides.items()}
        by_workload = {(names[name], _workload(side)) for name, side in sides.items()}
        if len(by_workload) == len(sides) and all(names[p.a.name] != names[p.b.name] for p in compared.pairs):
            on = several and len(set(names.values())) < len(sides)
            return {name: f"{text} ({_workload(sides[name])})" if on else text for name, text in names.items()}
    return names


def _subject(side: Side) -> str:
    return one_line(side.cell.opened.subject.text)


def _workload(side: Side) -> str:
    return one_line(side.cell.opened.workload.name)


_CALLED: tuple[Callable[[Side], str], ...] = (
    _subject,
    lambda side: f"“{_workload(side)}”",
    lambda side: f"run {one_line(side.run.started.id)}",
    lambda side: f"{_subject(side)} of run {one_line(side.run.started.id)}",
    lambda side: one_line(side.name),
)


def _pair(pair: Pair) -> Iterator[RenderableType]:
    for letter, side in (("A", pair.a), ("B", pair.b)):
        trials = side.cell.load.windows if side.cell.load else side.cell.trials.ok
        kind = "windows" if side.cell.load else "trials"
        yield Text.assemble(
            (f"{letter}  ", "bold"), (_subject(side), "cyan"), f" · {_workload(side)} · {trials} {kind} · ",
            (one_line(side.name), "dim"),
        )  # fmt: skip
    for difference in pair.differences:
        mark, style = ("✗ unlike in", "yellow") if difference.bars else ("· differs in", "dim")
        yield Text(f"{mark} {difference.what}: {difference.a} | {difference.b}", style=style)
    if sum(not difference.bars for difference in pair.differences) > 1:
        yield Text("· What is seen may come from any of these, or from all of them.", style="dim")
    yield _table(pair)
    for caveat in pair.caveats:
        yield Text(f"! {one_line(caveat)}.", style="yellow")


def _table(pair: Pair) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    table.add_column("A", justify="right", no_wrap=True)
    table.add_column("B", justify="right", no_wrap=True)
    table.add_column("B against A", overflow="fold")
    for each in pair.comparisons:
        words = f"{each.words}, round by round" if each.in_rounds else each.words
        a, b = (_figure(each.metric, figure, each) for figure in (each.a, each.b))
        table.add_row(_metric(each.metric), a, b, Text(words, style=_STYLES.get(each.verdict, "")))
    return table


def _metric(name: str) -> str:
    base, _, more = name.partition(".")
    return f"{_NAMES.get(base, base)}, {more}" if more else _NAMES.get(base, base)


def _figure(name: str, figure: Figure | None, each: Comparison) -> str:
    """Times of both sides in one unit."""
    if figure is None:
        return "–"
    if name.startswith(MEMORY):
        return bytes_text(figure.point)
    if name.startswith(ENERGY):
        return f"{figure_text(figure.point, figure.low, figure.high)} J"
    if not name.partition(".")[0].endswith("_s"):
        return figure_text(figure.point, figure.low, figure.high)
    longest = max(side.point for side in (each.a, each.b) if side is not None)
    if longest >= 100:
        return seconds_text(figure.point)
    scale, unit = (1000, "ms") if longest < 1 else (1, "s")
    low, high = (None if bound is None else bound * scale for bound in (figure.low, figure.high))
    return f"{figure_text(figure.point * scale, low, high)} {unit}"


def _about_intervals(compared: Compared) -> str:
    if compared.judged <= 1:
        return "± is half of a 95 % interval; the range of a ratio in brackets is one too."
    return (
        f"± is half of a figure's 95 % interval. The {compared.judged} ratios each have one of "
        f"{100 * compared.each_confidence:.4g} %, so that all of them hold together with 95 %; the words go by those."
    )


def gate_lines(limit: Gate, names: Mapping[str, str]) -> Iterator[str]:
    """What ``--fail-if-slower`` came to, in sentences."""
    by = percent(limit.limit)
    for pair, each in limit.slower:
        yield f"✗ {names[pair.b.name]} is slower by more than {by} in {_metric(each.metric)}: {each.words}."
    for pair, each in limit.open:
        yield (
            f"! Too few trials to tell whether {names[pair.b.name]} is slower by more than {by} in "
            f"{_metric(each.metric)}: {each.words}."
        )
    for pair, each in limit.unjudged:
        yield f"! Not judged: {names[pair.b.name]} in {_metric(each.metric)}: {each.words}."
    if not limit.slower:
        yield f"Not shown to be slower by more than {by}: {limit.held} of {limit.judged} speeds are shown not to be."


def compare_document(compared: Compared, limit: Gate | None = None) -> dict[str, Any]:
    """Everything that was compared, as plain values; ``ratio`` is b's figure over a's."""
    sides = {side.name: side for pair in compared.pairs for side in (pair.a, pair.b)}
    return {
        "schema": SCHEMA,
        "margin": compared.margin,
        "judged": compared.judged,
        "confidence_of_each": compared.each_confidence,
        "cells": {name: _side(side) for name, side in sides.items()},
        "pairs": [_entry(pair, each) for pair in compared.pairs for each in pair.comparisons],
        "unmatched": [side.name for side in compared.unmatched],
        "gate": None if limit is None else _gate(limit),
    }


def _side(side: Side) -> dict[str, Any]:
    opened = side.cell.opened
    return {
        "run": side.run.started.id,
        "cell": opened.cell,
        "subject": opened.subject.text,
        "workload": opened.workload.name,
        "host": msgspec.to_builtins(side.host),
        "trials": msgspec.to_builtins(side.cell.trials),
    }


def _entry(pair: Pair, each: Comparison) -> dict[str, Any]:
    return {
        "a": pair.a.name,
        "b": pair.b.name,
        "metric": each.metric,
        "ratio": msgspec.to_builtins(each.ratio),
        "verdict": each.verdict,
        "words": each.words,
        "figures": {"a": msgspec.to_builtins(each.a), "b": msgspec.to_builtins(each.b)},
        "round_by_round": each.in_rounds,
        "unlike": list(each.unlike),
        "differs_in": [{"what": d.what, "a": d.a, "b": d.b} for d in pair.differences],
        "caveats": list(pair.caveats),
    }


def _gate(limit: Gate) -> dict[str, Any]:
    def named(found: tuple[tuple[Pair, Comparison], ...]) -> list[dict[str, str]]:
        return [{"a": pair.a.name, "b": pair.b.name, "metric": each.metric} for pair, each in found]

    return {"limit": limit.limit, "holds": not limit.slower, "slower": named(limit.slower),
            "open": named(limit.open), "unjudged": named(limit.unjudged)}  # fmt: skip
