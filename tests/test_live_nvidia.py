"""NVIDIA's meters on a real GPU, under a load of known edges; ``make live`` runs it where there is one."""

from __future__ import annotations

import importlib.util

import pytest
from bench import meters

from bakeoff.measurement.meters.base import Target
from bakeoff.measurement.meters.machine import Surroundings
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.run.metering import all_meters
from bakeoff.run.plan import Meters

HERE = Surroundings() if importlib.util.find_spec("pynvml") else None
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(HERE is None or not HERE.nvidia, reason="no NVIDIA GPU with its library"),
]


@pytest.fixture(scope="module")
def seen() -> meters.Result:
    """Once for all: it takes most of a minute."""
    return meters.run(quick=True)


def test_counter_and_integral_agree_over_seconds_of_load(seen: meters.Result) -> None:
    apart = [window.apart for window in seen.windows if window.apart is not None]
    assert apart
    assert max(map(abs, apart)) <= meters.APART


def test_power_rises_and_falls_with_the_load(seen: meters.Result) -> None:
    for window in seen.windows:
        assert window.rise_s is not None
        assert window.fall_s is not None
        assert abs(window.rise_s) <= meters.EDGE_S
        assert abs(window.fall_s) <= meters.EDGE_S


def test_a_load_draws_more_than_idling(seen: meters.Result) -> None:
    assert seen.idle_w is not None
    assert all(window.mean_w is not None and window.mean_w > 1.5 * seen.idle_w for window in seen.windows)


def test_sampling_takes_less_than_a_hundredth_of_a_core(seen: meters.Result) -> None:
    assert seen.meters_share_of_a_core <= 0.01


def test_memory_of_the_process_is_what_it_asked_for_and_a_context(seen: meters.Result) -> None:
    if seen.memory_told_bytes is None or seen.memory_told_bytes == 0:
        pytest.skip("the driver hides who holds what, as in most containers")
    assert seen.memory_asked_bytes <= seen.memory_told_bytes <= seen.memory_asked_bytes + meters.CONTEXT_BYTES


def test_every_meter_of_the_machine_opens_and_none_fails() -> None:
    assert HERE is not None
    with MeterSet.open(all_meters(HERE, Meters()), Target()) as opened:
        opened.start()
        opened.finish()
        assert [state for state in opened.states if state.state == "failed"] == []
