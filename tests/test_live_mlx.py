"""A real mlx_lm: ``BAKEOFF_MLX_PYTHON`` names a Python that has it, else ours where it does.

The model is SmolLM2, its GGUF file made into a folder with MLX's own reader; the contract takes its first two layers
alone, since MLX is slow on a processor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from asyncio import Runner
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.base import Chunk, Prompt, Request, StreamEvent
from bakeoff.engines.contract import EngineContract, Stage, chunks_of, finished_of, request
from bakeoff.engines.launch import Launched, free_port
from bakeoff.engines.lookup import get_json, table
from bakeoff.engines.mlx import PYTHON_VARIABLE, Mlx
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.engines.options import EngineOptions
from bakeoff.errors import EngineCrashed, EngineError, ModelMissing
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.results.runfile import read_run
from tests import mlx_folder
from tests.servers import run

PYTHON = os.environ.get(PYTHON_VARIABLE) or (sys.executable if importlib.util.find_spec("mlx_lm") else "")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PYTHON, reason=f"no mlx_lm: name a Python that has it with {PYTHON_VARIABLE}"),
]
TOKENS = 40
GONE_S = 30.0


def folder_of(place: Path, layers: int) -> Path:
    folder = place / f"smollm2-{layers}"
    command = [PYTHON, mlx_folder.__file__, str(smollm2_file()), str(folder), str(layers)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlx")


@pytest.fixture(scope="module")
def short(place: Path) -> Path:
    """SmolLM2's first two layers: quick, and its answers are noise."""
    return folder_of(place, 2)


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    return folder_of(place, 30)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(PYTHON_VARIABLE, PYTHON)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path / "home"


def streams(folder: Path, *requests: Request) -> list[list[StreamEvent]]:
    async def scene() -> list[list[StreamEvent]]:
        async with Mlx(str(folder), EngineOptions()) as engine:
            return [[event async for event in engine.stream(asked)] for asked in requests]

    return run(scene())


# In a child process


class TestMlx(EngineContract):
    endless = 3000
    faults = ("no such model",)

    @pytest.fixture(autouse=True)
    def _scene(self, short: Path) -> None:
        self.folder = short

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        engine = Mlx("mlx-community/other" if fault else str(self.folder), EngineOptions())

        async def idle() -> None:
            if engine._child is not None:
                await engine._settle()

        yield Stage(engine, idle=idle)


def test_it_says_what_it_is(short: Path) -> None:
    async def scene() -> None:
        async with Mlx(str(short), EngineOptions()) as engine:
            about = engine.describe()
            assert about.model.architecture == "llama"
            assert about.model.quant == "fp32"
            assert about.model.size_bytes == sum(part.bytes for part in about.memory)
            assert 0 < (about.model.size_bytes or 0) <= (short / "model.safetensors").stat().st_size
            assert about.model.context_trained == 8192
            assert (about.opens_thinking, about.settings["chat_template"]) == (False, True)
            assert about.settings["device"]
            assert about.start is not None
            assert about.start.load_s is not None
            assert 0 < about.start.load_s < about.start.ready_s

    run(scene())


def test_the_answer_is_smollm2s_and_greedy_decoding_repeats_it(whole: Path) -> None:
    asked = Request(prompt=Prompt(text="What is the capital of France?"), max_tokens=16, context=1024)
    first, again = streams(whole, asked, asked)
    said = "".join(chunk.text for chunk in chunks_of(first))
    assert "Paris" in said
    assert "".join(chunk.text for chunk in chunks_of(again)) == said
    assert finished_of(again).timings.prefill_tokens == finished_of(again).usage.prompt_tokens


def test_token_ids_are_evaluated_one_by_one(short: Path) -> None:
    (events,) = streams(short, Request(prompt=Prompt(token_ids=tuple(range(1000, 1064))), max_tokens=4))
    usage = finished_of(events).usage
    assert (usage.prompt_tokens, usage.output_tokens, finished_of(events).finish) == (64, 4, "length")


def test_the_answer_goes_on_where_the_model_would_end_it(whole: Path) -> None:
    (events,) = streams(whole, request("Reply with one word: yes", max_tokens=TOKENS))
    assert "<|im_end|>" in "".join(chunk.text for chunk in chunks_of(events)[:-1])
    assert finished_of(events).usage.output_tokens == TOKENS


def test_its_peak_memory_holds_the_weights(short: Path) -> None:
    (events,) = streams(short, request())
    peak = finished_of(events).timings.peak_memory_bytes
    assert peak is not None
    assert peak >= 0.99 * (short / "model.safetensors").stat().st_size


def test_one_that_is_killed_while_it_answers_is_a_crash(short: Path) -> None:
    async def scene() -> None:
        async with Mlx(str(short), EngineOptions()) as engine:
            async for event in engine.stream(request(max_tokens=3000)):
                if isinstance(event, Chunk):
                    os.kill(engine.describe().pids[0], signal.SIGKILL)

    with pytest.raises(EngineCrashed, match=r"ended by itself \(status -9\) while it was answering"):
        run(scene())


