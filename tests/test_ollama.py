"""Ollama, before a fake that answers by its source and its API reference, at several versions; and started by us."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bakeoff.engines import ollama_server
from bakeoff.engines.base import Description, Engine, Request
from bakeoff.engines.contract import EngineContract, Stage, finished_of, request
from bakeoff.engines.ollama import Ollama
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import (
    BrokenReply,
    EngineCrashed,
    EngineError,
    ModelMissing,
    PromptTooLong,
    ServerRefused,
    ServerUnreachable,
    UsageError,
)
from bakeoff.models.names import engine_name
from bakeoff.results.records import CellFailed, MemoryPart
from bakeoff.run.contestants import contestant
from bakeoff.run.plan import Protocol
from bakeoff.workload.asked import Asked
from tests.fake_ollama import FakeOllama, NoPs
from tests.fakes import MODEL, FakeVllm
from tests.servers import run, serving
from tests.stand_in_ollama import IN_A_STREAM
from tests.test_engines import Events, ask, closed_port, reasoning_of, text_of
from tests.test_runner import measure_ollama, summarized

TAG = f"{MODEL}:latest"
OLD, MIDDLE = "0.5.7", "0.32.9"
STAND_IN = Path(__file__).with_name("stand_in_ollama.py")
LONG = "word " * 600


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of this machine is met by chance, and none that is installed is started."""
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)


def ollama(url: str) -> Engine:
    return Ollama(MODEL, EngineOptions(url=url, context=1024))


def with_options(model: str = MODEL, **options: Any) -> Callable[[str], Engine]:
    return lambda url: Ollama(model, EngineOptions(url=url, **options))


def described(fake: FakeOllama, make: Callable[[str], Engine] = ollama) -> Description:
    about, _ = ask(fake, make)
    return about


# What is asked


def test_it_is_asked_by_chat_for_what_the_trial_asks() -> None:
    fake = FakeOllama(thinking=2)
    ask(fake, ollama, request("Why?", max_tokens=9, mark="k3"))
    assert fake.bodies == [
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "k3 is the reference of this request."},
                {"role": "user", "content": "Why?"},
            ],
            "stream": True,
            "think": True,
            "truncate": False,
            "keep_alive": "5m",
            "options": {"num_predict": 9, "num_ctx": 1024, "temperature": 0.0, "seed": 0},
        }
    ]


def test_a_raw_prompt_goes_by_generate_without_the_template() -> None:
    fake = FakeOllama(thinking=2)
    about, (events,) = ask(fake, with_options(raw=True, context=1024), request("Why?", mark="k3"))
    (body,) = fake.bodies
    assert (body["prompt"], body["raw"]) == ("k3 is the reference of this request.\n\nWhy?", True)
    assert not {"messages", "think", "system"} & set(body)
    assert about.settings["endpoint"] == "generate, raw"
    assert finished_of(events).usage.output_tokens == 8


def test_layers_and_threads_are_asked_for_at_the_load_and_in_every_trial() -> None:
    fake = FakeOllama()
    about, streams = ask(fake, with_options(gpu_layers=20, threads=4, context=1024), request(), request(mark="k3"))
    loaded = {"num_ctx": 1024, "num_gpu": 20, "num_thread": 4}
    assert [load["options"] for load in fake.loads] == [loaded]
    assert all(loaded.items() <= body["options"].items() for body in fake.bodies)
    assert [finished_of(events).timings.load_s for events in streams] == [0.012, 0.012]
    assert (about.settings["gpu_layers"], about.settings["threads"]) == (20, 4)


@pytest.mark.parametrize(("layers", "asked"), [(None, None), (0, 0), (-1, 999)])
def test_no_layers_all_layers_and_its_own_choice_are_told_apart(layers: int | None, asked: int | None) -> None:
    fake = FakeOllama()
    ask(fake, with_options(gpu_layers=layers))
    assert fake.loads[0]["options"].get("num_gpu") == asked


def test_a_model_that_cannot_think_is_not_asked_to() -> None:
    fake = FakeOllama()
    _, (events,) = ask(fake, ollama, request())
    assert "think" not in fake.bodies[0]
    assert text_of(events)


# What answers


