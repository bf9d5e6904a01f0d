"""The schedule: when a cell is warm, in what order cells run, when they have enough, and what a budget buys."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.engines import rate
from bakeoff.engines.base import Description, Engine, Finished, Request, StreamEvent
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.scripted import Script, Scripted, Turn
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import EngineCrashed, EngineError, FileError, UsageError
from bakeoff.results.records import (
    AnyRecord,
    CellEnded,
    CellFailed,
    CellOpened,
    CooledDown,
    Purpose,
    Slo,
    Trial,
    Usage,
    Warmed,
    Window,
)
from bakeoff.run.asking import Session
from bakeoff.run.budget import share_s, that_fit
from bakeoff.run.cells import Cell
from bakeoff.run.contestant import Contestant
from bakeoff.run.cooling import cool_down
from bakeoff.run.instruments import Instruments
from bakeoff.run.order import anchor_numbers, anchor_slots, round_order
from bakeoff.run.plan import Entrant, Plan, Protocol, expected_cells
from bakeoff.run.rules import agree, enough, half_width
from bakeoff.run.runner import Runner
from bakeoff.workload.asked import Asked
from tests.hand_made import a_run, a_trial
from tests.servers import run
from tests.test_runner import AUTO, FINE, ids

SLOW, STALLED = Turn(tpot_s=0.02), Turn(ttft_s=0.5)
ONE = Asked(name="one", prompt="Count.", max_tokens=40)
TWO = Asked(name="two", prompt="Count again.", max_tokens=40)
THREE = Asked(name="three", prompt="And again.", max_tokens=40)


class Told:
    """An observer who remembers what was said."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def cell(self, opened: CellOpened, most: int, done: int) -> None: ...
    def trial(self, trial: Trial) -> None: ...
    def window(self, window: Window, output_tps: float | None) -> None: ...


