"""Many requests at once from the command line, on the scripted engine and on servers that are none."""

from __future__ import annotations

import csv
import io
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bakeoff.cli.main import main
from bakeoff.cli.run import command as run_command
from bakeoff.cli.runs import command as runs_command
from bakeoff.engines import discover
from bakeoff.results.records import Run
from bakeoff.results.runfile import read_run
from tests.fakes import MODEL, FakeLlamaServer, FakeVllm, hosted

SHORT = ("--max-tokens", "20", "--no-anchors")
STEADY = {"turns": [{"ttft_s": 0.1, "tpot_s": 0.01}]}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(discover, "USUAL_SERVERS", ())
    return tmp_path / "home"


class Bakeoff:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return code, printed.out, printed.err

    def document(self, *arguments: str) -> dict[str, Any]:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document


@pytest.fixture
def bakeoff(capsys: pytest.CaptureFixture[str]) -> Bakeoff:
    return Bakeoff(capsys)


def scripted(folder: Path, **script: Any) -> str:
    path = folder / "script.json"
    path.write_bytes(msgspec.json.encode({**STEADY, **script}))
    return f"scripted:{path}"


def the_run(home: Path) -> Run:
    (path,) = home.glob("runs/*.jsonl")
    return read_run(path)


# Streams


def test_several_numbers_of_streams_are_cells_of_one_sweep_with_its_knee(bakeoff: Bakeoff, tmp_path: Path) -> None:
    """Two slots: a second stream doubles the total, a fourth adds nothing."""
    subject = scripted(tmp_path, slots=2)
    document = bakeoff.document("run", subject, "--concurrency", "1,2,4", "--runs", "3", *SHORT)
    loads = [cell["load"] for cell in document["cells"]]
    assert [cell["workload"]["concurrency"] for cell in document["cells"]] == [1, 2, 4]
    alone = 20 / 0.29
    assert [load["output_tps"]["point"] for load in loads] == pytest.approx([alone, 2 * alone, 2 * alone], rel=0.02)
    assert [load["output_tps_per_stream"]["point"] for load in loads] == pytest.approx(
        [alone, alone, alone / 2], rel=0.02
    )
    assert set(loads[0]["ttft_s"]) == {"p50", "p90", "p95", "p99"}
    assert loads[2]["ttft_s"]["p50"]["point"] == pytest.approx(0.39, rel=0.1)
    (sweep,) = document["sweeps"]
    assert (sweep["cells"], sweep["knee"]) == ([0, 1, 2], 2)
    assert "streams_queued" in [finding["code"] for finding in document["cells"][2]["findings"]]
    assert "streams_queued" not in [finding["code"] for finding in document["cells"][1]["findings"]]


def test_a_sweep_is_a_table_with_a_chart_on_the_screen(bakeoff: Bakeoff, tmp_path: Path) -> None:
    code, out, err = bakeoff("run", scripted(tmp_path), "--concurrency", "1,2", "--runs", "2", *SHORT)
    assert code == 0
    assert "2 streams │████████████████████████████ 138" in out
    assert "No knee up to 2 streams: the last doubling gave 100% more" in out
    assert "2 streams: window 2 of 2: 138 tokens/s in all" in err


def test_a_sweep_is_exported_as_rows_for_a_chart_and_its_requests_if_asked_for(
    bakeoff: Bakeoff, tmp_path: Path
) -> None:
    bakeoff("run", scripted(tmp_path), "--concurrency", "2,1", "--runs", "2", *SHORT)
    rows = list(csv.DictReader(io.StringIO(bakeoff("runs", "export", "--format", "csv")[1])))
    assert [(row["engine"], row["concurrency"]) for row in rows] == [("scripted", "1"), ("scripted", "2")]
    assert [float(row["output_tps"]) for row in rows] == pytest.approx([20 / 0.29, 40 / 0.29], rel=0.02)
    trials = list(csv.DictReader(io.StringIO(bakeoff("runs", "export", "--format", "csv", "--rows", "trials")[1])))
    assert len(trials) == 2 * (8 + 8)


def test_windows_go_on_until_their_interval_is_narrow_enough(bakeoff: Bakeoff, own_home: Path, tmp_path: Path) -> None:
    bakeoff("run", scripted(tmp_path), "--concurrency", "2", *SHORT)
    run = the_run(own_home)
    (end,) = run.cell_ends
    assert end.by == "precision"
    assert len(run.windows) < 20


# At a rate


def test_a_rate_is_measured_with_what_came_due_what_was_answered_and_what_kept_its_limits(
    bakeoff: Bakeoff, tmp_path: Path
) -> None:
    document = bakeoff.document(
        "run", scripted(tmp_path), "--rate", "2,4", "--slo", "ttft=150ms", "--runs", "2", *SHORT
    )
    slow, fast = (cell["load"] for cell in document["cells"])
    assert [cell["workload"]["arrival"] for cell in document["cells"]] == ["poisson", "poisson"]
    assert [cell["workload"]["requests"] for cell in document["cells"]] == [60, 120]
    for load, rate in ((slow, 2), (fast, 4)):
        assert load["offered_rps"]["point"] == pytest.approx(rate, rel=0.35)
        assert load["goodput_rps"]["point"] == load["achieved_rps"]["point"]
    assert document["cells"][0]["workload"]["slo"]["ttft_s"] == 0.15


def test_too_high_a_rate_is_stopped_and_said_to_be_too_high(bakeoff: Bakeoff, own_home: Path, tmp_path: Path) -> None:
    subject = scripted(tmp_path, slots=1)
    document = bakeoff.document("run", subject, "--rate", "10", "--arrival", "constant", *SHORT)
    (cell,) = document["cells"]
    assert cell["load"]["windows"] == 1
    assert "grew steadily" in cell["load"]["stopped"]
    finding = next(finding for finding in cell["findings"] if finding["code"] == "over_saturated")
    assert "fewer than 10 requests a second" in finding["advice"]
    assert the_run(own_home).cell_ends[0].by == "overload"


