"""Whatever a run file holds, it is shown as an honest screen or refused in a sentence, and never obeyed."""

from __future__ import annotations

import copy
import io
import json
import os
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bakeoff.analysis.findings import unlike_hosts
from bakeoff.analysis.summary import Summary, summarize
from bakeoff.cli.show import json_text
from bakeoff.errors import FileError
from bakeoff.measurement.metrics import METRICS
from bakeoff.report.document import run_document
from bakeoff.report.export import trials_csv
from bakeoff.report.terminal import print_summary
from bakeoff.results.records import (
    AnyRecord,
    CellEnded,
    CellFailed,
    CooledDown,
    EngineCounts,
    EngineTimings,
    EntrantEnded,
    Figure,
    Gpu,
    MemoryPart,
    Metered,
    MeterState,
    Prediction,
    Reading,
    Run,
    RunEnded,
    RunResumed,
    Slo,
    Start,
    Timeline,
    Usage,
    Warmed,
    Window,
)
from bakeoff.results.runfile import read_run
from tests.hand_made import MS, a_cell, a_host, a_run, a_trial

WHOLE = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
GOLDEN = Path(__file__).parent / "data" / "run-v1.jsonl"
MANY = int(os.environ.get("BAKEOFF_FUZZ", "150"))
OBEYED = "".join(map(chr, [*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x202E, 0x2066, 0xFEFF]))


def shown(path: Path) -> str:
    """The screen, JSON and CSV of the file; raises FileError where it is refused."""
    run = read_run(path)
    summary = summarize(run)
    unlike_hosts(run.started.host, a_host())
    screen = screen_of(summary)
    document = json_text(run_document(summary, "file"))
    table = trials_csv(run)
    json.loads(document)
    for text in (screen, document, table):
        assert not set(OBEYED) & set(text), sorted(set(OBEYED) & set(text))
    assert "Traceback" not in screen
    return screen


def screen_of(summary: Summary) -> str:
    out = io.StringIO()
    print_summary(summary, "file", Console(file=out, width=100, highlight=False))
    return out.getvalue()


def shown_or_refused(path: Path) -> str:
    """What the file is answered with: its screen, or a sentence on one line."""
    try:
        return shown(path)
    except FileError as error:
        message = str(error)
        assert path.name in message
        assert message.endswith(".")
        assert message.isprintable(), message
        assert len(message) < 1000
        return message


