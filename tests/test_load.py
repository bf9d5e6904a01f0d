"""Windows of load on the scripted engine, whose time is invented: who is sent when, what counts, and what ends it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from msgspec import Struct

from bakeoff.analysis.load import load_summary
from bakeoff.clock import WallClock, now_ns
from bakeoff.engines.base import Connecting, Request, StreamEvent
from bakeoff.engines.invented import InventedTime
from bakeoff.engines.reply import HELD_S
from bakeoff.engines.scripted import Script, Scripted, Turn
from bakeoff.errors import EngineCrashed, EngineError, ServerRefused
from bakeoff.measurement.load_metrics import CUT, steady_part
from bakeoff.results.records import Trial, Window
from bakeoff.run.asking import Session
from bakeoff.run.cells import Cell
from bakeoff.run.contestant import Contestant
from bakeoff.run.instruments import Instruments, Seen, Span
from bakeoff.run.load import STOPPED, Load
from bakeoff.workload.arrivals import due_times
from bakeoff.workload.prompts import trial_seed
from tests.hand_made import a_cell
from tests.servers import run

S = 1_000_000_000
STEADY = Script(turns=(Turn(ttft_s=0.1, tpot_s=0.01),))
"""Answers of 40 tokens take 0.49 s, whatever else goes on."""


class Watching(Scripted):
    """The scripted engine, with an eye on what it is asked and on how many connections it was to have."""

    def __init__(self, script: Script) -> None:
        super().__init__("tiny", script)
        self.requests: list[Request] = []
        self.connections: list[int] = []

    async def ready(self, count: int) -> None:
        self.connections.append(count)
        await super().ready(count)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.requests.append(request)
        async for event in super().stream(request):
            yield event


class Ran(Struct):
    window: Window
    trials: tuple[Trial, ...]
    error: EngineError | None
    engine: Watching
    cell: Cell

    @property
    def counted(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.purpose == "timed"]

    @property
    def others(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.purpose == "warm-up"]

    @property
    def output_tps(self) -> float:
        found = load_summary(self.cell.opened.workload, [self.window], self.trials).output_tps
        assert found is not None
        return found.point


def load(script: Script = STEADY, *, engine: Watching | None = None, cell: Cell | None = None, **workload: Any) -> Ran:
    """One window of requests of 10 token ids for 40."""
    engine = engine or Watching(script)
    asked = {"prompt": None, "prompt_tokens": 10, "max_tokens": 40, **workload}
    cell = cell or Cell(a_cell(**asked))

    async def main() -> Ran:
        async with engine, Instruments(engine, engine.describe()) as instruments:
            contestant = Contestant("scripted:tiny", engine, lambda count, seed: tuple(range(seed, seed + count)))
            session = Session(contestant, engine, engine.describe(), instruments, seed=5)
            got = await Load().window(session, cell)
            return Ran(got.window, got.trials, got.error, engine, cell)

    return run(main())


def end_s(trial: Trial) -> float:
    assert trial.begun_ns is not None
    assert trial.end_ns is not None
    return (trial.begun_ns + trial.end_ns) / S


# Streams


def test_each_stream_sends_its_next_request_when_its_last_one_is_answered() -> None:
    ran = load(concurrency=3, requests=12)
    for stream in range(3):
        mine = [trial for trial in ran.trials if trial.stream == stream]
        assert mine[0].due_ns == 0
        for before, after in pairwise(mine):
            assert after.due_ns is not None
            assert after.due_ns / S == pytest.approx(end_s(before))
            assert after.begun_ns == after.due_ns


@pytest.mark.parametrize("streams", [1, 2, 5, 16])
def test_as_many_requests_count_as_were_asked_for_each_answered_under_the_full_load(streams: int) -> None:
    ran = load(concurrency=streams, requests=4 * streams)
    assert [trial.status for trial in ran.counted] == ["ok"] * 4 * streams
    part = steady_part(ran.window, ran.trials)
    assert part is not None
    for stream in range(streams):
        mine = [trial for trial in ran.trials if trial.stream == stream]
        assert mine[-1].error == CUT or end_s(mine[-1]) * S >= part[1]


def test_a_stream_begins_with_an_answer_of_its_own_length_so_that_none_march_in_step() -> None:
    ran = load(concurrency=4, requests=16)
    lead_ins = ran.others[:4]
    assert [len(trial.timeline.at_ns) for trial in lead_ins] == [5, 15, 25, 35]
    first_due = sorted({trial.stream: trial.due_ns or 0 for trial in reversed(ran.counted)}.values())
    assert [round((b - a) / S, 3) for a, b in pairwise(first_due)] == [0.1, 0.1, 0.1]


def test_further_requests_keep_the_load_up_until_the_last_counted_one_has_ended_and_are_cut_off_then() -> None:
    ran = load(concurrency=4, requests=16)
    cut = [trial for trial in ran.trials if trial.error == CUT]
    assert 0 < len(cut) <= 4
    assert all(trial.purpose == "warm-up" and trial.end_ns is None for trial in cut)
    assert ran.window.span_ns / S == pytest.approx(max(end_s(trial) for trial in ran.counted))


def test_streams_are_read_on_for_a_moment_since_what_came_before_the_end_may_not_be_handed_over_yet() -> None:
    ran = load(concurrency=4, requests=16)
    last_ns = max((trial.begun_ns or 0) + trial.timeline.at_ns[-1] for trial in ran.others if trial.timeline.at_ns)
    assert last_ns - ran.window.span_ns == pytest.approx(2 * HELD_S * S, abs=0.01 * S)


def test_the_total_rate_is_that_of_the_script() -> None:
    """A stream alone makes 40 tokens in 0.49 s; with three others each token takes 1.3 times as long."""
    assert load(concurrency=4, requests=16).output_tps == pytest.approx(4 * 40 / 0.49, rel=0.01)
    crowded = Script(turns=STEADY.turns, batch_cost=0.1)
    assert load(crowded, concurrency=4, requests=16).output_tps == pytest.approx(4 * 40 / (0.1 + 0.39 * 1.3), rel=0.01)


def test_streams_beyond_the_engines_slots_wait_and_their_first_token_shows_it() -> None:
    ran = load(Script(turns=STEADY.turns, slots=2), concurrency=4, requests=16)
    found = load_summary(ran.cell.opened.workload, [ran.window], ran.trials)
    assert found.at_once == 2
    assert found.ttft_s["p50"].point == pytest.approx(0.1 + 0.49, rel=0.05)
    assert ran.output_tps == pytest.approx(2 * 40 / 0.49, rel=0.02)


def test_no_prompt_is_sent_twice_not_even_from_window_to_window() -> None:
    engine, cell = (
        Watching(STEADY),
        Cell(a_cell(prompt=None, prompt_tokens=10, max_tokens=40, concurrency=3, requests=9)),
    )
    for _ in range(3):
        ran = load(engine=engine, cell=cell)
        for trial in ran.trials:
            cell.add(trial)
        cell.add_window(ran.window, None)
    prompts = Counter(request.prompt.token_ids for request in engine.requests)
    assert max(prompts.values()) == 1
    assert [window.index for window in cell.windows] == [0, 1, 2]


def test_counted_requests_are_numbered_on_through_the_cell_and_others_within_their_window() -> None:
    cell = Cell(a_cell(prompt=None, prompt_tokens=10, max_tokens=40, concurrency=2, requests=4))
    cell.warm_ups, cell.counted = 3, 8
    ran = load(cell=cell)
    assert [trial.index for trial in ran.counted] == [8, 9, 10, 11]
    assert [trial.index for trial in ran.others] == list(range(len(ran.others)))


def test_connections_are_opened_for_all_streams_before_and_closed_after() -> None:
    engine = Watching(STEADY)
    assert isinstance(engine, Connecting)
    assert load(engine=engine, concurrency=4, requests=8).engine.connections == [4, 0]


def test_the_same_seed_gives_the_same_window() -> None:
    script = Script(turns=STEADY.turns, spread=0.3)
    first, again = load(script, concurrency=3, requests=12), load(script, concurrency=3, requests=12)
    assert [trial.timeline for trial in first.trials] == [trial.timeline for trial in again.trials]


# At a rate


def test_requests_are_sent_when_they_are_due_whatever_becomes_of_the_others() -> None:
    ran = load(Script(turns=STEADY.turns, slots=1), arrival="poisson", rate_rps=1.5, requests=20)
    wanted = due_times("poisson", 1.5, trial_seed(5, 0, "arrivals", 0))
    assert [trial.due_ns for trial in ran.trials] == [next(wanted) for _ in ran.trials]
    assert all(trial.begun_ns == trial.due_ns for trial in ran.trials)
    assert {trial.stream for trial in ran.trials} == {None}


def test_a_request_that_waits_for_others_has_its_wait_in_its_first_token() -> None:
    ran = load(Script(turns=STEADY.turns, slots=1), arrival="constant", rate_rps=2.5, requests=5)
    waits = [(trial.timeline.at_ns[0] + (trial.begun_ns or 0) - (trial.due_ns or 0)) / S for trial in ran.counted]
    assert [round(b - a, 3) for a, b in pairwise(waits)] == [0.09] * 4


def test_what_finds_an_empty_engine_does_not_count() -> None:
    ran = load(arrival="constant", rate_rps=10.0, requests=20)
    assert [trial.purpose for trial in ran.trials[:5]] == ["warm-up"] * 5
    assert [trial.purpose for trial in ran.trials[5:25]] == ["timed"] * 20
    assert {trial.purpose for trial in ran.trials[25:]} == {"warm-up"}


def test_too_high_a_rate_is_noticed_and_stopped_and_what_was_unanswered_is_counted_as_lost() -> None:
    ran = load(Script(turns=STEADY.turns, slots=2), arrival="poisson", rate_rps=8.0, requests=200)
    assert ran.window.stopped is not None
    assert ran.window.stopped.startswith("the requests that were due and unanswered grew steadily")
    assert len(ran.counted) < 200
    lost = [trial for trial in ran.counted if trial.status != "ok"]
    assert lost
    assert {trial.error for trial in lost} == {STOPPED}


def test_a_rate_that_is_kept_up_with_is_not_stopped() -> None:
    ran = load(Script(turns=STEADY.turns, slots=2), arrival="poisson", rate_rps=2.0, requests=200)
    assert ran.window.stopped is None
    assert [trial.status for trial in ran.counted] == ["ok"] * 200


# What goes wrong


def test_a_failed_request_is_kept_and_its_stream_goes_on() -> None:
    turns = (*[Turn()] * 5, Turn(fault="cut", fault_after=3), Turn())
    ran = load(Script(turns=turns), concurrency=2, requests=8)
    assert Counter(trial.status for trial in ran.counted) == {"ok": 7, "truncated": 1}
    assert ran.window.stopped is None


def test_a_server_that_refuses_everything_ends_the_window() -> None:
    ran = load(Script(turns=(Turn(fault="refused"),)), concurrency=2, requests=1000)
    assert 16 <= len(ran.trials) <= 18
    assert {trial.status for trial in ran.trials} == {"failed"}
    assert ran.error is None


def test_an_engine_that_crashes_ends_the_window_with_its_error() -> None:
    ran = load(Script(turns=(Turn(), Turn(), Turn(), Turn(fault="crashed", fault_after=3))), concurrency=2, requests=8)
    assert isinstance(ran.error, EngineCrashed)


def test_an_engine_that_cannot_be_connected_to_before_is_asked_all_the_same() -> None:
    class Unready(Watching):
        async def ready(self, count: int) -> None:
            await super().ready(count)
            if count:
                raise ServerRefused("not now", 503)

    assert len(load(engine=Unready(STEADY), concurrency=2, requests=8).counted) == 8


def test_an_interrupted_window_leaves_nothing_running() -> None:
    class Interrupting(Watching):
        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            if len(self.requests) == 6:
                task.cancel()
            async for event in super().stream(request):
                yield event

    engine = Interrupting(STEADY)
    cell = Cell(a_cell(prompt=None, prompt_tokens=10, max_tokens=40, concurrency=3, requests=9))
    task: asyncio.Task[Any]

    async def main() -> None:
        nonlocal task
        before = asyncio.all_tasks()
        async with engine, Instruments(engine, engine.describe()) as instruments:
            contestant = Contestant("scripted:tiny", engine, lambda count, seed: tuple(range(seed, seed + count)))
            session = Session(contestant, engine, engine.describe(), instruments)
            task = asyncio.create_task(Load().window(session, cell))
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == before

    run(main())
    assert engine.connections == [3, 0]


# What watches


def test_instruments_are_read_before_the_first_request_and_after_the_last() -> None:
    told: list[str] = []

    class Eye(Instruments):
        async def start(self) -> None:
            told.append(f"start, {len(engine.requests)} requests")

        async def finish(self, span: Span | None = None, since_ns: int | None = None) -> Seen:
            assert since_ns is None
            told.append(f"finish, {len(engine.requests)} requests, {span}")
            return Seen(others_cpu=0.25)

    engine = Watching(STEADY)

    async def main() -> Window:
        contestant = Contestant("scripted:tiny", engine, lambda count, seed: tuple(range(seed, seed + count)))
        async with engine, Eye(engine, engine.describe()) as eye:
            session = Session(contestant, engine, engine.describe(), eye)
            cell = Cell(a_cell(prompt=None, prompt_tokens=10, max_tokens=40, concurrency=2, requests=4))
            return (await Load().window(session, cell)).window

    window = run(main())
    assert told == ["start, 0 requests", f"finish, {len(engine.requests)} requests, None"]
    assert window.others_cpu == 0.25
    assert window.client_cpu is None  # no share of invented time


# Clocks


def test_invented_time_wakes_in_the_order_of_the_times_and_never_runs_back() -> None:
    clock, told = InventedTime(), []

    async def wait(*until: int) -> None:
        for at_ns in until:
            await clock.until(at_ns)
            told.append((at_ns, clock.now_ns()))

    async def main() -> None:
        await asyncio.gather(wait(5, 9, 9), wait(3, 12), wait(4, 4, 20))

    run(main())
    assert [at for at, _ in told] == [3, 4, 4, 5, 9, 9, 12, 20]
    assert all(at == now for at, now in told)


def test_who_gives_up_waiting_is_not_waited_for() -> None:
    clock = InventedTime()

    async def main() -> None:
        given_up = asyncio.create_task(clock.until(5))
        await asyncio.sleep(0)
        given_up.cancel()
        await clock.until(9)

    run(main())
    assert clock.now_ns() == 9


def test_real_time_is_waited_for_until_it_has_come_and_not_at_all_where_it_has() -> None:
    async def main() -> None:
        at_ns = now_ns() + 3_000_000
        await WallClock().until(at_ns)
        assert now_ns() >= at_ns
        await WallClock().until(at_ns)

    run(main())