def test_it_says_what_answers() -> None:
    about = described(FakeOllama(template="{{ .Prompt }}<think>\n"))
    assert (about.engine, about.version, about.attached, about.pids) == ("ollama", "0.33.3", True, ())
    assert (about.model.quant, about.model.size_bytes, about.model.digest) == ("Q4_K_M", 1234, "0a8c26691023")
    assert (about.model.architecture, about.model.parameters) == ("qwen2", 7615616512)
    assert about.model.context_trained == 131072
    assert about.opens_thinking


@pytest.mark.parametrize(
    ("share", "parts", "device"),
    [
        (0.62, {"gpu": 2_480_000_000, "cpu": 1_520_000_000}, "gpu"),
        (1.0, {"gpu": 4_000_000_000}, "gpu"),
        (0.0, {"cpu": 4_000_000_000}, "cpu"),
        (1.2, {"gpu": 4_000_000_000}, "gpu"),  # a server that estimates can say more than all
    ],
)
def test_its_memory_is_told_by_device_and_the_share_of_the_gpu(
    share: float, parts: dict[str, int], device: str
) -> None:
    about = described(FakeOllama(gpu_share=share))
    assert about.memory == tuple(MemoryPart(what="all", device=name, bytes=size) for name, size in parts.items())
    assert (about.settings["gpu_share"], about.device) == (min(1.0, share), device)


def test_a_server_that_does_not_tell_what_is_loaded_is_not_guessed_at() -> None:
    about = described(NoPs(version=OLD))
    assert (about.memory, about.device) == ((), "unknown")
    assert "gpu_share" not in about.settings


def test_the_context_is_the_one_that_the_server_loaded() -> None:
    class Clamps(FakeOllama):
        """A model trained for less than was asked for."""

        def _running(self, name: str) -> dict[str, Any]:
            return {**super()._running(name), "context_length": 512}

    assert described(Clamps()).settings["context"] == 512
    assert described(FakeOllama(version=OLD)).settings["context"] == 1024


def test_thinking_is_reasoning_and_older_servers_leave_it_in_the_text() -> None:
    _, (new,) = ask(FakeOllama(thinking=2), ollama, request(max_tokens=3))
    assert (reasoning_of(new), text_of(new)) == ("word0 word1 ", "word2 ")
    _, (old,) = ask(FakeOllama(thinking=2, version=OLD), ollama, request(max_tokens=3))
    assert (reasoning_of(old), text_of(old)) == ("", "<think>word0 word1 </think>word2 ")


def test_it_cannot_be_told_a_length_and_does_not_claim_to() -> None:
    about, (events,) = ask(FakeOllama(stops_after=5), ollama, request())
    assert not about.capabilities.exact_length
    assert (finished_of(events).finish, finished_of(events).usage.output_tokens) == ("stop", 5)


# Its counts


def test_the_prompt_count_includes_the_cached_and_only_the_rest_was_evaluated() -> None:
    _, streams = ask(FakeOllama(), ollama, request("Why?"), request("Why?"), request("Why?", mark="k3"))
    counts = [(u.prompt_tokens, u.cached_tokens) for u in (finished_of(events).usage for events in streams)]
    assert counts == [(12, 0), (12, 11), (12, 2)]
    timings = [finished_of(events).timings for events in streams]
    assert [t.prefill_tokens for t in timings] == [12, 1, 10]
    assert [t.prefill_s for t in timings] == pytest.approx([0.024, 0.002, 0.020])


def test_where_the_cached_are_not_told_what_was_evaluated_is_not_known() -> None:
    _, (first, again) = ask(FakeOllama(version=MIDDLE), ollama, request(), request())
    for events in (first, again):
        assert (finished_of(events).usage.prompt_tokens, finished_of(events).usage.cached_tokens) == (14, None)
        assert finished_of(events).timings.prefill_tokens is None


def test_an_older_server_that_leaves_counts_out_is_not_guessed_at() -> None:
    _, (first, again) = ask(FakeOllama(version=OLD), ollama, request(), request())
    assert finished_of(first).usage.cached_tokens is None
    assert finished_of(first).timings.prefill_tokens is None
    assert finished_of(again).usage.prompt_tokens is None
    assert finished_of(again).usage.output_tokens == 8