class Clock:
    """A clock that stands still but for what a request takes."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class Lasting(Scripted):
    """Each request takes as long by the clock as is said of its prompt, and a second where nothing is."""

    def __init__(self, clock: Clock, seconds: dict[str, float] | None = None, script: Script | None = None) -> None:
        super().__init__("tiny", script or Script(spread=0.3))
        self._clock = clock
        self._seconds = seconds or {}

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self._clock.now_ns += round(self._seconds.get(request.prompt.text or "", 1.0) * 1e9)
        async for event in super().stream(request):
            yield event


class Scheduled:
    """What a runner did with one or several subjects."""

    def __init__(self, protocol: Protocol = AUTO, **runner: object) -> None:
        self.records: list[AnyRecord] = []
        self.told = Told()
        self.clock = Clock()
        self.runner = Runner(protocol, self.records.append, self.told, now=self.clock, **runner)  # type: ignore[arg-type]

    def measure(
        self, engine: Engine, *asked: Asked, entrant: int = 0, entrants: int = 1, until_s: float | None = None
    ) -> None:
        until_ns = None if until_s is None else round(until_s * 1e9)
        contestant = Contestant(f"scripted:{entrant}", engine, ids)
        run(self.runner.measure(contestant, asked or (ONE,), entrant=entrant, entrants=entrants, until_ns=until_ns))

    def trials(self, purpose: Purpose = "timed") -> list[Trial]:
        return [record for record in self.records if isinstance(record, Trial) and record.purpose == purpose]

    def of(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def ends(self) -> dict[int, CellEnded]:
        return {record.cell: record for record in self.records if isinstance(record, CellEnded)}


def scheduled(script: Script, protocol: Protocol = AUTO, *asked: Asked) -> Scheduled:
    done = Scheduled(protocol)
    done.measure(Scripted("tiny", script), *asked)
    return done


def script_of(*turns: Turn) -> Script:
    return Script(turns=turns)


# Warming up


@pytest.mark.parametrize(
    ("script", "trials", "agreed"),
    [
        (script_of(FINE), 2, True),
        (script_of(SLOW, FINE), 3, True),
        (script_of(STALLED, FINE), 3, True),
        (script_of(SLOW, STALLED, FINE), 4, True),
        (script_of(FINE, SLOW, FINE, SLOW, FINE), 4, False),
        (script_of(FINE, Turn(fault="refused"), FINE), 4, True),
    ],
)
def test_a_cell_is_warmed_up_until_two_trials_agree_or_the_limit_is_reached(
    script: Script, trials: int, agreed: bool
) -> None:
    done = scheduled(script, Protocol(warm_ups=4))
    assert done.of(Warmed) == [Warmed(cell=0, trials=trials, agreed=agreed)]
    assert len(done.trials("warm-up")) == trials
    assert [("differ by more than 5 %" in note) for note in done.told.notes] == ([] if agreed else [True])


def test_a_crash_in_a_second_warm_up_is_told_and_leaves_nothing() -> None:
    with pytest.raises(EngineCrashed):
        scheduled(script_of(FINE, Turn(fault="crashed", fault_after=3)))


def test_trials_agree_by_their_decode_rate_and_their_first_token() -> None:
    steady = a_trial((100, 110, 120))
    assert agree(steady, a_trial((100, 110.4, 120.8)))
    assert not agree(steady, a_trial((100, 111, 122)))
    assert agree(steady, a_trial((104.9, 114.9, 124.9)))
    assert not agree(steady, a_trial((106, 116, 126)))


def test_first_tokens_that_differ_by_a_few_milliseconds_agree_however_early_they_are() -> None:
    assert agree(a_trial((3, 13, 23)), a_trial((7, 17, 27)))
    assert not agree(a_trial((3, 13, 23)), a_trial((9, 19, 29)))


def test_a_trial_that_failed_agrees_with_none() -> None:
    assert not agree(a_trial(), a_trial(status="failed"))


# Orders


def test_the_order_of_a_round_hangs_on_seed_subject_and_number_alone() -> None:
    cells = list(range(12))
    orders = [round_order(cells, *key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert len({tuple(order) for order in orders}) == 4
    assert round_order(cells, 0, 0, 1) == orders[3]
    assert all(sorted(order) == cells for order in orders)


def test_over_many_rounds_each_cell_is_first_about_equally_often() -> None:
    firsts = [round_order(["a", "b", "c"], 0, 0, number)[0] for number in range(3000)]
    assert all(900 < firsts.count(cell) < 1100 for cell in "abc")  # four standard deviations


# Anchors


def anchors_of(done: Scheduled) -> list[tuple[int, int]]:
    return [(trial.cell, trial.index) for trial in done.trials("anchor")]


def test_the_first_of_several_cells_is_measured_again_before_and_behind_their_rounds() -> None:
    done = scheduled(script_of(FINE), Protocol(runs=3), ONE, TWO)
    order = [(t.cell, t.purpose) for t in done.records if isinstance(t, Trial) and t.purpose != "warm-up"]
    assert order[:2] == order[-2:] == [(0, "anchor"), (0, "anchor")]
    assert {purpose for _, purpose in order[2:-2]} == {"timed"}
    assert anchors_of(done) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_a_single_cell_needs_no_anchor() -> None:
    assert anchors_of(scheduled(script_of(FINE), Protocol(runs=3), ONE)) == []


def test_anchors_can_be_left_out() -> None:
    assert anchors_of(scheduled(script_of(FINE), Protocol(runs=3, anchors=0), ONE, TWO)) == []


def test_the_first_of_several_subjects_comes_back_behind_all_others() -> None:
    assert anchor_slots(entrant=0, entrants=3, cells=1) == ("start", "return")
    assert anchor_slots(entrant=0, entrants=3, cells=4) == ("start", "end", "return")
    assert anchor_slots(entrant=1, entrants=3, cells=1) == ()
    assert anchor_slots(entrant=2, entrants=3, cells=4) == ("start", "end")
    done = Scheduled(Protocol(runs=3))
    for entrant in (0, 1):
        done.measure(Scripted("tiny", Script()), entrant=entrant, entrants=2)
    cell = done.runner.comes_back(2)
    assert cell is not None
    run(done.runner.come_back(cell, Contestant("scripted:0", Scripted("tiny", Script()), ids)))
    assert anchors_of(done) == [(0, 0), (0, 1), (0, 4), (0, 5)]
    assert done.runner.comes_back(2) is None
    assert "2 trials that show drift (--no-anchors leaves them out)" in done.told.stages[-1]


def test_a_subject_that_always_fails_does_not_come_back() -> None:
    done = Scheduled(Protocol(runs=5))
    with_faults = script_of(FINE, FINE, FINE, FINE, Turn(fault="refused"))
    done.measure(Scripted("tiny", with_faults), entrants=2)
    assert done.ends[0].by == "failures"
    assert done.runner.comes_back(2) is None


def test_each_slot_has_numbers_of_its_own() -> None:
    assert [list(anchor_numbers(slot, 2)) for slot in ("start", "end", "return")] == [[0, 1], [2, 3], [4, 5]]


# When it is enough


def spread(*milliseconds: float) -> list[Trial]:
    """Trials with so many ms a token."""
    return [a_trial((100, 100 + ms, 100 + 2 * ms)) for ms in milliseconds]


def test_a_cell_has_enough_once_its_interval_is_as_narrow_as_was_asked_for() -> None:
    trials = spread(10, 10.2, 9.8, 10.1, 9.9)
    width = half_width(trials)
    assert 0.01 < width < 0.03
    assert enough(trials, Protocol(precision=width)) == "precision"
    assert enough(trials, Protocol(precision=width * 0.99)) is None
    assert enough(trials[:4], Protocol(precision=0.5)) is None
    assert enough(trials, Protocol(precision=0.5, fewest=6)) is None


def test_trials_that_failed_do_not_count_towards_the_fewest() -> None:
    trials = [*spread(10, 10, 10, 10), a_trial(status="failed")]
    assert enough(trials, Protocol()) is None
    assert enough([*trials, *spread(10)], Protocol()) == "precision"


def test_a_number_of_trials_is_enough_however_wide_or_narrow_the_interval() -> None:
    assert enough(spread(*range(10, 30)), Protocol()) == "number"
    assert enough(spread(10, 10, 10, 10, 10), Protocol(runs=6)) is None
    assert enough(spread(10, 10, 10), Protocol(runs=3)) == "number"


def test_an_answer_of_one_token_is_judged_by_its_first_token() -> None:
    steady = [a_trial((ms,)) for ms in (100, 101, 99, 100, 100)]
    assert enough(steady, Protocol()) == "precision"
    assert enough([a_trial((ms,)) for ms in (100, 150, 99, 100, 100)], Protocol()) is None
    assert half_width([]) == half_width([a_trial(status="failed")]) == math.inf


# Budgets of time


def test_a_subject_may_take_its_cells_share_of_the_time_that_is_left() -> None:
    assert share_s(600, here=1, in_all=3) == 200
    assert share_s(600, here=2, in_all=2) == 600
    assert share_s(0, here=1, in_all=1) == 0


def test_a_long_trial_waits_for_what_the_short_ones_leave() -> None:
    assert that_fit({"long": 60, "short": 1}, 100) == {"short"}
    assert that_fit({"long": 60}, 80) == {"long"}
    assert that_fit({"long": 60}, 59) == set()
    assert that_fit({}, 100) == set()


@given(st.dictionaries(st.integers(), st.floats(0.01, 1e4), min_size=1), st.floats(0, 1e6))
def test_a_round_never_takes_more_than_is_left(next_s: dict[int, float], left_s: float) -> None:
    assert sum(next_s[cell] for cell in that_fit(next_s, left_s)) <= left_s * (1 + 1e-9)


def test_a_budget_is_kept_to_and_what_it_cost_in_precision_is_said() -> None:
    done = Scheduled(Protocol(precision=0.001, anchors=0))
    done.measure(Lasting(done.clock), until_s=9.5)
    assert done.clock.now_ns <= 9.5e9
    end = done.ends[0]
    assert (end.by, end.wanted) == ("budget", 0.001)
    assert len(done.trials()) == 9 - len(done.trials("warm-up"))
    assert end.half_width is not None
    assert end.half_width > 0.001
    (note,) = (note for note in done.told.notes if "the time was used up" in note)
    assert f"after {len(done.trials())} trials, at ±" in note
    assert "±0.10 % were wanted. A longer --time-budget gets there." in note


def test_without_a_budget_no_cell_ends_for_want_of_time() -> None:
    done = Scheduled(Protocol(precision=0.001))
    done.measure(Lasting(done.clock), ONE, TWO)
    assert {end.by for end in done.ends.values()} == {"number"}
    assert len(done.trials()) == 40


def test_cells_of_unlike_length_share_the_time_and_not_the_trials() -> None:
    done = Scheduled(Protocol(precision=0.001, anchors=0, warm_ups=2))
    done.measure(Lasting(done.clock, {"Count.": 30.0}), ONE, TWO, until_s=180)
    counts = [len([trial for trial in done.trials() if trial.cell == cell]) for cell in (0, 1)]
    assert counts == [3, 20]
    assert (done.ends[0].by, done.ends[1].by) == ("budget", "number")
    assert done.clock.now_ns <= 180e9


def test_a_cell_that_is_warm_gets_one_trial_however_late_it_is() -> None:
    done = Scheduled(Protocol(anchors=0))
    done.measure(Lasting(done.clock), ONE, TWO, until_s=0.5)
    assert [len(done.trials(purpose)) for purpose in ("warm-up", "timed")] == [4, 2]
    assert {(end.by, end.half_width) for end in done.ends.values()} == {("budget", None)}
    assert all("after 1 trials, without an interval" in note for note in done.told.notes if "used up" in note)


def test_time_is_kept_back_for_the_anchors_at_the_end() -> None:
    done = Scheduled(Protocol(precision=0.001, warm_ups=2))
    done.measure(Lasting(done.clock), ONE, TWO, until_s=20.5)
    assert len(done.trials("anchor")) == 4
    assert done.clock.now_ns <= 20.5e9


def test_how_many_cells_there_will_be_is_known_well_enough_to_deal_out_time() -> None:
    subject = parse_subject("llamacpp:x.gguf")
    assert expected_cells(Entrant(subject, EngineOptions())) == 2
    assert expected_cells(Entrant(subject, EngineOptions(synthetic=True))) == 1
    assert expected_cells(Entrant(subject, EngineOptions(), (ONE, TWO, Asked()))) == 4


# Cooling down


class Hot(Instruments):
    """A device that throttles the next ``looks`` times that it is asked."""

    looks = 0

    def throttled(self) -> str | None:
        type(self).looks -= 1
        return "thermal limit" if type(self).looks >= 0 else None


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without having to."""
    slept: list[float] = []

    async def nap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(rate, "sleep", nap)
    return slept


