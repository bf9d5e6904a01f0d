"""The command line: what it prints where, its exit codes, and that bad input gets a sentence and leaves nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from msgspec import Struct

from bakeoff.cli.main import VERBS, main
from bakeoff.engines import discover
from bakeoff.engines.discover import servers
from bakeoff.results.runfile import read_run
from tests.fake_ollama import FakeOllama
from tests.fakes import MODEL, FakeLlamaServer, FakeVllm, hosted
from tests.servers import saying, sized

SCRIPTED = ["run", "scripted:steady", "--runs", "2", "--prompt", "Count."]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, no server met by chance, and no process left behind."""
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(discover, "USUAL_SERVERS", ())
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "home"
    assert psutil.Process().children(recursive=True) == []


class Said(Struct):
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON object that it must be."""
        assert self.out.count("\n") == 1
        document: dict[str, Any] = json.loads(self.out)
        return document


class Bakeoff:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        code = main(list(arguments))
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return Said(code, printed.out, printed.err)


@pytest.fixture
def bakeoff(capsys: pytest.CaptureFixture[str]) -> Bakeoff:
    return Bakeoff(capsys)


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from bakeoff.cli.main import entry; entry()", *arguments]


def run_files(home: Path) -> list[Path]:
    return sorted(home.glob("runs/*"))


def script_file(folder: Path, name: str = "script.json", **fields: Any) -> str:
    path = folder / name
    path.write_bytes(msgspec.json.encode(fields))
    return f"scripted:{path}"


# What is printed where


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS), ("runs", "list"), ("runs", "show")])
def test_every_verb_explains_itself(verb: tuple[str, ...], bakeoff: Bakeoff) -> None:
    said = bakeoff(*verb, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(" ".join(["Usage: bakeoff", *verb]))
    assert bakeoff(*verb, "-h") == said
    assert [line for line in said.out.splitlines()[1:] if line.endswith("...")] == [], "cut short"


def test_a_run_is_shown_and_kept(bakeoff: Bakeoff, own_home: Path) -> None:
    said = bakeoff(*SCRIPTED)
    (file,) = run_files(own_home)
    assert said.code == 0
    assert str(file) in said.out.replace("\n", "")
    assert "steady, own prompt: trial 2 of 2" in said.err
    kept = read_run(file)
    assert kept.started.command.startswith("bakeoff")
    assert (len(kept.trials_of(0)), len(kept.trials_of(0, "warm-up"))) == (2, 2)
    assert kept.ended is not None
    assert kept.ended.status == "done"


def test_in_a_pipe_no_line_ends_with_the_blanks_of_a_window(bakeoff: Bakeoff) -> None:
    for arguments in (SCRIPTED, ["plan", "r1-7b", "--on", "rtx-4090"], ["advise", "--on", "rtx-4090"], ["verify"]):
        said = bakeoff(*arguments)
        assert said.out
        assert [line for line in said.out.splitlines() if line.endswith(" ")] == []


def test_json_is_one_object_on_standard_output_and_progress_goes_to_standard_error(
    bakeoff: Bakeoff, own_home: Path
) -> None:
    said = bakeoff(*SCRIPTED, "--json")
    document = said.document
    (file,) = run_files(own_home)
    assert (said.code, document["file"], document["run"]) == (0, str(file), file.stem)
    (cell,) = document["cells"]
    assert cell["subject"]["engine"] == "scripted"
    assert cell["workload"]["prompt"] == "Count."
    assert cell["trials"] == {"ok": 2, "failed": 0, "truncated": 0}
    assert cell["metrics"]["decode_tps"]["point"] == pytest.approx(100.0)
    assert "trial 2 of 2" in said.err


def test_every_json_is_one_object(bakeoff: Bakeoff) -> None:
    bakeoff(*SCRIPTED)
    assert set(bakeoff("doctor", "--json").document) >= {"schema", "host", "engines", "servers", "meters"}
    assert len(bakeoff("runs", "list", "--json").document["runs"]) == 1
    assert bakeoff("runs", "show", "--json").document["cells"]


def test_a_run_can_be_listed_shown_and_exported(bakeoff: Bakeoff, own_home: Path, tmp_path: Path) -> None:
    bakeoff(*SCRIPTED)
    (file,) = run_files(own_home)
    assert f"{file.stem}  done" in bakeoff("runs", "list").out
    assert "steady" in bakeoff("runs", "show", file.stem[:12]).out
    rows = list(csv.DictReader(io.StringIO(bakeoff("runs", "export", "--format", "csv").out)))
    assert [(row["engine"], row["output_tokens"]) for row in rows] == [("scripted", "128")] * 2
    target = tmp_path / "out.json"
    assert bakeoff("runs", "export", str(file), "-o", str(target)).out == ""
    assert json.loads(target.read_text())["run"] == file.stem


def test_without_a_subject_what_ollama_holds_is_measured(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(FakeOllama()) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        document = bakeoff("run", "--runs", "1", "--json").document
    assert {cell["subject"]["text"] for cell in document["cells"]} == {f"ollama:{MODEL}:latest"}


def test_doctor_names_what_answers_and_not_what_merely_listens(
    bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    website = saying(sized(b'{"status": "ok"}'))
    with hosted(FakeVllm()) as vllm, hosted(website) as other, hosted(FakeOllama()) as ollama:
        monkeypatch.setenv("OLLAMA_HOST", ollama)
        monkeypatch.setattr(discover, "USUAL_SERVERS", (("vLLM", vllm), ("LM Studio", other)))
        assert [(server.name, server.models) for server in servers()] == [
            ("Ollama", (f"{MODEL}:latest",)),
            ("vLLM", (MODEL,)),
        ]
        assert f"vLLM at {vllm}: {MODEL}" in bakeoff("doctor").out


# Bad input


USAGE, FAILED = 2, 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "olama:x"], USAGE, "no engine 'olama'. Did you mean ollama:x?"),
        (["run", "steady"], USAGE, "'steady' names no engine. Write ENGINE:MODEL"),
        (["run", "scripted:nothing"], FAILED, "There is no script 'nothing'"),
        (["run", "llamacpp:nothing"], USAGE, "No model 'nothing' in the catalogue"),
        (["run", "llamacpp:llama-3-8b@Q4_0"], FAILED, "not here. Name the GGUF file"),
        (["run", "llamacpp:r1-7b"], FAILED, "published as DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf in unsloth/DeepSeek"),
        (["run", "llamacpp:r1-7b@awq"], USAGE, "It exists as vllm:r1-7b@AWQ."),
        (["run", "llamacpp:deepseek-r1:7b-qwen-distill-q8_0"], FAILED, "ollama has for it: ollama:r1-7b@Q8_0."),
        (["run", "ollama:r1-7b@4bit"], USAGE, "It exists as mlx:r1-7b@4bit."),
        (["run", "llamacpp:/nowhere/x.gguf"], FAILED, "There is no file /nowhere/x.gguf"),
        (["run", "llamacpp:/nowhere/x"], FAILED, "There is no file /nowhere/x"),
        (["run", "llamacpp:smollm2@Q8_0"], USAGE, "leave @Q8_0 out"),
        (["run", "openai:x"], USAGE, "add --url"),
        (["run", "openai:x", "--url", "http://127.0.0.1:9"], FAILED, "No server at http://127.0.0.1:9 (connection ref"),
        (["run", "ollama:x", "--url", "http://127.0.0.1:9"], FAILED, "Start it with 'ollama serve'"),
        (["run", "openai:x", "--url", "ftp://x"], USAGE, "not an http or https address"),
        (["run", "openai:x", "--url", "http://h:99999"], USAGE, "is not a server's address"),
        (["run", "openai:x", "--url", "http://a..b"], USAGE, "is not a server's address"),
        (["run", "openai:x", "--url", "http://☃.net"], USAGE, "names a host that cannot exist"),
        (["run", "openai:x", "--url", "http://xn--"], USAGE, "names a host that cannot exist"),
        (["run", "--url", "http://127.0.0.1:9"], USAGE, "Name the subject too"),
        ([*SCRIPTED, "--runs", "0"], USAGE, "0 trials make no measurement"),
        ([*SCRIPTED, "--runs", "many"], USAGE, "neither a number nor 'auto'"),
        ([*SCRIPTED, "--precision", "three"], USAGE, "'three' is no share: write for instance 3%"),
        ([*SCRIPTED, "--precision", "300%"], USAGE, "no share between 0.01% and 100%"),
        ([*SCRIPTED, "--time-budget", "soon"], USAGE, "'soon' is no time to measure in: write for instance 90s"),
        ([*SCRIPTED, "--time-budget", "0s"], USAGE, "no time to measure in"),
        ([*SCRIPTED, "--max-tokens", "1"], USAGE, "--max-tokens"),
        ([*SCRIPTED, "--prompt", ""], USAGE, "The prompt is empty"),
        ([*SCRIPTED, "--prompt", "@/nowhere"], FAILED, "Cannot read the prompt /nowhere"),
        ([*SCRIPTED, "--prompt", "@/dev/zero"], FAILED, "/dev/zero is larger than 8388608 bytes: not a prompt"),
        ([*SCRIPTED, "--prompt-tokens", "5"], USAGE, "exclude each other"),
        ([*SCRIPTED, "--synthetic"], USAGE, "--synthetic is for llamacpp"),
        (["run", "scripted:steady", "--prompt-tokens", "4000"], USAGE, "set --context to 4128 or more"),
        (["fly"], USAGE, "No such command 'fly'"),
        ([*SCRIPTED, "--prompt", "\udcff"], USAGE, "not UTF-8"),
        (["run", "scripted:"], USAGE, "'scripted:' names no model. Write ENGINE:MODEL, for instance scripted:NAME."),
        (["run", ":x"], USAGE, "':x' names no engine. Write ENGINE:MODEL, for instance ollama:x."),
        (["run", "mlx:x", "--program", "y", "--threads", "3"], USAGE, "--threads is for llamacpp and ollama: mlx:x"),
        (["setup", "r1-7b"], USAGE, "Which engine? Add --engine ollama, llamacpp, vllm or mlx: 'bakeoff advise MODEL'"),
        (["runs", "show", "yesterday"], USAGE, "No run is named 'yesterday'"),
        (["runs", "show"], USAGE, "There are no runs yet"),
        (["runs", "show", ""], USAGE, "The name of the run is empty"),
        (["runs", "export", "--rows", "trials"], USAGE, "--rows is for --format csv"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing(
    arguments: list[str], code: int, words: str, bakeoff: Bakeoff, own_home: Path
) -> None:
    said = bakeoff(*arguments)
    assert (said.code, said.out) == (code, "")
    assert words in said.err
    assert run_files(own_home) == []


def test_tokens_are_written_as_the_planner_takes_them(bakeoff: Bakeoff, own_home: Path) -> None:
    said = bakeoff(*SCRIPTED, "--context", "32k", "--max-tokens", "0.1k")
    assert "'0.1k' is not a number of tokens from 2 to 131,072" in said.err
    assert bakeoff(*SCRIPTED, "--context", "32k").code == 0
    (file,) = run_files(own_home)
    assert [cell.workload.context for cell in read_run(file).cells] == [32_768]


@pytest.mark.parametrize(("arguments", "code", "told"), [((), 0, True), (("--json",), 0, False), ((), 1, False)])
def test_the_demo_ends_with_what_answers_which_model_to_take(
    arguments: tuple[str, ...], code: int, told: bool, bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.cli.measuring.measure", lambda plan, as_json: code)
    said = bakeoff("demo", *arguments)
    assert said.code == code
    assert said.out.endswith("bakeoff advise\n") is told


def test_an_anchor_is_told_with_the_name_of_its_cell(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "scripted:steady", "--runs", "2", "--shape", "pp8+tg4", "--shape", "pp4+tg4")
    anchors = [line for line in said.err.splitlines() if ": anchor:" in line]
    assert anchors
    assert all(line.startswith("steady, pp8+tg4: anchor: ") for line in anchors)


def test_what_to_do_about_a_finding_is_said_once_on_a_screen_and_what_was_found_each_time(bakeoff: Bakeoff) -> None:
    said = bakeoff("run", "scripted:steady", "scripted:thinking", "--runs", "2", "--prompt", "Count.", "--no-anchors")
    shown = " ".join(said.out.split())
    assert shown.count("· 2 trials.") == 2
    assert shown.count("Take --runs auto") == 1


def test_precision_budget_and_anchors_are_in_the_plan_that_the_file_keeps(bakeoff: Bakeoff, own_home: Path) -> None:
    options = ["--precision", "1.5%", "--time-budget", "1h30m", "--no-anchors", "--seed", "7"]
    assert bakeoff("run", "scripted:steady", "--prompt", "Count.", *options).code == 0
    (file,) = run_files(own_home)
    plan = read_run(file).started.plan
    assert plan is not None
    expected = {"precision": 0.015, "time_budget_s": 5400.0, "anchors": 0, "seed": 7, "runs": None}
    assert expected.items() <= plan["protocol"].items()
    assert [entrant["subject"]["text"] for entrant in plan["entrants"]] == ["scripted:steady"]


@pytest.mark.parametrize("content", [b"", b"hello", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"\x00" * 4096])
def test_a_file_that_is_not_gguf_is_told(content: bytes, bakeoff: Bakeoff, tmp_path: Path, own_home: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    said = bakeoff("run", f"llamacpp:{path}")
    assert said.code == FAILED
    assert str(path) in said.err
    assert run_files(own_home) == []


def test_an_unknown_model_of_a_server_is_told_with_those_that_it_has(bakeoff: Bakeoff) -> None:
    with hosted(FakeVllm()) as url:
        said = bakeoff("run", "openai:other", "--url", url)
    assert said.code == FAILED
    assert f"has no model 'other'. It has: {MODEL}." in said.err


def test_a_wrong_address_is_told_by_what_answered_there(bakeoff: Bakeoff) -> None:
    with hosted(FakeVllm()) as url:
        said = bakeoff("run", "ollama:tiny", "--url", url)
    assert said.code == FAILED
    assert "Is that an Ollama server? Check --url." in said.err


def test_a_password_in_an_address_is_refused_before_anything_could_keep_it(bakeoff: Bakeoff, own_home: Path) -> None:
    said = bakeoff(*SCRIPTED, "ollama:x", "--url", "http://user:hunter2@127.0.0.1:9")
    assert said.code == USAGE
    assert "hunter2" not in said.out + said.err
    assert run_files(own_home) == []


def test_a_subject_that_fails_beside_one_that_does_not_makes_the_exit_code_1(bakeoff: Bakeoff) -> None:
    said = bakeoff(*SCRIPTED, "scripted:nothing", "--json")
    assert said.code == FAILED
    assert [failure["subject"] for failure in said.document["failures"]] == ["scripted:nothing"]
    assert said.document["cells"][0]["trials"]["ok"] == 2


def test_a_run_without_one_good_trial_fails(bakeoff: Bakeoff, tmp_path: Path) -> None:
    turns = [{}, {"fault": "cut", "fault_after": 3}]
    said = bakeoff("run", script_file(tmp_path, turns=turns), "--prompt", "x", "--json")
    assert said.code == FAILED
    assert said.document["cells"][0]["trials"] == {"ok": 0, "failed": 0, "truncated": 3}


# Secrets and hostile text


def test_a_key_that_the_server_repeats_reaches_neither_the_screen_nor_the_file(
    bakeoff: Bakeoff, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FailsLater(FakeLlamaServer):
        def generate(self, body: dict[str, Any]) -> Any:
            self.fault = "error in the stream" if len(self.bodies) == 6 else None
            return super().generate(body)

    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")
    with hosted(FailsLater(key="sk-very-secret-0123456789")) as url:
        said = bakeoff("run", f"openai:{MODEL}", "--url", url, "--runs", "6", "--prompt", "Count.")
    (file,) = run_files(own_home)
    errors = [trial.error for trial in read_run(file).trials_of(0) if trial.error]
    assert errors == ["The server broke off with an error: out of memory (key [key])."]
    for text in (said.out, said.err, file.read_text()):
        assert "sk-very" not in text


ESCAPES = "\x1b[31mred\x1b]0;owned\x07\x1b[2J\x9b1;1H\u202edesrever\r\x00"


def test_terminal_control_sequences_of_a_model_are_kept_in_the_file_and_off_the_screen(
    bakeoff: Bakeoff, own_home: Path, tmp_path: Path
) -> None:
    subject = script_file(tmp_path, "\x1b[31mred.json", turns=[{"text": ESCAPES}])
    bakeoff("run", subject, "--runs", "2", "--prompt", ESCAPES)
    show, export = ["runs", "show"], ["runs", "export", "--format"]
    for command in (show, [*show, "--json"], ["runs", "list"], [*export, "csv"], [*export, "json"], [*export, "svg"]):
        said = bakeoff(*command)
        assert said.code == 0
        assert_harmless(said.out + said.err)
    (file,) = run_files(own_home)
    assert read_run(file).trials[0].text == ESCAPES * 128


class Hostile(FakeOllama):
    """A server whose every word is an attack on the terminal."""

    def lookup(self, request: Any) -> bytes | None:
        if request.path == "/api/version":
            return sized(json.dumps({"version": ESCAPES}).encode())
        if request.path == "/api/tags":
            return sized(json.dumps({"models": [{"name": f"{ESCAPES}{n}" * 500} for n in range(99)]}).encode())
        return super().lookup(request)

    def trouble(self) -> str:
        return ESCAPES


def test_a_hostile_server_cannot_write_to_the_terminal(bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(Hostile()) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        shown = [
            bakeoff("run", "ollama:other"),
            bakeoff("run", f"ollama:{MODEL}", "--runs", "2"),
            bakeoff("doctor"),
            bakeoff("run", f"ollama:\x1b[31m{ESCAPES}"),
        ]
    assert [said.code for said in shown] == [1, 0, 0, 1]
    for said in shown:
        assert_harmless(said.out + said.err)
        assert len(said.out + said.err) < 5000


def assert_harmless(text: str) -> None:
    obeyed = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"]
    assert obeyed == []


# The end of things: full disks, readers gone, Ctrl-C


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nowhere", "/dev/full"])
def test_a_home_that_cannot_be_written_is_told(home: str, bakeoff: Bakeoff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", home)
    said = bakeoff(*SCRIPTED)
    assert (said.code, said.out) == (FAILED, "")
    assert f"Cannot write {home}/runs/" in said.err
    assert "BAKEOFF_HOME" in said.err


def test_a_disk_that_fills_up_keeps_every_whole_record(own_home: Path) -> None:
    """A limit on file size refuses writes as a full disk does, in the middle of a record."""
    limit = 20_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        program("run", "scripted:steady", "--runs", "50"), capture_output=True, text=True, preexec_fn=small_disk
    )
    (file,) = run_files(own_home)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "Cannot write" in done.stderr
    assert "What was measured so far is kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes().endswith(b"}\n")
    assert len(read_run(file).trials) > 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["doctor"],
        ["runs", "list"],
        ["runs", "export", "--format", "csv"],
        [*SCRIPTED],
        [*SCRIPTED, "--json"],
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], bakeoff: Bakeoff) -> None:
    bakeoff(*SCRIPTED)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(program(*arguments), stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_progress_that_nobody_reads_does_not_end_the_measurement(own_home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(program(*SCRIPTED, "--json"), stdout=subprocess.PIPE, stderr=writer, text=True)
    os.close(writer)
    assert done.returncode == 0
    assert json.loads(done.stdout)["cells"][0]["trials"]["ok"] == 2


class NeverEnding(FakeOllama):
    """From its eighth generation on, a timed one, it sends tokens for ever, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def generate(self, body: dict[str, Any]) -> Any:
        if len(self.bodies) == 7:
            self.begun.set()
            body["options"]["num_predict"] = 1_000_000_000
        return super().generate(body)


def test_ctrl_c_keeps_what_was_measured_and_ends_everything(own_home: Path) -> None:
    fake = NeverEnding()
    with hosted(fake) as url:
        command = program("run", f"ollama:{MODEL}", "--url", url, "--prompt", "Count.", "--max-tokens", "40")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert fake.begun.wait(timeout=30)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    (file,) = run_files(own_home)
    assert (process.returncode, out) == (130, "")
    assert f"Interrupted. What was measured is in {file}; go on with: bakeoff runs resume {file.stem}" in err
    assert "Traceback" not in err
    kept = read_run(file)
    assert kept.trials_of(0)[0].status == "ok"
    assert kept.trials_of(0)[-1].error == "interrupted by the user"
    assert kept.ended is not None
    assert kept.ended.status == "interrupted"
