"""Advice as a paragraph, with what each sentence rests on, and as the one object that ``--json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bakeoff.analysis.advice import RULES, Advice, Sentence
from bakeoff.units import plain_text

SCHEMA = 1


def advice_document(advice: Advice, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The choice, null where nothing fits, and every sentence with its rules, inputs and sources."""
    taken = advice.taken
    return {
        "schema": SCHEMA,
        "advice": paragraph(advice),
        "api": advice.api,
        "choice": None if taken is None else {
            "hardware": taken.site.machine.name,
            "model": taken.row.model,
            "quant": taken.row.quant,
            "engine": taken.engine,
            "name": taken.name,
            "settings": advice.settings,
            "keeps_pace": taken.keeps,
            "decode_tps": msgspec.to_builtins(taken.row.speed.decode_at_context),
            "run": taken.run,
        },
        "sentences": [msgspec.to_builtins(sentence) for sentence in advice.sentences],
        "notes": list(notes),
        "rules": {name: RULES[name] for sentence in advice.sentences for name in sentence.rules},
    }  # fmt: skip


def paragraph(advice: Advice) -> str:
    """The sentences, one after the other."""
    return plain_text(" ".join(sentence.text for sentence in advice.sentences))


def print_advice(advice: Advice, console: Console, *, explain: bool = False, notes: Sequence[str] = ()) -> None:
    """Write the paragraph; with ``explain`` each sentence, and below it what it rests on. Notes come last."""
    console.print(Group(*_explained(advice)) if explain else Text(paragraph(advice)))
    for note in notes:
        console.print(Text(f"· {plain_text(note)}", "dim"))


def _explained(advice: Advice) -> Iterator[RenderableType]:
    for sentence in advice.sentences:
        yield Text(plain_text(sentence.text), "bold")
        for line in _rests_on(sentence):
            yield Padding(Text(plain_text(line), "dim"), (0, 0, 0, 2))


def _rests_on(sentence: Sentence) -> Iterator[str]:
    for name in sentence.rules:
        yield f"rule {name}: {RULES[name]}"
    yield "inputs: " + ", ".join(f"{name} = {_value(value)}" for name, value in sentence.inputs.items())
    yield f"from: {'; '.join(sentence.sources)}"


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "unknown" if value is None else str(value)
