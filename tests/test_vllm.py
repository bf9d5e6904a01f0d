"""vLLM, attached to and started by us, played by servers that stream and fail as it does."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from msgspec.structs import replace

from bakeoff.cli.main import main
from bakeoff.engines import transport
from bakeoff.engines.base import Counting, Description, Engine, Finished, Prompt, Request
from bakeoff.engines.contract import EngineContract, Stage, finished_of, request
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.reply import Timeouts
from bakeoff.engines.subjects import parse_subject
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_serve import KV_SPACE, Served, environment, flags, read_load, refused_flags
from bakeoff.errors import (
    EngineCrashed,
    EngineMissing,
    FileError,
    ModelMissing,
    PromptTooLong,
    ServerRefused,
    UsageError,
)
from bakeoff.models.catalogue import MODELS
from bakeoff.models.config_write import config_json
from bakeoff.results.records import EngineCounts, MemoryPart, Model
from bakeoff.run.vllm import vllm_contestant
from tests.fake_vllm import BLOCK, FakeVllmServer
from tests.fakes import MODEL, PREFILL_S, TOKEN_S, FakeLlamaServer, FakeServer, FakeVllm, hosted
from tests.servers import run, serving
from tests.stand_in_vllm import DYING_WORDS, IN_A_STREAM
from tests.test_engines import KEY, OfAServer

STAND_IN = Path(__file__).with_name("stand_in_vllm.py")
GIB = 2**30


class NoGpu:
    """A machine without any."""

    platform = "linux"

    def text(self, path: str) -> str:
        return ""

    def paths(self, pattern: str) -> list[str]:
        return []

    def output(self, *command: str) -> str:
        return ""

    def memory_bytes(self) -> int:
        return 16 * GIB

    def usable_cores(self) -> int:
        return 2


class OneGpu(NoGpu):
    """A machine with one from NVIDIA."""

    def output(self, *command: str) -> str:
        listings = {"--query-gpu=index,uuid,name": "0, GPU-1234, NVIDIA GeForce RTX 4090\n"}
        return listings.get(command[1], "NVIDIA GeForce RTX 4090, 24564, 100, 550.54\n")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("VLLM_", "OPENAI_API_KEY"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))


def attached(url: str, name: str = MODEL) -> Vllm:
    return Vllm(Served(name=name, source=name), Model(name=name), EngineOptions(url=url, context=1024))


def stand_in(folder: Path, fault: str = "none") -> str:
    """A program of its own that runs the stand-in with this fault."""
    program = folder / "vllm"
    command = shlex.join([sys.executable, "-S", str(STAND_IN), fault])
    paths = ":".join(path for path in sys.path if path)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {command} "$@"\n')
    program.chmod(0o755)
    return str(program)


def launched(folder: Path, fault: str = "none", **options: Any) -> Vllm:
    options = {"program": stand_in(folder, fault), "logs": folder / "logs", "context": 1024, **options}
    served = Served(name=MODEL, source="someone/tiny", arguments=("--dtype", "bfloat16"))
    return Vllm(served, Model(name=MODEL), EngineOptions(**options))


def entered(made: Engine) -> Description:
    async def main() -> Description:
        async with made as there:
            return there.describe()

    return run(main())


def ask(fake: FakeServer, *requests: Request, name: str = MODEL) -> tuple[Description, list[Finished]]:
    """What an attached engine says of itself, and how these streams ended."""

    async def main() -> tuple[Description, list[Finished]]:
        async with serving(fake) as (url, _), attached(url, name) as engine:
            ends = [finished_of([event async for event in engine.stream(asked)]) for asked in requests]
            return engine.describe(), ends

    return run(main())


def ids(count: int) -> Request:
    return Request(prompt=Prompt(token_ids=tuple(range(1000, 1000 + count))), max_tokens=5)


def started_with(folder: Path) -> Any:
    """What the stand-in was last started with."""
    logs = sorted((folder / "logs").iterdir(), key=lambda log: log.stat().st_mtime_ns)
    return json.loads(logs[-1].read_text().splitlines()[0])


class TestAttached(OfAServer):
    secrets: ClassVar = (KEY, KEY[:12])
    endless = 900

    @pytest.fixture(autouse=True)
    def with_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def fake(self) -> FakeServer:
        return FakeVllmServer(thinking=3, key=KEY)

    def engine(self, model: str, url: str) -> Engine:
        return attached(url, model)


class TestOfLastYear(TestAttached):
    """A build that names reasoning otherwise, times no request, and leaves a zero from the cache out."""

    def fake(self) -> FakeServer:
        return FakeVllmServer(thinking=3, key=KEY, reasoning_field="reasoning_content", metrics=False, zero_told=False)


class TestLaunched(EngineContract):
    faults = (*IN_A_STREAM, "crashed")
    endless = 900

    @pytest.fixture(autouse=True)
    def _in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path
        self.patch = monkeypatch

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        def arm() -> None:
            if fault == "silent":
                self.patch.setattr(transport, "Timeouts", lambda: Timeouts(silence_s=0.3))

        yield Stage(launched(self.folder, fault or "none"), arm)


# What is found out


def test_it_is_asked_what_it_is() -> None:
    about, _ = ask(FakeVllmServer())
    assert (about.engine, about.version, about.attached) == ("vllm", "0.32.0", True)
    settings = {name: value for name, value in about.settings.items() if name != "url"}
    assert settings == {
        "context": 1024,
        "memory_utilization": 0.9,
        "kv_cache_tokens": 64 * BLOCK,
        "block": BLOCK,
        "prefix_caching": True,
    }


def test_where_the_cache_got_a_size_of_its_own_there_is_no_share_of_the_memory() -> None:
    about, _ = ask(FakeVllmServer(kv_cache_bytes=4 * GIB))
    assert about.settings["kv_cache_bytes"] == 4 * GIB
    assert "memory_utilization" not in about.settings


@pytest.mark.parametrize(("end", "opens"), [("<|Assistant|><think>\n", True), ("<|im_start|>assistant\n", False)])
def test_a_prompt_that_it_makes_itself_shows_whether_thinking_is_open(end: str, opens: bool) -> None:
    assert ask(FakeVllmServer(prompt_end=end))[0].opens_thinking is opens


@pytest.mark.parametrize("name", ["someone/tiny", "tiny"])
def test_a_model_is_found_by_its_own_name_and_by_where_it_was_loaded_from(name: str) -> None:
    fake = FakeVllmServer()
    _, ends = ask(fake, ids(4), name=name)
    assert fake.bodies[-1]["model"] == MODEL
    assert ends[0].finish == "length"


def test_another_model_is_missing_and_those_served_are_named() -> None:
    with pytest.raises(ModelMissing, match=r"has no model 'r1-7b'\. It serves: tiny\. Write vllm:NAME"):
        ask(FakeVllmServer(), name="r1-7b")


@pytest.mark.parametrize("other", [FakeLlamaServer(), FakeVllm()], ids=["llama-server", "without a version"])
def test_another_kind_of_server_is_told_from_it(other: FakeServer) -> None:
    with pytest.raises(ServerRefused, match=r"answers, but is no vLLM server: it has no /version.*openai:NAME"):
        ask(other)


def test_a_server_with_a_version_that_serves_anothers_models_is_told_from_it() -> None:
    fake = FakeVllmServer()
    fake.owner = "sglang"  # type: ignore[misc]
    with pytest.raises(ServerRefused, match=r"is no vLLM server\. Write openai:NAME"):
        ask(fake)


# The prefix cache


def test_a_cold_request_takes_nothing_from_the_cache_and_a_warm_one_whole_blocks() -> None:
    cold, warm = ids(100), replace(ids(100), cache=True)
    about, ends = ask(FakeVllmServer(), cold, cold, warm, warm)
    assert (about.capabilities.cache_off, about.capabilities.reports_cache) == (True, True)
    assert [end.usage.cached_tokens for end in ends] == [0, 0, 0, 96]


def test_a_zero_that_is_left_out_is_a_zero_where_more_would_be_told() -> None:
    about, ends = ask(FakeVllmServer(zero_told=False), ids(100))
    assert about.capabilities.reports_cache
    assert ends[0].usage.cached_tokens == 0


def test_a_server_that_does_not_tell_leaves_the_cache_unproven() -> None:
    about, ends = ask(FakeVllmServer(details=False), ids(100))
    assert (about.capabilities.cache_off, about.capabilities.reports_cache) == (False, False)
    assert ends[0].usage.cached_tokens is None


def test_a_salt_that_is_ignored_does_not_switch_the_cache_off() -> None:
    about, ends = ask(FakeVllmServer(salted=False), ids(100), ids(100))
    assert (about.capabilities.cache_off, about.capabilities.reports_cache) == (False, True)
    assert [end.usage.cached_tokens for end in ends] == [0, 96]


def test_without_prefix_caching_there_is_nothing_to_switch_off() -> None:
    about, _ = ask(FakeVllmServer(prefix_caching=False))
    assert about.capabilities.cache_off
    assert about.settings["prefix_caching"] is False


# What is asked for, and what it tells


def test_exactly_as_many_tokens_are_asked_for_and_nothing_of_the_models_own_defaults() -> None:
    fake = FakeVllmServer(stops_after=2)
    _, ends = ask(fake, request(max_tokens=7), ids(3))
    assert [end.usage.output_tokens for end in ends] == [7, 5]
    sent = fake.bodies[-2]
    assert (sent["ignore_eos"], sent["min_tokens"], sent["max_tokens"]) == (True, 7, 7)
    assert sent["repetition_penalty"] == 1.0
    assert len({body["cache_salt"] for body in fake.bodies[-2:]}) == 2


def test_its_own_times_are_those_of_the_intervals_and_the_wait_stands_apart() -> None:
    _, (end,) = ask(FakeVllmServer(), ids(20))
    timings = end.timings
    assert timings.prefill_s == pytest.approx(20 * PREFILL_S)
    assert timings.decode_s == pytest.approx(4 * TOKEN_S)
    assert timings.queue_s == pytest.approx(0.0001)


def test_what_it_counts_is_taken_between_two_readings() -> None:
    fake = FakeVllmServer(others=(2, 3, 0.5))

    async def main() -> EngineCounts:
        async with serving(fake) as (url, _), attached(url) as engine:
            assert isinstance(engine, Counting)
            before = await engine.counters()
            async for _ in engine.stream(ids(3)):
                pass
            return before.until(await engine.counters())

    counts = run(main())
    assert (counts.requests, counts.preemptions) == (3, 3)
    assert counts.queue_s == pytest.approx(0.5001)
    assert (counts.running, counts.waiting, counts.kv_cache_used) == (0, 0, 0)


@pytest.mark.parametrize(
    "asked", [request(max_tokens=5000), request("word " * 2000), replace(ids(900), max_tokens=200)]
)
def test_what_does_not_fit_the_context_is_refused_and_the_answer_is_not_cut_in_silence(asked: Request) -> None:
    with pytest.raises(PromptTooLong, match=r"(1024|max_tokens=124).*Prompt and answer do not fit its context: raise"):
        ask(FakeVllmServer(), asked)


# How it is started


def test_it_is_started_with_what_the_article_sets_and_with_what_makes_it_tell(tmp_path: Path) -> None:
    about = entered(launched(tmp_path))
    arguments = started_with(tmp_path)["arguments"]
    assert arguments[:4] == ["serve", "someone/tiny", "--served-model-name", "tiny"]
    bearing = ["--max-model-len", "1024", "--gpu-memory-utilization", "0.9", "--enable-prompt-tokens-details",
               "--enable-per-request-metrics", "--no-enable-log-requests", "--dtype", "bfloat16"]  # fmt: skip
    assert arguments[-9:] == bearing
    assert about.settings["flags"] == " ".join(bearing)
    assert "--enforce-eager" not in arguments  # it would switch CUDA graphs off


def test_what_came_of_the_start_is_told(tmp_path: Path) -> None:
    about = entered(launched(tmp_path))
    assert not about.attached
    assert about.start is not None
    assert about.start.ready_s > 0
    assert about.device == "gpu"
    assert {part.what: part.bytes for part in about.memory} == {
        "weights": round(14.27 * GIB),
        "kv_cache": round(5.20 * GIB),
        "compute": round(0.52 * GIB),
    }
    assert not psutil.pid_exists(about.pids[0])


def test_an_older_build_is_started_without_what_it_does_not_know(tmp_path: Path) -> None:
    about = entered(launched(tmp_path, "an old build"))
    assert "--enable-per-request-metrics" not in started_with(tmp_path)["arguments"]
    assert "--enable-prompt-tokens-details" in str(about.settings["flags"])


def test_its_environment_is_quiet_and_keeps_what_the_user_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", KEY)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("VLLM_ATTENTION_BACKEND", "FLASHINFER")
    about = entered(launched(tmp_path))
    assert about.settings["environment"] == "VLLM_ATTENTION_BACKEND=FLASHINFER"
    seen = started_with(tmp_path)["environment"]
    assert (seen["VLLM_NO_USAGE_STATS"], seen["HF_HUB_OFFLINE"], seen["VLLM_API_KEY"]) == ("1", "1", None)


def test_without_a_gpu_the_cache_gets_a_few_gibibytes_and_not_a_share_of_the_memory() -> None:
    assert environment(EngineOptions(), NoGpu(), {})[KV_SPACE] == "4"


@pytest.mark.parametrize(
    ("options", "reader", "given"),
    [
        (EngineOptions(memory_utilization=0.5), NoGpu(), {}),
        (EngineOptions(), NoGpu(), {KV_SPACE: "9"}),
        (EngineOptions(), OneGpu(), {}),
    ],
    ids=["a share was asked for", "the user has set it", "there is a GPU"],
)
def test_else_it_is_left_alone(options: EngineOptions, reader: NoGpu, given: dict[str, str]) -> None:
    assert KV_SPACE not in environment(options, reader, given)


def test_one_gpu_is_shown_to_it_as_nvidia_smi_numbers_them() -> None:
    ours = environment(EngineOptions(gpu="0"), OneGpu(), {})
    assert (ours["CUDA_DEVICE_ORDER"], ours["CUDA_VISIBLE_DEVICES"]) == ("PCI_BUS_ID", "0")


def test_a_gpu_that_is_not_there_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no NVIDIA GPU '7'"):
        environment(EngineOptions(gpu="7"), OneGpu(), {})


def test_a_share_of_the_memory_that_was_asked_for_is_passed_on() -> None:
    told = flags(Served(name="tiny", source="tiny"), EngineOptions(memory_utilization=0.5, context=512))
    assert told[:4] == ["--max-model-len", "512", "--gpu-memory-utilization", "0.5"]


TOLD = {
    "out of memory": r"CUDA out of memory.*Lower --memory-utilization or --context",
    "taken memory": r"4\.04/23\.63 GiB.*End what else uses that memory, or lower --memory-utilization",
    "long context": r"max seq len \(131072\).*Lower --context, or raise --memory-utilization",
    "too large": r"No available memory.*The weights fill what it may take: raise --memory-utilization",
    "no gpu": r"Failed to infer device type.*check the driver with nvidia-smi",
    "gated": r"gated repo\..*set HF_TOKEN",
    "port taken": r"Address already in use.*Another program took the port in that moment: run again",
    "unknown option": r"unrecognized arguments: --max-model-len 4096\. This vLLM does not know that option",
    "crashed while loading": r"ended while it was starting: ",
}
"""Of each dying word: what the sentence holds."""


@pytest.mark.parametrize("fault", DYING_WORDS)
def test_a_start_that_fails_says_why_and_what_to_do(fault: str, tmp_path: Path) -> None:
    with pytest.raises(EngineCrashed, match=TOLD[fault]):
        entered(launched(tmp_path, fault))
    assert not psutil.Process().children()


def test_an_engine_that_dies_before_its_server_does_is_a_crash(tmp_path: Path) -> None:
    async def main() -> None:
        async with launched(tmp_path, "engine died") as engine:
            async for _ in engine.stream(request()):
                pass

    with pytest.raises(EngineCrashed, match="vLLM ended by itself while it was answering"):
        run(main())


def test_without_vllm_there_is_a_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineMissing, match="pip install vllm"):
        entered(Vllm(Served(name="x", source="x"), Model(name="x"), EngineOptions()))
    with pytest.raises(EngineMissing, match="no program /nowhere/vllm"):
        entered(Vllm(Served(name="x", source="x"), Model(name="x"), EngineOptions(program="/nowhere/vllm")))


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("vllm: error: unrecognized arguments: --enable-per-request-metrics. This", ("--enable-per-request-metrics",)),
        ("unrecognized arguments: --enable-per-request-metrics --max-model-len 3. This", ()),
        ("CUDA out of memory. Lower --enable-per-request-metrics", ()),
    ],
)
def test_only_what_makes_it_tell_more_is_done_without(words: str, flags: tuple[str, ...]) -> None:
    assert refused_flags(words) == flags


def test_the_log_of_a_processor_is_read_as_well() -> None:
    log = (
        "Initializing a V1 LLM engine (v0.32.0) with config: kv_cache_dtype=auto, device_config=cpu, seed=0\n"
        "(Worker pid=32168) INFO [cpu_worker.py:260] Explicitly set (1.0/23.54) GiB for KV cache on node 0.\n"
        "(Worker pid=32168) INFO [default_loader.py:501] Loading weights took 0.55 seconds\n"
    )
    loaded = read_load(log)
    assert (loaded.device, loaded.load_s) == ("cpu", 0.55)
    assert loaded.memory == (MemoryPart(what="kv_cache", device="cpu", bytes=GIB),)
    assert read_load("nothing of it").device == "unknown"


# What a user may write


def made(text: str, **options: Any) -> Served:
    engine = vllm_contestant(parse_subject(text), EngineOptions(**options)).engine
    assert isinstance(engine, Vllm)
    return engine._served


@pytest.mark.parametrize(
    ("text", "source", "arguments"),
    [
        ("vllm:r1-7b@bf16", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", ()),
        ("vllm:r1-7b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", ()),
        ("vllm:r1-7b@w4a16", "RedHatAI/DeepSeek-R1-Distill-Qwen-7B-quantized.w4a16", ()),
        ("vllm:qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct", ()),
        ("vllm:Qwen2.5-7B@fp16", "Qwen/Qwen2.5-7B-Instruct", ("--dtype", "float16")),
        ("vllm:qwen2.5-7b@fp8", "Qwen/Qwen2.5-7B-Instruct", ("--quantization", "fp8")),
        ("vllm:someone/model", "someone/model", ()),
    ],
)
def test_a_model_is_named_short_or_by_its_repository(text: str, source: str, arguments: tuple[str, ...]) -> None:
    served = made(text)
    assert (served.source, served.arguments) == (source, arguments)


def test_a_folder_is_served_under_its_name_alone(tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / "config.json").write_bytes(config_json(MODELS["smollm2-135m"]))
    header = b'{"model.norm.weight": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    engine = vllm_contestant(parse_subject(f"vllm:{folder}"), EngineOptions()).engine
    assert isinstance(engine, Vllm)
    assert (engine._served.source, engine._served.name) == (str(folder), "my model")
    assert engine._served.files == (folder / "model.safetensors",)
    about = engine.describe().model
    assert (about.name, about.quant, about.architecture, about.context_trained) == ("my model", "BF16", "llama", 8192)
    assert about.size_bytes == 8 + len(header) + 4


def test_synthetic_weights_take_their_shape_from_a_folders_config_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(config_json(replace(MODELS["smollm2-135m"], layers=2)))
    served = made(f"vllm:{tmp_path}", synthetic=True)
    assert json.loads(Path(served.source, "config.json").read_bytes())["num_hidden_layers"] == 2


def test_a_folder_of_an_unknown_kind_is_served_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "novel"}')
    assert made(f"vllm:{tmp_path}").source == str(tmp_path.resolve())


def test_synthetic_weights_are_made_up_by_vllm_in_the_models_shape() -> None:
    contestant = vllm_contestant(parse_subject("vllm:r1-7b@fp16"), EngineOptions(synthetic=True))
    assert isinstance(contestant.engine, Vllm)
    served, model = contestant.engine._served, contestant.engine.describe().model
    assert served.arguments == ("--load-format", "dummy", "--dtype", "float16")
    config = json.loads(Path(served.source, "config.json").read_bytes())
    assert (config["num_hidden_layers"], config["hidden_size"], config["torch_dtype"]) == (28, 3584, "float16")
    assert (model.synthetic, model.quant, model.name) == (True, "F16", "DeepSeek-R1-Distill-Qwen-7B")
    assert max(contestant.token_ids(64, 1)) < config["vocab_size"]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("vllm:deepseek-r1:7b", {}, r"is no Hugging Face repository.*ollama:deepseek-r1:7b"),
        ("vllm:deepseek-r1:7b-qwen-distill-q4_K_M", {}, r"no Hugging Face repository.*: ollama:r1-7b@Q4_K_M"),
        ("vllm:model.gguf", {}, "for a GGUF file write llamacpp:model.gguf"),
        ("vllm:./nowhere", {}, r"There is no folder \./nowhere"),
        ("vllm:r1-7b@q4_K_M", {}, r"no q4_K_M of r1-7b for vllm\. It exists as ollama:r1-7b@Q4_K_M"),
        ("vllm:qwen2.5-7b@q4_K_M", {}, r"vLLM makes no q4_K_M of other weights, only BF16, F16"),
        ("vllm:r1-7b@awq", {"synthetic": True}, r"vLLM makes no awq of other weights"),
        ("vllm:r1-671b", {"synthetic": True}, "random ones choose other experts"),
        ("vllm:r1-7b", {"synthetic": True, "like": Path("x.gguf")}, "--like names a GGUF file"),
        ("vllm:tiny", {"url": "x", "synthetic": True}, "--synthetic is for a model that Bakeoff loads"),
        ("vllm:tiny", {"url": "x", "memory_utilization": 0.5}, "--memory-utilization is for a vLLM that Bakeoff"),
    ],
)
def test_what_cannot_be_is_told_with_what_could(text: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises((UsageError, FileError), match=words):
        made(text, **options)


# The whole way


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The one cell of a run with these arguments."""
    assert main(["run", *arguments, "--runs", "5", "--prompt", "Count.", "--max-tokens", "40", "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert isinstance(cell, dict)
    return cell


def test_a_run_on_a_server_that_serves_others_too_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with hosted(FakeVllmServer(others=(1, 2, 3.0))) as url:
        cell = measured(capsys, "vllm:tiny", "--url", url)
    codes = {finding["code"] for finding in cell["findings"]}
    assert {"shared_engine", "preempted"} <= codes
    assert not codes & {"cache_hit", "cache_unproven", "early_stop"}


def test_a_server_is_started_for_4096_tokens_unless_another_context_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = ("--program", stand_in(tmp_path))
    cell = measured(capsys, "vllm:someone/tiny", *program)
    assert (cell["subject"]["settings"]["context"], cell["subject"]["attached"]) == (4096, False)
    cell = measured(capsys, "vllm:someone/tiny", *program, "--context", "1000", "--memory-utilization", "0.5")
    assert cell["subject"]["settings"]["context"] == 1000
    assert "--gpu-memory-utilization 0.5" in cell["subject"]["settings"]["flags"]


def test_synthetic_weights_are_asked_with_token_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["vllm:smollm2-135m", "--synthetic", "--program", stand_in(tmp_path)]
    assert main(["run", *arguments, "--runs", "5", "--max-tokens", "8", "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["workload"]["prompt_tokens"] == 128
    assert "synthetic" in {finding["code"] for finding in cell["findings"]}


def test_two_that_are_started_at_once_are_two(tmp_path: Path) -> None:
    one, other = launched(tmp_path), launched(tmp_path)

    async def main() -> list[Finished]:
        async with one, other:
            assert one.describe().pids != other.describe().pids
            return [finished_of([event async for event in engine.stream(ids(3))]) for engine in (one, other)]

    assert [end.usage.output_tokens for end in run(main())] == [5, 5]