def every_kind() -> Iterator[AnyRecord]:
    """A run with each kind of record and each optional part of one, one by one and under load."""
    host = a_host(gpus=(Gpu(name="Some GPU", memory_bytes=24 * 10**9, driver="550.1"),))
    started = msgspec.structs.replace(a_run().started, host=host, plan={"protocol": {"runs": 3}, "entrants": [{}]})
    heat = Reading(
        meter="nvml", scope="gpu", quantity="throttled_share", value=0.5, low=0.0, high=1.0, span_s=1.0, samples=10,
        method="driver", detail="too hot",
    )  # fmt: skip
    swap = Reading(meter="psi", scope="machine", quantity="swap_in_bytes", value=1e9)
    meter = MeterState(name="nvml", scope="gpu", quantity="power_w", state="denied", reason="no right", fix="sudo x")
    rate = Figure(point=80.0, low=70.0, high=90.0, confidence=0.8, n=2)
    predicted = Prediction(
        device="cpu", decode_tps=rate, prefill_tps=rate, plain_decode_tps=80.0, plain_prefill_tps=400.0,
        limit_tps=99.0, memory_bytes=3 << 30,
    )  # fmt: skip
    cells = [
        a_cell(0, size_bytes=2 << 30, settings={"layers_on_gpu": 20, "layers": 28, "gpu_share": 0.5}, context=2048),
        a_cell(1, requests=2, concurrency=2, slo=Slo(ttft_s=1.0), arrival="poisson", rate_rps=2.0, text="vllm:x"),
    ]
    start = Start(ready_s=2.0, load_s=1.0, page_cache="cold")
    parts = (MemoryPart(what="weights", device="CPU", bytes=10**9),)
    counts = EngineCounts(requests=3, preemptions=1, queue_s=0.5, running=1, waiting=1, kv_cache_used=0.5)
    yield started
    yield Metered(meters=(meter,), idle=(heat,))
    for opened in cells:
        yield msgspec.structs.replace(opened, predicted=predicted, start=start, engine_memory=parts, template_tokens=1)
        yield a_trial(purpose="warm-up", cell=opened.cell)
        yield Warmed(cell=opened.cell, trials=4, agreed=False)
    yield a_trial(purpose="anchor", index=0)
    for index in range(6):
        yield a_trial(
            (100, 110, 121 + index), "rra", (1, 2, 3 + index), index=index, others_cpu=0.5, memory_peak_bytes=10**9,
            waited_s=0.5, clock="kernel", clock_step_ns=5, readings=(heat, swap), engine_counts=counts, text="word",
            usage=Usage(prompt_tokens=40, cached_tokens=4, output_tokens=64, reasoning_tokens=30),
            engine=EngineTimings(prefill_tokens=36, prefill_s=0.1, decode_s=0.1, load_s=0.2, queue_s=0.05),
        )  # fmt: skip
    yield CooledDown(cell=0, purpose="timed", index=6, reason="too hot", waited_s=9.0, recovered=False)
    yield a_trial((), status="failed", error="The server broke off", index=6)
    for index in range(4):
        yield a_trial((100, 110), cell=1, index=index, window=index // 2, stream=index % 2, due_ns=0, begun_ns=MS)
    for index in range(2):
        yield Window(
            cell=1, index=index, purpose="timed", started="", span_ns=10**9, others_cpu=0.5, client_cpu=0.5,
            memory_peak_bytes=10**9, engine_counts=counts, readings=(heat,), stopped="it could not keep up",
        )  # fmt: skip
    yield a_trial(purpose="anchor", index=1)
    yield CellEnded(cell=0, by="budget", half_width=0.08, wanted=0.03)
    yield RunResumed(resumed="2026-11-24T11:15:02+00:00", bakeoff="0.1.0")
    yield EntrantEnded(entrant=0)
    yield CellFailed(subject="openai:absent", error="No server at http://127.0.0.1:1.")
    yield RunEnded(ended="2026-11-24T10:20:00+00:00", status="done")


RECORDS = list(every_kind())
LINES = [msgspec.json.encode(record) for record in RECORDS]


def whole_of(records: Sequence[AnyRecord]) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def file_of(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "odd.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def test_the_file_that_is_made_hostile_below_is_shown_as_it_is(folder: Path) -> None:
    screen = shown(file_of(folder, LINES))
    assert "Hand Made" in screen
    assert "openai:absent was not measured" in screen


# Cut anywhere


ONE_OF_EACH = [
    msgspec.structs.replace(record, cell=0) if isinstance(record, Window) else record
    for number, record in enumerate(RECORDS)
    if type(record) not in map(type, RECORDS[:number])
]


@pytest.mark.parametrize("whole", [GOLDEN.read_bytes(), whole_of(ONE_OF_EACH)], ids=["version 1", "one of each"])
def test_a_file_cut_at_any_byte_is_read_up_to_there_and_shown(folder: Path, whole: bytes) -> None:
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    path = folder / "cut.jsonl"
    seen: dict[int, Run] = {}
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        records = bisect_right(ends, size)  # the last of them may lack the end of its line
        if records == 0:
            with pytest.raises(FileError, match=r"cut\.jsonl is not a Bakeoff run file"):
                read_run(path)
            continue
        run = read_run(path)
        if records not in seen:
            seen[records] = run
            shown(path)
        assert run == seen[records]
    assert len(seen) == len(ends)


# Of other tools


LLAMA_BENCH = json.dumps([{"build_commit": "b11434", "model_type": "qwen2 7B Q4_K - Medium", "avg_ts": 12.5}], indent=2)
GUIDELLM = json.dumps({"metadata": {"version": 1}, "benchmarks": [{"type": "generative_benchmark", "id_": "x"}]})
PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LLAMA_BENCH.encode(), id="llama-bench, JSON"),
        pytest.param(b'{"build_commit":"b11434","avg_ts":12.5}\n' * 2, id="llama-bench, JSONL"),
        pytest.param(GUIDELLM.encode(), id="GuideLLM"),
        pytest.param(b'{"type":"run","run":1}\n', id="a type of the same name"),
        pytest.param(PICTURE, id="a picture"),
        pytest.param(b"GGUF\x03\x00\x00\x00" + bytes(64), id="a model"),
        pytest.param(b"\x1f\x8b\x08\x00" + bytes(20), id="compressed"),
        pytest.param("﻿".encode() + LINES[0] + b"\n", id="with a byte order mark"),
        pytest.param(LINES[0].decode().encode("utf-16"), id="in UTF-16"),
        pytest.param(random.Random(7).randbytes(5000), id="random bytes"),
        pytest.param(b"model,tokens/s\nqwen,12.5\n", id="a table"),
        pytest.param(b"# Results\n", id="a page"),
    ],
)
def test_a_file_of_another_tool_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "other.jsonl"
    path.write_bytes(content)
    assert shown_or_refused(path).startswith("other.jsonl is not a Bakeoff run file")


def test_a_file_with_the_line_ends_of_another_system_is_read(folder: Path) -> None:
    path = folder / "windows.jsonl"
    path.write_bytes(b"\r\n".join([*LINES, b""]))
    assert "Hand Made" in shown(path)


