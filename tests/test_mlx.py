"""MLX in a child process: the child's own file, with an invented mlx_lm in the place of the real one."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bakeoff.clock import now_ns
from bakeoff.engines import mlx
from bakeoff.engines.base import Chunk, Description, Prompt, Request, StreamEvent
from bakeoff.engines.contract import EngineContract, Stage, chunks_of, finished_of, request
from bakeoff.engines.mlx import Mlx
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.reply import Timeouts
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import EngineCrashed, EngineError, EngineMissing, ModelMissing, UsageError
from bakeoff.run.contestants import contestant
from tests import stand_in_mlx
from tests.servers import run

GONE_S = 30.0
TINY = "mlx-community/tiny"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mlx.PYTHON_VARIABLE, raising=False)


def python(folder: Path, way: str) -> str:
    """A program that runs a Python file as Python does, with the invented mlx_lm."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {stand_in_mlx.__file__} "{way}" "$@"\n')
    program.chmod(0o755)
    return str(program)


def engine(folder: Path, way: str = "fine", model: str = TINY, **options: Any) -> Mlx:
    return Mlx(model, EngineOptions(program=python(folder, way), **options))


def ask(made: Mlx, *requests: Request) -> tuple[Description, list[list[StreamEvent]]]:
    async def main() -> tuple[Description, list[list[StreamEvent]]]:
        async with made as entered:
            return entered.describe(), [[event async for event in entered.stream(asked)] for asked in requests]

    return run(main())


def text_of(events: list[StreamEvent]) -> str:
    return "".join(chunk.text for chunk in chunks_of(events))


class TestMlx(EngineContract):
    faults = ("no such model", "error in the stream", "silent", "crashed")

    @pytest.fixture(autouse=True)
    def _scene(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = tmp_path, monkeypatch

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        model = "mlx-community/other" if fault == "no such model" else TINY
        made = engine(self.folder, fault or "fine", model)

        def arm() -> None:
            if fault == "silent":
                self.patch.setattr(mlx, "Timeouts", lambda: Timeouts(silence_s=0.3))

        async def idle() -> None:
            if made._child is not None:
                await made._settle()

        yield Stage(made, arm, idle)


# What it says of itself


def test_the_model_the_device_and_the_versions_are_told(tmp_path: Path) -> None:
    about, _ = ask(engine(tmp_path))
    assert (about.engine, about.version, about.settings["mlx"]) == ("mlx", "mlx-lm 0.9.2", "0.9.1")
    assert (about.model.name, about.model.quant, about.model.architecture) == (TINY, "4bit", "qwen2")
    assert (about.model.size_bytes, about.model.parameters, about.model.context_trained) == (17_000, 32_500, 4096)
    assert about.model.digest == "0123456789abcdef"
    assert (about.device, about.settings["device"], about.settings["wired_limit_bytes"]) == (
        "cpu",
        "Invented CPU",
        None,
    )
    assert about.start is not None
    assert about.start.load_s is not None
    assert 0 < about.start.load_s < about.start.ready_s
    assert [(part.what, part.device, part.bytes) for part in about.memory] == [("weights", "cpu", 17_000)]


def test_on_apples_chips_the_wired_limit_is_told(tmp_path: Path) -> None:
    about, _ = ask(engine(tmp_path, "metal"))
    assert about.device == "gpu"
    assert about.settings["device"] == "applegpu_g15s"
    assert about.settings["wired_limit_bytes"] == stand_in_mlx.WIRED_LIMIT


@pytest.mark.parametrize(("way", "opens"), [("thinking", True), ("fine", False), ("plain", None)])
def test_whether_the_template_opens_the_thinking_is_seen_by_using_it(
    way: str, opens: bool | None, tmp_path: Path
) -> None:
    about, _ = ask(engine(tmp_path, way))
    assert about.opens_thinking is opens
    assert about.settings["chat_template"] is (way != "plain")


# A stream


def test_mlx_lms_own_rates_become_times_of_the_same_intervals(tmp_path: Path) -> None:
    _, (events,) = ask(engine(tmp_path), request("Why?"))
    finished = finished_of(events)
    assert finished.usage.prompt_tokens == 12  # <s> <system> and seven words, <user> Why? <assistant>
    assert finished.timings.prefill_s == pytest.approx(12 / stand_in_mlx.PREFILL_TPS)
    assert finished.timings.decode_s == pytest.approx(7 * stand_in_mlx.TOKEN_S)
    assert finished.timings.peak_memory_bytes == 1_500_000_000


def test_the_answer_goes_on_where_the_model_would_end_it(tmp_path: Path) -> None:
    about, (events,) = ask(engine(tmp_path), request(max_tokens=9))
    assert about.capabilities.exact_length
    assert [chunk.tokens for chunk in chunks_of(events)] == list(range(1, 10))
    assert stand_in_mlx.STOPS_AFTER < 9


def test_tokens_are_dated_on_our_clock_between_request_and_receipt(tmp_path: Path) -> None:
    async def main() -> None:
        async with engine(tmp_path) as entered:
            before_ns = now_ns()
            async for event in entered.stream(request()):
                assert before_ns <= event.at_ns <= now_ns()

    run(main())


def test_a_token_without_text_of_its_own_comes_with_the_next_and_is_counted(tmp_path: Path) -> None:
    _, (events,) = ask(engine(tmp_path, "halves"), request(max_tokens=7))
    assert [(chunk.text, chunk.tokens) for chunk in chunks_of(events)] == [
        ("word2 ", 2), ("word4 ", 4), ("word6 ", 6), ("word7 ", 7),
    ]  # fmt: skip


def test_token_ids_are_the_prompt_as_they_are(tmp_path: Path) -> None:
    _, (events,) = ask(engine(tmp_path), Request(prompt=Prompt(token_ids=tuple(range(300, 364))), max_tokens=4))
    assert finished_of(events).usage.prompt_tokens == 64


def test_without_a_template_the_plain_text_is_the_prompt(tmp_path: Path) -> None:
    _, (events,) = ask(engine(tmp_path, "plain"), request("Why?"))
    assert finished_of(events).usage.prompt_tokens == 8


def test_a_second_stream_at_the_same_time_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with engine(tmp_path) as entered, aclosing(entered.stream(request())) as first:  # type: ignore[type-var]
            await anext(first)
            with pytest.raises(EngineError, match=r"one request at a time; .*mlx_lm\.server"):
                await anext(entered.stream(request()))

    run(main())


# What goes wrong


def test_a_python_without_mlx_lm_is_told_with_the_way_to_install_it() -> None:
    with pytest.raises(
        EngineMissing, match=r"has no mlx_lm \(.*No module named 'mlx_lm'.*pip install 'bakeoff\[mlx\]'"
    ):
        ask(Mlx(TINY, EngineOptions(program=sys.executable)))


def test_without_any_python_that_is_named_ours_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"MLX is not installed\. .*bakeoff\[mlx\].* BAKEOFF_MLX_PYTHON"):
        ask(Mlx(TINY, EngineOptions()))