@pytest.mark.parametrize("cached", [-1, 14, 900])
def test_counts_that_cannot_both_be_right_are_not_believed(cached: int) -> None:
    class Confused(FakeOllama):
        def _line(self, *args: Any, **rest: Any) -> bytes:
            changed = {"prompt_eval_cached_count": cached} if rest.get("done") else {}
            return super()._line(*args, **rest | changed)

    _, (events,) = ask(Confused(), ollama, request())
    assert (finished_of(events).usage.prompt_tokens, finished_of(events).usage.cached_tokens) == (None, None)
    assert finished_of(events).timings.prefill_tokens is None


# A prompt that does not fit


def test_a_newer_server_refuses_a_prompt_that_does_not_fit_and_the_sentence_has_its_counts() -> None:
    with pytest.raises(
        PromptTooLong, match=r"request \(611 tokens\) exceeds .*\(512 tokens\).* Raise --context"
    ) as caught:
        ask(FakeOllama(), with_options(context=512), msgspec.structs.replace(request(LONG), context=512))
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(("version", "left"), [(OLD, 512), (MIDDLE, 258)])
def test_a_prompt_that_was_cut_shows_in_the_servers_count(version: str, left: int) -> None:
    asked = msgspec.structs.replace(request(LONG), context=512)
    _, (events,) = ask(Ignores(version=version), with_options(context=512), asked)
    assert finished_of(events).usage.prompt_tokens == left


class Ignores(FakeOllama):
    """Does not know ``truncate``, or leaves the prompt to a part of it that does not."""

    def _cut(self, prompt: int, context: int, body: dict[str, Any]) -> int:
        return super()._cut(prompt, context, body | {"truncate": True})


@pytest.mark.parametrize("version", [OLD, MIDDLE, "0.33.3"])
def test_a_workload_whose_prompt_was_cut_fails_and_the_others_are_measured(version: str) -> None:
    asked = [
        Asked(name=name, prompt=text, max_tokens=8, context=512) for name, text in (("long", LONG), ("short", "Count."))
    ]
    records = measure_ollama(Ignores(version=version), Protocol(runs=2, warm_ups=2), *asked)
    (failed,) = [record for record in records if isinstance(record, CellFailed)]
    assert "The server cut the prompt without a word" in failed.error
    (cell,) = summarized(records)
    assert (cell.opened.workload.name, cell.trials.ok) == ("short", 2)


def test_a_trial_whose_prompt_was_cut_is_a_failure_a_finding_and_no_figure() -> None:
    class CutsLater(FakeOllama):
        """Somebody has set it up anew, after the first trial."""

        def _lines(self, body: dict[str, Any], load_ns: int, prompt: int, cached: int, limit: int) -> Iterator[bytes]:
            return super()._lines(body, load_ns, 258 if len(self.bodies) > 3 else prompt, cached, limit)

    asked = Asked(name="long", prompt="word " * 300, max_tokens=8, context=512)
    records = measure_ollama(CutsLater(), Protocol(runs=2, warm_ups=2), asked)
    (cell,) = summarized(records)
    assert (cell.trials.ok, cell.trials.failed, cell.trials.truncated) == (1, 1, 0)
    found = next(finding for finding in cell.findings if finding.code == "prompt_truncated")
    assert "in 1 of 2 trials: 258 prompt tokens were counted of a text of 300 words" in found.evidence


# Loading


def test_a_model_that_was_not_loaded_is_loaded_timed_and_unloaded_again() -> None:
    fake = FakeOllama()
    about, (events,) = ask(fake, ollama, request())
    assert about.start is not None
    assert about.start.load_s == about.start.ready_s > 0
    assert finished_of(events).timings.load_s == 0.012
    assert (len(fake.loads), fake.unloads, fake.loaded) == (1, [TAG], {})


def test_a_model_that_was_loaded_stays_loaded_and_has_no_load_time() -> None:
    fake = FakeOllama()
    fake.loaded[TAG] = {"num_ctx": 1024}
    about = described(fake)
    assert (about.start, fake.unloads, list(fake.loaded)) == (None, [], [TAG])


def test_a_context_that_differs_within_a_run_shows_as_a_load() -> None:
    _, streams = ask(FakeOllama(), ollama, request(), request(), msgspec.structs.replace(request(), context=2048))
    assert [finished_of(events).timings.load_s for events in streams] == [0.012, 0.012, 1.5]