# Impossible


@pytest.mark.parametrize(
    ("at_ns", "counts", "end_ns"),
    [
        ((30 * MS, 20 * MS, 10 * MS), None, 40 * MS),
        ((-30, -20, 10), None, 40),
        ((10, 20, 30), (3, 2, 1), 40),
        ((10, 20, 30), (-3, -2, -1), 40),
        ((10, 20, 30), None, -MS),
        ((0, 2**63 - 1), None, 2**63 - 1),
        ((-(2**63), 2**63 - 1), None, None),
    ],
)
def test_times_that_cannot_be_make_no_figure_and_a_severe_finding(
    at_ns: tuple[int, ...], counts: tuple[int, ...] | None, end_ns: int | None
) -> None:
    timeline = Timeline(at_ns=at_ns, kinds="a" * len(at_ns), tokens=counts)
    odd = msgspec.structs.replace(a_trial(), timeline=timeline, end_ns=end_ns)
    summary = summarize(a_run([a_cell()], [a_trial(), odd]))
    (cell,) = summary.cells
    codes = {finding.code: finding.severity for finding in cell.findings}
    assert codes["impossible_times"] == "severe"
    for name in METRICS:
        figure = cell.metrics[name]
        assert figure is None or figure.point >= 0, name
    assert "run backwards" in screen_of(summary)


@pytest.mark.parametrize("seed", range(10))
def test_many_trials_of_extreme_numbers_are_shown(folder: Path, seed: int) -> None:
    """Enough of them for the bootstrap."""
    rng = random.Random(seed)

    def extreme() -> int:
        return rng.choice([*WHOLE, 10**9, 10**18, 2])

    trials = []
    for index in range(40):
        timeline = Timeline(at_ns=(extreme(), extreme()), kinds="ra", tokens=(extreme(), extreme()))
        usage = Usage(prompt_tokens=extreme(), cached_tokens=extreme(), output_tokens=extreme())
        engine = EngineTimings(prefill_tokens=extreme(), prefill_s=1e-300, decode_s=1e308, load_s=-1.0, queue_s=1e308)
        trial = msgspec.structs.replace(a_trial(), index=index, timeline=timeline, usage=usage, engine=engine)
        trials.append(msgspec.structs.replace(trial, end_ns=extreme(), waited_s=1e308, others_cpu=1e308))
    path = folder / "extreme.jsonl"
    path.write_bytes(whole_of([a_run().started, a_cell(), *trials]))
    assert "run backwards" in shown(path)


# Changed


HOSTILE_TEXT = f"[bold]x[/bold] \\ {OBEYED} \x1b]0;title\x07\x1b[2J 9{'9' * 400}\n\ttext ̈ 🚆"
PARTS = [0.0, -0.0, 0.5, -1.0, 5e-324, 1e-300, 1e308, -1e308]
LIKE: dict[type, list[Any]] = {
    bool: [True, False],
    int: [*WHOLE, 2**63, 10**400],
    float: [*PARTS, *WHOLE],
    str: ["", HOSTILE_TEXT, "ok", "timed", "2026-11-24T10:15:02+00:00"],
    list: [[], [0], [-1, -(2**63)], [2**63 - 1, 0], [{}], [HOSTILE_TEXT]],
    dict: [{}, {"a": HOSTILE_TEXT}],
    type(None): [None, 0, -1, 2**63 - 1, 1e308, HOSTILE_TEXT, {}, []],
}
CHOSEN = {"type", "status", "purpose", "kinds", "by", "scope", "phase", "state", "device", "power_source", "cache",
          "arrival", "page_cache"}  # fmt: skip
"""Names of texts that are one of a few."""
OTHER: list[Any] = [value for values in LIKE.values() for value in values]


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path to each value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *path) for path in places(inner))


def at(value: Any, path: Sequence[Any]) -> Any:
    """What is there; None where the path leads nowhere."""
    for key in path:
        if (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        ):
            value = value[key]
        else:
            return None
    return value


def put(value: Any, path: Sequence[Any], lines: list[Any]) -> None:
    """Change what is there in each of these lines that has that place."""
    for line in lines:
        container, last = at(line, path[:-1]), path[-1]
        if isinstance(container, dict) or (isinstance(container, list) and last in range(len(container))):
            container[last] = copy.deepcopy(value)


def kinds_and_places() -> list[tuple[str, tuple[Any, ...], Any]]:
    """Each kind of record and each place in one, with what is there."""
    found: dict[tuple[str, tuple[Any, ...]], Any] = {}
    for line in map(json.loads, LINES):
        for path in places(line):
            key, value = (line["type"], path), at(line, path)
            if found.get(key) is None:
                found[key] = value
    return [(kind, path, value) for (kind, path), value in found.items()]