def test_the_python_may_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mlx.PYTHON_VARIABLE, python(tmp_path, "fine"))
    about, _ = ask(Mlx(TINY, EngineOptions()))
    assert about.version == "mlx-lm 0.9.2"


def test_a_python_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match=r"nothing cannot be started \(No such file or directory\)\. Install it"):
        ask(Mlx(TINY, EngineOptions(program=str(tmp_path / "nothing"))))


@pytest.mark.parametrize("model", ["tiny", "./tiny", "/nowhere/tiny"])
def test_what_is_neither_folder_nor_repository_is_told(model: str) -> None:
    with pytest.raises(ModelMissing, match=r"There is no folder .*tiny\. Name one with a model in it"):
        ask(Mlx(model, EngineOptions()))


def test_the_hub_is_not_asked_unless_a_pull_is(tmp_path: Path) -> None:
    far = "mlx-community/far"
    with pytest.raises(ModelMissing, match=r"far is not on this machine.*Get it with --pull, or with: hf download"):
        ask(engine(tmp_path, model=far))
    about, _ = ask(engine(tmp_path, model=far, pull=True))
    assert about.model.name == far


def test_a_model_that_mlx_lm_does_not_know_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"MLX cannot load .*tiny: ValueError: Model type fromthefuture not supp"):
        ask(engine(tmp_path, "unknown architecture"))


def test_a_crash_while_loading_is_told_with_its_last_words_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineCrashed, match=r"\(status 134\) while it loaded .*Insufficient Memory.*smaller quantiz"):
        ask(engine(tmp_path, "crashed while loading"))


def test_a_python_with_a_clock_of_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"a clock of its own: use Python 3\.10 or newer"):
        ask(engine(tmp_path, "other clock"))


def test_what_mlx_lm_prints_goes_to_the_log_of_the_run(tmp_path: Path) -> None:
    ask(engine(tmp_path, logs=tmp_path / "logs"), request())
    (log,) = (tmp_path / "logs").glob("mlx-*.log")
    assert "something for the log" in log.read_text()


# The child's end


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from bakeoff.engines.mlx import Mlx
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.contract import request
async def main():
    async with Mlx({TINY!r}, EngineOptions(program={python(tmp_path, "fine")!r})) as engine:
        async for event in engine.stream(request(max_tokens=10**9)):
            if getattr(event, "tokens", None) == 1:
                print(engine.describe().pids[0], flush=True)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    assert psutil.wait_procs([child], timeout=GONE_S)[1] == []


def test_a_child_that_is_killed_while_it_answers_is_a_crash(tmp_path: Path) -> None:
    async def main() -> None:
        async with engine(tmp_path) as entered:
            async for event in entered.stream(request(max_tokens=10**9)):
                if isinstance(event, Chunk) and event.tokens == 1:
                    os.kill(entered.describe().pids[0], signal.SIGKILL)

    with pytest.raises(EngineCrashed, match=r"ended by itself \(status -9\) while it was answering"):
        run(main())


def test_a_start_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    def children() -> list[psutil.Process]:
        return list(psutil.Process().children(recursive=True))

    before = children()

    async def main() -> None:
        task = asyncio.create_task(engine(tmp_path, "never loads").__aenter__())
        async with asyncio.timeout(GONE_S):
            while children() == before:  # noqa: ASYNC110 (nothing tells of a process that starts)
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert children() == before


# As a subject


def test_a_short_name_is_the_repository_of_that_quantization() -> None:
    made: Any = contestant(parse_subject("mlx:r1-7b@4bit"), EngineOptions(), lambda *_: None).engine
    assert made._model == "mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit"


def test_a_folder_is_named_without_the_way_to_it_and_its_weights_have_a_digest(tmp_path: Path) -> None:
    folder = tmp_path / "My Model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    options = EngineOptions(program=python(tmp_path, "fine"))
    made: Any = contestant(parse_subject(f"mlx:{folder}"), options, lambda *_: None).engine
    about, _ = ask(made)
    assert about.model.name == "My Model"
    assert about.model.digest == "sha256:9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    assert str(tmp_path) not in msgspec.json.encode(about).decode()


def test_a_running_server_is_reached_in_another_way_and_that_is_told() -> None:
    with pytest.raises(UsageError, match=r"For a running mlx_lm\.server: openai:NAME --url http://127\.0\.0\.1:8080"):
        contestant(parse_subject("mlx:r1-7b"), EngineOptions(url="http://127.0.0.1:8080"), lambda *_: None)
