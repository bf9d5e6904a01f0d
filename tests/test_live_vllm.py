"""A real vLLM: ``BAKEOFF_VLLM`` names the program, else the one on PATH; without a download, random weights.

``BAKEOFF_VLLM_MODEL`` names a folder or repository to serve instead. One server serves all tests: it takes minutes
to come up on a processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from msgspec import Struct
from msgspec.structs import replace

from bakeoff.cli.main import main
from bakeoff.engines.base import Chunk, Description, Finished, Prompt, Request
from bakeoff.engines.contract import EngineContract, Stage, chunks_of, finished_of
from bakeoff.engines.lookup import get_bytes
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.prometheus import samples, total
from bakeoff.engines.subjects import parse_subject
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_serve import KV_SPACE, Served
from bakeoff.errors import EngineCrashed, ModelMissing, PromptTooLong
from bakeoff.results.records import Model
from bakeoff.run.vllm import vllm_contestant
from tests.servers import run

PROGRAM = os.environ.get("BAKEOFF_VLLM") or shutil.which("vllm") or ""
MODEL = os.environ.get("BAKEOFF_VLLM_MODEL", "")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PROGRAM, reason="no vllm: put one on PATH, or name it with BAKEOFF_VLLM"),
]
SUBJECT = f"vllm:{MODEL or 'smollm2-135m'}"


class Running(Struct):
    """A server that we started, and what its engine says of itself."""

    url: str
    name: str
    about: Description


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_HOME", str(folder))
        if KV_SPACE not in os.environ:
            patch.setenv(KV_SPACE, "1")
        yield folder


def options(**changes: Any) -> EngineOptions:
    return EngineOptions(**{"program": PROGRAM, "context": 1024, "synthetic": not MODEL, **changes})


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    """Entered in a thread with a loop of its own, so that it outlives each test's."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    engine = vllm_contestant(parse_subject(SUBJECT), options()).engine
    assert isinstance(engine, Vllm)
    try:
        asyncio.run_coroutine_threadsafe(engine.__aenter__(), loop).result()
        yield Running(engine._server.base, engine._says.name, engine.describe())
        asyncio.run_coroutine_threadsafe(engine.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def attached(there: Running, name: str | None = None) -> Vllm:
    served = Served(name=name or there.name, source="")
    return Vllm(served, Model(name=there.name), EngineOptions(url=there.url))


def prompt(count: int, seed: int = 0) -> Prompt:
    return Prompt(token_ids=tuple(300 + (n * 7 + seed * 131) % 4000 for n in range(count)))


async def at_rest(url: str) -> None:
    """Return when no request is running."""
    while True:
        text = (await get_bytes(f"{url}/metrics")).decode()
        if not total(samples(text, ["vllm:num_requests_running"]), "vllm:num_requests_running"):
            return


class TestAttached(EngineContract):
    endless = 900
    faults = ("no such model",)

    @pytest.fixture(autouse=True)
    def _there(self, running: Running) -> None:
        self.running = running

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        yield Stage(attached(self.running, "other" if fault else None), idle=lambda: at_rest(self.running.url))


def streams(there: Running, *requests: Request) -> list[list[Any]]:
    async def scene() -> list[list[Any]]:
        async with attached(there) as engine:
            return [[event async for event in engine.stream(asked)] for asked in requests]

    return run(scene())


def ends(there: Running, *requests: Request) -> list[Finished]:
    return [finished_of(events) for events in streams(there, *requests)]


def test_it_says_what_it_is_and_how_it_came_up(running: Running) -> None:
    about = running.about
    assert about.version
    assert not about.attached
    assert about.settings["context"] == 1024
    assert about.start is not None
    assert (about.start.load_s or 0) < about.start.ready_s
    assert about.device in ("cpu", "gpu")
    assert {"kv_cache"} <= {part.what for part in about.memory}
    tokens = about.settings["kv_cache_tokens"]
    assert isinstance(tokens, int)
    assert tokens >= 1024


def test_the_cache_can_be_kept_out_and_tells_what_it_gave(running: Running) -> None:
    assert running.about.capabilities.cache_off
    assert running.about.capabilities.reports_cache
    cold = Request(prompt=prompt(400), max_tokens=2)
    warm = replace(cold, cache=True)
    cached = [end.usage.cached_tokens for end in ends(running, cold, cold, warm, warm)]
    assert cached[:3] == [0, 0, 0]
    assert (cached[3] or 0) >= 256


def test_every_token_of_exactly_so_many_is_counted(running: Running) -> None:
    (events,) = streams(running, Request(prompt=prompt(64), max_tokens=50))
    counts = [chunk.tokens for chunk in chunks_of(events)]
    usage = finished_of(events).usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens) == (64, 0, 50)
    assert counts[-1] == 50
    assert all(a is not None and b is not None and a < b for a, b in pairwise(counts))