def with_everywhere(kind: str, path: Sequence[Any], value: Any) -> list[bytes]:
    """The file with that value at that place of all records of that kind."""
    lines = [json.loads(line) for line in LINES]
    put(value, path, [line for line in lines if line["type"] == kind])
    return [json.dumps(line).encode() for line in lines]


def test_numbers_as_large_and_as_small_as_can_be_are_shown_or_refused_in_every_place(folder: Path) -> None:
    for kind, path, value in kinds_and_places():
        if isinstance(value, (int, float)):
            for extreme in [1e308, -1e308, 5e-324] if isinstance(value, float) else [2**63 - 1, -(2**63)]:
                shown_or_refused(file_of(folder, with_everywhere(kind, path, extreme)))


def test_control_characters_are_stripped_from_every_text_that_is_shown(folder: Path) -> None:
    taken = 0
    for kind, path, value in kinds_and_places():
        if isinstance(value, str):
            screen = shown_or_refused(file_of(folder, with_everywhere(kind, path, HOSTILE_TEXT)))
            taken += "is not a Bakeoff" not in screen
            assert "[bold]x[/bold]" in screen or "Hand Made" in screen or "is not a Bakeoff" in screen
    assert taken > 30, "most texts of a file are free, and were shown"


def test_a_file_all_of_whose_texts_are_hostile_keeps_its_lines_apart(folder: Path) -> None:
    lines = [json.loads(line) for line in LINES]
    for line in lines:
        for path in list(places(line)):
            if isinstance(at(line, path), str) and path[-1] not in CHOSEN:
                put(HOSTILE_TEXT, path, [line])
    screen = shown(file_of(folder, [json.dumps(line).encode() for line in lines]))
    assert "\n\ttext" not in screen


@pytest.mark.parametrize("words", ["NaN", "Infinity", "-Infinity", "1e999", "01", "1_0", "0x10", "+1"])
def test_numbers_that_json_does_not_have_are_refused_in_every_place(folder: Path, words: str) -> None:
    for kind, path, value in kinds_and_places():
        if isinstance(value, (int, float)) and path[0] != "plan":
            lines = [line.replace(b'"@@"', words.encode()) for line in with_everywhere(kind, path, "@@")]
            assert "is not a Bakeoff r" in shown_or_refused(file_of(folder, lines))


@st.composite
def changed_values(draw: st.DrawFn) -> list[bytes]:
    """The file with up to three values changed, in one line or in all of its kind.

    Mostly for one of the same type, so that the reader takes it.
    """
    lines = [json.loads(line) for line in LINES]
    for _ in range(draw(st.integers(1, 3))):
        line = draw(st.sampled_from(lines))
        *path, last = draw(st.sampled_from(list(places(line))))
        like = draw(st.integers(0, 4)) > 0
        value = draw(st.sampled_from(LIKE[type(at(line, [*path, last]))] if like else OTHER))
        put(
            value,
            (*path, last),
            [other for other in lines if other["type"] == line["type"]] if draw(st.booleans()) else [line],
        )
    return [json.dumps(line).encode() for line in lines]


@st.composite
def changed_lines(draw: st.DrawFn) -> list[bytes]:
    """The file with lines left out, repeated, swapped, joined or put in from elsewhere."""
    lines = list(LINES)
    foreign = [b"", b"{}", b"[]", b"null", b'{"type":"trial"}', b'{"type":"\x1b[2J"}', b"\xff\xfe", *LINES]
    for _ in range(draw(st.integers(1, 4))):
        here = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del lines[here]
            case 1:
                lines.insert(here, draw(st.sampled_from(foreign)))
            case 2:
                other = draw(st.integers(0, len(lines) - 1))
                lines[here], lines[other] = lines[other], lines[here]
            case _:
                lines[here] = lines[here] + draw(st.sampled_from(foreign))
        if not lines:
            break
    return lines


@st.composite
def changed_bytes(draw: st.DrawFn) -> list[bytes]:
    """The file with some of its bytes changed, left out or added."""
    whole = bytearray(b"\n".join(LINES))
    for _ in range(draw(st.integers(1, 5))):
        here = draw(st.integers(0, len(whole) - 1))
        new = draw(st.binary(max_size=4) | st.sampled_from([b"-", b"9" * 30, b'"']))
        whole[here : here + draw(st.integers(0, 3))] = new
    return [bytes(whole)]


@settings(max_examples=MANY)
@given(lines=changed_values() | changed_lines() | changed_bytes())
def test_a_changed_file_is_shown_or_refused_in_a_sentence(folder: Path, lines: list[bytes]) -> None:
    shown_or_refused(file_of(folder, lines))
