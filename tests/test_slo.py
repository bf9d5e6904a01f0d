"""Limits as users write them, and what is said of those that are none."""

from __future__ import annotations

import pytest

from bakeoff.errors import UsageError
from bakeoff.results.records import Slo
from bakeoff.workload.slo import parse_slo


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("ttft=2s,tpot=80ms", Slo(ttft_s=2.0, tpot_s=0.08)),
        ("latency=90s", Slo(latency_s=90.0)),
        ("itl=0.5s", Slo(itl_s=0.5)),
        (" TTFT = 150 ms , latency=2.5S ", Slo(ttft_s=0.15, latency_s=2.5)),
    ],
)
def test_limits_are_read(text: str, slo: Slo) -> None:
    assert parse_slo(text) == slo


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not know ''. A limit is one of ttft, tpot, itl, latency, for instance ttft=2s,tpot=80ms"),
        ("fast", "does not know 'fast'"),
        ("speed=2s", "does not know 'speed=2s'"),
        ("ttft=2s,", "does not know ''"),
        ("ttft=soon", "cannot read a time in 'ttft=soon': write for instance ttft=2s or ttft=80ms"),
        ("ttft=-1s", "cannot read a time"),
        ("ttft=1e3s", "cannot read a time"),
        ("ttft=nans", "cannot read a time"),
        ("ttft=2", "needs a unit in 'ttft=2': ttft=2s or ttft=2ms?"),
        ("ttft=0ms", "allows no time at all"),
        ("ttft=1s,ttft=2s", "has ttft twice"),
        ("ttft=\x1b[31m2", "cannot read a time in 'ttft=2'"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_slo(text)
    assert words in str(caught.value)
    assert "\x1b" not in str(caught.value)
