"""A run file holds what was measured, whatever happens to the disk, the process or the file."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import FileError
from bakeoff.results.answers import Answer, Answering, Foretold, Item, Likeliest, ReferenceAnswer, TaskSet
from bakeoff.results.records import (
    INTERRUPTED,
    SCHEMA,
    AnyRecord,
    CellEnded,
    CellFailed,
    CellOpened,
    CooledDown,
    EngineCounts,
    EngineTimings,
    EntrantEnded,
    Figure,
    Gpu,
    Host,
    MemoryPart,
    Metered,
    MeterState,
    Model,
    Prediction,
    Reading,
    Record,
    Run,
    RunEnded,
    RunResumed,
    RunStarted,
    Slo,
    Start,
    Subject,
    Timeline,
    Trial,
    Usage,
    Warmed,
    Window,
    Workload,
)
from bakeoff.results.runfile import LONGEST_LINE, RunWriter, read_run
from tests.hand_made import a_cell, a_run, a_trial

STARTED = RunStarted(
    schema=SCHEMA,
    id="2026-11-24-101502-7f3a",
    started="2026-11-24T10:15:02+00:00",
    command="bakeoff run llamacpp:smollm2 --prompt 'Wie spät ist es?'",
    seed=7,
    host=Host(
        cpu="Some CPU",
        cores_physical=2,
        cores_logical=4,
        memory_bytes=16_000_000_000,
        os="Linux 6.1",
        arch="x86_64",
        python="3.12.0",
        bakeoff="0.1.0",
        power_source="battery",
        gpus=(Gpu(name="Some GPU", memory_bytes=24_000_000_000, driver="550.1"),),
    ),
    plan={"entrants": [], "protocol": {"runs": None}},
)
READING = Reading(
    meter="nvml",
    scope="gpu",
    quantity="energy_j",
    phase="decode",
    value=120.5,
    low=1.0,
    high=2.0,
    span_s=1.5,
    samples=30,
    method="hardware counter",
    detail="GPU 0",
)
METERED = Metered(
    meters=(
        MeterState(
            name="rapl",
            scope="package",
            quantity="energy_j",
            state="denied",
            method="hardware counter",
            rate_hz=10.0,
            reason="not readable",
            fix="sudo chmod",
        ),
    ),
    idle=(READING,),
)
CELL = CellOpened(
    cell=3,
    subject=Subject(
        text="ollama:r1-7b@q4_K_M",
        engine="ollama",
        engine_version="0.5.7",
        model=Model(
            name="DeepSeek R1 7B",
            quant="Q4_K_M",
            size_bytes=4_683_075_271,
            digest="sha256:0a8c",
            architecture="qwen2",
            parameters=7_615_616_512,
            context_trained=131_072,
            synthetic=True,
            chat_template=True,
        ),
        attached=True,
        settings={"context": 2048, "threads": None, "flash": True, "split": 0.5, "url": "http://127.0.0.1:11434"},
    ),
    workload=Workload(
        name="own prompt",
        prompt="Wie spät ist es?\n",
        prompt_tokens=12,
        max_tokens=64,
        context=4096,
        temperature=0.6,
        seed=7,
        cache="warm",
        exact_length=True,
        concurrency=2,
        top_p=0.95,
        shape="chat",
        arrival="poisson",
        rate_rps=1.5,
        requests=40,
        slo=Slo(ttft_s=2.0, tpot_s=0.08, itl_s=0.1, latency_s=20.0),
    ),
    entrant=1,
    place=2,
    predicted=Prediction(
        device="gpu",
        decode_tps=Figure(point=120.5, low=100.0, high=140.0, confidence=0.8, n=2),
        prefill_tps=Figure(point=4000.0, low=3000.0, high=5000.0, confidence=0.8, n=2),
        plain_decode_tps=110.0,
        plain_prefill_tps=4100.0,
        limit_tps=230.6,
        memory_bytes=5_246_496_768,
        limit_assumed=True,
        cores_bound=True,
    ),
    template_tokens=4,
    start=Start(ready_s=1.31, load_s=0.9, page_cache="cold"),
    engine_memory=(MemoryPart(what="weights", device="CUDA0", bytes=4_460_000_000),),
)
TRIAL = Trial(
    cell=3,
    index=2,
    purpose="warm-up",
    status="truncated",
    started="2026-11-24T10:15:09+00:00",
    seed=99,
    timeline=Timeline(at_ns=(101_000_000, 112_000_000, 112_000_000), kinds="-ra", tokens=(1, 2, 4)),
    end_ns=113_000_000,
    finish="length",
    usage=Usage(prompt_tokens=40, cached_tokens=3, output_tokens=4, reasoning_tokens=2),
    engine=EngineTimings(
        prefill_tokens=37, prefill_s=0.09, decode_s=0.011, load_s=1.25, queue_s=0.01, peak_memory_bytes=1_000_000_000
    ),
    engine_counts=EngineCounts(requests=1, preemptions=2, queue_s=0.5, running=3, waiting=4, kv_cache_used=0.25),
    waited_s=2.5,
    clock="kernel",
    clock_step_ns=-1200,
    memory_peak_bytes=231_000_000,
    others_cpu=0.25,
    window=1,
    stream=3,
    due_ns=5_000_000,
    begun_ns=6_000_000,
    readings=(READING,),
    text="<think>\x1b[31m 🚆 </think>Fünf",
    error="closed early",
)
WARMED = Warmed(cell=3, trials=2, agreed=True)
COOLED = CooledDown(cell=3, purpose="timed", index=2, reason="thermal", waited_s=12.0, recovered=True)
WINDOW = Window(
    cell=3,
    index=1,
    purpose="warm-up",
    started="2026-11-24T10:15:09+00:00",
    span_ns=9_000_000_000,
    others_cpu=0.1,
    client_cpu=0.2,
    memory_peak_bytes=231_000_000,
    engine_counts=TRIAL.engine_counts,
    readings=(READING,),
    stopped="the server could not keep up",
)
CELL_ENDED = CellEnded(cell=3, by="budget", half_width=0.05, wanted=0.03)
ENTRANT_ENDED = EntrantEnded(entrant=1)
FAILED = CellFailed(subject="openai:x", error="No server at http://127.0.0.1:1.", entrant=2)
TASKS = TaskSet(
    sets=("standard",),
    digest="9f2c",
    items=(
        Item(id="train", set="standard", level=2, prompt="How fast?", checker="number", target={"value": "75"},
             kind="word problems", note="published as 72"),
    ),
    samples=4,
    max_tokens=4096,
    context=8192,
    temperature=0.6,
    top_p=0.95,
    seed=7,
    sandbox="bubblewrap",
)  # fmt: skip
ANSWERING = Answering(
    entrant=1, subject=CELL.subject, opens_thinking=True, start=CELL.start, engine_memory=CELL.engine_memory
)
ANSWER = Answer(
    entrant=1,
    item="train",
    sample=3,
    seed=99,
    started="2026-11-24T10:15:09+00:00",
    verdict="wrong",
    basis="72 km/h",
    note="It is 75 km/h.",
    text="Answer: 72 km/h\x1b[31m",
    reasoning="Wait. 🚆",
    finish="stop",
    reasoning_tokens=4,
    answer_tokens=6,
    tokens_from="chunks",
    first_ns=100,
    answer_ns=200,
    last_ns=300,
    end_ns=400,
    usage=TRIAL.usage,
    engine=TRIAL.engine,
    others_cpu=0.1,
    waited_s=2.0,
    readings=(READING,),
    block=2,
    error="closed early",
)
RESUMED = RunResumed(resumed="2026-11-24T10:19:00+00:00", bakeoff="0.2.0")
ENDED = RunEnded(ended="2026-11-24T10:20:00+00:00", status="interrupted")
PLACE = Likeliest((7, 3), (-0.1, -2.5))
REFERENCE = ReferenceAnswer(
    entrant=1, item="train", vocabulary=9, text=(4,), prompt=(1, 4, 2), answer=(7, 3), places=(0, 1),
    written=(PLACE, PLACE),
)  # fmt: skip
FORETOLD = Foretold(entrant=1, item="train", at=(PLACE, PLACE))
EVERY: tuple[AnyRecord, ...] = (
    STARTED, METERED, CELL, WARMED, COOLED, TRIAL, WINDOW, CELL_ENDED, ENTRANT_ENDED, RESUMED, FAILED, TASKS,
    ANSWERING, ANSWER, REFERENCE, FORETOLD, ENDED,
)  # fmt: skip


def written(path: Path, *records: AnyRecord) -> Path:
    with RunWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def records_of(run: Run) -> list[AnyRecord]:
    ended = [run.ended] if run.ended else []
    lists = (run.metered, run.cells, run.warmed, run.cooled, run.trials, run.windows, run.cell_ends, run.entrant_ends,
             run.resumed, run.failures, run.task_sets, run.answering, run.answers, run.reference_answers,
             run.foretold)  # fmt: skip
    return [run.started, *(record for records in lists for record in records), *ended]


def says(path: Path) -> str:
    """What reading the file is answered with: one sentence or two, on one line, that name the file."""
    with pytest.raises(FileError) as caught:
        read_run(path)
    message = str(caught.value)
    assert path.name in message
    assert message.endswith(".")
    assert "\n" not in message
    assert message.isprintable()
    return message


# Round trips


def test_every_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = read_run(written(tmp_path / "run.jsonl", *EVERY))
    assert records_of(run) == list(EVERY)


def test_the_records_above_are_of_every_kind_and_use_every_field() -> None:
    assert {type(record) for record in EVERY} == set(get_args(AnyRecord)) == set(Record.__subclasses__())
    for record in EVERY:
        assert set(unset_fields(record)) == set()


def unset_fields(record: msgspec.Struct) -> Iterator[str]:
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, msgspec.Struct):
            yield from unset_fields(value)
        elif value == field.default:
            yield f"{type(record).__name__}.{field.name}"


def test_one_record_is_one_line(tmp_path: Path) -> None:
    lines = written(tmp_path / "run.jsonl", *EVERY).read_bytes().splitlines(keepends=True)
    assert [msgspec.json.decode(line)["type"] for line in lines] == [
        "run", "meters", "cell", "warm", "cooled", "trial", "window", "cell_end", "entrant_end", "resumed",
        "cell_failed", "tasks", "answering", "answer", "reference_answer", "foretold", "end",
    ]  # fmt: skip
    assert all(line.endswith(b"\n") for line in lines)


texts = st.text(st.characters(blacklist_categories=["Cs"]))


@given(texts, st.lists(st.integers(0, 2**40)), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_any_number_come_back(
    tmp_path_factory: pytest.TempPathFactory, text: str, times: list[int], seconds: float
) -> None:
    timeline = Timeline(at_ns=tuple(times), kinds="a" * len(times), tokens=tuple(times))
    trial = a_trial(text=text, error=text, engine=EngineTimings(decode_s=seconds))
    trial = msgspec.structs.replace(trial, timeline=timeline)
    path = written(tmp_path_factory.mktemp("run") / "run.jsonl", STARTED, a_cell(prompt=text), trial)
    assert read_run(path).trials == (trial,)


def test_each_record_can_be_read_before_the_next_is_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run.jsonl") as writer:
        for number, record in enumerate(EVERY, 1):
            writer.write(record)
            assert records_of(read_run(writer.path)) == list(EVERY[:number])


def test_the_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    assert read_run(written(tmp_path / "new" / "folder" / "run.jsonl", STARTED)).started == STARTED


# Killed, and full disks


def test_a_file_torn_at_any_byte_gives_every_whole_record_before(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.jsonl", *EVERY).read_bytes()
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    torn = tmp_path / "torn.jsonl"
    for size in range(len(whole)):
        torn.write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        if complete == 0:
            assert "is not a Bakeoff run file" in says(torn)
        else:
            assert records_of(read_run(torn)) == list(EVERY[:complete])


def test_a_torn_line_in_the_middle_is_damage(tmp_path: Path) -> None:
    lines = written(tmp_path / "run.jsonl", *EVERY).read_bytes().splitlines(keepends=True)
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(lines[0] + lines[1][:40] + b"\n" + b"".join(lines[2:]))
    assert "torn.jsonl, line 2, is not a Bakeoff record" in says(torn)


@contextmanager
def disk_that_holds(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes: a write takes what fits, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 100, 5000, 9000])
def test_a_record_that_the_disk_took_in_part_leaves_the_file_whole(tmp_path: Path, room: int) -> None:
    with RunWriter(tmp_path / "run.jsonl") as writer:
        writer.write(STARTED)
        writer.write(CELL)
        size = writer.path.stat().st_size
        with disk_that_holds(size + room), pytest.raises(FileError, match=r"What was measured so far is kept"):
            writer.write(msgspec.structs.replace(TRIAL, text="word " * 4000))
        assert writer.path.stat().st_size == size
        assert records_of(read_run(writer.path)) == [STARTED, CELL]
        writer.write(ENDED)
    assert records_of(read_run(writer.path)) == [STARTED, CELL, ENDED]


def test_a_disk_that_is_found_full_at_the_flush_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunWriter(tmp_path / "run.jsonl") as writer:
        writer.write(STARTED)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(FileError, match=r"No space left on device.* free some space or set BAKEOFF_HOME"):
                writer.write(CELL)
        writer.write(ENDED)
    assert records_of(read_run(writer.path)) == [STARTED, ENDED]


def test_an_interrupt_in_the_middle_of_a_write_leaves_no_torn_line_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with RunWriter(tmp_path / "run.jsonl") as writer:
        writer.write(STARTED)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", interrupted)
            with pytest.raises(KeyboardInterrupt):
                writer.write(CELL)
        writer.write(ENDED)
    assert records_of(read_run(writer.path)) == [STARTED, ENDED]


def test_a_run_never_overwrites_a_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("mine")
    with pytest.raises(FileError, match=r"Cannot write .*run\.jsonl: File exists"):
        RunWriter(path)
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"Cannot write .*(Not a directory|File exists)\. Set BAKEOFF_HOME"):
        RunWriter(tmp_path / "file" / "run.jsonl")


def test_a_record_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run.jsonl") as writer:
        writer.write(STARTED)
        with pytest.raises(FileError, match="too long"):
            writer.write(CellFailed(subject="x", error="x" * LONGEST_LINE))
    assert records_of(read_run(writer.path)) == [STARTED]


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run.jsonl")
    writer.close()
    writer.close()


# Going on with a file


def gone_on(path: Path, *records: AnyRecord) -> Run:
    with RunWriter(path, append=True) as writer:
        for record in records:
            writer.write(record)
    return read_run(path)


def test_a_file_torn_at_any_byte_is_gone_on_with_behind_its_last_whole_record(tmp_path: Path) -> None:
    before = (STARTED, CELL, WARMED, msgspec.structs.replace(TRIAL, window=None))
    whole = written(tmp_path / "whole.jsonl", *before).read_bytes()
    ends = [position for position, byte in enumerate(whole) if byte == ord("\n")]
    torn = tmp_path / "torn.jsonl"
    for size in range(ends[0], len(whole) + 1):
        torn.write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        assert records_of(gone_on(torn, RESUMED)) == [*before[:complete], RESUMED]


def test_a_file_is_not_gone_on_with_while_another_writes_it(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run.jsonl") as writer:
        writer.write(STARTED)
        with pytest.raises(FileError, match=r"run\.jsonl is being written by another Bakeoff"):
            RunWriter(writer.path, append=True)
        writer.write(CELL)
    assert records_of(gone_on(writer.path, RESUMED)) == [STARTED, CELL, RESUMED]


def test_a_file_that_is_not_there_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        RunWriter(tmp_path / "run.jsonl", append=True)


def test_a_trial_that_was_interrupted_is_left_out_once_the_run_goes_on(tmp_path: Path) -> None:
    path = written(
        tmp_path / "run.jsonl", STARTED, CELL, WINDOW, TRIAL, msgspec.structs.replace(TRIAL, error=INTERRUPTED)
    )
    assert len(read_run(path).trials) == 2
    assert gone_on(path, RESUMED).trials == (TRIAL,)


def test_requests_of_a_window_that_never_ended_are_left_out_once_the_run_goes_on(tmp_path: Path) -> None:
    of_another = msgspec.structs.replace(TRIAL, window=2)
    path = written(tmp_path / "run.jsonl", STARTED, CELL, TRIAL, WINDOW, of_another)
    assert read_run(path).trials == (TRIAL, of_another)
    assert gone_on(path, RESUMED).trials == (TRIAL,)
    window = msgspec.structs.replace(WINDOW, index=2)
    assert gone_on(path, of_another, window).trials == (TRIAL, of_another)


def test_a_failure_is_left_out_once_its_subject_is_taken_up_again(tmp_path: Path) -> None:
    of_the_ended = CellFailed(subject="scripted:x", error="refused", entrant=1)
    path = written(tmp_path / "run.jsonl", STARTED, of_the_ended, ENTRANT_ENDED, FAILED)
    assert read_run(path).failures == (of_the_ended, FAILED)
    assert gone_on(path, RESUMED).failures == (of_the_ended,)
    assert gone_on(path, FAILED).failures == (of_the_ended, FAILED)


def test_a_run_that_goes_on_has_not_ended(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", STARTED, ENDED)
    assert read_run(path).ended == ENDED
    assert gone_on(path, RESUMED).ended is None


# Files that are something else


def test_a_run_file_from_a_later_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "later.jsonl"
    path.write_bytes(b'{"type":"run","schema":3,"hosts":[{}],"ident":7}\n{"type":"wave","height":3}\n')
    assert says(path) == ("later.jsonl has run-file version 3; this Bakeoff reads up to 2. Update Bakeoff to read it.")


def test_fields_that_a_later_bakeoff_adds_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl", STARTED, ENDED)
    path.write_bytes(path.read_bytes().replace(b'"ended":', b'"mood":{"good":[1]},"ended":'))
    assert records_of(read_run(path)) == [STARTED, ENDED]


FIRST = msgspec.json.encode(STARTED) + b"\n"
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"", "is not a Bakeoff run file"),
        (b"\n", "is not a Bakeoff run file"),
        (b"hello\n", "is not a Bakeoff run file"),
        (b"%PDF-1.7\n\xff\xfe\x00", "is not a Bakeoff run file"),
        (b"\x00" * 100, "is not a Bakeoff run file"),
        (b"[]\n", "is not a Bakeoff run file"),
        (b"null\n", "is not a Bakeoff run file"),
        (DEEP, "is not a Bakeoff run file"),
        (b'{"x":' + DEEP, "is not a Bakeoff run file"),
        (b'{"type":"run","schema":"1"}\n', "is not a Bakeoff run file"),
        (b'{"type":"run","schema":true}\n', "is not a Bakeoff run file"),
        (b'{"type":"run","schema":NaN}\n', "is not a Bakeoff run file"),
        (b'{"type":"run","schema":0}\n', "is not a Bakeoff run file"),
        (b'{"type":"run","schema":-1}\n', "is not a Bakeoff run file"),
        (b'{"type":"run","schema":1' + b"0" * 5000 + b"}\n", "is not a Bakeoff run file"),
        (b'{"type":"run","schema":1}\n', "line 1, is not a Bakeoff record"),
        (b'{"type":"trial","schema":1}\n', "its first line is not a run record"),
        (msgspec.json.encode(ENDED) + b"\n", "is not a Bakeoff run file"),
        (FIRST + FIRST, "it has two beginnings"),
        (FIRST + b"\n" + msgspec.json.encode(ENDED) + b"\n", "line 2, is not a Bakeoff record"),
        (FIRST + b"{}\n", "line 2, is not a Bakeoff record"),
        (FIRST + DEEP + b"\n", "line 2, is not a Bakeoff record"),
        (FIRST + b'{"type":"end","x":' + DEEP + b"\n", "line 2, is not a Bakeoff record"),
        (FIRST + b'{"type":"wave"}\n', "line 2, is not a Bakeoff record"),
        (FIRST + b'{"type":"\\u001b[31mred"}\n', "line 2, is not a Bakeoff record"),
        (FIRST + b'{"type":"end","ended":1,"status":"done"}\n', "Expected `str`, got `int`"),
        (FIRST + b'{"type":"end","ended":"now","status":"lost"}\n', "Invalid enum value 'lost'"),
        (FIRST + b'{"type":"end","ended":"\xff","status":"done"}\n', "line 2, is not a Bakeoff record"),
        (FIRST + b'{"type":"end","ended":"\\ud800","status":"done"}\n', "line 2, is not a Bakeoff record"),
        (FIRST + msgspec.json.encode(a_trial()) + b"\n", "its trials and cells do not belong together"),
        (FIRST + 2 * (msgspec.json.encode(CELL) + b"\n"), "its trials and cells do not belong together"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_refused_in_a_sentence(tmp_path: Path, content: bytes, answer: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    assert answer in says(path)


def trial_with(**changes: Any) -> bytes:
    """A run of one trial, some of whose fields are not what they should be."""
    trial = msgspec.to_builtins(a_trial()) | changes
    return FIRST + msgspec.json.encode(a_cell()) + b"\n" + msgspec.json.encode(trial) + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        trial_with(cell="0"),
        trial_with(status="fine"),
        trial_with(timeline={"at_ns": [1.5], "kinds": "a"}),
        trial_with(timeline={"at_ns": [10**30], "kinds": "a"}),
        trial_with(timeline={"at_ns": [1, 2], "kinds": "a"}),
        trial_with(timeline={"at_ns": [1], "kinds": "aaa"}),
        trial_with(timeline={"at_ns": [1, 2], "kinds": "aa", "tokens": [1]}),
        trial_with(timeline={"at_ns": [1, 2], "kinds": "aa", "tokens": []}),
        trial_with(timeline={"at_ns": [1], "kinds": "x"}),
        trial_with(usage={"output_tokens": 10**400}),
        trial_with(engine={"decode_s": "soon"}),
        trial_with(engine={"decode_s": 1e300}).replace(b"1e300", b"1e999"),
        trial_with(engine={"decode_s": 1e300}).replace(b"1e300", b"NaN"),
        trial_with(end_ns=2**63),
    ],
)
def test_a_trial_that_no_formula_could_take_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    assert "odd.jsonl, line 3, is" in says(path)


@pytest.mark.parametrize("beginning", [b"", FIRST])
def test_a_huge_line_is_refused_before_it_fills_the_memory(tmp_path: Path, beginning: bytes) -> None:
    path = tmp_path / "huge.jsonl"
    path.write_bytes(beginning)
    os.truncate(path, 100 * LONGEST_LINE)  # a hole: it takes no room on the disk
    says(path)


def test_a_file_that_is_not_there_or_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"Cannot read .*none\.jsonl: No such file or directory"):
        read_run(tmp_path / "none.jsonl")
    with pytest.raises(FileError, match=r"Cannot read .*: Is a directory"):
        read_run(tmp_path)


# The first version, for ever


def test_a_run_file_of_the_first_version_stays_readable() -> None:
    run = read_run(Path(__file__).parent / "data" / "run-v1.jsonl")
    assert run.started.schema == 1
    assert run.started.host.gpus == (Gpu(name="Golden GPU", memory_bytes=24_000_000_000, driver="550.54"),)
    assert [cell.cell for cell in run.cells] == [0, 1]
    thinker, synthetic = run.cells
    assert thinker.subject.settings == {"context": 2048, "threads": 2}
    assert (thinker.workload.name, thinker.template_tokens) == ("train problem", 4)
    assert (synthetic.subject.model.synthetic, synthetic.workload.prompt, synthetic.workload.prompt_tokens) == (
        True, None, 128,
    )  # fmt: skip
    assert [trial.status for trial in run.trials_of(0)] == ["ok", "ok", "ok", "truncated", "failed"]
    assert [trial.purpose for trial in run.trials_of(0, "warm-up")] == ["warm-up", "warm-up"]
    first = run.trials_of(0)[0]
    assert first.timeline == Timeline(at_ns=(250_000_000, 260_000_000, 270_000_000, 290_000_000), kinds="-r-a")
    assert first.usage == Usage(prompt_tokens=62, cached_tokens=4, output_tokens=4)
    assert first.engine == EngineTimings(prefill_tokens=58, prefill_s=0.25, decode_s=0.04)
    assert first.text == "<think>Zwölf</think>12"
    assert run.trials_of(1)[0].timeline.tokens == (2, 4)
    assert [failure.subject for failure in run.failures] == ["openai:absent"]
    assert run.ended == RunEnded(ended="2026-11-24T10:20:00+00:00", status="done")


def test_what_a_run_holds_is_given_in_order(tmp_path: Path) -> None:
    trials = [a_trial(index=i, purpose=p) for i, p in ((0, "warm-up"), (0, "timed"), (1, "timed"))]
    run = a_run([a_cell()], trials)
    assert [trial.index for trial in run.trials_of(0)] == [0, 1]
    assert run.trials_of(0, "warm-up") == trials[:1]
    assert run.trials_of(1) == []
