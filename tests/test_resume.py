"""A run that was interrupted anywhere is gone on with, and comes to what it would have come to."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct, structs

from bakeoff.analysis.summary import summarize
from bakeoff.cli.show import json_text
from bakeoff.engines.base import Chunk, Description, Engine, Request, StreamEvent
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.scripted import Script, Scripted
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import BakeoffError, EngineCrashed, FileError, Interrupted, ModelMissing
from bakeoff.report.document import run_document
from bakeoff.results.records import Gpu, Run, RunEnded, RunResumed, Trial
from bakeoff.results.runfile import RunWriter, read_run
from bakeoff.run.budget import spent_s
from bakeoff.run.contestant import Contestant
from bakeoff.run.file import RunFile
from bakeoff.run.plan import Entrant, Plan, Protocol
from bakeoff.run.resume import is_finished, newest_unfinished, plan_to_resume, same_machine
from bakeoff.run.session import run_all
from tests.forking import Forking
from tests.hand_made import a_host, a_run, a_trial
from tests.test_cli import SCRIPTED, Bakeoff
from tests.test_runfile import disk_that_holds
from tests.test_runner import HOST, Silent, ids
from tests.test_schedule import ONE, TWO

NOISY = Script(spread=0.06)
SHORT = tuple(msgspec.structs.replace(asked, max_tokens=4) for asked in (ONE, TWO))
PLAN = Plan(
    (
        Entrant(parse_subject("scripted:first"), EngineOptions(), SHORT),
        Entrant(parse_subject("scripted:second"), EngineOptions(), SHORT[:1]),
    ),
    Protocol(seed=3),
)
Make = Callable[[Entrant], Contestant]
Status = Literal["done", "interrupted", "failed"]


def noisy(entrant: Entrant) -> Contestant:
    return Contestant(entrant.text, Scripted(entrant.text, NOISY), ids)


def begin(folder: Path, make: Make = noisy, plan: Plan = PLAN) -> tuple[Path, list[BakeoffError]]:
    file = RunFile.new(folder, "bakeoff run", plan, HOST)
    return file.path, run_all(plan, make, file, Silent())


def go_on(path: Path, make: Make = noisy) -> list[BakeoffError]:
    file = RunFile.old(path, HOST)
    before = read_run(path, to_resume=True)
    return run_all(plan_to_resume(before, HOST), make, file, Silent(), before=before)


def result(path: Path) -> dict[str, Any]:
    """What a run came to: all but its name."""
    return {**run_document(summarize(read_run(path)), ""), "run": ""}


def measured(path: Path) -> tuple[Any, ...]:
    """All that a run's summary is made of, but times of day."""
    run = read_run(path)
    trials = [msgspec.structs.replace(trial, started="") for trial in run.trials if trial.purpose != "warm-up"]
    return run.cells, trials, run.cell_ends, run.entrant_ends, run.failures, run.ended and run.ended.status


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    path, errors = begin(tmp_path_factory.mktemp("whole"))
    assert errors == []
    cells = result(path)["cells"]
    counts = [cell["trials"]["ok"] for cell in cells]
    assert len(set(counts)) > 1  # cells end at unlike rounds, by unlike figures
    return path


# Files that are cut


@pytest.fixture
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in a file is all that counts here, not whether it is on the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def resumed(content: bytes, path: Path) -> tuple[Any, ...]:
    path.write_bytes(content)
    assert go_on(path) == []
    return measured(path)


@pytest.mark.usefixtures("no_flushing")
def test_a_run_cut_behind_any_record_comes_to_the_same(whole: Path, tmp_path: Path) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines) + 1):
        path = tmp_path / f"{kept}.jsonl"
        assert resumed(b"".join(lines[:kept]), path) == measured(whole), lines[kept - 1]
    assert result(path) == result(whole)


@pytest.mark.usefixtures("no_flushing")
def test_a_run_cut_at_any_byte_of_its_last_records_comes_to_the_same(whole: Path, tmp_path: Path) -> None:
    content, expected, path = whole.read_bytes(), measured(whole), tmp_path / "cut.jsonl"
    for size in range(content.rindex(b'{"type":"trial"'), len(content)):
        assert resumed(content[:size], path) == expected, size


def test_the_trials_of_a_run_that_was_cut_stand_in_the_file_in_the_same_order(whole: Path, tmp_path: Path) -> None:
    def order(path: Path) -> list[tuple[int, int, int]]:
        return [(trial.cell, trial.index, trial.seed) for trial in read_run(path).trials if trial.purpose == "timed"]

    lines = whole.read_bytes().splitlines(keepends=True)
    for kept in (12, 17, 23, 30, len(lines) - 8):
        path = tmp_path / f"{kept}.jsonl"
        resumed(b"".join(lines[:kept]), path)
        assert order(path) == order(whole)


