"""Records made by hand, so that a test can say what must come out of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bakeoff.results.records import (
    SCHEMA,
    CellOpened,
    EngineTimings,
    Host,
    Model,
    Run,
    RunStarted,
    Subject,
    Timeline,
    Trial,
    Usage,
    Workload,
)

MS = 1_000_000


def a_host(**changes: Any) -> Host:
    facts: dict[str, Any] = {
        "cpu": "Hand-made CPU",
        "cores_physical": 2,
        "cores_logical": 4,
        "memory_bytes": 16_000_000_000,
        "os": "Linux 6.1",
        "arch": "x86_64",
        "python": "3.12.0",
        "bakeoff": "0.1.0",
        "power_source": "mains",
    }
    return Host(**facts | changes)


def a_subject(**changes: Any) -> Subject:
    facts: dict[str, Any] = {
        "text": "llamacpp:model.gguf",
        "engine": "llamacpp",
        "engine_version": "1.0",
        "model": Model(name="Hand Made", quant="Q4_K_M", context_trained=8192),
        "attached": False,
    }
    return Subject(**facts | changes)


def a_workload(**changes: Any) -> Workload:
    facts: dict[str, Any] = {"name": "train problem", "prompt": "A train …", "max_tokens": 3, "context": 2048}
    return Workload(**facts | changes)


def a_cell(cell: int = 0, template_tokens: int | None = None, **changes: Any) -> CellOpened:
    """``changes`` are the subject's, the workload's or the model's, told apart by their names."""
    model = {name: value for name, value in changes.items() if name in Model.__struct_fields__}
    workload = {name: value for name, value in changes.items() if name in Workload.__struct_fields__}
    subject = {name: value for name, value in changes.items() if name in Subject.__struct_fields__}
    assert len(changes) == len({**model, **workload, **subject}), changes
    if model:
        subject["model"] = Model(**{"name": "Hand Made", **model})
    return CellOpened(
        cell=cell, subject=a_subject(**subject), workload=a_workload(**workload), template_tokens=template_tokens
    )


def a_trial(
    at_ms: Sequence[float] = (100, 110, 120),
    kinds: str | None = None,
    counts: Sequence[int] | None = None,
    *,
    usage: Usage | None = None,
    engine: EngineTimings | None = None,
    **changes: Any,
) -> Trial:
    """A trial whose chunks came at these milliseconds, one token each unless ``usage`` says otherwise."""
    facts: dict[str, Any] = {
        "cell": 0,
        "index": 0,
        "purpose": "timed",
        "status": "ok",
        "started": "2026-11-24T10:15:02+00:00",
        "seed": 1,
        "end_ns": round((at_ms[-1] if at_ms else 0) * MS) + 5 * MS,
        "finish": "length",
    }
    timeline = Timeline(
        at_ns=tuple(round(ms * MS) for ms in at_ms),
        kinds="a" * len(at_ms) if kinds is None else kinds,
        tokens=None if counts is None else tuple(counts),
    )
    if usage is None:
        usage = Usage(prompt_tokens=40, cached_tokens=0, output_tokens=len(at_ms))
    if engine is None:
        engine = EngineTimings(prefill_tokens=40, prefill_s=0.08, decode_s=0.02, load_s=0.0)
    return Trial(timeline=timeline, usage=usage, engine=engine, **facts | changes)


def a_run(cells: Sequence[CellOpened] = (), trials: Sequence[Trial] = (), **changes: Any) -> Run:
    started = RunStarted(
        schema=SCHEMA,
        id="2026-11-24-101502-7f3a",
        started="2026-11-24T10:15:02+00:00",
        command="bakeoff run",
        seed=0,
        host=a_host(),
    )
    return Run(started=started, cells=tuple(cells), trials=tuple(trials), **changes)