# Suites


def a_suite(folder: Path, subject: str, settings: str = "") -> str:
    path = folder / "mine.toml"
    workload = '{ name = "count", prompt = "Count." }'
    path.write_text(f"subjects = ['{subject}']\nworkloads = [{workload}]\n[settings]\nmax_tokens = 20\n{settings}")
    return str(path)


def test_one_stream_among_several_numbers_in_a_suite_is_measured_as_they_are(bakeoff: Bakeoff, tmp_path: Path) -> None:
    suite = a_suite(tmp_path, scripted(tmp_path), "concurrency = [1, 2]")
    document = bakeoff.document("run", "--suite", suite, "--runs", "2", "--no-anchors")
    assert [cell["load"]["windows"] for cell in document["cells"]] == [2, 2]
    assert document["sweeps"][0]["cells"] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "loads"),
    [
        (["--concurrency", "2,3", "--slo", "ttft=1s"], [(2, None), (3, None)]),
        (["--rate", "2,3", "--requests", "20"], [(1, 2.0), (1, 3.0)]),
    ],
)
def test_the_command_line_goes_before_what_a_suite_says_of_the_load(
    arguments: list[str], loads: list[Any], bakeoff: Bakeoff, tmp_path: Path
) -> None:
    suite = a_suite(tmp_path, scripted(tmp_path), "concurrency = 7")
    document = bakeoff.document("run", "--suite", suite, *arguments, "--runs", "2", "--no-anchors")
    work = [cell["workload"] for cell in document["cells"]]
    assert [(each["concurrency"], each["rate_rps"]) for each in work] == loads


# What cannot be asked for


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--concurrency", "0"], "'0' is no number of streams from 1 to 1024: write for instance 1,2,4,8"),
        (["--concurrency", "2,many"], "'many' is no number of streams"),
        (["--concurrency", "2000"], "'2000' is no number of streams"),
        (["--rate", "0"], "'0' is no rate from 0.001 to 10000 requests a second"),
        (["--rate", "1,nan"], "'nan' is no rate"),
        (["--rate", "1", "--concurrency", "2"], "--concurrency and --rate exclude each other"),
        (["--arrival", "constant"], "--arrival says how requests come at a rate: add --rate"),
        (["--requests", "9"], "--requests is for many requests at once: add --concurrency or --rate"),
        (["--slo", "ttft=1s"], "--slo is for many requests at once"),
        (["--slo", "ttft=1", "--concurrency", "2"], "--slo needs a unit in 'ttft=1'"),
        (["--concurrency", "8", "--requests", "4"], "4 requests do not keep 8 streams busy: set --requests to 32"),
        (["--concurrency", "2", "--parallel", "4"], "--parallel is for a llama.cpp or Ollama server"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence_before_anything_starts(
    arguments: list[str], words: str, bakeoff: Bakeoff, own_home: Path
) -> None:
    code, out, err = bakeoff("run", "scripted:steady", *arguments)
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())
    assert not own_home.exists()


# Servers


@contextmanager
def served(dialect: str) -> Iterator[tuple[str, str]]:
    server = FakeLlamaServer(slots=4) if dialect == "llamacpp" else FakeVllm()
    with hosted(server) as url:
        yield f"{'llamacpp' if dialect == 'llamacpp' else 'openai'}:{MODEL}", url


@pytest.mark.parametrize("dialect", ["llamacpp", "openai"])
@pytest.mark.parametrize("load", [["--concurrency", "4"], ["--rate", "40"]])
def test_servers_are_asked_many_times_at_once(dialect: str, load: list[str], bakeoff: Bakeoff, own_home: Path) -> None:
    with served(dialect) as (subject, url):
        code, _, err = bakeoff("run", subject, "--url", url, *load, "--requests", "24", "--runs", "2", *SHORT)
    assert code == 0, err
    run = the_run(own_home)
    counted = [trial for trial in run.trials_of(0) if trial.window is not None]
    assert [trial.status for trial in counted] == ["ok"] * 48
    assert all((trial.begun_ns or 0) >= (trial.due_ns or 0) for trial in counted)
    assert all(window.client_cpu is not None for window in run.windows)


# A run that is killed


def test_a_run_that_was_killed_in_a_window_is_gone_on_with_at_that_window(own_home: Path, tmp_path: Path) -> None:
    subject = scripted(tmp_path, spread=0.2)
    command = ["run", subject, "--concurrency", "2,3", "--runs", "40", "--seed", "4", *SHORT]
    program = [sys.executable, "-c", "from bakeoff.cli.main import entry; entry()"]
    process = subprocess.Popen([*program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "window 5 of 40" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=30)
    before = the_run(own_home)
    assert 5 <= len(before.windows) < 80
    done = subprocess.run([*program, "runs", "resume", "--json"], capture_output=True, text=True, check=True)
    assert [len(the_run(own_home).windows_of(cell)) for cell in (0, 1)] == [40, 40]
    whole = subprocess.run([*program, *command, "--json"], capture_output=True, text=True, check=True)
    loads = [[cell["load"] for cell in json.loads(text)["cells"]] for text in (done.stdout, whole.stdout)]
    assert loads[0] == loads[1]


# The docs


def test_the_commands_of_the_page_are_understood() -> None:
    page = (Path(__file__).parent.parent / "docs" / "load.md").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("bakeoff ")]
    assert len(commands) == 4
    for _, verb, *arguments in commands:
        {"run": run_command, "runs": runs_command}[verb].make_context(verb, arguments)