@pytest.mark.usefixtures("no_flushing")
def test_a_run_under_load_cut_behind_any_record_comes_to_the_same(tmp_path: Path) -> None:
    streams = structs.replace(SHORT[0], concurrency=2, requests=4)
    plan = Plan((Entrant(parse_subject("scripted:first"), EngineOptions(), (streams, SHORT[1])),), Protocol(runs=3))
    complete, errors = begin(tmp_path / "whole", plan=plan)
    assert errors == []
    assert len(read_run(complete).windows_of(0)) == 3
    lines = complete.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines) + 1):
        path = tmp_path / f"{kept}.jsonl"
        resumed(b"".join(lines[:kept]), path)
        assert result(path) == result(complete), lines[kept - 1]


# Processes that are killed

MOMENTS = 50
AT_A_TIME = 2


def size_of(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("runs/*.jsonl"))


def the_file(home: Path) -> Path:
    (path,) = home.glob("runs/*.jsonl")
    return path


def killed(forking: Forking, home: Path, size: int, *arguments: str) -> bool:
    """Run a command and kill it once the run's file is so large; whether that came before its end."""
    process = forking.start(home, *arguments)
    while size_of(home) < size and not ended(process.pid):
        time.sleep(0.0005)
    process.kill()
    return process.wait() == -signal.SIGKILL


