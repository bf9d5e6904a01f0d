"""The embedded engine: its child process lives and dies with us. Marked live: with SmolLM2's real weights."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.base import Chunk, Prompt, Request, StreamEvent
from bakeoff.engines.contract import EngineContract, Stage, chunks_of, finished_of, request
from bakeoff.engines.embedded import EmbeddedLlama
from bakeoff.engines.lookup import get_json
from bakeoff.errors import EngineCrashed, EngineError, EngineMissing, ServerRefused
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.results.records import INTERRUPTED, Model
from bakeoff.results.runfile import read_run
from tests.servers import run

GONE_S = 30.0
PROMPT = ["--prompt", "Name the colours of the rainbow."]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def engine_for(path: Path, context: int = 2048) -> EmbeddedLlama:
    return EmbeddedLlama(path, Model(name="tiny"), context=context, threads=2, opens_thinking=False)


async def enter(engine: EmbeddedLlama) -> None:
    async with engine:
        pass


def children() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if process.is_running()]


# Without any weights


def test_without_the_extra_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"pip install 'bakeoff\[embedded\]'"):
        run(enter(engine_for(Path("model.gguf"))))


def child_runs(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the engine start this Python program in the place of its child."""
    start = asyncio.create_subprocess_exec

    def replaced(python: str, *_: str, **options: Any) -> Any:
        return start(python, "-c", program, **options)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(asyncio, "create_subprocess_exec", replaced)


def test_a_child_that_dies_while_it_loads_is_told_with_the_reason_in_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    child_runs(monkeypatch, "import sys; sys.exit('0.00 E load: failed to allocate the buffer')")
    with pytest.raises(EngineCrashed, match=r"ended while it loaded model\.gguf \(.*failed to allocate the buffer"):
        run(enter(engine_for(Path("model.gguf"))))
    assert children() == []


def test_a_child_without_enough_memory_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    child_runs(
        monkeypatch,
        """if True:
        import sys
        sys.stdin.readline()
        sys.stderr.write("0.01 E ggml: insufficient memory (attempted to allocate 197758.12 MB)\\n")
        print('{"error": "Failed to init server"}', flush=True)
    """,
    )
    words = (
        r"Failed to init server \(insufficient memory .* MB\)\)\. Lower --context or --gpu-layers, or take a smaller"
    )
    with pytest.raises(EngineError, match=words):
        run(enter(engine_for(Path("model.gguf"))))


def test_a_child_that_cannot_load_is_told_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    child_runs(
        monkeypatch,
        """if True:
        import sys
        sys.stdin.readline()
        print('{"error": "no such quantization"}', flush=True)
    """,
    )
    with pytest.raises(EngineError, match=r"llama\.cpp cannot load model\.gguf: no such quantization"):
        run(enter(engine_for(Path("model.gguf"))))
    assert children() == []


def test_a_child_that_drops_its_connections_is_waited_for_since_it_is_about_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child_runs(
        monkeypatch,
        """if True:
        import os, socket, sys
        sys.stdin.readline()
        server = socket.create_server(("127.0.0.1", 0))
        print('{"url": "http://127.0.0.1:%d"}' % server.getsockname()[1], flush=True)
        for _ in ("the request", "whether it is still there"):
            connection = server.accept()[0]
            connection.recv(1)
            connection.close()
        os._exit(134)
    """,
    )

    async def scene() -> None:
        async with engine_for(Path("model.gguf")) as engine:
            async for _ in engine.stream(request()):
                pass

    with pytest.raises(EngineCrashed, match=r"ended by itself \(status 134\) while it was answering"):
        run(scene())
    assert children() == []


def test_a_load_that_is_cancelled_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    child_runs(monkeypatch, "import sys; sys.stdin.read()")

    async def scene() -> None:
        task = asyncio.create_task(enter(engine_for(Path("model.gguf"))))
        async with asyncio.timeout(GONE_S):
            while not children():  # noqa: ASYNC110 (nothing tells of a process that starts)
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scene())
    assert children() == []


# With SmolLM2's


