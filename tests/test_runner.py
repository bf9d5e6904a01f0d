"""The fair trial, on the scripted engine: what is sent, in what order, what is kept, and what the findings say."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from bakeoff.analysis.summary import CellSummary, summarize
from bakeoff.engines.base import Chunk, Counters, Engine, Request, StreamEvent
from bakeoff.engines.ollama import Ollama
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.scripted import Script, Scripted, Turn
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import (
    BakeoffError,
    EngineCrashed,
    FileError,
    Interrupted,
    ModelMissing,
    ServerRefused,
    ServerSilent,
    UsageError,
)
from bakeoff.results.records import (
    INTERRUPTED,
    AnyRecord,
    CellEnded,
    CellFailed,
    CellOpened,
    EngineCounts,
    EntrantEnded,
    Host,
    Run,
    RunEnded,
    RunStarted,
    Trial,
    Warmed,
    Window,
)
from bakeoff.results.runfile import read_run
from bakeoff.run.contestant import Contestant
from bakeoff.run.file import RunFile
from bakeoff.run.plan import Entrant, Plan, Protocol
from bakeoff.run.runner import Runner
from bakeoff.run.session import run_all
from bakeoff.workload.asked import Asked
from bakeoff.workload.prompts import preamble, trial_seed
from tests.fake_ollama import FakeOllama
from tests.fakes import MODEL
from tests.servers import run, serving

HOST = Host(cpu="a processor", cores_physical=1, cores_logical=2, memory_bytes=1 << 30, os="an OS", arch="an arch",
            python="3.11", bakeoff="0", power_source="mains")  # fmt: skip
FIVE = Protocol(runs=5)
AUTO = Protocol()
FEW = Protocol(runs=5, warm_ups=2)
"""For servers whose times are real, so that warm-ups may or may not agree."""
COUNT = Asked(name="one", prompt="Count.", max_tokens=40)
FINE = Turn()


class Watching(Scripted):
    """The scripted engine, with an eye on its requests and on what was written before each."""

    def __init__(self, script: Script, records: list[AnyRecord]) -> None:
        super().__init__("tiny", script)
        self.requests: list[Request] = []
        self.written_before: list[int] = []
        self._records = records

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.requests.append(request)
        self.written_before.append(len(self._records))
        async for event in super().stream(request):
            yield event


class Silent:
    """An observer who does not care."""

    def stage(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def cell(self, opened: CellOpened, most: int, done: int) -> None: ...
    def trial(self, trial: Trial) -> None: ...
    def window(self, window: Window, output_tps: float | None) -> None: ...


class Measured(Struct):
    """What a measurement wrote, what it asked for, and how it ended."""

    records: list[AnyRecord]
    requests: list[Request]
    written_before: list[int]
    error: BakeoffError | None

    @property
    def trials(self) -> list[Trial]:
        return [record for record in self.records if isinstance(record, Trial) and record.purpose == "timed"]

    @property
    def cells(self) -> tuple[CellSummary, ...]:
        return summarized(self.records)


def summarized(records: list[AnyRecord]) -> tuple[CellSummary, ...]:
    cells = tuple(record for record in records if isinstance(record, CellOpened))
    trials = tuple(record for record in records if isinstance(record, Trial))
    started = RunStarted(schema=1, id="x", started="now", command="bakeoff", seed=0, host=HOST)
    return summarize(Run(started=started, cells=cells, trials=trials)).cells


def ids(count: int, seed: int) -> tuple[int, ...]:
    return tuple(range(seed, seed + count))


def measure(script: Script, protocol: Protocol = FIVE, *asked: Asked) -> Measured:
    """One scripted subject under a protocol; one short workload where none is named."""
    records: list[AnyRecord] = []
    engine = Watching(script, records)
    error: BakeoffError | None = None
    try:
        run(
            Runner(protocol, records.append, Silent()).measure(
                Contestant("scripted:tiny", engine, ids), asked or (COUNT,)
            )
        )
    except BakeoffError as caught:
        error = caught
    return Measured(records, engine.requests, engine.written_before, error)


def turns(*timed: Turn, warm_up: Turn = FINE) -> Script:
    """A script whose two warm-ups are followed by these turns."""
    return Script(turns=(warm_up, warm_up, *timed))


def codes(measured: Measured) -> set[str]:
    return {finding.code for cell in measured.cells for finding in cell.findings}


# What is sent


def test_the_warm_up_asks_with_the_trials_own_options() -> None:
    asked = msgspec.structs.replace(COUNT, context=777, max_tokens=33, temperature=0.6)
    requests = measure(Script(), FIVE, asked).requests
    assert len(requests) == 7
    assert {(r.context, r.max_tokens, r.temperature, r.cache) for r in requests} == {(777, 33, 0.6, False)}


def test_no_two_requests_share_their_first_words() -> None:
    requests = measure(Script(), Protocol(runs=8), Asked()).requests
    systems = [request.prompt.system or "" for request in requests]
    warm_ups, timed, anchors = 4, 16, 4
    assert len(systems) == warm_ups + timed + anchors
    assert len({system.split()[0] for system in systems}) == len(systems)
    assert len({system[:4] for system in systems}) == len(systems)


def test_preambles_differ_within_their_first_four_letters() -> None:
    marks = Counter(preamble(trial_seed(0, 0, "timed", index))[:4] for index in range(200))
    assert max(marks.values()) == 1


def test_the_prompt_itself_is_the_workloads_in_every_trial() -> None:
    requests = measure(Script()).requests
    assert {request.prompt.text for request in requests} == {"Count."}


def test_a_warm_cache_is_asked_for_by_repeating_one_prompt() -> None:
    requests = measure(Script(), FIVE, msgspec.structs.replace(COUNT, cache="warm")).requests
    assert len(requests) == 7
    assert len({request.prompt for request in requests}) == 1
    assert all(request.cache for request in requests)


def test_token_ids_are_as_many_as_stated_and_differ_from_trial_to_trial() -> None:
    requests = measure(Script(), FIVE, Asked(prompt_tokens=12)).requests
    sent = [request.prompt.token_ids for request in requests]
    assert all(tokens is not None and len(tokens) == 12 for tokens in sent)
    assert len({tokens[0] for tokens in sent if tokens}) == 7


def test_synthetic_weights_get_token_ids_and_their_answers_are_not_kept() -> None:
    measured = measure(Script(synthetic=True), FIVE, Asked())
    assert all(request.prompt.token_ids for request in measured.requests)
    assert {trial.text for trial in measured.trials} == {None}
    assert "synthetic" in codes(measured)


def test_a_prompt_that_does_not_fit_the_context_is_told_before_anything_is_sent() -> None:
    measured = measure(Script(), AUTO, Asked(prompt_tokens=2000, max_tokens=100, context=2048))
    assert isinstance(measured.error, UsageError)
    assert "set --context to 2100 or more" in str(measured.error)
    assert measured.requests == []


# In what order


def cell_order(measured: Measured) -> list[int]:
    return [trial.cell for trial in measured.trials]


def test_each_round_has_every_cell_once() -> None:
    order = cell_order(measure(Script(), Protocol(runs=10), Asked()))
    assert all(sorted(order[i : i + 2]) == [0, 1] for i in range(0, 20, 2))


def test_the_order_of_rounds_is_random_and_the_seeds() -> None:
    orders = [cell_order(measure(Script(), Protocol(runs=10, seed=seed), Asked())) for seed in (1, 2, 1)]
    assert orders[0] == orders[2]
    assert orders[0] != orders[1]
    assert len({tuple(orders[0][i : i + 2]) for i in range(0, 20, 2)}) == 2


def test_the_same_seed_asks_for_the_same_things() -> None:
    assert measure(Script()).requests == measure(Script()).requests


# How many trials


def test_a_number_of_runs_is_kept_to() -> None:
    assert len(measure(Script(), Protocol(runs=3)).trials) == 3


def test_auto_stops_at_five_trials_where_they_agree() -> None:
    assert len(measure(Script(), AUTO).trials) == 5


def test_auto_goes_on_to_twenty_where_they_do_not() -> None:
    wild = tuple(Turn(tpot_s=0.01 * (1 + index % 3)) for index in range(30))
    assert len(measure(turns(*wild), AUTO).trials) == 20


def test_auto_stops_as_soon_as_the_interval_is_narrow() -> None:
    calming = (Turn(tpot_s=0.0104), Turn(tpot_s=0.0096), Turn(tpot_s=0.0104))
    measured = measure(turns(*calming, Turn(tpot_s=0.01)), AUTO)
    assert 5 < len(measured.trials) < 20
    figure = measured.cells[0].metrics["decode_tps"]
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    assert (figure.high - figure.low) / 2 < 0.03 * figure.point


def test_three_failures_in_a_row_end_a_cell() -> None:
    measured = measure(turns(FINE, Turn(fault="refused")), Protocol(runs=10))
    assert [trial.status for trial in measured.trials] == ["ok", "failed", "failed", "failed"]
    assert measured.error is None


def test_failures_that_are_not_in_a_row_do_not_end_it() -> None:
    bad = Turn(fault="refused")
    measured = measure(turns(bad, bad, FINE, bad, bad, FINE, bad), Protocol(runs=7))
    assert len(measured.trials) == 7


def test_a_cell_that_ends_early_leaves_the_others_their_trials() -> None:
    class Picky(Watching):
        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            refuses = request.prompt.text == "two" and len(self.requests) > 3
            async for event in super().stream(request):
                if refuses:
                    raise ServerRefused("The server answered 500: no.", 500)
                yield event

    records: list[AnyRecord] = []
    protocol = Protocol(runs=6, anchors=0)
    asked = (Asked(name="one", prompt="one"), Asked(name="two", prompt="two"))
    engine = Picky(Script(), records)
    run(Runner(protocol, records.append, Silent()).measure(Contestant("scripted:tiny", engine, ids), asked))
    one, two = summarized(records)
    assert (one.trials.ok, one.trials.failed) == (6, 0)
    assert (two.trials.ok, two.trials.failed) == (0, 3)


# What is kept


class Counting(Watching):
    """Counts a request for each stream, and answers no question about it while it is ``mute``."""

    mute = False

    async def counters(self) -> Counters:
        if self.mute:
            raise ServerSilent("The server said nothing.")
        return Counters(requests=len(self.requests), preemptions=7)


@pytest.mark.parametrize("mute", [False, True])
def test_what_the_engine_counts_is_asked_around_each_trial_and_may_be_kept_from_us(mute: bool) -> None:
    records: list[AnyRecord] = []
    engine = Counting(Script(), records)
    engine.mute = mute
    run(Runner(FIVE, records.append, Silent()).measure(Contestant("scripted:tiny", engine, ids), (COUNT,)))
    counts = [record.engine_counts for record in records if isinstance(record, Trial) and record.purpose == "timed"]
    assert counts == 5 * [None if mute else EngineCounts(requests=1, preemptions=0)]


def test_every_record_is_written_before_the_next_request_is_sent() -> None:
    measured = measure(Script())
    assert measured.written_before == [0, 0, 4, 5, 6, 7, 8]
    kinds = [CellOpened, Trial, Trial, Warmed, *([Trial] * 5), CellEnded, EntrantEnded]
    assert [type(record) for record in measured.records] == kinds


def test_failed_trials_are_kept_counted_and_left_out_of_the_rates() -> None:
    slow_and_cut = Turn(tpot_s=1.0, fault="cut", fault_after=4)
    measured = measure(turns(FINE, FINE, slow_and_cut, Turn(fault="refused"), FINE))
    cell = measured.cells[0]
    assert (cell.trials.ok, cell.trials.truncated, cell.trials.failed) == (3, 1, 1)
    decode = cell.metrics["decode_tps"]
    assert decode is not None
    assert decode.n == 3
    assert decode.point == pytest.approx(100.0)
    assert "failed_trials" in codes(measured)
    cut, refused = measured.trials[2:4]
    assert (len(cut.timeline.at_ns), cut.error) == (
        4,
        "The script's server closed the connection in the middle of the reply.",
    )
    assert (refused.timeline.at_ns, refused.usage.output_tokens) == ((), None)


def test_a_stream_without_a_token_is_a_failure_and_not_a_zero() -> None:
    class Mute(Watching):
        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            async for event in super().stream(request):
                if not (isinstance(event, Chunk) and len(self.requests) == 4):
                    yield event

    records: list[AnyRecord] = []
    engine = Mute(Script(), records)
    run(Runner(FIVE, records.append, Silent()).measure(Contestant("scripted:tiny", engine, ids), (COUNT,)))
    (cell,) = summarized(records)
    assert (cell.trials.ok, cell.trials.failed) == (4, 1)
    decode = cell.metrics["decode_tps"]
    assert decode is not None
    assert decode.n == 4
    assert decode.point == pytest.approx(100.0)


def test_a_crash_ends_the_subject_and_keeps_its_trials() -> None:
    measured = measure(turns(FINE, FINE, Turn(fault="crashed", fault_after=2)))
    assert isinstance(measured.error, EngineCrashed)
    assert [trial.status for trial in measured.trials] == ["ok", "ok", "truncated"]


def test_a_warm_up_that_fails_is_told_at_once() -> None:
    measured = measure(turns(FINE, warm_up=Turn(fault="refused")))
    assert isinstance(measured.error, ServerRefused)
    assert (len(measured.requests), measured.records) == (1, [])


def test_a_workload_that_the_server_refuses_leaves_the_others() -> None:
    measured = measure(Script(turns=(Turn(fault="refused"), FINE)), FIVE, Asked())
    failed = [record for record in measured.records if isinstance(record, CellFailed)]
    assert [failure.error for failure in failed] == ["The script's server answered 500: out of memory."]
    assert [cell.opened.workload.name for cell in measured.cells] == ["binary search"]
    assert measured.cells[0].trials.ok == 5


def test_a_disk_that_is_full_ends_the_run() -> None:
    def full(record: AnyRecord) -> None:
        raise FileError("Cannot write: no space left on device.")

    engine = Watching(Script(), [])
    with pytest.raises(FileError):
        run(Runner(FIVE, full, Silent()).measure(Contestant("scripted:tiny", engine, ids), (COUNT,)))
    assert len(engine.requests) == 2


# What the findings say


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (turns(FINE, Turn(load_s=1.5), FINE), "reload"),
        (turns(Turn(cached_tokens=39)), "cache_hit"),
        (turns(Turn(engine_decode_factor=1.2)), "engine_and_client_disagree"),
        (turns(Turn(stop_after=12)), "early_stop"),
        (turns(Turn(reports_usage=False)), "chunk_counted"),
        (turns(Turn(thinking_tokens=40)), "thinking_cut"),
    ],
)
def test_what_limits_a_figure_becomes_a_finding(script: Script, code: str) -> None:
    assert code in codes(measure(script))
    assert code not in codes(measure(Script()))


def test_a_model_load_in_the_warm_up_is_none_in_a_trial() -> None:
    assert "reload" not in codes(measure(turns(FINE, warm_up=Turn(load_s=3.0))))


def test_thinking_in_the_text_moves_the_answer_and_not_the_first_token() -> None:
    for script in (
        Script(turns=(Turn(thinking_tokens=10),)),
        Script(turns=(Turn(thinking_tokens=10),), tags_in_text=True),
        Script(turns=(Turn(thinking_tokens=10),), tags_in_text=True, opens_thinking=True),
    ):
        metrics = measure(script).cells[0].metrics
        first, answer = metrics["ttft_s"], metrics["ttfa_s"]
        assert first is not None
        assert answer is not None
        assert (first.point, answer.point) == pytest.approx((0.1, 0.2))


# A cache that cannot be switched off


def measure_ollama(fake: FakeOllama, protocol: Protocol = FEW, *asked: Asked) -> list[AnyRecord]:
    records: list[AnyRecord] = []
    asked = asked or (COUNT,)

    async def main() -> None:
        async with serving(fake) as (url, _):
            engine = Ollama(MODEL, EngineOptions(url=url, context=asked[0].context))
            await Runner(protocol, records.append, Silent()).measure(Contestant("ollama:tiny", engine, ids), asked)

    run(main())
    return records


def test_what_the_template_itself_lets_be_cached_is_learned_and_allowed() -> None:
    (cell,) = summarized(measure_ollama(FakeOllama()))
    assert cell.opened.template_tokens == 2
    assert "cache_hit" not in {finding.code for finding in cell.findings}


def test_one_prompt_repeated_shows_as_a_cache_hit() -> None:
    (cell,) = summarized(measure_ollama(FakeOllama(), FEW, msgspec.structs.replace(COUNT, cache="warm")))
    hit = next(finding for finding in cell.findings if finding.code == "cache_hit")
    assert hit.severity == "info"
    assert "5 of 5 trials took up to 11 of 12 prompt tokens" in hit.evidence


def test_a_server_that_is_asked_for_another_context_in_between_is_caught_reloading() -> None:
    class Shared(FakeOllama):
        """Somebody else uses it with another context length, after the second trial."""

        def generate(self, body: dict[str, Any]) -> Any:
            if len(self.bodies) == 4:
                self.loaded[f"{MODEL}:latest"] = {"num_ctx": 8192}
            return super().generate(body)

    (cell,) = summarized(measure_ollama(Shared()))
    reload = next(finding for finding in cell.findings if finding.code == "reload")
    assert "1 of 5 trials, up to 1.50 s" in reload.evidence


# One invocation


Makers = dict[str, Callable[[], Engine]]


def plan_of(*texts: str, protocol: Protocol = FIVE, asked: Asked = COUNT) -> Plan:
    return Plan(tuple(Entrant(parse_subject(text), EngineOptions(), (asked,)) for text in texts), protocol)


def run_these(makers: Makers, folder: Path, protocol: Protocol = FIVE) -> tuple[RunFile, list[BakeoffError]]:
    """One invocation with an engine for each subject."""
    plan = plan_of(*makers, protocol=protocol)
    file = RunFile.new(folder, "bakeoff run", plan, HOST)
    return file, run_all(plan, lambda who: Contestant(who.text, makers[who.text](), ids), file, Silent())


def scripted(script: Script) -> Callable[[], Engine]:
    return lambda: Scripted("tiny", script)


def missing() -> Engine:
    raise ModelMissing("The weights of it are not here.")


def never_made() -> Engine:
    raise AssertionError("nothing was to be made ready")


def unreadable() -> Engine:
    raise FileError("x.gguf is not a GGUF file.")


def test_a_run_that_measured_nothing_leaves_no_file(tmp_path: Path) -> None:
    file, errors = run_these({"scripted:gone": scripted(Script(start="unreachable"))}, tmp_path)
    assert [str(error) for error in errors] == ["Nobody answers: the script says so."]
    assert not file.written
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [scripted(Script(start="unreachable")), missing, unreadable])
def test_a_subject_that_cannot_be_measured_is_kept_with_its_reason_and_the_next_one_runs(
    bad: Callable[[], Engine], tmp_path: Path
) -> None:
    file, errors = run_these({"scripted:bad": bad, "scripted:good": scripted(Script())}, tmp_path)
    kept = read_run(file.path)
    assert [(failure.subject, failure.error) for failure in kept.failures] == [("scripted:bad", str(errors[0]))]
    assert len(kept.trials_of(0)) == 5
    assert kept.ended is not None
    assert kept.ended.status == "done"


def test_a_subject_that_fails_after_another_was_measured_is_kept_too(tmp_path: Path) -> None:
    file, _ = run_these({"scripted:good": scripted(Script()), "scripted:bad": missing}, tmp_path)
    assert [failure.subject for failure in read_run(file.path).failures] == ["scripted:bad"]


class PressingCtrlC(Scripted):
    """Its user presses Ctrl-C at the third token of request ``number``."""

    def __init__(self, number: int) -> None:
        super().__init__("tiny", Script())
        self._left = number

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self._left -= 1
        chunks = 0
        async for event in super().stream(request):
            chunks += isinstance(event, Chunk)
            if self._left == 0 and chunks == 3:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()
            yield event


def test_ctrl_c_in_a_trial_keeps_everything_up_to_the_last_token(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"What was measured is in .*; go on with: bakeoff runs resume \d{4}-"):
        run_these({"scripted:tiny": lambda: PressingCtrlC(5)}, tmp_path)
    (path,) = tmp_path.iterdir()
    kept = read_run(path)
    assert [(trial.status, len(trial.timeline.at_ns)) for trial in kept.trials_of(0)] == [
        ("ok", 40),
        ("ok", 40),
        ("truncated", 2),
    ]
    assert kept.trials[-1].error == INTERRUPTED
    assert isinstance(kept.ended, RunEnded)
    assert kept.ended.status == "interrupted"


def test_ctrl_c_in_the_warm_up_says_that_nothing_was_measured(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="Nothing was measured yet"):
        run_these({"scripted:tiny": lambda: PressingCtrlC(1)}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_subject_is_made_ready_does_not_wait_until_it_is(tmp_path: Path) -> None:
    def writing_weights() -> Engine:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it was waited for")

    with pytest.raises(Interrupted, match="Nothing was measured yet"):
        run_these({"scripted:tiny": writing_weights}, tmp_path)


def test_a_cancelled_measurement_writes_the_trial_in_flight() -> None:
    class Stuck(Watching):
        async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
            async for event in super().stream(request):
                yield event
                if isinstance(event, Chunk) and len(self.requests) == 4:
                    stuck.set()
                    await asyncio.Event().wait()

    records: list[AnyRecord] = []
    stuck = asyncio.Event()

    async def main() -> None:
        contestant = Contestant("scripted:tiny", Stuck(Script(), records), ids)
        task = asyncio.create_task(Runner(FIVE, records.append, Silent()).measure(contestant, (COUNT,)))
        await stuck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    last = records[-1]
    assert isinstance(last, Trial)
    assert (last.status, last.error, len(last.timeline.at_ns)) == ("truncated", INTERRUPTED, 1)


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_made_ready(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(FileError, match=r"Cannot write .* Set BAKEOFF_HOME"):
        run_these({"scripted:tiny": never_made}, tmp_path / "runs")


def test_a_script_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "slow.json"
    path.write_bytes(msgspec.json.encode(turns(Turn(tpot_s=0.5))))
    records: list[AnyRecord] = []
    contestant = Contestant(f"scripted:{path}", Scripted(str(path)), ids)
    run(Runner(FIVE, records.append, Silent()).measure(contestant, (COUNT,)))
    figure = summarized(records)[0].metrics["decode_tps"]
    assert figure is not None
    assert figure.point == pytest.approx(2.0)


@pytest.mark.parametrize("text", ["{", '{"turns": [{"fault": "boredom"}]}', '{"turns": 3}', "\xff"])
def test_a_file_that_is_no_script_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FileError, match="is not a script"):
        Scripted(str(path))
