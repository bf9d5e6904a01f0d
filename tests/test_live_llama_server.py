"""A real llama-server: ``LLAMA_SERVER`` names it, else the one on PATH; SmolLM2's real weights."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.base import Chunk, Description, Prompt, Request
from bakeoff.engines.contract import EngineContract, Stage, chunks_of, finished_of, request
from bakeoff.engines.llama_attached import AttachedLlama
from bakeoff.engines.llama_launched import LaunchedLlama
from bakeoff.engines.lookup import get_json
from bakeoff.engines.options import EngineOptions
from bakeoff.errors import EngineCrashed, ModelMissing, ServerRefused
from bakeoff.measurement.thinking import template_opens_thinking
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.results.records import Model
from bakeoff.stats.divergence import ROUNDING
from tests.servers import run
from tests.split_gguf import cut

PROGRAM = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server") or ""
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PROGRAM, reason="no llama-server: put one on PATH, or name it with LLAMA_SERVER"),
]
SOURCES = ("decode_tps", "engine_decode_tps")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def engine(file: Path | None = None, **options: Any) -> LaunchedLlama:
    settings = EngineOptions(**{"program": PROGRAM, "context": 2048, "threads": 2, **options})
    return LaunchedLlama(file or smollm2_file(), Model(name="smollm2"), settings, opens_thinking=False)


async def at_rest(url: str) -> None:
    """Return when no slot of the server is busy."""
    while any(slot["is_processing"] for slot in await get_json(f"{url}/slots")):
        pass


class TestLaunched(EngineContract):
    endless = 1900

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        made = engine()

        async def idle() -> None:
            if made.describe().pids:
                await at_rest(made._url)

        yield Stage(made, idle=idle)


class TestAttached(EngineContract):
    endless = 1900
    faults = ("no such model",)

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        async with engine() as running:
            name = "other" if fault else running._alias

            async def idle() -> None:
                await at_rest(running._url)

            yield Stage(AttachedLlama(name, running._url, opens_thinking=template_opens_thinking), idle=idle)


def test_it_says_what_it_is_how_it_came_up_and_where_its_model_went() -> None:
    async def scene() -> Description:
        async with engine() as there:
            return there.describe()

    about = run(scene())
    assert about.version
    assert about.version.startswith("llama-server b")
    assert about.settings["context"] == 2048
    assert about.start is not None
    assert about.start.ready_s > 0
    told = {part.what: part.bytes for part in about.memory}
    assert {"weights", "kv_cache", "compute"} <= set(told)
    assert told["kv_cache"] == 2 * 30 * 3 * 64 * 2 * 2048  # keys and values, layers, heads, their size, bytes, context
    assert about.device in ("cpu", "gpu")
    assert not psutil.pid_exists(about.pids[0])


def test_a_model_in_several_files_is_loaded_whichever_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, last = cut(smollm2_file(), tmp_path, 3)
    arguments = [
        "--program",
        PROGRAM,
        "--runs",
        "2",
        "--max-tokens",
        "8",
        "--prompt",
        "Count.",
        "--no-anchors",
        "--json",
    ]
    assert main(["run", f"llamacpp:{last}", *arguments]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["trials"] == {"ok": 2, "failed": 0, "truncated": 0}
    weights = next(part for part in cell["engine_memory"] if part["what"] == "weights")
    assert weights["bytes"] > 90_000_000  # of 98 MB of file


def test_a_running_server_tells_the_same_and_is_left_running() -> None:
    async def scene() -> Description:
        async with engine(parallel=2) as running:
            async with AttachedLlama(running._alias, running._url, opens_thinking=template_opens_thinking) as there:
                about = there.describe()
            assert about.pids == running.describe().pids
            assert psutil.pid_exists(about.pids[0])
            return about

    about = run(scene())
    assert (about.settings["context"], about.settings["slots"], about.attached) == (2048, 2, True)
    assert (about.model.quant, about.model.parameters, about.opens_thinking) == ("Q4_1", 134515008, False)


def test_another_model_is_missing() -> None:
    async def scene() -> None:
        async with engine() as running, AttachedLlama("r1-7b", running._url, opens_thinking=template_opens_thinking):
            pass

    with pytest.raises(ModelMissing, match=r"has no model 'r1-7b'\. It serves: bakeoff-"):
        run(scene())


def test_token_ids_are_evaluated_one_by_one_and_every_token_is_counted() -> None:
    async def scene() -> list[Any]:
        async with engine() as there:
            asked = Request(prompt=Prompt(token_ids=tuple(range(1000, 1064))), max_tokens=50)
            return [event async for event in there.stream(asked)]

    events = run(scene())
    counts = [chunk.tokens for chunk in chunks_of(events)]
    usage = finished_of(events).usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.output_tokens) == (64, 0, 50)
    assert counts[-1] == 50


def test_a_cache_that_was_asked_for_holds_the_prompt() -> None:
    async def scene() -> Any:
        async with engine() as there:
            asked = msgspec.structs.replace(request(), cache=True)
            return [finished_of([event async for event in there.stream(asked)]).usage for _ in range(2)]

    first, second = run(scene())
    assert first.cached_tokens == 0
    assert second.cached_tokens >= second.prompt_tokens - 4


def test_a_prompt_over_the_context_is_refused_in_a_sentence() -> None:
    async def scene() -> None:
        async with engine(context=512) as there:
            async for _ in there.stream(request("word " * 3000)):
                pass

    with pytest.raises(ServerRefused, match="exceeds the available context size"):
        run(scene())


def test_one_that_is_killed_while_it_answers_is_a_crash() -> None:
    async def scene() -> None:
        async with engine() as there:
            async for event in there.stream(request(max_tokens=1900)):
                if isinstance(event, Chunk):
                    os.kill(there.describe().pids[0], signal.SIGKILL)

    with pytest.raises(EngineCrashed, match="llama-server ended by itself while it was answering"):
        run(scene())


def test_a_torn_file_is_told(tmp_path: Path) -> None:
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(smollm2_file().read_bytes()[:60_000_000])

    async def scene() -> None:
        async with engine(torn):
            pass

    with pytest.raises(EngineCrashed, match=r"not within the file bounds.*The file is not whole: get it again"):
        run(scene())
    assert not psutil.Process().children()


def test_two_at_once_are_two() -> None:
    async def scene() -> set[int]:
        one, other = engine(), engine()
        async with one, other:
            streams = await asyncio.gather(*(_whole(each) for each in (one, other)))
            assert [finished_of(events).usage.output_tokens for events in streams] == [8, 8]
            return {*one.describe().pids, *other.describe().pids}

    assert len(run(scene())) == 2


async def _whole(there: LaunchedLlama) -> list[Any]:
    return [event async for event in there.stream(request())]


@pytest.mark.parametrize("way", ["launched", "embedded"])
def test_a_measurement_agrees_with_the_engines_own(
    way: str, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    arguments = ["--program", PROGRAM] if way == "launched" else []
    command = ["run", "llamacpp:smollm2", *arguments, "--runs", "5", "--max-tokens", "64", "--json"]
    assert main([*command, "--prompt", "Name the colours of the rainbow."]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    ours, its = (cell["metrics"][source]["point"] for source in SOURCES)
    for name, value in (("ours", ours), ("its", its), ("start", cell["start"])):
        record_property(f"{way} {name}", value)
    assert ours == pytest.approx(its, rel=0.05)
    assert "disagreement" not in {finding["code"] for finding in cell["findings"]}
    assert cell["trials"] == {"ok": 5, "failed": 0, "truncated": 0}


def test_its_probabilities_are_those_of_all_its_tokens_and_add_up_to_one() -> None:
    async def main() -> None:
        async with engine() as server:
            foreteller = server.foreteller()
            ids = await foreteller.token_ids("What is the capital of France?", chat=True)
            answer, written = await foreteller.answer(ids, 8, 5)
            every = await foreteller.likeliest((*ids, *answer[:3]), await foreteller.vocabulary())
            assert list(answer) == [place.ids[0] for place in written]  # greedy
            assert every.ids[0] == answer[3]
            assert sum(map(math.exp, every.logprobs)) == pytest.approx(1, abs=ROUNDING)
            assert every.logprobs[:5] == pytest.approx(written[3].logprobs, abs=0.05)  # read at once, and word by word

    run(main())