def test_its_own_times_fit_into_ours(running: Running) -> None:
    (events,) = streams(running, Request(prompt=prompt(64), max_tokens=50))
    timings, chunks = finished_of(events).timings, chunks_of(events)
    assert timings.prefill_s is not None
    assert timings.decode_s is not None
    assert timings.queue_s is not None
    first_s = (chunks[0].at_ns - events[0].at_ns) / 1e9
    assert 0 < timings.queue_s + timings.prefill_s < first_s
    assert 0 < timings.decode_s < (events[-1].at_ns - events[0].at_ns) / 1e9


def test_what_it_counts_is_ours_alone(running: Running) -> None:
    async def scene() -> Any:
        async with attached(running) as engine:
            await at_rest(running.url)
            before = await engine.counters()
            async for _ in engine.stream(Request(prompt=prompt(64), max_tokens=8)):
                pass
            return before.until(await engine.counters())

    counts = run(scene())
    assert (counts.requests, counts.preemptions, counts.running, counts.waiting) == (1, 0, 0, 0)
    assert 0 <= counts.queue_s < 60


def test_what_cannot_fit_is_refused_in_a_sentence(running: Running) -> None:
    for tokens, answer in ((900, 500), (1100, 8), (8, 5000)):
        with pytest.raises(PromptTooLong, match="Prompt and answer do not fit its context"):
            ends(running, Request(prompt=prompt(tokens), max_tokens=answer))


def test_another_model_is_missing(running: Running) -> None:
    async def scene() -> None:
        async with attached(running, "r1-7b"):
            pass

    with pytest.raises(ModelMissing, match=r"has no model 'r1-7b'\. It serves: "):
        run(scene())


def test_a_measurement_agrees_with_the_engines_own(
    running: Running, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    command = ["run", f"vllm:{running.name}", "--url", running.url, "--runs", "5", "--max-tokens", "64", "--json"]
    assert main([*command, "--prompt-tokens", "128"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    ours, its = (cell["metrics"][source]["point"] for source in ("decode_tps", "engine_decode_tps"))
    for name, value in (("ours", ours), ("its", its), ("prefill", cell["metrics"]["prefill_tps"])):
        record_property(name, value)
    assert ours == pytest.approx(its, rel=0.05)
    codes = {finding["code"] for finding in cell["findings"]}
    assert not codes & {"engine_and_client_disagree", "cache_hit", "cache_unproven", "preempted", "shared_engine"}
    assert cell["trials"] == {"ok": 5, "failed": 0, "truncated": 0}


def test_an_engine_whose_worker_is_killed_is_a_crash_and_leaves_nothing(home: Path) -> None:
    """Last, since it takes a server of its own."""

    async def scene() -> list[int]:
        async with vllm_contestant(parse_subject(SUBJECT), options()).engine as engine:
            (pid,) = engine.describe().pids
            tree = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
            pids.extend(tree)
            async for event in engine.stream(Request(prompt=prompt(8), max_tokens=900)):
                if isinstance(event, Chunk):
                    os.kill(tree[-1], signal.SIGKILL)
        return tree

    pids: list[int] = []
    with pytest.raises(EngineCrashed, match="vLLM ended by itself while it was answering"):
        run(scene())
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=30)
    assert not alive, gone


def test_a_model_that_is_nowhere_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    async def scene() -> None:
        async with vllm_contestant(parse_subject("vllm:nobody/nothing"), options(synthetic=False)).engine:
            pass

    with pytest.raises(EngineCrashed, match=r"Get the model first|Check the name"):
        run(scene())


def test_too_little_memory_is_told_with_what_to_raise(home: Path) -> None:
    async def scene() -> None:
        tiny = options(memory_utilization=0.001)
        async with vllm_contestant(parse_subject(SUBJECT), tiny).engine:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(KV_SPACE, raising=False)
        with pytest.raises(EngineCrashed, match=r"--memory-utilization"):
            run(scene())
