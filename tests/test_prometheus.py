"""Prometheus text read: what is asked for, and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.engines.prometheus import Sample, samples, total

TEXT = """\
# HELP vllm:num_preemptions_total Cumulative number of preemption from the engine.
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{engine="0",model_name="tiny"} 3.0
vllm:num_preemptions_total{engine="1",model_name="tiny"} 4.0
vllm:num_preemptions_created{engine="0",model_name="tiny"} 1.76e+09
vllm:kv_cache_usage_perc{engine="0",model_name="a \\"b\\\\c\\", {d} e"} 0.25 1700000000000
up 1
"""


def test_only_what_is_wanted_is_read() -> None:
    found = samples(TEXT, ["vllm:num_preemptions_total", "up"])
    assert [(sample.name, sample.value) for sample in found] == [
        ("vllm:num_preemptions_total", 3.0),
        ("vllm:num_preemptions_total", 4.0),
        ("up", 1.0),
    ]
    assert found[1].labels == {"engine": "1", "model_name": "tiny"}


def test_labels_may_hold_anything_when_it_is_escaped() -> None:
    (sample,) = samples(TEXT, ["vllm:kv_cache_usage_perc"])
    assert sample == Sample("vllm:kv_cache_usage_perc", {"engine": "0", "model_name": 'a "b\\c", {d} e'}, 0.25)


def test_a_total_is_over_all_engines_and_takes_the_first_name_that_is_there() -> None:
    found = samples(TEXT, ["vllm:num_preemptions_total", "up"])
    assert total(found, "vllm:num_preemptions", "vllm:num_preemptions_total") == 7
    assert total(found, "missing") is None


@pytest.mark.parametrize(
    "line", ["up", "up one", "up NaN", "up +Inf", "up{a=1", "upper 1", "up 1 2 3", "up 1" + " " * 20_000]
)
def test_what_is_no_sample_of_it_is_passed_over(line: str) -> None:
    assert samples(f"{line}\nup 2\n", ["up"]) == [Sample("up", {}, 2.0)]


def test_however_much_comes_only_so_much_is_kept() -> None:
    assert len(samples("up 1\n" * 10_000, ["up"])) == 4096


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(sample.name == "up" and math.isfinite(sample.value) for sample in samples("up" + text, ["up"]))


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(exclude_characters="\n\r")))
def test_what_was_written_is_read(value: float, label: str) -> None:
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    assert samples(f'up{{name="{escaped}"}} {value!r}', ["up"]) == [Sample("up", {"name": label}, value)]
