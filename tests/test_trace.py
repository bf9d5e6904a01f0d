"""Energy of windows: counters and integrals against loads whose true energy is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from bakeoff.measurement.meters.trace import LEAST_PERIODS, Counter, Energy, Watts

S = 1_000_000_000

Load = Callable[[float], float]
"""Joules used since time 0, of a time in seconds."""


def steady(watts: float) -> Load:
    return lambda t: watts * t


def steps(*levels: tuple[float, float]) -> Load:
    """From each time on so many watts."""

    def used(t: float) -> float:
        edges = [*(at for at, _ in levels), float("inf")]
        return sum(watts * max(0.0, min(t, until) - at) for (at, watts), until in zip(levels, edges[1:], strict=True))

    return used


def counted(load: Load, reads: list[float], *, update_s: float = 0.0, quantum: float = 0.0, **facts: float) -> Counter:
    """A counter read at these times, which the hardware renews every ``update_s`` and shows in whole quanta."""
    counter = Counter(period_s=update_s, quantum_j=quantum, **facts)
    for t in reads:
        shown = load((t // update_s) * update_s if update_s else t)
        counter.add(round(t * S), (shown // quantum) * quantum if quantum else shown)
    return counter


def energy(of: Counter | Watts, start: float, end: float) -> Energy:
    found = of.energy(round(start * S), round(end * S))
    assert found is not None
    return found


def every(period: float, until: float, first: float = 0.0) -> list[float]:
    return [first + i * period for i in range(round((until - first) / period) + 1)]


def test_a_counter_gives_the_energy_between_two_of_its_readings() -> None:
    found = energy(counted(steady(100), every(0.1, 10)), 2, 7)
    assert found.joules == pytest.approx(500)
    assert found.fine
    assert found.samples == 51


def test_between_two_readings_a_counter_is_taken_to_grow_evenly() -> None:
    assert energy(counted(steady(100), [0, 1, 2, 3]), 0.5, 2.25).joules == pytest.approx(175)


def test_an_energy_is_known_to_one_resolution_at_its_mean_power() -> None:
    found = energy(counted(steady(200), every(0.05, 10), update_s=0.1), 1, 5)
    assert found.resolution_s == pytest.approx(0.1)
    assert found.half_width_j == pytest.approx(found.joules * 0.1 / 4)


def test_the_ways_to_the_nearest_readings_add_to_the_resolution() -> None:
    found = energy(counted(steady(100), [0, 1, 2, 3, 4, 5], update_s=0.001), 1.4, 3.7)
    assert found.resolution_s == pytest.approx(0.001 + 0.4 + 0.3)


@pytest.mark.parametrize(("span", "fine"), [(1.01, True), (0.99, False)])
def test_a_window_of_fewer_than_ten_resolutions_is_not_fine(span: float, fine: bool) -> None:
    assert LEAST_PERIODS == 10
    assert energy(counted(steady(100), every(0.01, 10), update_s=0.1), 3, 3 + span).fine is fine


def test_less_than_ten_steps_of_a_counter_are_not_fine() -> None:
    coarse = counted(steady(100), every(0.5, 100), quantum=3.6)
    assert energy(coarse, 10, 90).fine
    kilo = counted(steady(100), every(0.5, 100), quantum=3600)
    assert not energy(kilo, 10, 90).fine


def test_a_counter_that_wraps_round_goes_on_counting() -> None:
    counter = Counter(wraps_at_j=262.0)
    for t in range(20):
        counter.add(t * S, (100.0 * t + 30) % 262)
    assert energy(counter, 0, 19).joules == pytest.approx(1900)


@pytest.mark.parametrize("wraps_at", [None, 262_143.3])
def test_a_counter_that_is_set_back_spoils_the_window_across_it_and_no_other(wraps_at: float | None) -> None:
    counter = Counter(wraps_at_j=wraps_at)
    for t in range(20):
        counter.add(t * S, 100.0 * t + 150_000 if t < 10 else 100.0 * (t - 10))
    assert counter.energy(5 * S, 15 * S) is None
    assert counter.was_reset(5 * S, 15 * S)
    assert energy(counter, 1, 8).joules == pytest.approx(700)
    assert energy(counter, 11, 18).joules == pytest.approx(700)


def test_a_counter_that_stands_still_and_catches_up_does_not_make_energy_of_its_pauses() -> None:
    """Shown once a minute: a window within has the whole minute's resolution, and is too short for it."""
    lazy = counted(steady(100), every(1, 600), update_s=60.0)
    assert not energy(lazy, 130, 170).fine
    assert energy(lazy, 0, 600).joules == pytest.approx(60_000, rel=0.02)