def hot(looks: int) -> type[Instruments]:
    return type("HotNow", (Hot,), {"looks": looks})


def test_a_trial_waits_until_the_device_no_longer_throttles(naps: list[float]) -> None:
    done = Scheduled(Protocol(runs=3), instruments=hot(looks=4))
    done.measure(Scripted("tiny", Script()))
    assert naps == [1.0] * 4
    pause = CooledDown(cell=0, purpose="timed", index=0, reason="thermal limit", waited_s=4.0, recovered=True)
    assert done.of(CooledDown) == [pause]
    assert done.told.notes == ["Waited 4.00 s for the device to cool down (thermal limit)."]


def test_it_does_not_wait_for_ever_nor_again(naps: list[float]) -> None:
    done = Scheduled(Protocol(runs=3, cool_down_s=10), instruments=hot(looks=1000))
    done.measure(Scripted("tiny", Script()))
    assert naps == [1.0] * 10
    (pause,) = (record for record in done.records if isinstance(record, CooledDown))
    assert (pause.waited_s, pause.recovered) == (10.0, False)
    assert "in vain: the figures are of a device that throttles" in done.told.notes[0]
    assert len(done.trials()) == 3


def test_a_device_that_does_not_throttle_or_may_not_be_waited_for_costs_nothing(naps: list[float]) -> None:
    assert run(cool_down(lambda: None, 60.0)) is None
    assert run(cool_down(lambda: "power cap", 0.0)) is None
    assert naps == []