def test_it_ends_when_its_parent_is_killed_in_the_middle_of_an_answer(short: Path) -> None:
    program = f"""
import asyncio
from bakeoff.engines.mlx import Mlx
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.contract import request
async def main():
    async with Mlx({str(short)!r}, EngineOptions()) as engine:
        async for event in engine.stream(request(max_tokens=3000)):
            if getattr(event, "tokens", None):
                print(engine.describe().pids[0], flush=True)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    assert psutil.wait_procs([child], timeout=GONE_S)[1] == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"model_type": "fromthefuture"}', "MLX cannot load broken: .*fromthefuture not supported"),
        ("{", "MLX cannot load broken: "),
        (None, "MLX cannot load broken: .*config"),
    ],
)
def test_a_folder_that_is_no_model_is_told(config: str | None, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    if config is not None:
        (folder / "config.json").write_text(config)
    with pytest.raises(EngineError, match=words):
        streams(folder)


def test_a_repository_that_is_not_here_is_told_and_the_hub_is_not_asked() -> None:
    with pytest.raises(ModelMissing, match=r"DeepSeek-R1-Distill-Qwen-7B-4bit is not on this machine.*--pull"):
        run(_enter(Mlx("mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit", EngineOptions())))


async def _enter(engine: Mlx) -> None:
    async with engine:
        pass


def test_a_repository_in_the_hubs_cache_is_loaded_and_known_by_its_commit(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "hub" / "models--someone--short"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots").mkdir()
    (cached / "snapshots" / commit).symlink_to(short, target_is_directory=True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    async def scene() -> str | None:
        async with Mlx("someone/short", EngineOptions()) as engine:
            return engine.describe().model.digest

    assert run(scene()) == commit


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code = main(["run", *arguments, "--runs", "3", "--max-tokens", str(TOKENS), "--prompt", "Count to ten.", "--json"])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    (cell,) = json.loads(printed.out)["cells"]
    return dict(cell)


def test_a_measurement_agrees_with_the_engines_own(
    whole: Path, own_environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = measured(capsys, f"mlx:{whole}")
    metrics = cell["metrics"]
    ours, its_own = metrics["decode_tps"]["point"], metrics["engine_decode_tps"]["point"]
    with capsys.disabled():
        print(f"\nmlx: {ours:.4f} tokens/s by tokens dated, {its_own:.4f} by mlx_lm, {ours / its_own - 1:+.3%}")
    assert ours == pytest.approx(its_own, rel=0.05)
    assert cell["trials"] == {"ok": 3, "failed": 0, "truncated": 0}
    assert {"cache_hit", "engine_and_client_disagree", "early_stop"}.isdisjoint(f["code"] for f in cell["findings"])
    assert cell["subject"]["digest"].startswith("sha256:")
    assert metrics["peak_memory_bytes"]["engine"]["point"] > whole.joinpath("model.safetensors").stat().st_size * 0.99
    (file,) = own_environment.glob("runs/*.jsonl")
    for trial in read_run(file).trials_of(0):
        assert (trial.usage.output_tokens, trial.usage.cached_tokens, trial.clock) == (TOKENS, 0, "engine")


# mlx_lm.server, attached to


@pytest.fixture(scope="module")
def served(whole: Path, place: Path) -> Iterator[str]:
    """The address of a server of the whole model, without any Hugging Face cache folder."""
    url = f"http://127.0.0.1:{free_port()}"

    async def ready() -> bool:
        try:
            return table(await get_json(f"{url}/health")).get("status") == "ok"
        except EngineError:
            return False

    with Runner() as runner:
        server = runner.run(
            Launched.start(
                "mlx_lm.server",
                [PYTHON, "-m", "mlx_lm.server", "--model", str(whole), "--port", url.rpartition(":")[2]],
                ready,
                log=place / "server.log",
                environment={"HF_HOME": str(place / "nothing"), "HF_HUB_OFFLINE": "1"},
            )
        )
        try:
            yield url
        finally:
            runner.run(server.stop())


class TestServer(EngineContract):
    endless = 3000

    @pytest.fixture(autouse=True)
    def _scene(self, served: str) -> None:
        self.url = served

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        yield Stage(OpenAICompatible("default_model", self.url))


def test_what_the_server_does_is_found(served: str) -> None:
    async def scene() -> dict[str, Any]:
        async with OpenAICompatible("default_model", served) as engine:
            assert not engine.describe().capabilities.exact_length
            return dict(engine.describe().settings)

    found = run(scene())
    assert found.items() >= {"limit": "max_tokens", "usage": True, "cached_tokens": True, "timings": False}.items()
    assert found["ignore_eos"] in ("ignored", "not proven")


def test_the_servers_prompt_cache_is_seen(served: str) -> None:
    async def scene() -> list[int | None]:
        async with OpenAICompatible("default_model", served) as engine:
            asked = [request("Name a colour.", mark=mark, max_tokens=2) for mark in ("k3x9", "p7w2", "p7w2")]
            ends = [[event async for event in engine.stream(one)] for one in asked]
            return [finished_of(events).usage.cached_tokens for events in ends]

    _, fresh, again = run(scene())
    assert fresh is not None
    assert again is not None
    assert fresh <= 8
    assert again > 3 * fresh


def test_a_model_that_the_server_cannot_get_is_told(served: str) -> None:
    async def scene() -> None:
        async with OpenAICompatible("someone/other", served):
            pass

    with pytest.raises(ModelMissing, match=r"answered 404: .*Check the model's name"):
        run(scene())


def test_the_server_is_measured(served: str, capsys: pytest.CaptureFixture[str]) -> None:
    cell = measured(capsys, "openai:default_model", "--url", served)
    metrics = cell["metrics"]
    with capsys.disabled():
        print(f"\nmlx_lm.server: {metrics['decode_tps']['point']:.4f} tokens/s by ours; it reports none of its own")
    assert metrics["engine_decode_tps"] is None
    assert cell["trials"]["failed"] == 0
    hits = [finding for finding in cell["findings"] if finding["code"] == "cache_hit"]
    assert [hit for hit in hits if hit["severity"] != "info"] == []