def ended(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"


class Case(Struct, frozen=True):
    """A run to be killed once its file is so large, and perhaps its resumption as well."""

    home: Path
    first: int
    second: int | None


def survives(forking: Forking, case: Case, command: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """How many kills came in time, and what the last resumption showed."""
    in_time = int(killed(forking, case.home, case.first, *command))
    if case.second is not None:
        in_time += killed(forking, case.home, case.second, "runs", "resume")
    last = forking.start(case.home, "runs", "resume", "--json")
    assert last.wait() == 0, last.error
    return in_time, {**last.document, "run": "", "file": ""}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_killed_at_fifty_moments_and_gone_on_with_comes_to_the_same(tmp_path: Path) -> None:
    script = tmp_path / "noisy.json"
    script.write_bytes(msgspec.json.encode(NOISY))
    command = ["run", f"scripted:{script}", "scripted:steady", "--max-tokens", "4", "--seed", "5"]
    with ExitStack() as stack:
        servers = [stack.enter_context(Forking()) for _ in range(AT_A_TIME)]
        undisturbed = tmp_path / "undisturbed"
        assert servers[0].start(undisturbed, *command).wait() == 0
        expected, size = json.loads(json_text(result(the_file(undisturbed)))), size_of(undisturbed)
        moments = random.Random(0)
        cases = []
        for number in range(MOMENTS):
            at = moments.randrange(1, size)
            second = moments.randrange(at, size) if number % 3 == 0 else None
            cases.append(Case(tmp_path / str(number), at, second))
        pool = stack.enter_context(ThreadPoolExecutor(AT_A_TIME))
        dealt = [cases[n::AT_A_TIME] for n in range(AT_A_TIME)]
        halves = pool.map(lambda server, mine: [survives(server, case, command) for case in mine], servers, dealt)
        outcomes = [outcome for half in halves for outcome in half]
    assert all(document == expected for _, document in outcomes)
    assert sum(in_time for in_time, _ in outcomes) >= MOMENTS


# Ctrl-C, full disks, engines that die


def with_engine(make: Callable[[str], Engine]) -> Make:
    return lambda entrant: Contestant(entrant.text, make(entrant.text), ids)


class Noisy(Scripted):
    """The noisy script, which something befalls at its ``number``-th request."""

    def __init__(self, name: str, number: int, befalls: Callable[[], None]) -> None:
        super().__init__(name, NOISY)
        self._left = number
        self._befalls = befalls

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self._left -= 1
        async for event in super().stream(request):
            yield event
            if self._left == 0 and isinstance(event, Chunk):
                self._befalls()
                await asyncio.sleep(0)  # where Ctrl-C is noticed


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def die() -> None:
    raise EngineCrashed("The engine ended by itself.")


@pytest.mark.parametrize("number", [5, 6, 9, 14])
def test_a_run_that_ctrl_c_ended_comes_to_the_same(whole: Path, tmp_path: Path, number: int) -> None:
    with pytest.raises(Interrupted, match="bakeoff runs resume"):
        begin(tmp_path, with_engine(lambda text: Noisy(text, number, press_ctrl_c)))
    (path,) = tmp_path.iterdir()
    kept = read_run(path)
    assert kept.ended is not None
    assert kept.ended.status == "interrupted"
    assert go_on(path) == []
    assert measured(path) == measured(whole)
    assert len(read_run(path).resumed) == 1


def test_an_engine_that_died_is_started_again_and_its_finished_trials_stay(whole: Path, tmp_path: Path) -> None:
    path, errors = begin(tmp_path, with_engine(lambda text: Noisy(text, 6 if "second" in text else 0, die)))
    assert [str(error) for error in errors] == ["The engine ended by itself."]
    before = read_run(path)
    assert [failure.subject for failure in before.failures] == ["scripted:second"]
    assert before.ended is not None
    assert before.ended.status == "failed"
    assert go_on(path) == []
    after = read_run(path)
    assert after.trials[: len(before.trials)] == before.trials
    assert (after.failures, after.ended and after.ended.status) == ((), "done")
    second = [trial.status for trial in after.trials_of(2)]
    assert second.count("truncated") == 1
    assert len(second) == len(read_run(whole).trials_of(2)) + 1
    assert [trial.index for trial in after.trials_of(2)] == list(range(len(second)))


def test_an_engine_that_dies_again_is_told_again_and_once(tmp_path: Path) -> None:
    path, _ = begin(tmp_path, with_engine(lambda text: Noisy(text, 6 if "second" in text else 0, die)))
    for _ in range(2):
        assert len(go_on(path, with_engine(lambda text: Noisy(text, 3, die)))) == 1
        assert [failure.error for failure in read_run(path).failures] == ["The engine ended by itself."]


def test_a_disk_that_filled_up_lost_nothing_that_was_finished(whole: Path, tmp_path: Path) -> None:
    size = whole.stat().st_size
    with disk_that_holds(size // 2), pytest.raises(FileError, match="What was measured so far is kept"):
        begin(tmp_path)
    (path,) = tmp_path.iterdir()
    assert len(read_run(path).trials) > 10
    assert go_on(path) == []
    assert measured(path) == measured(whole)


def test_a_server_that_is_not_there_leaves_the_file_as_it_was(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:15]))
    content = path.read_bytes()
    away = with_engine(lambda text: Scripted(text, Script(start="unreachable")))
    assert {str(error) for error in go_on(path, away)} == {"Nobody answers: the script says so."}
    assert path.read_bytes() == content
    assert go_on(path) == []
    assert measured(path) == measured(whole)


# What is asked, and of whom


class Listening(Scripted):
    """The noisy script, and what it was asked."""

    def __init__(self, heard: list[Request]) -> None:
        super().__init__("tiny", NOISY)
        self._heard = heard

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self._heard.append(request)
        async for event in super().stream(request):
            yield event


def test_a_trial_that_is_done_again_has_its_seed_and_a_preamble_that_no_cache_can_know(tmp_path: Path) -> None:
    plan = Plan(PLAN.entrants[:1], PLAN.protocol)
    heard: tuple[list[Request], list[Request]] = [], []
    path, _ = begin(tmp_path, with_engine(lambda _: Listening(heard[0])), plan)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:15]))
    go_on(path, with_engine(lambda _: Listening(heard[1])))
    before, after = ({request.prompt.system for request in requests} for requests in heard)
    assert before.isdisjoint(after)
    again = [request.seed for request in heard[1] if request.seed in {request.seed for request in heard[0]}]
    assert len(again) >= 10


class Other(Scripted):
    """The same name, but another file or another version."""

    def __init__(self, digest: str, version: str) -> None:
        super().__init__("tiny", NOISY)
        self._is = (digest, version)

    def describe(self) -> Description:
        about = super().describe()
        digest, version = self._is
        return structs.replace(about, version=version, model=structs.replace(about.model, digest=digest))


@pytest.mark.parametrize(
    ("digest", "version", "words"),
    [
        (
            "sha256:bbbb",
            "1",
            r"The weights of scripted:first are no longer those .* digest was sha256:aaaa, and is sha256",
        ),
        ("sha256:aaaa", "2", "scripted:first was measured on 1, and now answers as 2: start a new run"),
    ],
)
def test_other_weights_or_another_engine_are_not_taken_for_the_same(
    digest: str, version: str, words: str, tmp_path: Path
) -> None:
    path, _ = begin(tmp_path, with_engine(lambda _: Other("sha256:aaaa", "1")))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:15]))
    content = path.read_bytes()
    with pytest.raises(FileError, match=words):
        go_on(path, with_engine(lambda _: Other(digest, version)))
    assert path.read_bytes() == content


def test_a_subject_that_was_measured_and_cannot_be_made_ready_now_is_told_and_stays_unfinished(
    whole: Path, tmp_path: Path
) -> None:
    def gone(_: Entrant) -> Contestant:
        raise ModelMissing("There is no file x.gguf.")

    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:15]))
    with pytest.raises(ModelMissing):
        go_on(path, gone)
    assert not is_finished(read_run(path))