@pytest.mark.live
class TestEmbedded(EngineContract):
    endless = 1900

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        engine = engine_for(smollm2_file())

        async def idle() -> None:
            if engine.describe().pids:
                while any(slot["is_processing"] for slot in await get_json(f"{engine._reply.url}/slots")):
                    pass

        yield Stage(engine, idle=idle)


def streams(*requests: Request) -> list[list[StreamEvent]]:
    async def scene() -> list[list[StreamEvent]]:
        async with engine_for(smollm2_file()) as engine:
            return [[event async for event in engine.stream(asked)] for asked in requests]

    return run(scene())


@pytest.mark.live
def test_every_token_is_counted_and_the_length_is_exact() -> None:
    (events,) = streams(request(max_tokens=50))
    counts = [chunk.tokens for chunk in chunks_of(events)]
    assert (counts[0], counts[-1]) == (1, 50)
    assert finished_of(events).usage.output_tokens == 50
    timings = finished_of(events).timings
    assert timings.decode_s
    assert timings.prefill_s
    assert timings.prefill_tokens == finished_of(events).usage.prompt_tokens


@pytest.mark.live
def test_unlike_preambles_share_only_what_the_template_puts_before_them() -> None:
    asked = [msgspec.structs.replace(request(mark=mark), cache=True) for mark in ("k3x9", "p7w2")]
    first, second, again = (finished_of(events).usage for events in streams(*asked, asked[1]))
    assert first.cached_tokens == 0
    assert second.cached_tokens is not None
    assert second.cached_tokens <= 8
    assert again.cached_tokens is not None
    assert again.prompt_tokens is not None
    assert again.cached_tokens >= again.prompt_tokens - 4


@pytest.mark.live
def test_token_ids_are_evaluated_one_by_one() -> None:
    asked = Request(prompt=Prompt(token_ids=tuple(range(1000, 1064))), max_tokens=4)
    (events,) = streams(asked)
    usage = finished_of(events).usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens) == (64, 0, 4)
    assert finished_of(events).finish == "length"


@pytest.mark.live
def test_a_prompt_over_the_context_is_refused_in_a_sentence() -> None:
    with pytest.raises(ServerRefused, match="exceeds the available context size") as caught:
        streams(request("word " * 3000))
    assert caught.value.status == 400


@pytest.mark.live
def test_a_child_that_is_killed_while_it_answers_is_a_crash() -> None:
    async def scene() -> None:
        async with engine_for(smollm2_file()) as engine:
            (child,) = engine.describe().pids
            is_killed = False  # tokens that had left before still come
            async for event in engine.stream(request(max_tokens=1900)):
                if isinstance(event, Chunk) and not is_killed:
                    os.kill(child, signal.SIGKILL)
                    is_killed = True

    with pytest.raises(EngineCrashed, match=r"ended by itself \(status -9\) while it was answering"):
        run(scene())
    assert children() == []


