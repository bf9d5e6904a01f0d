"""The meter of anything that tells power or energy, on a clock and a source that a test moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bakeoff.measurement.meters.base import Stretch, stretches
from bakeoff.measurement.meters.power import COUNTER, INTEGRAL, Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter, Watts
from bakeoff.results.records import MeterState, Reading

S = 1_000_000_000
STATE = MeterState(name="it", scope="gpu", quantity="power_w", state="ready", rate_hz=10.0)


class Bench:
    """A machine whose power a test sets: time passes in tenths of a second, a sample at each."""

    def __init__(self, *, counts: bool = True, tells: bool = True, update_s: float = 0.1, cost_s: float = 0.0) -> None:
        self.at, self.watts, self.joules = 0, 50.0, 0.0
        self.counts, self.tells, self.cost_s = counts, tells, cost_s
        self.note: str = ""
        self.asked: list[bool] = []
        counter, watts = Counter(period_s=update_s), Watts(period_s=update_s)
        self.meter = PowerMeter(STATE, self, told_by="the bench", counter=counter, watts=watts, detail="GPU 0",
                                now=lambda: self.at)  # fmt: skip

    def look(self, counter: bool) -> Look:
        self.asked.append(counter)
        if counter:
            self.at += round(self.cost_s * S)
        if self.note:
            return Look(note=self.note)
        return Look(self.joules if self.counts and counter else None, self.watts if self.tells else None)

    def close(self) -> None:
        self.asked.append(False)

    def passes(self, seconds: float, watts: float) -> int:
        """So long at that power, sampled; the time then."""
        self.watts = watts
        for _ in range(round(seconds * 10)):
            self.at += S // 10
            self.joules += watts / 10
            self.meter.sample()
        return self.at


def trial(
    bench: Bench, prefill: tuple[float, float] = (2, 300), decode: tuple[float, float] = (4, 200)
) -> list[Reading]:
    bench.passes(1, 50)
    bench.meter.start()
    begun = bench.at
    first = bench.passes(*prefill)
    last = bench.passes(*decode)
    return list(bench.meter.finish(stretches(begun, first, last, last)))


def of(readings: list[Reading], quantity: str, phase: str = "trial", way: str = "") -> Reading:
    return next(r for r in readings if (r.quantity, r.phase) == (quantity, phase) and r.method.startswith(way))


@pytest.mark.parametrize(("counts", "tells"), [(True, True), (True, False), (False, True)])
def test_a_trial_and_its_phases_have_their_own_energy_and_power(counts: bool, tells: bool) -> None:
    readings = trial(Bench(counts=counts, tells=tells, update_s=0.01))
    assert of(readings, "energy_j").value == pytest.approx(1400, rel=0.01)
    assert of(readings, "energy_j", "prefill").value == pytest.approx(600, rel=0.03)
    assert of(readings, "energy_j", "decode").value == pytest.approx(800, rel=0.03)
    assert of(readings, "power_w").value == pytest.approx(1400 / 6, rel=0.01)
    assert {reading.detail for reading in readings} == {"GPU 0"}
    assert {reading.scope for reading in readings} == {"gpu"}


def test_where_both_exist_the_counter_comes_first_and_the_integral_beside_it() -> None:
    ways = [r.method for r in trial(Bench()) if (r.quantity, r.phase) == ("energy_j", "trial")]
    assert ways == [f"{COUNTER}: the bench", f"{INTEGRAL}: the bench"]


def test_a_reading_of_power_has_the_least_and_the_most_that_was_seen() -> None:
    power = of(trial(Bench()), "power_w")
    assert (power.low, power.high) == (50, 300), "the first sample is of the moment before the load"
    assert power.samples is not None
    assert power.samples > 50


def test_a_phase_that_is_too_short_has_no_energy_and_says_so() -> None:
    readings = trial(Bench(), prefill=(0.3, 300))
    prefill = of(readings, "energy_j", "prefill")
    assert prefill.value is None
    assert prefill.detail == "GPU 0; 300 ms are too short for readings of ±100 ms"
    assert of(readings, "energy_j", "decode").value is not None
    assert not [r for r in readings if (r.quantity, r.phase) == ("power_w", "prefill")]


def test_a_note_in_the_middle_spoils_the_window_and_is_its_reason() -> None:
    bench = Bench()
    bench.passes(1, 50)
    bench.meter.start()
    begun = bench.at
    bench.passes(2, 300)
    bench.note = "on mains"
    bench.passes(1, 300)
    bench.note = ""
    end = bench.passes(2, 300)
    (reading,) = bench.meter.finish(stretches(begun, end_ns=end))
    assert (reading.value, reading.detail) == (None, "GPU 0; on mains")


def test_a_window_of_nothing_but_notes_is_no_ones() -> None:
    bench = Bench()
    bench.note = "on mains"
    end = bench.passes(3, 300)
    assert bench.meter.finish([Stretch("trial", S, end)]) == ()


def test_a_counter_that_was_reset_spoils_the_window_where_there_is_nothing_else() -> None:
    bench = Bench(tells=False)
    bench.passes(3, 100)
    bench.joules = 0.0
    bench.passes(3, 100)
    (reading,) = bench.meter.finish([Stretch("trial", S, bench.at)])
    assert (reading.value, reading.detail) == (None, "GPU 0; the counter was reset")


def test_samples_stand_in_for_a_counter_that_was_reset() -> None:
    bench = Bench()
    bench.passes(3, 100)
    bench.joules = 0.0
    bench.passes(3, 100)
    readings = list(bench.meter.finish([Stretch("trial", S, bench.at)]))
    assert [r.method for r in readings] == [f"{INTEGRAL}: the bench"] * 2
    assert readings[0].value == pytest.approx(500)


def test_an_instrument_that_tells_nothing_says_so() -> None:
    bench = Bench(counts=False, tells=False)
    end = bench.passes(3, 100)
    (reading,) = bench.meter.finish([Stretch("trial", S, end)])
    assert reading.value is None


def test_idling_needs_no_edges_so_that_a_second_is_enough() -> None:
    bench = Bench()
    end = bench.passes(1, 61)
    readings = list(bench.meter.finish([Stretch("idle", 0, end)]))
    assert of(readings, "power_w", "idle").value == pytest.approx(61)


def test_a_counter_that_is_dear_to_read_is_read_at_the_edges_and_now_and_then() -> None:
    bench = Bench(cost_s=0.0025)
    bench.passes(10, 100)
    share = bench.asked.count(True) * bench.cost_s / (bench.at / S)
    assert 3 <= bench.asked.count(True) <= 9
    assert share <= 0.0025
    before = bench.asked.count(True)
    bench.meter.start()
    bench.meter.finish(())
    assert bench.asked.count(True) == before + 2


@pytest.mark.parametrize("remote", [True, False])
def test_only_a_meter_of_this_machine_is_read_by_whoever_starts_and_ends_a_window(remote: bool) -> None:
    bench = Bench()
    bench.meter.remote = remote
    bench.meter.start()
    bench.meter.finish(())
    assert len(bench.asked) == (0 if remote else 2)


@pytest.mark.parametrize(
    ("times", "phases"),
    [
        ((0, 1, 3, 4), ["trial", "prefill", "decode"]),
        ((0, 1, 1, 4), ["trial", "prefill"]),
        ((0, None, None, 4), ["trial"]),
        ((0, 1, 3, None), []),
        ((5, 1, 3, 4), []),
        ((0, 6, 7, 4), ["trial"]),
    ],
)
def test_the_phases_of_a_request_are_those_that_it_reached(times: tuple[int | None, ...], phases: list[str]) -> None:
    make: Callable[..., tuple[Stretch, ...]] = stretches
    assert [stretch.phase for stretch in make(*times)] == phases