def test_other_models_in_its_memory_are_counted() -> None:
    fake = FakeOllama()
    fake.others = ["qwen3:8b", "gemma3:12b"]
    assert described(fake).settings["other_models_loaded"] == 2
    assert "other_models_loaded" not in described(FakeOllama()).settings


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("model requires more system memory (8.6 GiB) than is available (5.1 GiB)", True),
        ("llama runner process has terminated: cudaMalloc failed: out of memory", True),
        ("llama runner process has terminated: exit status 2", False),
    ],
)
def test_a_load_that_fails_says_why_and_what_to_do_where_memory_is_short(words: str, advice: bool) -> None:
    fake = FakeOllama()
    fake.load_fault = words
    with pytest.raises(ServerRefused) as caught:
        ask(fake, ollama)
    assert words in str(caught.value)
    assert ("Take a smaller quantization" in str(caught.value)) == advice


def test_the_weights_are_read_from_the_disk_where_the_server_names_their_file(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / ("sha256-" + "a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(bytes(1_000_000))
    told = described(FakeOllama(modelfile=f"FROM {blob}\nTEMPLATE x\n")).start
    elsewhere = described(FakeOllama(modelfile="FROM /etc/passwd\n")).start
    assert told is not None
    assert elsewhere is not None
    assert told.page_cache in ("cold", "warm") or sys.platform != "linux"
    assert elsewhere.page_cache == "unknown"


# Pulling


def test_a_missing_model_is_pulled_where_that_is_asked_for_with_progress_over_all_its_parts() -> None:
    fake, seen = FakeOllama(registry=("other:1b",)), []

    def make(url: str) -> Engine:
        options = EngineOptions(url=url, pull=True)
        return Ollama("other:1b", options, progress=lambda *step: seen.append(step))

    about, _ = ask(fake, make)
    assert (about.model.name, fake.pulls) == ("other:1b", ["other:1b"])
    assert seen == [("Pulling other:1b", *step) for step in [(0, 0), (450, 900), (900, 900), (1000, 1000)]]


def test_a_model_that_is_there_is_not_pulled() -> None:
    fake = FakeOllama()
    ask(fake, with_options(pull=True))
    assert fake.pulls == []


@pytest.mark.parametrize(
    ("registry", "fault", "words"),
    [
        ((), "", "pull model manifest: file does not exist"),
        (("other:1b",), "write /root/.ollama/models/blobs/x: no space left on device", "no space left on device"),
    ],
)
def test_a_pull_that_fails_says_why(registry: tuple[str, ...], fault: str, words: str) -> None:
    fake = FakeOllama(registry=registry)
    fake.pull_fault = fault
    with pytest.raises(ServerRefused, match=words):
        ask(fake, with_options("other:1b", pull=True))


def test_a_pull_that_ends_too_early_is_not_taken_for_done() -> None:
    class Stops(FakeOllama):
        def _pull(self, name: str) -> bytes:
            return self._whole([{"status": "pulling manifest"}])

    with pytest.raises(BrokenReply, match="pull of other:1b ended before"):
        ask(Stops(), with_options("other:1b", pull=True))


# Finding the server and the model


@pytest.mark.parametrize(
    "form",
    ["http://{}", "{}", "http://{}/", "0.0.0.0:{port}", "http://0.0.0.0:{port}", ":{port}", '"{}"', " {} ",
     "localhost:{port}"],
)  # fmt: skip
def test_every_form_of_ollama_host_finds_the_server(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(url: str) -> Engine:
        place = url.removeprefix("http://")
        monkeypatch.setenv("OLLAMA_HOST", form.format(place, port=place.partition(":")[2]))
        return Ollama(MODEL, EngineOptions(context=1024))

    _, (events,) = ask(FakeOllama(), make, request())
    assert text_of(events)


def test_a_model_that_it_lacks_is_told_with_what_it_has_and_how_to_get_it() -> None:
    with pytest.raises(ModelMissing, match=r"no model 'other'\. It has: tiny:latest\. .*ollama pull other, or"):
        ask(FakeOllama(), with_options("other"))


def test_another_engines_name_is_told_as_such() -> None:
    name = "mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit"
    with pytest.raises(ModelMissing, match=r"It is the name that mlx has for it: mlx:r1-7b@4bit\."):
        ask(FakeOllama(), with_options(name))


@pytest.mark.parametrize("options", [{"gpu": "0"}, {"flash_attention": False}])
def test_what_a_running_server_would_ignore_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"is for a server that we start, and one runs at .*--program ollama"):
        ask(FakeOllama(), with_options(**options))


@pytest.mark.parametrize("options", [{"pull": True}, {"raw": True}])
def test_what_the_scripted_engine_would_ignore_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"--{name} is for ollama.*: scripted:steady does not take it"):
        contestant(parse_subject("scripted:steady"), EngineOptions(**options), lambda *_: None)
    assert contestant(parse_subject("scripted:steady"), EngineOptions(), lambda *_: None)


def test_a_server_that_is_not_ollama_is_told() -> None:
    with pytest.raises(ServerRefused, match=r"404: Not Found. Is that an Ollama server\? Check --url"):
        ask(FakeVllm(), ollama)


# The catalogue's names

LLAMA_8B = "deepseek-r1:8b-llama-distill-q4_K_M"
QWEN3 = {"general.architecture": "qwen3", "qwen3.block_count": 36}
LLAMA = {"general.architecture": "llama", "llama.block_count": 32}


def catalogued(fake: FakeOllama, subject: str) -> Description:
    def make(url: str) -> Engine:
        return contestant(parse_subject(subject), EngineOptions(url=url), lambda *_: None).engine

    return ask(fake, make)[0]


def test_a_short_name_is_measured_under_its_long_tag() -> None:
    fake = FakeOllama(held=("deepseek-r1:7b-qwen-distill-q4_K_M",))
    assert catalogued(fake, "ollama:r1-7b@q4_K_M").model.name == "deepseek-r1:7b-qwen-distill-q4_K_M"
    assert catalogued(FakeOllama(held=(LLAMA_8B,), facts=LLAMA), "ollama:r1-8b").model.name == LLAMA_8B


@pytest.mark.parametrize(
    ("facts", "quant", "words"),
    [
        (QWEN3, "Q4_K_M", "its architecture is qwen3, not llama"),
        ({**LLAMA, "llama.block_count": 80}, "Q4_K_M", "its number of layers is 80, not 32"),
        (LLAMA, "Q8_0", "its quantization is Q8_0, not Q4_K_M"),
    ],
)
def test_a_tag_that_has_come_to_hold_other_weights_is_not_measured_in_their_place(
    facts: dict[str, Any], quant: str, words: str
) -> None:
    fake = FakeOllama(held=(LLAMA_8B,), facts=facts, quant=quant)
    with pytest.raises(ModelMissing, match=rf"is not DeepSeek-R1-Distill-Llama-8B at Q4_K_M: {words}\. .*: ollama:"):
        catalogued(fake, "ollama:r1-8b@q4_K_M")
    assert fake.loads == []


def test_a_tag_that_is_written_out_is_taken_as_it_is() -> None:
    fake = FakeOllama(held=("deepseek-r1:8b",), facts=QWEN3)
    assert catalogued(fake, "ollama:deepseek-r1:8b").model.architecture == "qwen3"


# Started by us


def stand_in(folder: Path, fault: str = "none") -> str:
    """A program of its own that runs the stand-in with this fault."""
    program = folder / "ollama"
    paths = ":".join(path for path in sys.path if path)
    command = shlex.join([sys.executable, "-S", str(STAND_IN), fault])
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {command} "$@"\n')
    program.chmod(0o755)
    return str(program)


def launched(folder: Path, fault: str = "none", model: str = MODEL, **options: Any) -> Ollama:
    options = {"program": stand_in(folder, fault), "logs": folder / "logs", "context": 1024, **options}
    return Ollama(model, EngineOptions(**options))


def told(folder: Path) -> Any:
    """What the stand-in was started with."""
    (log,) = (folder / "logs").iterdir()
    return json.loads(log.read_text().splitlines()[0])


def ends(pid: int) -> bool:
    """Whether a process that was told to end does; what nobody has asked about yet counts as ended."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
    return False


class TestLaunchedOllama(EngineContract):
    faults = ("no such model", *IN_A_STREAM)
    endless = 100_000

    @pytest.fixture(autouse=True)
    def _in(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        yield Stage(launched(self.folder, fault or "none", "other" if fault == "no such model" else MODEL))


def used(engine: Engine, *requests: Request) -> tuple[Description, list[Events]]:
    async def main() -> tuple[Description, list[Events]]:
        async with engine as there:
            return there.describe(), [[event async for event in there.stream(asked)] for asked in requests]

    return run(main())


def test_a_server_of_our_own_takes_a_free_port_and_leaves_the_models_of_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11434")
    about, _ = used(launched(tmp_path, parallel=3, flash_attention=True))
    log = told(tmp_path)
    assert log["arguments"] == ["serve"]
    environment = log["environment"]
    assert environment["OLLAMA_HOST"].startswith("127.0.0.1:")
    assert environment["OLLAMA_HOST"] != "127.0.0.1:11434"
    assert (environment["OLLAMA_NOPRUNE"], environment["OLLAMA_NUM_PARALLEL"]) == ("1", "3")
    assert environment["OLLAMA_FLASH_ATTENTION"] == "1"
    assert (about.attached, about.settings["slots"]) == (False, 3)
    assert "url" not in about.settings


def test_it_is_stopped_with_its_runners_and_its_start_is_told(tmp_path: Path) -> None:
    about, _ = used(launched(tmp_path, "with a runner"))
    (pid,), runner = about.pids, told(tmp_path)["runner"]
    assert about.start is not None
    assert about.start.load_s is not None
    assert about.start.ready_s > about.start.load_s > 0
    assert ends(pid)
    assert ends(runner)


@pytest.mark.parametrize("host", ["", "127.0.0.1:{}", "0.0.0.0:{}"])
def test_where_nobody_answers_here_and_it_is_installed_it_is_started(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: program if name == "ollama" else None)
    monkeypatch.setattr("bakeoff.engines.ollama.DEFAULT_PORT", closed_port())
    if host:
        monkeypatch.setenv("OLLAMA_HOST", host.format(closed_port()))
    about, (events,) = used(Ollama(MODEL, EngineOptions(context=1024)), request())
    assert not about.attached
    assert text_of(events)


@pytest.mark.parametrize("attached", [{"url": "http://127.0.0.1:{}"}, {"host": "192.0.2.1:1"}])
def test_it_is_not_started_in_the_place_of_a_server_that_was_named(
    attached: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = stand_in(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: program)
    if "host" in attached:
        monkeypatch.setenv("OLLAMA_HOST", attached["host"])

        async def unreachable(self: Any, timeout_s: float = 30.0) -> str | None:
            raise ServerUnreachable(f"No Ollama at {self.base} (no route to host).")

        monkeypatch.setattr(ollama_server.OllamaServer, "version", unreachable)
    url = attached.get("url", "").format(closed_port()) or None
    with pytest.raises(ServerUnreachable):
        used(Ollama(MODEL, EngineOptions(url=url, logs=tmp_path / "logs")))
    assert not (tmp_path / "logs").exists()


def test_a_running_server_is_attached_to_and_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = stand_in(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: program)

    async def main() -> tuple[bool, str | None]:
        async with serving(FakeOllama()) as (url, _):
            monkeypatch.setenv("OLLAMA_HOST", url)
            async with Ollama(MODEL, EngineOptions(logs=tmp_path / "logs")) as engine:
                attached = engine.describe().attached
            return attached, await ollama_server.OllamaServer(url).version()

    assert run(main()) == (True, "0.33.3")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("port taken", r"address already in use\. Another program took the port"),
        ("no rights", r"permission denied\. Give this user the right"),
        ("a mystery", r"ended while it was starting: .*something odd"),
    ],
)
def test_a_start_that_fails_says_why(fault: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(EngineCrashed, match=words):
        used(launched(tmp_path, fault))


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Ollama could not be started: .*No such file"):
        used(launched(tmp_path, program=str(tmp_path / "nothing")))


def test_leaving_on_an_error_stops_it_too(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        used(launched(tmp_path, "with a runner", model="other"))
    assert ends(told(tmp_path)["runner"])


def test_being_interrupted_while_it_loads_stops_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = asyncio.Event()

    async def endless(*_: object) -> float:
        loading.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(ollama_server.OllamaServer, "load", endless)

    async def main() -> None:
        entering = asyncio.create_task(launched(tmp_path, "with a runner").__aenter__())
        await loading.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering

    run(main())
    assert ends(told(tmp_path)["runner"])


def test_the_weights_that_a_tag_should_hold_are_the_catalogues() -> None:
    name = engine_name("ollama", "r1-8b")
    assert name.architecture is not None
    assert (name.architecture.family, name.architecture.layers) == ("llama", LLAMA["llama.block_count"])
