"""The thread that samples, sparingly and whatever the meters do; all meters of a target together; the idle level."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from bakeoff.measurement.meters.base import Absent, Running, Stretch, Target
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.measurement.meters.sampler import MOST_FAILURES, MOST_SHARE, PATIENCE_S, Lane, Sampler
from bakeoff.results.records import MeterState, Reading

S = 1_000_000_000
LONG_S = 20.0
"""How long a test waits for what comes at once, before it fails."""


class Told:
    """A meter that does what a test says, and counts."""

    def __init__(
        self,
        name: str = "it",
        *,
        rate_hz: float | None = 100.0,
        remote: bool = False,
        sample: Callable[[], None] = lambda: None,
        watts: Sequence[float] = (),
        start: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = MeterState(name=name, scope="gpu", quantity="power_w", state="ready", rate_hz=rate_hz)
        self.remote = remote
        self._do, self._begin, self._watts = sample, start, list(watts)
        self.samples = self.starts = 0
        self.enough = threading.Event()
        self.closed = False

    def start(self) -> None:
        self.starts += 1
        self._begin()

    def sample(self) -> None:
        self.samples += 1
        if self.samples >= 3:
            self.enough.set()
        self._do()

    def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:
        value = self._watts.pop(0) if len(self._watts) > 1 else self._watts[0] if self._watts else 1.0
        return tuple(
            Reading(meter=self.state.name, scope="gpu", quantity="power_w", phase=each.phase, value=value,
                    low=value, high=value, span_s=each.span_s)
            for each in stretches
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True


def hang(until: threading.Event) -> None:
    until.wait(LONG_S)


def fails() -> None:
    raise OSError("the card is lost\x1b[31m")


def test_meters_are_sampled_while_the_set_is_open_and_then_let_go() -> None:
    meter = Told()
    with MeterSet([meter]) as meters:
        assert meter.enough.wait(LONG_S)
        assert meters.cost >= 0
    assert meter.closed


def test_a_meter_without_a_rate_is_only_read_at_the_ends() -> None:
    ends, sampled = Told(rate_hz=None), Told()
    with MeterSet([ends, sampled]) as meters:
        assert sampled.enough.wait(LONG_S)
        meters.start()
        meters.finish()
    assert (ends.samples, ends.starts) == (0, 1)


def test_a_plug_that_is_silent_stalls_no_other_and_neither_does_it_the_trial() -> None:
    answers = threading.Event()
    silent = Told("plug", remote=True, sample=partial(hang, answers))
    near = Told("near")
    try:
        with MeterSet([silent, near]) as meters:
            assert near.enough.wait(LONG_S)
            meters.start()
            readings = meters.finish()
            assert {reading.meter for reading in readings} == {"plug", "near"}
            assert silent.samples == 1, "it still waits for its first answer"
    finally:
        answers.set()


def test_a_meter_that_fails_in_a_row_is_left_alone_and_its_state_says_why() -> None:
    meter, near = Told("lost", sample=fails), Told("near")
    with MeterSet([meter, near]) as meters:
        assert near.enough.wait(LONG_S)
        while meter.samples < MOST_FAILURES:
            near.enough.clear()
            near.samples = 0
            assert near.enough.wait(LONG_S)
        near.enough.clear()
        near.samples = 0
        assert near.enough.wait(LONG_S)
        states = {state.name: state for state in meters.states}
    assert meter.samples == MOST_FAILURES
    assert (states["lost"].state, states["lost"].reason) == ("failed", "the card is lost")
    assert states["near"].state == "ready"


def test_a_meter_that_hangs_is_left_behind_and_the_others_go_on() -> None:
    free, time = threading.Event(), [0]
    hangs = Told("hangs", sample=partial(hang, free))
    near = Told("near")
    sampler = Sampler([hangs, near], now=lambda: time[0])
    try:
        sampler.open()
        while hangs.samples == 0:
            threading.Event().wait(0.001)
        assert near.samples == 0
        time[0] += round((PATIENCE_S + 1) * S)
        sampler.mend()
        while near.samples == 0:
            threading.Event().wait(0.001)
            time[0] += S
        assert sampler.failed(hangs) == "it did not answer for 1 s"
        with sampler.holding(hangs) as is_free:
            assert not is_free
    finally:
        free.set()
        sampler.close()


def test_a_plug_that_still_waits_when_the_set_is_closed_is_not_pulled_from_under_its_thread() -> None:
    answers = threading.Event()
    silent, quick = Told("plug", remote=True, sample=partial(hang, answers)), Told("quick", remote=True)
    try:
        with MeterSet([silent, quick]):
            while silent.samples == 0:
                threading.Event().wait(0.001)
            assert quick.enough.wait(LONG_S)
        assert (silent.closed, quick.closed) == (False, True)
    finally:
        answers.set()


def test_what_fails_at_a_windows_edge_spoils_no_others_window() -> None:
    broken, sound = Told("broken", start=fails), Told("sound")
    with MeterSet([broken, sound]) as meters:
        meters.start()
        assert [reading.meter for reading in meters.finish()] == ["sound"]
        assert [state.state for state in meters.states] == ["failed", "ready"]
    assert broken.starts == 1


def test_the_sampler_is_kept_away_from_a_meter_whose_window_begins_or_ends() -> None:
    meter = Told()
    lane = Lane([meter])
    turn = threading.Thread(target=lane.turn)
    with lane.locks[id(meter)]:
        turn.start()
        while lane.busy is None:
            threading.Event().wait(0.001)
        assert meter.samples == 0
    turn.join(LONG_S)
    assert meter.samples == 1


def cost(per_sample_s: float, meters: int, rate_hz: float = 10.0, seconds: float = 60.0) -> tuple[float, int]:
    """What a lane takes of a core where each sample costs so much, and how often one meter was read."""
    clock = {"now": 0, "cpu": 0.0}

    def sample() -> None:
        clock["cpu"] += per_sample_s
        clock["now"] += round(per_sample_s * S)

    told = [Told(str(number), rate_hz=rate_hz, sample=sample) for number in range(meters)]
    lane = Lane(told, now=lambda: int(clock["now"]), cpu_s=lambda: clock["cpu"])
    while clock["now"] < seconds * S:
        lane.turn()
        clock["now"] += max(1, round((lane.wait_s() or 0) * S))
    return lane.cost_s / (clock["now"] / S), told[0].samples


@pytest.mark.parametrize("meters", [1, 5])
@pytest.mark.parametrize("per_sample_s", [0.00002, 0.0005, 0.005, 0.05])
def test_sampling_takes_less_than_its_share_of_a_core_whatever_a_sample_costs(per_sample_s: float, meters: int) -> None:
    share, samples = cost(per_sample_s, meters)
    assert share <= MOST_SHARE * 1.15, "the first samples are made before their cost is known"
    assert samples >= 2


def test_cheap_meters_are_read_as_often_as_they_want() -> None:
    _, samples = cost(0.00002, 5)
    assert 590 <= samples <= 601


def idle(*watts: float, second: Sequence[float] = ()) -> tuple[tuple[Reading, ...], list[float]]:
    """The idle level of meters that tell these watts second by second, and how long was waited."""
    waits: list[float] = []
    time = [0]

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time[0] += round(seconds * S)

    told = [Told("a", rate_hz=None, watts=watts)] + ([Told("b", rate_hz=None, watts=second)] if second else [])
    return MeterSet(told, now=lambda: time[0]).idle(wait), waits


def test_the_idle_level_is_that_of_two_seconds_that_agree() -> None:
    readings, waits = idle(80, 60, 60.5, 60.2)
    assert len(waits) == 3
    assert [reading.span_s for reading in readings] == [2.0]
    assert [reading.phase for reading in readings] == ["idle"]


def test_it_is_waited_for_all_meters_to_agree() -> None:
    _, waits = idle(60, 60, 60, 60, second=[10, 20, 20, 20])
    assert len(waits) == 3


def test_a_machine_that_is_never_steady_is_not_waited_for_longer_than_five_seconds() -> None:
    readings, waits = idle(80, 60, 80, 60, 80, 60)
    assert len(waits) == 5
    assert [reading.span_s for reading in readings] == [5.0]


def test_a_level_that_moved_says_so() -> None:
    class Ranging(Told):
        def finish(self, stretches: Sequence[Stretch]) -> tuple[Reading, ...]:
            return tuple(
                Reading(meter="it", scope="gpu", quantity="power_w", phase=each.phase, value=60 + each.span_s * 20,
                        low=50, high=90, detail="GPU 0")
                for each in stretches
            )  # fmt: skip

    time = [0]

    def wait(seconds: float) -> None:
        time[0] += round(seconds * S) * (1 + time[0] // S)

    (reading,) = MeterSet([Ranging(rate_hz=None)], now=lambda: time[0]).idle(wait)
    assert reading.detail == "GPU 0; not steady: 50.0 to 90.0"


def test_an_absent_meter_says_why_and_tells_nothing() -> None:
    class Nothing:
        name = "nothing"

        def open(self, target: Target) -> tuple[Running, ...]:
            return (Absent("nothing", "gpu", "power_w", "missing", "there is none", "buy one"),)

    with MeterSet.open([Nothing()], Target()) as meters:
        meters.start()
        assert meters.finish() == ()
        assert [(state.state, state.reason, state.fix) for state in meters.states] == [
            ("missing", "there is none", "buy one")
        ]
        assert not meters.has_power