# Windows of load


class Ended(msgspec.Struct, frozen=True):
    window: Window
    trials: tuple[Trial, ...]
    error: EngineError | None = None


class Windowed:
    """Three requests a window, one of them not counted, at these rates in turn; None: nothing comes of it."""

    def __init__(self, *rates: float | None, stopped: int | None = None) -> None:
        self._rates = rates
        self._stopped = stopped

    async def window(self, session: Session, cell: Cell) -> Ended:
        number = len(cell.windows)
        places: tuple[tuple[Purpose, int], ...] = (
            ("timed", cell.counted),
            ("warm-up", cell.warm_ups),
            ("timed", cell.counted + 1),
        )
        trials = (a_trial(purpose=purpose, index=index, window=number) for purpose, index in places)
        stopped = "too much" if number == self._stopped else None
        return Ended(
            Window(cell=0, index=number, purpose="timed", started="now", span_ns=10**9, stopped=stopped), tuple(trials)
        )

    def parts(self, window: Window, trials: Sequence[Trial]) -> tuple[float, float] | None:
        assert {trial.window for trial in trials} == {window.index}
        rate = self._rates[window.index % len(self._rates)]
        return None if rate is None else (rate, 1.0)


LOAD = msgspec.structs.replace(ONE, concurrency=2, requests=2)


