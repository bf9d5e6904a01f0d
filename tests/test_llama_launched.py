"""llama-server as we start it, played by a program that fails when told to; and one that was running before."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from bakeoff.engines import launch, llama_launched, transport
from bakeoff.engines.base import Description, Engine, Finished
from bakeoff.engines.contract import EngineContract, Stage, request
from bakeoff.engines.gpu_choice import gpu_environment
from bakeoff.engines.llama_attached import AttachedLlama
from bakeoff.engines.llama_launched import LaunchedLlama
from bakeoff.engines.llama_log import read_load
from bakeoff.engines.llama_server import quant_named
from bakeoff.engines.lookup import get_json
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.page_cache import drop_page_cache
from bakeoff.engines.reply import Timeouts
from bakeoff.errors import EngineCrashed, EngineError, EngineMissing, ModelMissing, ServerSilent, UsageError
from bakeoff.measurement.thinking import template_opens_thinking
from bakeoff.results.records import MemoryPart, Model
from tests.fakes import MODEL, FakeLlamaServer, FakeServer, FakeVllm
from tests.servers import run, saying, serving, sized
from tests.stand_in_llama import IN_A_STREAM
from tests.test_engines import OfAServer

MIB = 2**20
STAND_IN = Path(__file__).with_name("stand_in_llama.py")


@pytest.fixture(autouse=True)
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF" + bytes(100_000))
    return path


def stand_in(folder: Path, fault: object = "none") -> str:
    """A program of its own that runs the stand-in with this fault."""
    program = folder / "llama-server"
    command = shlex.join([sys.executable, "-S", str(STAND_IN), str(fault)])
    paths = ":".join(path for path in sys.path if path)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {command} "$@"\n')
    program.chmod(0o755)
    return str(program)


def engine(folder: Path, fault: object = "none", **options: Any) -> LaunchedLlama:
    options = {"program": stand_in(folder, fault), "logs": folder / "logs", "context": 1024, **options}
    return LaunchedLlama(folder / "tiny.gguf", Model(name="tiny"), EngineOptions(**options), opens_thinking=True)


def entered(made: Engine) -> Description:
    async def main() -> Description:
        async with made as there:
            return there.describe()

    return run(main())


def log_of(folder: Path) -> str:
    (log,) = (folder / "logs").iterdir()
    return log.read_text()


def told(folder: Path) -> Any:
    """What the stand-in was started with."""
    return json.loads(log_of(folder).splitlines()[0])


class TestLaunchedLlama(EngineContract):
    faults = IN_A_STREAM

    @pytest.fixture(autouse=True)
    def _in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path
        self.patch = monkeypatch

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        made = engine(self.folder, fault or "none")

        async def idle() -> None:
            if made.describe().pids and fault != "crashed":
                while any(slot["is_processing"] for slot in await get_json(f"{made._url}/slots")):
                    pass

        def arm() -> None:
            if fault == "silent":
                self.patch.setattr(transport, "Timeouts", lambda: Timeouts(silence_s=0.3))

        yield Stage(made, arm, idle)


class TestAttachedLlama(OfAServer):
    def fake(self) -> FakeServer:
        return FakeLlamaServer(thinking=3)

    def engine(self, model: str, url: str) -> Engine:
        return AttachedLlama(model, url, opens_thinking=template_opens_thinking)


# How it is started


def test_what_is_not_set_is_left_to_it(tmp_path: Path) -> None:
    entered(engine(tmp_path))
    arguments = told(tmp_path)["arguments"]
    assert arguments[:2] == ["-m", str(tmp_path / "tiny.gguf")]
    assert "--metrics" in arguments
    assert not {"-t", "-ngl", "-fa"} & set(arguments)


def test_every_setting_reaches_it_and_the_description(tmp_path: Path) -> None:
    about = entered(engine(tmp_path, threads=3, parallel=2, flash_attention=False))
    arguments = told(tmp_path)["arguments"]
    pairs = {(name, arguments[at + 1]) for at, name in enumerate(arguments[:-1])}
    assert {("-c", "2048"), ("--parallel", "2"), ("-t", "3"), ("-fa", "off")} <= pairs
    assert about.settings == {
        "context": 1024,
        "threads": 3,
        "slots": 2,
        "gpu_layers": "auto",
        "flash_attention": False,
    }
    assert (about.version, about.attached, about.opens_thinking) == ("llama-server b11434-unknown", False, True)


def test_nothing_in_our_environment_changes_what_it_runs_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_N_GPU_LAYERS", "7")
    monkeypatch.setenv("LLAMA_API_KEY", "sk-secret")
    entered(engine(tmp_path))
    assert told(tmp_path)["environment"] == {"LLAMA_ARG_CACHE_RAM": "0", "LLAMA_ARG_LOG_VERBOSITY": "4"}


def test_it_is_ready_in_a_time_of_its_own_and_gone_afterwards(tmp_path: Path) -> None:
    async def main() -> Description:
        async with engine(tmp_path) as there:
            about = there.describe()
            assert psutil.pid_exists(about.pids[0])
            return about

    about = run(main())
    assert about.start is not None
    assert about.start.ready_s > 0
    assert not psutil.pid_exists(about.pids[0])


def test_two_at_once_are_two(tmp_path: Path) -> None:
    async def main() -> set[int]:
        async with engine(tmp_path) as one, engine(tmp_path) as other:
            for each in (one, other):
                assert isinstance([event async for event in each.stream(request())][-1], Finished)
            return {*one.describe().pids, *other.describe().pids}

    assert len(run(main())) == 2
    assert len(list((tmp_path / "logs").iterdir())) == 2


# How it fails


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("out of memory", r"cudaMalloc failed: out of memory\. Lower --context or --gpu-layers, or take a smaller q"),
        (
            "no vocabulary",
            r"error loading model vocabulary: key not found in model: .*\. Get the file again, or update",
        ),
        ("unknown architecture", r"unknown model architecture: 'fromthefuture'\. .*older than the model"),
        ("missing library", r"libcudart\.so\.12: cannot open shared object file.*\. A library .* --program"),
        ("unknown option", r"invalid argument: --parallel\. .* update llama\.cpp"),
        ("crashed while loading", r"loaded meta data with 34 key-value pairs"),
    ],
)
def test_a_start_that_fails_says_why_and_what_to_do(tmp_path: Path, fault: str, words: str) -> None:
    with pytest.raises(EngineCrashed, match=f"llama-server ended while it was starting: .*{words}") as caught:
        entered(engine(tmp_path, fault))
    assert "\n" not in str(caught.value)


def test_one_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = launch.Launched.start
    monkeypatch.setattr(launch.Launched, "start", lambda *args, **named: start(*args, **named, timeout_s=1.0))
    with pytest.raises(ServerSilent, match=r"llama-server was not ready within 1 s: .* Its log is .*\.log"):
        entered(engine(tmp_path, "never ready"))
    assert not psutil.Process().children()


def test_a_port_taken_in_the_meantime_is_told_and_the_other_server_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(FakeLlamaServer()) as (url, _):
            monkeypatch.setattr(llama_launched, "free_port", lambda: int(url.rpartition(":")[2]))
            async with engine(tmp_path):
                pass

    with pytest.raises(EngineCrashed, match=r"couldn't bind.*\. Another program took the port"):
        run(main())


def test_of_two_that_were_given_one_port_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = launch.free_port()
    monkeypatch.setattr(llama_launched, "free_port", lambda: port)

    async def both() -> tuple[Description, EngineError]:
        there = asyncio.Event()

        async def first() -> Description:
            async with engine(tmp_path) as up:
                there.set()
                await loser
                return up.describe()

        async def second() -> EngineError:
            await there.wait()
            with pytest.raises(EngineCrashed, match="Another program took the port") as caught:
                async with engine(tmp_path):
                    pass
            return caught.value

        loser = asyncio.create_task(second())
        return await asyncio.gather(first(), loser)

    run(both())


def test_a_program_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineMissing, match=r"no program /nowhere/llama-server"):
        entered(engine(tmp_path, program="/nowhere/llama-server"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(EngineMissing, match=r"no llama-server on PATH.*--program"):
        entered(engine(tmp_path, program=None))


def test_layers_for_a_gpu_that_is_not_there_are_not_ignored_in_silence(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("warning: no usable GPU found, --gpu-layers option will be ignored\n")
    with pytest.raises(EngineError, match="--gpu-layers 20 would do nothing"):
        entered(engine(tmp_path, log, gpu_layers=20))
    assert not psutil.Process().children()
    assert entered(engine(tmp_path, log, gpu_layers=0)).settings["gpu_layers"] == 0


# Where the model went

SPLIT = """\
load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
load_tensors:        CUDA0 model buffer size =  9999.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =  9999.00 MiB
load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
load_tensors: offloading output layer to GPU
load_tensors: offloading 19 repeating layers to GPU
load_tensors: offloaded 20/33 layers to GPU
load_tensors:   CPU_Mapped model buffer size =  1500.25 MiB
load_tensors:   CPU_Mapped model buffer size =   500.00 MiB
load_tensors:        CUDA0 model buffer size =  2700.50 MiB
llama_context:  CUDA_Host  output buffer size =     0.49 MiB
llama_kv_cache:        CPU KV buffer size =   104.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =   152.00 MiB
sched_reserve:      CUDA0 compute buffer size =   900.00 MiB
sched_reserve:      CUDA0 compute buffer size =   258.50 MiB
sched_reserve:  CUDA_Host compute buffer size =     8.01 MiB
"""
"""Two loads of an 8B model of 32 layers, in the words of llama-model.cpp, llama-kv-cache.cpp and llama-context.cpp."""


def test_a_split_is_read_from_the_log_buffer_by_buffer(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(SPLIT)
    about = entered(engine(tmp_path, log, gpu_layers=20))
    assert (about.settings["layers_on_gpu"], about.settings["layers"], about.device) == (20, 33, "gpu")
    sizes = {(part.what, part.device): part.bytes / MIB for part in about.memory}
    assert sizes == pytest.approx(
        {
            ("weights", "CPU_Mapped"): 2000.25,
            ("weights", "CUDA0"): 2700.5,
            ("output", "CUDA_Host"): 0.49,
            ("kv_cache", "CPU"): 104,
            ("kv_cache", "CUDA0"): 152,
            ("compute", "CUDA0"): 258.5,
            ("compute", "CUDA_Host"): 8.01,
        },
        rel=1e-6,
    )


def test_a_log_that_tells_nothing_leaves_it_unknown() -> None:
    loaded = read_load("main: server is listening\n")
    assert (loaded.layers_on_gpu, loaded.memory, loaded.device) == (None, (), "unknown")


def test_memory_of_the_host_is_not_the_gpus() -> None:
    loaded = read_load(
        "load_tensors: CPU_Mapped model buffer size = 1.00 MiB\nx: CUDA_Host compute buffer size = 2.00 MiB"
    )
    assert loaded.memory == (
        MemoryPart(what="weights", device="CPU_Mapped", bytes=MIB),
        MemoryPart(what="compute", device="CUDA_Host", bytes=2 * MIB),
    )
    assert loaded.device == "cpu"


# Which GPU


class OneGpu:
    """A system with one GPU."""

    platform = "linux"

    def output(self, *command: str) -> str:
        return "0, GPU-1b2c3d4e-0000-1111-2222-333344445555, NVIDIA GeForce RTX 4090"

    def text(self, path: str) -> str:
        return ""

    def paths(self, pattern: str) -> list[str]:
        return []

    def memory_bytes(self) -> int:
        return 0

    def usable_cores(self) -> int:
        return 1


class NoGpu(OneGpu):
    def output(self, *command: str) -> str:
        return ""


@pytest.mark.parametrize("gpu", ["0", "GPU-1b2c3d4e-0000-1111-2222-333344445555"])
def test_a_gpu_is_chosen_in_the_order_of_the_bus(gpu: str) -> None:
    assert gpu_environment(gpu, OneGpu()) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": gpu}


def test_no_choice_leaves_all_gpus_to_it() -> None:
    assert gpu_environment(None, NoGpu()) == {}


def test_a_gpu_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no NVIDIA GPU '1' here\. There are: 0 is NVIDIA GeForce RTX 4090 \(GPU-1b2c"
    ):
        gpu_environment("1", OneGpu())
    with pytest.raises(UsageError, match=r"no NVIDIA GPU '0' here\. nvidia-smi shows none"):
        gpu_environment("0", NoGpu())


def test_the_chosen_gpu_is_in_its_environment_and_in_the_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_launched, "gpu_environment", lambda gpu: gpu_environment(gpu, OneGpu()))
    about = entered(engine(tmp_path, gpu="0"))
    assert told(tmp_path)["environment"]["CUDA_VISIBLE_DEVICES"] == "0"
    assert about.settings["gpu"] == "0"


def test_a_build_that_does_not_heed_the_choice_of_a_gpu_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_launched, "gpu_environment", lambda gpu: gpu_environment(gpu, OneGpu()))
    log = tmp_path / "log.txt"
    log.write_text(SPLIT)
    assert entered(engine(tmp_path, log, gpu="0")).settings["gpu"] == "0"
    log.write_text(SPLIT.replace("CUDA0", "Vulkan1"))
    with pytest.raises(EngineError, match=r"does not heed --gpu 0: it uses Vulkan1\. .* build for CUDA"):
        entered(engine(tmp_path, log, gpu="0"))


# Page cache


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_files_dropped_from_the_page_cache_are_cold_and_those_in_use_are_not(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(os.urandom(1_000_000))
    if drop_page_cache([file]) == "unknown":
        pytest.skip("this file system does not tell")
    assert drop_page_cache([file]) == "cold"
    assert file.read_bytes()
    held = tmp_path / "held"
    held.write_bytes(bytes(1_000_000))
    with held.open("r+b") as opened, mapped(opened.fileno()):
        assert drop_page_cache([file, held]) == "warm"


def mapped(file: int) -> Any:
    """A mapping whose pages are all in use."""
    import mmap

    pages = mmap.mmap(file, 0)
    assert pages[:]
    return pages


def test_where_nothing_can_be_told_nothing_is_said(tmp_path: Path) -> None:
    assert drop_page_cache([tmp_path / "nowhere"]) == "unknown"


# A server that was running before


def attached(fake: FakeServer, name: str = MODEL, address: Callable[[str], str] = str) -> Description:
    async def main() -> Description:
        async with serving(fake) as (url, _):
            made = AttachedLlama(name, address(url), opens_thinking=template_opens_thinking)
            async with made as there:
                return replace(there.describe(), settings={**there.describe().settings, "url": ""})

    return run(main())


def test_a_running_server_tells_what_it_is() -> None:
    about = attached(FakeLlamaServer(context=2048, slots=4))
    assert about.settings == {"context": 2048, "slots": 4, "url": ""}
    assert (about.version, about.attached, about.opens_thinking, about.start) == ("b11434-unknown", True, True, None)
    assert about.model == Model(
        name=MODEL, quant="Q4_1", size_bytes=96576768, parameters=134515008, context_trained=8192
    )


def test_a_model_without_an_alias_is_named_by_its_file() -> None:
    fake = FakeLlamaServer(name="/models/deepseek-r1-7b.gguf")
    assert attached(fake, "deepseek-r1-7b").model.name == "deepseek-r1-7b"
    assert attached(fake, "deepseek-r1-7b.gguf").model.name == "deepseek-r1-7b.gguf"


def test_an_address_with_the_path_of_the_api_will_do() -> None:
    assert attached(FakeLlamaServer(), address=lambda url: f"{url}/v1").model.name == MODEL


def test_another_model_is_missing_and_those_that_are_there_are_named() -> None:
    with pytest.raises(ModelMissing, match=r"has no model 'r1-7b'\. It serves: tiny\. Write llamacpp:NAME"):
        attached(FakeLlamaServer(), "r1-7b")


def test_another_kind_of_server_is_told() -> None:
    with pytest.raises(EngineError, match=r"404.* Is that a llama-server\? Check --url; for another kind write"):
        attached(FakeVllm())


def test_a_website_is_told_not_to_be_one() -> None:
    async def main() -> None:
        answer = saying(sized(b"<html><title>Welcome</title></html>", b"404 Not Found"))
        async with serving(answer) as (url, _), AttachedLlama("tiny", url, opens_thinking=template_opens_thinking):
            pass

    words = r"404: a web page \(Welcome\)\. Is that a llama-server\? Check --url; for another kind write openai:tiny"
    with pytest.raises(EngineError, match=words):
        run(main())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Q4_K - Medium", "Q4_K_M"),
        ("Q3_K - Large", "Q3_K_L"),
        ("Q2_K - Medium", "Q2_K"),
        ("Q8_0", "Q8_0"),
        ("IQ4_XS - 4.25 bpw", "IQ4_XS"),
        ("(guessed) Q4_0", None),
        (None, None),
    ],
)
def test_the_words_for_a_quantization_are_its_name(words: str | None, name: str | None) -> None:
    assert quant_named(words) == name
