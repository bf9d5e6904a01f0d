"""What other tools read: one JSON object by the documented names, and a CSV that no spreadsheet will run."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.analysis.summary import summarize
from bakeoff.report.document import run_document
from bakeoff.report.export import COLUMNS, trials_csv
from bakeoff.results.records import SCHEMA, CellFailed, EngineTimings, Run, Usage
from bakeoff.results.runfile import read_run
from tests.hand_made import a_cell, a_run, a_trial

GOLDEN = Path(__file__).parent / "data" / "run-v1.jsonl"


def document(run: Run) -> Any:
    """As whoever reads standard output gets it."""
    return msgspec.json.decode(msgspec.json.encode(run_document(summarize(run), "runs/x.jsonl")))


def rows(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(trials_csv(run))))


# JSON


def test_the_document_has_the_documented_names() -> None:
    whole = document(read_run(GOLDEN))
    assert {"schema", "run", "file", "host", "cells"} <= set(whole)
    assert (whole["schema"], whole["run"], whole["file"]) == (SCHEMA, "2026-11-24-101502-7f3a", "runs/x.jsonl")
    assert whole["host"]["cpu"] == "Golden CPU"
    cell = whole["cells"][0]
    assert {"subject", "start", "engine_memory", "workload", "metrics", "trials", "findings"} <= set(cell)
    assert {"engine", "engine_version", "model", "quant", "synthetic", "settings"} <= set(cell["subject"])
    assert cell["workload"]["name"] == "train problem"
    assert set(cell["metrics"]) >= {
        "ttft_s", "ttfa_s", "decode_tps", "engine_decode_tps", "prefill_tps", "itl_s", "tpot_s", "latency_s", "load_s",
        "output_tps", "peak_memory_bytes", "energy_j_per_token", "tokens_per_joule", "power_w", "idle_w",
    }  # fmt: skip
    assert cell["trials"] == {"ok": 3, "failed": 1, "truncated": 1}
    assert all(set(finding) == {"code", "severity", "evidence", "advice"} for finding in cell["findings"])


def test_a_figure_has_its_interval_confidence_and_number_of_trials() -> None:
    figure = document(read_run(GOLDEN))["cells"][0]["metrics"]["decode_tps"]
    assert set(figure) == {"point", "low", "high", "confidence", "n"}
    assert (figure["confidence"], figure["n"]) == (0.95, 3)
    assert figure["point"] == pytest.approx(60)
    assert figure["low"] < figure["point"] < figure["high"]


def test_the_model_is_named_by_its_name_and_what_it_is_made_of() -> None:
    subject = document(read_run(GOLDEN))["cells"][1]["subject"]
    assert (subject["model"], subject["quant"]) == ("DeepSeek-R1-Distill-Qwen-1.5B", "Q4_K_M")
    assert subject["synthetic"] is True


def test_memory_stands_under_its_scope() -> None:
    memory = document(read_run(GOLDEN))["cells"][0]["metrics"]["peak_memory_bytes"]
    assert memory == {"process": {"point": 231_000_000, "low": None, "high": None, "confidence": 0.95, "n": 3}}


def test_a_missing_figure_is_null_and_a_finding_says_why() -> None:
    cell = document(read_run(GOLDEN))["cells"][0]
    assert cell["metrics"]["load_s"] is None
    assert any("model loads" in finding["evidence"] for finding in cell["findings"])


def test_what_could_not_be_measured_is_named() -> None:
    failed = CellFailed(subject="openai:x", error="No server.")
    whole = document(a_run(failures=(failed,)))
    assert whole["cells"] == []
    assert [(failure["subject"], failure["error"]) for failure in whole["failures"]] == [("openai:x", "No server.")]


# CSV


def test_the_table_has_one_row_for_each_timed_trial_cell_by_cell() -> None:
    table = rows(read_run(GOLDEN))
    assert list(table[0]) == list(COLUMNS)
    assert [(row["model"], row["trial"], row["status"]) for row in table] == [
        ("Golden Thinker", "0", "ok"),
        ("Golden Thinker", "1", "ok"),
        ("Golden Thinker", "2", "ok"),
        ("Golden Thinker", "3", "truncated"),
        ("Golden Thinker", "4", "failed"),
        ("DeepSeek-R1-Distill-Qwen-1.5B", "0", "ok"),
    ]


def test_a_row_holds_the_trials_own_figures() -> None:
    row = rows(read_run(GOLDEN))[0]
    texts = {"engine": "llamacpp", "quant": "Q4_K_M", "synthetic": "False", "workload": "train problem",
             "tokens_from": "usage", "finish": "length", "load_s": "", "error": ""}  # fmt: skip
    assert {name: row[name] for name in texts} == texts
    numbers = {"prompt_tokens": 62, "cached_tokens": 4, "output_tokens": 4, "ttft_s": 0.25, "ttfa_s": 0.29,
               "decode_tps": 75, "engine_decode_tps": 75, "prefill_tps": 232, "tpot_s": 0.04 / 3, "latency_s": 0.295,
               "peak_memory_bytes": 231_000_000}  # fmt: skip
    assert {name: float(row[name]) for name in numbers} == pytest.approx(numbers)


def test_what_a_trial_lacks_is_an_empty_field() -> None:
    lacking = a_trial((), usage=Usage(), engine=EngineTimings(), status="failed", end_ns=None, finish=None, error="x")
    (row,) = rows(a_run([a_cell()], [lacking]))
    known = ("run", "engine", "model", "quant", "synthetic", "workload", "trial", "status", "tokens_from", "error")
    assert {name for name in COLUMNS if row[name]} == set(known)


FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\n=1+1", " =1+1", "\r=1+1", "＝1+1", "＋1", "－1", "＠SUM(A1)",
    '=HYPERLINK("http://example.com";"click")', "=cmd|' /C calc'!A0", "\x1b[31m=1+1", "\u200b=1+1", "\u00a0=1+1",
]  # fmt: skip


def begins_a_formula(text: str) -> bool:
    return text.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_field_is_a_formula_to_a_spreadsheet(text: str) -> None:
    run = a_run([a_cell(engine=text, name=text)], [a_trial(error=text, finish=text)])
    (row,) = rows(run)
    assert {row[name][0] for name in ("engine", "error", "finish")} == {"'"}
    assert not [value for value in row.values() if begins_a_formula(value)]


@given(st.text(), st.sampled_from(FORMULAS))
def test_whatever_a_server_calls_things_the_table_keeps_its_shape(text: str, formula: str) -> None:
    run = a_run([a_cell(engine=text, quant=formula + text)], [a_trial(error=text + formula, finish=text)])
    (row,) = rows(run)
    assert list(row) == list(COLUMNS)
    assert row["trial"] == "0"
    assert not [value for value in row.values() if begins_a_formula(value)]


def test_a_number_below_zero_stays_a_number() -> None:
    (row,) = rows(a_run([a_cell()], [a_trial(engine=EngineTimings(load_s=-1.5))]))
    assert row["load_s"] == "-1.5"


def test_words_with_separators_and_lines_come_back_whole() -> None:
    text = 'He said "no", twice;\nthen left'
    (row,) = rows(a_run([a_cell()], [a_trial(error=text)]))
    assert row["error"] == text