def loaded(loader: Windowed, protocol: Protocol = AUTO, *asked: Asked) -> Scheduled:
    done = Scheduled(protocol, load=loader)
    done.measure(Scripted("tiny", Script()), *(asked or (LOAD,)))
    return done


@pytest.mark.parametrize(
    ("loader", "windows", "by"),
    [
        (Windowed(100.0), 3, "precision"),
        (Windowed(100.0, 140.0), 20, "number"),
        (Windowed(None), 3, "failures"),
        (Windowed(100.0, 140.0, stopped=1), 2, "overload"),
    ],
)
def test_a_cell_under_load_has_enough_by_its_windows(loader: Windowed, windows: int, by: str) -> None:
    done = loaded(loader)
    assert len(done.of(Window)) == windows
    assert done.ends[0].by == by


def test_a_window_stands_behind_its_requests_which_are_numbered_through_the_cell() -> None:
    done = loaded(Windowed(100.0), Protocol(runs=2))
    kinds = [(type(r).__name__, r.index) for r in done.records if isinstance(r, (Trial, Window))]
    warm_ups = [("Trial", 0), ("Trial", 1)]
    first = [("Trial", 0), ("Trial", 2), ("Trial", 1), ("Window", 0)]
    second = [("Trial", 2), ("Trial", 3), ("Trial", 3), ("Window", 1)]
    assert kinds == [*warm_ups, *first, *second]


def test_windows_and_trials_share_their_rounds() -> None:
    done = loaded(Windowed(100.0), Protocol(runs=4, anchors=0), LOAD, TWO)
    units = [
        (type(record).__name__, record.cell)
        for record in done.records
        if isinstance(record, Window) or (isinstance(record, Trial) and record.purpose == "timed" and record.cell == 1)
    ]
    assert [sorted(units[i : i + 2]) for i in range(0, 8, 2)] == [[("Trial", 1), ("Window", 0)]] * 4


