"""A run for other tools: every trial as a row of CSV, or the whole document as JSON."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

from bakeoff.measurement import metrics
from bakeoff.results.records import Run, Trial
from bakeoff.units import plain_text

COLUMNS = ("run", "engine", "model", "quant", "synthetic", "workload", "trial", "status", "prompt_tokens",
           "cached_tokens", "output_tokens", "tokens_from", "ttft_s", "ttfa_s", "decode_tps", "engine_decode_tps",
           "prefill_tps", "tpot_s", "latency_s", "load_s", "peak_memory_bytes", "finish", "error")  # fmt: skip

_FORMULA = tuple("=+-@＝＋－＠")
"""What begins a formula, also in full width and after space (OWASP, CSV injection)."""


def trials_csv(run: Run) -> str:
    """One row a timed trial. A field that a spreadsheet would run as a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    timed: defaultdict[int, list[Trial]] = defaultdict(list)
    for trial in run.trials:
        if trial.purpose == "timed":
            timed[trial.cell].append(trial)
    for opened in run.cells:
        subject, workload = opened.subject, opened.workload
        for trial in timed[opened.cell]:
            row = {
                "run": run.started.id,
                "engine": subject.engine,
                "model": subject.model.name,
                "quant": subject.model.quant,
                "synthetic": subject.model.synthetic,
                "workload": workload.name,
                **_fields(trial),
            }
            writer.writerow([safe_field(row[name]) for name in COLUMNS])
    return out.getvalue()


def _fields(trial: Trial) -> dict[str, object]:
    return {
        "trial": trial.index,
        "status": trial.status,
        "prompt_tokens": trial.usage.prompt_tokens,
        "cached_tokens": trial.usage.cached_tokens,
        "output_tokens": metrics.output_tokens(trial),
        "tokens_from": metrics.tokens_from(trial),
        "ttft_s": metrics.ttft_s(trial),
        "ttfa_s": metrics.ttfa_s(trial),
        "decode_tps": _rate(metrics.client_decode_parts(trial)),
        "engine_decode_tps": _rate(metrics.engine_decode_parts(trial)),
        "prefill_tps": _rate(metrics.prefill_parts(trial)),
        "tpot_s": metrics.tpot_s(trial),
        "latency_s": metrics.latency_s(trial),
        "load_s": trial.engine.load_s,
        "peak_memory_bytes": trial.memory_peak_bytes,
        "finish": trial.finish,
        "error": trial.error,
    }


def _rate(parts: tuple[float, float] | None) -> float | None:
    return parts[0] / parts[1] if parts else None


def safe_field(value: object) -> object:
    """The same, with a text that a spreadsheet would run as a formula quoted by an apostrophe."""
    if isinstance(value, str):
        text = plain_text(value)
        return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
    return value
