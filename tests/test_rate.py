"""Rate limits: what a server asks for, how long that is done, and that no figure holds the wait."""

from __future__ import annotations

import pytest

from bakeoff.analysis.summary import summarize
from bakeoff.engines import rate
from bakeoff.engines.contract import finished_of, request
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.engines.rate import LONGEST_WAIT_S, MOST_REFUSALS, asked_wait_s, pause_s
from bakeoff.errors import RateLimited
from bakeoff.measurement.metrics import ttft_s
from bakeoff.results.records import AnyRecord, CellOpened, Run, RunStarted, Trial, Window
from bakeoff.run.contestant import Contestant
from bakeoff.run.plan import Protocol
from bakeoff.run.runner import Runner
from bakeoff.workload.asked import Asked
from bakeoff.workload.prompts import any_token_ids
from tests.fakes import MODEL, FakeCloud
from tests.hand_made import a_host
from tests.servers import run, serving

NOW = "Wed, 25 Nov 2026 10:00:00 GMT"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that were made, in no time."""
    made: list[float] = []

    async def at_once(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(rate, "sleep", at_once)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return made


# What is asked for


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        ("20", 20.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Wed, 25 Nov 2026 10:00:30 GMT", 31.0),
        ("wed, 25 nov 2026 10:00:30 gmt", 31.0),
        ("Wednesday, 25-Nov-26 10:00:30 GMT", 31.0),
        ("Wed, 25 Nov 2026 09:00:00 GMT", 0.0),
        ("9" * 400, 1e9),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("²", None),
        ("Wed, 99 Nov 2026 10:00:30 GMT", None),
        (None, None),
    ],
)
def test_the_wait_that_is_asked_for(retry_after: str | None, wait_s: float | None) -> None:
    assert asked_wait_s(retry_after, NOW) == wait_s


def test_without_a_date_of_the_reply_ours_is_taken() -> None:
    asked = asked_wait_s("Fri, 01 Jan 2100 00:00:00 GMT", None)
    assert asked is not None
    assert asked > 365 * 86_400


def test_a_wait_that_nobody_states_doubles_and_ends() -> None:
    pauses = [pause_s(RateLimited("no"), refusals) for refusals in range(1, MOST_REFUSALS + 1)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, None]


def test_a_wait_is_granted_up_to_a_bound() -> None:
    assert pause_s(RateLimited("no", LONGEST_WAIT_S), 1) == LONGEST_WAIT_S
    assert pause_s(RateLimited("no", LONGEST_WAIT_S + 1), 1) is None


# On entering


def enter(fake: FakeCloud) -> None:
    async def main() -> None:
        async with serving(fake) as (url, _), OpenAICompatible(MODEL, url):
            pass

    run(main())


def test_a_server_that_is_busy_at_first_is_entered_after_the_waits_that_it_asks_for(waits: list[float]) -> None:
    fake = FakeCloud()
    fake.limits = ("3", None)
    enter(fake)
    assert waits == [3.0, 2.0]


def test_a_server_that_refuses_for_ever_is_given_up_with_a_sentence(waits: list[float]) -> None:
    fake = FakeCloud()
    fake.limits = ("1",) * 50
    with pytest.raises(RateLimited, match=r"429: Rate limit reached.* refused 5 times in a row: run again later"):
        enter(fake)
    assert waits == [1.0] * (MOST_REFUSALS - 1)


def test_an_hours_wait_is_not_made(waits: list[float]) -> None:
    fake = FakeCloud()
    fake.limits = ("3600",)
    with pytest.raises(RateLimited, match=r"asks to wait 60 min 00 s, longer than Bakeoff does: run again later"):
        enter(fake)
    assert waits == []


def test_the_stream_itself_never_waits(waits: list[float]) -> None:
    fake = FakeCloud()

    async def main() -> None:
        async with serving(fake) as (url, _), OpenAICompatible(MODEL, url) as engine:
            fake.limits = ("3",)
            with pytest.raises(RateLimited) as caught:
                async for _ in engine.stream(request()):
                    pass
            assert (caught.value.status, caught.value.after_s) == (429, 3.0)
            assert isinstance(finished_of([event async for event in engine.stream(request())]).at_ns, int)

    run(main())
    assert waits == []


# In a run


class Watching:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, text: str) -> None:
        self.told.append(text)

    def note(self, text: str) -> None: ...
    def cell(self, opened: CellOpened, most: int, done: int) -> None: ...
    def trial(self, trial: Trial) -> None: ...
    def window(self, window: Window, output_tps: float | None) -> None: ...


class LimitedFrom(FakeCloud):
    """Refuses the generations from the given number on, as its limits say."""

    def __init__(self, number: int, *limits: str | None) -> None:
        super().__init__()
        self._number, self._then = number, limits

    def check(self, body: object) -> None:
        super().check(body)  # type: ignore[arg-type]
        if len(self.bodies) == self._number:
            self.limits = self._then


def measured(fake: FakeCloud, observer: Watching) -> tuple[list[Trial], set[str], RateLimited | None]:
    records: list[AnyRecord] = []
    error: RateLimited | None = None
    asked = (Asked(name="one", prompt="Count.", max_tokens=8),)

    async def main() -> None:
        async with serving(fake) as (url, _):
            engine = OpenAICompatible(MODEL, url)
            contestant = Contestant("openai:tiny", engine, any_token_ids)
            await Runner(Protocol(runs=3, warm_ups=2), records.append, observer).measure(contestant, asked)

    try:
        run(main())
    except RateLimited as caught:
        error = caught
    cells = tuple(record for record in records if isinstance(record, CellOpened))
    trials = tuple(record for record in records if isinstance(record, Trial))
    started = RunStarted(schema=1, id="x", started="now", command="bakeoff", seed=0, host=a_host())
    (cell,) = summarize(Run(started=started, cells=cells, trials=trials)).cells
    timed = [trial for trial in trials if trial.purpose == "timed"]
    return timed, {finding.code for finding in cell.findings}, error


def generations_before_the_trials() -> int:
    """How many requests the engine's entering and the warm-up take."""
    fake = FakeCloud()
    measured(fake, Watching())
    return len(fake.bodies) - 3


def test_a_trial_that_was_held_back_is_measured_after_the_wait_and_says_so(waits: list[float]) -> None:
    observer = Watching()
    fake = LimitedFrom(generations_before_the_trials() + 2, "20", "1")
    trials, codes, error = measured(fake, observer)
    assert error is None
    assert [trial.status for trial in trials] == ["ok", "ok", "ok"]
    assert [trial.waited_s for trial in trials] == [None, 21.0, None]
    assert waits == [20.0, 1.0]
    assert "Waiting 20.0 s: the server limits the rate" in observer.told
    assert "rate_limited" in codes
    assert all((first := ttft_s(trial)) is not None and first < 20 for trial in trials)


def test_a_run_whose_server_refuses_for_ever_ends_with_what_was_measured(waits: list[float]) -> None:
    fake = LimitedFrom(generations_before_the_trials() + 2, *["2"] * 50)
    trials, codes, error = measured(fake, Watching())
    assert error is not None
    assert [trial.status for trial in trials] == ["ok", "failed"]
    assert trials[1].waited_s == sum(waits) == 8.0
    assert "refused 5 times in a row" in (trials[1].error or "")
    assert {"rate_limited", "failed_trials"} <= codes