def test_windows_that_a_run_has_are_not_measured_again() -> None:
    whole = loaded(Windowed(100.0, 130.0), Protocol(runs=6))
    third = [number for number, record in enumerate(whole.records) if isinstance(record, Window)][2]
    kept = whole.records[: third + 1]
    before = msgspec.structs.replace(
        a_run(),
        cells=tuple(record for record in kept if isinstance(record, CellOpened)),
        trials=tuple(record for record in kept if isinstance(record, Trial)),
        windows=tuple(record for record in kept if isinstance(record, Window)),
    )
    done = Scheduled(Protocol(runs=6), load=Windowed(100.0, 130.0), before=before)
    done.measure(Scripted("tiny", Script()), LOAD)
    assert [record.index for record in done.records if isinstance(record, Window)] == [3, 4, 5]
    assert done.ends[0] == whole.ends[0]


def test_a_load_is_not_taken_for_single_requests_where_nothing_can_make_one() -> None:
    with pytest.raises(UsageError, match="Nothing here can send many requests at once"):
        scheduled(Script(), Protocol(runs=3), LOAD)


# Several workloads of one subject


def test_a_workload_that_cannot_be_asked_for_leaves_the_others() -> None:
    too_long = Asked(name="long", prompt_tokens=4000, max_tokens=100, context=2048)
    done = scheduled(Script(), Protocol(runs=3), too_long, ONE)
    (failed,) = (record for record in done.records if isinstance(record, CellFailed))
    assert "set --context to 4100 or more" in failed.error
    assert [record.workload.name for record in done.records if isinstance(record, CellOpened)] == ["one"]
    with pytest.raises(UsageError, match="set --context"):
        scheduled(Script(), Protocol(), too_long)


def test_a_shape_is_sent_as_a_text_of_its_length_in_another_order_each_time() -> None:
    class Reading(Scripted):
        """Counts a token a word, and cannot take token ids."""

        texts: list[str]

        def describe(self) -> Description:
            about = super().describe()
            return msgspec.structs.replace(
                about, capabilities=msgspec.structs.replace(about.capabilities, token_ids=False)
            )

        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            assert request.prompt.text is not None
            words = len(request.prompt.text.split())
            self.texts.append(request.prompt.text)
            async for event in super().stream(request):
                if isinstance(event, Finished):
                    event = msgspec.structs.replace(event, usage=Usage(prompt_tokens=words, output_tokens=8))
                yield event

    engine = Reading("tiny", Script())
    engine.texts = []
    done = Scheduled(Protocol(runs=4))
    done.measure(engine, Asked(shape="pp64+tg8", max_tokens=8))
    (opened,) = (record for record in done.records if isinstance(record, CellOpened))
    assert (opened.workload.name, opened.workload.shape) == ("pp64+tg8", "pp64+tg8")
    sent = engine.texts[-6:]
    assert {len(text.split()) for text in sent} == {64}
    assert len({text.split()[:4].__repr__() for text in sent}) == 6
    assert {trial.usage.prompt_tokens for trial in done.trials()} == {64}


# Plans


def test_a_plan_comes_back_from_its_record_as_it_was() -> None:
    options = EngineOptions(url="http://127.0.0.1:8000", like=Path("x.gguf"), gpu_layers=20)
    asked = Asked(shape="chat", slo=Slo(ttft_s=2.0), concurrency=4, requests=40)
    attached = Entrant(parse_subject("openai:x"), options, (asked, ONE))
    other = Entrant(parse_subject("scripted:steady"), EngineOptions())
    plan = Plan((attached, other), Protocol(runs=3, seed=7, time_budget_s=600.0))
    record = msgspec.json.decode(msgspec.json.encode(plan.as_record()))
    assert Plan.from_record(record) == plan


def test_a_plan_keeps_no_password() -> None:
    options = EngineOptions(url="http://me:hunter2@127.0.0.1:8000")
    with pytest.raises(UsageError, match="password"):
        Plan((Entrant(parse_subject("openai:x"), options),)).as_record()


@pytest.mark.parametrize("record", [{}, {"entrants": 3}, {"entrants": [{"subject": {}}]}])
def test_a_plan_that_is_something_else_is_a_sentence(record: dict[str, object]) -> None:
    with pytest.raises(FileError, match=r"The plan of this run cannot be read: .*\."):
        Plan.from_record(record)
