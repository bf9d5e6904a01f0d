"""Answers of several runs, as a screen and as one object."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from bakeoff.analysis.quality_items import item_means
from bakeoff.analysis.quality_runs import AnswersCompared, Entry
from bakeoff.measurement.metrics import as_figure
from bakeoff.report.quality import percent_text
from bakeoff.report.quality_pairs import pair_document, pair_sentences
from bakeoff.results.records import SCHEMA, Figure
from bakeoff.stats.accuracy import accuracy
from bakeoff.units import one_line


def print_answers(compared: AnswersCompared, console: Console) -> None:
    """Write the whole screen."""
    for entry in compared.entries:
        host = f"{one_line(entry.host.cpu)}, {', '.join(one_line(gpu.name) for gpu in entry.host.gpus) or 'no GPU'}"
        console.print(Text(f"{one_line(entry.side.name)}: {percent_text(_accuracy(entry))} % right; {host}"))
    if len({msgspec.json.encode(entry.host) for entry in compared.entries}) > 1:
        console.print(Text("! The machines differ, or what they ran: times below are theirs too.", style="yellow"))
    for pair in compared.pairs:
        console.print()
        for line in pair_sentences(pair, len(compared.pairs)):
            console.print(Text(line))


def answers_document(compared: AnswersCompared) -> dict[str, Any]:
    """Everything that was compared, as plain values."""
    return {
        "schema": SCHEMA,
        "subjects": [
            {"run": entry.run, "subject": entry.side.name, "accuracy": msgspec.to_builtins(_accuracy(entry)),
             "host": msgspec.to_builtins(entry.host)}
            for entry in compared.entries
        ],
        "pairs": [pair_document(pair) for pair in compared.pairs],
    }  # fmt: skip


def _accuracy(entry: Entry) -> Figure | None:
    means = list(item_means(entry.side.answers).values())
    return as_figure(accuracy(means)) if means else None