def test_a_counter_that_never_grows_tells_nothing() -> None:
    counter = counted(steady(0), every(0.1, 5))
    assert counter.energy(S, 4 * S) is None


def test_the_integral_of_a_ramp_is_exact() -> None:
    watts = Watts()
    for t in every(0.5, 10):
        watts.add(round(t * S), 10 * t)
    assert energy(watts, 1.5, 6.5).joules == pytest.approx((6.5**2 - 1.5**2) * 5)


def test_a_load_that_begins_and_ends_with_the_window_is_not_mixed_with_what_was_before_and_after() -> None:
    watts = Watts()
    for t in every(0.5, 10):
        watts.add(round(t * S), 300 if 2 <= t <= 8 else 20)
    assert energy(watts, 1.9, 8.1).joules == pytest.approx(300 * 6.2)


def test_a_gap_in_the_samples_is_a_resolution_of_half_of_it() -> None:
    watts = Watts(period_s=0.1)
    for t in [*every(0.1, 5), *every(0.1, 20, 8)]:
        watts.add(round(t * S), 50)
    assert energy(watts, 2, 12).resolution_s == pytest.approx(1.5)
    assert not energy(watts, 2, 12).fine
    assert energy(watts, 1, 4.9).fine


def test_beyond_the_last_sample_its_power_is_held_for_as_long_as_that_is_near_enough() -> None:
    watts = Watts()
    for t in every(1, 10):
        watts.add(round(t * S), 60)
    late = energy(watts, 0, 10.5)
    assert late.joules == pytest.approx(630)
    assert late.resolution_s == pytest.approx(0.5 + 0.5)
    assert late.fine
    assert not energy(watts, 0, 13).fine


def test_without_a_reading_there_is_no_energy() -> None:
    assert Counter().energy(0, S) is None
    assert Watts().energy(0, S) is None
    assert counted(steady(5), [0, 1]).energy(S, S) is None


@pytest.mark.parametrize("update_s", [0.001, 0.1])
def test_the_bounds_hold_the_true_energy_of_a_load_that_begins_and_ends_with_the_window(update_s: float) -> None:
    """As trials do: from idle to load and back, readings at both ends and every so often between."""
    rng = random.Random(3)
    held = 0
    for _ in range(300):
        start, span = 5 + rng.random(), rng.uniform(1.1, 6)
        load = steps((0, 60), (start, rng.uniform(200, 700)), (start + span, 60))
        jitter = [t + rng.random() * 0.02 for t in every(0.1, 14)]
        reads = sorted([*jitter, start - 0.002, start + span + 0.002])
        found = energy(counted(load, reads, update_s=update_s), start, start + span)
        assert found.fine
        held += abs(found.joules - (load(start + span) - load(start))) <= found.half_width_j
    assert held >= 297


def test_the_bounds_of_an_integral_hold_the_true_energy_of_a_load_that_wanders() -> None:
    rng = random.Random(4)
    held = 0
    for _ in range(200):
        levels = [(0.0, 60.0)] + [(t, rng.uniform(250, 350)) for t in every(0.5, 9, 5)] + [(9.2, 60.0)]
        load, watts = steps(*levels), Watts(period_s=0.1)
        for before, after in pairwise(sorted(t + rng.random() * 0.05 for t in every(0.1, 15))):
            watts.add(round(after * S), (load(after) - load(before)) / (after - before))
        found = energy(watts, 5, 9)
        held += abs(found.joules - (load(9) - load(5))) <= found.half_width_j
    assert held >= 198