def test_a_run_of_another_machine_is_not_gone_on_with_here(whole: Path) -> None:
    with pytest.raises(FileError, match=r"was begun on another machine \(a processor\): resume it there"):
        plan_to_resume(read_run(whole), a_host())


def test_a_run_of_an_older_bakeoff_has_no_plan_to_go_on_with() -> None:
    with pytest.raises(FileError, match="is of an older Bakeoff"):
        plan_to_resume(a_run(), a_host())


def test_a_machine_is_the_same_after_an_update_and_on_battery_and_not_with_another_gpu() -> None:
    host = a_host()
    assert same_machine(host, a_host(os="Linux 6.2", python="3.13", power_source="battery", bakeoff="9"))
    assert same_machine(host, a_host(memory_bytes=15_900_000_000))
    assert not same_machine(host, a_host(memory_bytes=32_000_000_000))
    assert not same_machine(host, a_host(gpus=(Gpu(name="RTX"),)))


def test_the_newest_run_that_was_not_ended_is_gone_on_with() -> None:
    def run_of(status: Status | None, **started: Any) -> Run:
        ended = RunEnded(ended="later", status=status) if status else None
        facts = {"plan": {}, "host": a_host()} | started
        return structs.replace(a_run(), started=structs.replace(a_run().started, **facts), ended=ended)

    runs = {
        "done": run_of("done"),
        "interrupted": run_of("interrupted"),
        "cut": run_of(None),
        "of another machine": run_of(None, host=a_host(cpu="Other")),
        "of an older Bakeoff": run_of(None, plan=None),
        "the newest": run_of("done"),
    }
    found = [(Path(name), run) for name, run in runs.items()]
    assert newest_unfinished(found, a_host()) == Path("cut")
    assert newest_unfinished(found[:2], a_host()) == Path("interrupted")
    assert newest_unfinished(found[:1], a_host()) is None


# Time


def test_what_an_interrupted_run_has_used_of_its_time_is_not_given_again() -> None:
    def at(clock: str, seconds: float) -> Trial:
        return a_trial(started=f"2026-11-24T{clock}+00:00", end_ns=round(seconds * 1e9))

    trials = [at("10:15:12", 2.0), at("10:16:02", 3.0), at("12:00:40", 5.0)]
    resumed = (RunResumed(resumed="2026-11-24T12:00:00+00:00", bakeoff="0"),)
    assert spent_s(a_run()) == 0
    assert spent_s(a_run(trials=trials[:2])) == 63
    assert spent_s(a_run(trials=trials, resumed=resumed)) == 63 + 45


# The command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bakeoff(home: Path, capsys: pytest.CaptureFixture[str]) -> Bakeoff:
    return Bakeoff(capsys)


def test_the_newest_unfinished_run_is_gone_on_with_where_none_is_named_and_else_the_newest_shown(
    bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(10)  # runs of one second have no order
    monkeypatch.setattr("bakeoff.run.file.utc_now", lambda: f"2026-11-24T10:15:{next(seconds)}+00:00")
    first = bakeoff(*SCRIPTED, "--json").document
    cut = Path(first["file"])
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:5]))
    second = bakeoff(*SCRIPTED, "--json").document
    gone_on = bakeoff("runs", "resume", "--json")
    assert gone_on.code == 0
    assert gone_on.document == first
    shown = bakeoff("runs", "resume", "--json")
    assert (shown.code, shown.document) == (0, second)
    named = bakeoff("runs", "resume", first["run"], "--json")
    assert (named.code, named.document) == (0, first)


def test_a_run_that_cannot_be_gone_on_with_is_told_in_a_sentence(bakeoff: Bakeoff, home: Path) -> None:
    assert "There are no runs yet" in bakeoff("runs", "resume").err
    old = Path(__file__).parent / "data" / "run-v1.jsonl"
    unfinished = home / "runs" / "old.jsonl"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_bytes(b"".join(old.read_bytes().splitlines(keepends=True)[:-1]))
    said = bakeoff("runs", "resume", "old")
    assert (said.code, said.out) == (1, "")
    assert "is of an older Bakeoff" in said.err


def test_a_run_that_is_still_going_is_not_taken_for_one_that_was_interrupted(bakeoff: Bakeoff) -> None:
    path = Path(bakeoff(*SCRIPTED, "--json").document["file"])
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    with RunWriter(path, append=True):
        said = bakeoff("runs", "resume")
    assert (said.code, said.out) == (1, "")
    assert "is being written by another Bakeoff: it is not unfinished, but running" in said.err