@pytest.mark.live
def test_a_torn_file_is_told_and_leaves_no_child(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(smollm2_file().read_bytes()[:60_000_000])
    code = main(["run", f"llamacpp:{torn}"])
    printed = capsys.readouterr()
    assert (code, printed.out) == (1, "")
    assert "torn.gguf" in printed.err.splitlines()[-1]
    assert "Traceback" not in printed.err
    assert children() == []
    with pytest.raises(EngineError, match=r"llama\.cpp cannot load torn\.gguf.*not within the file bounds"):
        run(enter(engine_for(torn)))


@pytest.mark.live
def test_a_port_that_is_taken_is_told_and_leaves_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = f"""if True:
            from bakeoff.engines import child
            make = child._params
            def on_a_taken_port(config):
                params = make(config)
                params.port = {taken.getsockname()[1]}
                return params
            child._params = on_a_taken_port
            child.main()
        """
        child_runs(monkeypatch, program)
        with pytest.raises(EngineError, match=r"llama\.cpp cannot load .*couldn't bind HTTP server socket"):
            run(enter(engine_for(smollm2_file())))
    assert children() == []


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code = main(["run", "llamacpp:smollm2", "--context", "512", "--json", *PROMPT, *arguments])
    assert code == 0
    assert children() == []
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    return dict(cell)


@pytest.mark.live
def test_one_prompt_three_times_shows_the_cache_and_the_fair_trial_does_not(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    fair = measured(capsys, "--runs", "3", "--max-tokens", "24")
    warm = measured(capsys, "--runs", "3", "--max-tokens", "24", "--cache", "warm")
    assert "cache_hit" not in {finding["code"] for finding in fair["findings"]}
    hit = next(finding for finding in warm["findings"] if finding["code"] == "cache_hit")
    assert hit["evidence"].startswith("3 of 3 trials took up to")
    fair_file, warm_file = sorted(own_home.glob("runs/*"), key=lambda path: path.stat().st_mtime_ns)
    for trial in read_run(fair_file).trials_of(0):
        assert trial.usage.cached_tokens == 0
        assert trial.engine.prefill_tokens == trial.usage.prompt_tokens
    for trial in read_run(warm_file).trials_of(0):
        assert trial.engine.prefill_tokens is not None
        assert trial.engine.prefill_tokens <= 4


@pytest.mark.live
def test_smollm2_is_measured_end_to_end(capsys: pytest.CaptureFixture[str], own_home: Path) -> None:
    cell = measured(capsys, "--runs", "3", "--max-tokens", "40")
    subject, metrics = cell["subject"], cell["metrics"]
    assert (subject["quant"], subject["synthetic"], subject["attached"]) == ("Q4_1", False, False)
    assert subject["digest"].startswith("sha256:")
    assert cell["trials"] == {"ok": 3, "failed": 0, "truncated": 0}
    for name in ("ttft_s", "decode_tps", "engine_decode_tps", "prefill_tps", "itl_s", "tpot_s", "latency_s"):
        assert metrics[name]["point"] > 0
    assert metrics["peak_memory_bytes"]["process"]["point"] > smollm2_file().stat().st_size
    (file,) = own_home.glob("runs/*")
    trials = read_run(file).trials_of(0)
    assert {trial.usage.output_tokens for trial in trials} == {40}
    assert len({trial.seed for trial in trials}) == 3
    assert all(trial.text for trial in trials)


@asynccontextmanager
async def measuring() -> AsyncIterator[tuple[asyncio.subprocess.Process, psutil.Process]]:
    """A measurement in a process of its own, its first trial done and many to come; and its engine's child."""
    program = [sys.executable, "-c", "from bakeoff.cli.main import entry; entry()"]
    command = [*program, "run", "llamacpp:smollm2", "--max-tokens", "20", "--runs", "1000", *PROMPT]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    printed = b""
    while b"trial 1 of" not in printed:
        line = await process.stderr.readline()
        assert line, printed
        printed += line
    (child,) = psutil.Process(process.pid).children()
    try:
        yield process, child
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.live
def test_the_child_ends_when_its_parent_is_killed(own_home: Path) -> None:
    async def scene() -> None:
        async with measuring() as (process, child):
            process.kill()
            child.wait(timeout=GONE_S)

    run(scene())
    (file,) = own_home.glob("runs/*")
    assert {trial.status for trial in read_run(file).trials_of(0)} == {"ok"}


@pytest.mark.live
def test_ctrl_c_ends_the_child_and_keeps_the_trials(own_home: Path) -> None:
    async def scene() -> tuple[int | None, bytes]:
        async with measuring() as (process, child):
            process.send_signal(signal.SIGINT)
            _, printed = await process.communicate()
            child.wait(timeout=GONE_S)
            return process.returncode, printed

    code, printed = run(scene())
    assert code == 130
    (file,) = own_home.glob("runs/*")
    kept = f"Interrupted. What was measured is in {file}; go on with: bakeoff runs resume {file.stem}"
    assert printed.decode().rstrip().endswith(kept)
    assert b"Traceback" not in printed
    *whole, last = read_run(file).trials_of(0)
    assert {trial.status for trial in whole} == {"ok"}
    assert last.status == "ok" or last.error == INTERRUPTED  # ok where it came between two
