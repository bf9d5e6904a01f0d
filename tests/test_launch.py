"""Programs that we start: ready, failing, silent, and gone on every way out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bakeoff.engines import guard
from bakeoff.engines.launch import Cause, Launched, free_port
from bakeoff.errors import EngineCrashed, EngineError, ServerSilent
from tests.servers import run

# Serves nothing, but shows that it has a child of its own and ignores polite requests.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("child", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""
POLITE = "print('up', flush=True)\nimport time; time.sleep(600)"


def said(log: Path) -> bool:
    return log.exists() and bool(log.read_bytes().strip())


async def started(code: str, log: Path, **options: object) -> Launched:
    async def ready() -> bool:
        return said(log)

    return await Launched.start("the program", [sys.executable, "-c", code], ready, log=log, **options)  # type: ignore[arg-type]


def test_a_program_is_ready_when_it_says_so_and_gone_when_stopped(tmp_path: Path) -> None:
    async def main() -> tuple[int, bool]:
        program = await started(POLITE, tmp_path / "log")
        pid, was_running = program.pid, program.running
        assert pid is not None
        await program.stop()
        await program.stop()
        return pid, was_running

    pid, was_running = run(main())
    assert was_running
    assert not psutil.pid_exists(pid)


def test_what_a_stubborn_program_started_is_gone_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    impatient = tmp_path / "guard.py"
    source = Path(sys.modules["bakeoff.engines.guard"].__file__ or "").read_text()
    impatient.write_text(source.replace("GRACE_S = 10.0", "GRACE_S = 0.1"))
    monkeypatch.setattr("bakeoff.engines.guard.__file__", str(impatient))

    async def main() -> int:
        program = await started(STUBBORN, log)
        child = int(log.read_text().split()[1])
        assert psutil.pid_exists(child)
        await program.stop()
        return child

    child = run(main())
    _, alive = psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=10)
    assert not alive


def test_a_program_that_fails_is_reported_with_its_last_words_and_the_likely_cause(tmp_path: Path) -> None:
    code = "import sys; print('loading'); print('CUDA error: out of memory', flush=True); sys.exit(3)"
    cause = Cause("out of memory", "Lower --gpu-layers.")

    async def never() -> bool:
        return False

    async def main() -> None:
        await Launched.start("the engine", [sys.executable, "-c", code], never, log=tmp_path / "log", causes=[cause])

    with pytest.raises(EngineCrashed, match=r"ended while it was starting: CUDA error: out of memory\. Lower --gpu"):
        run(main())


def test_a_program_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async def main() -> None:
        await Launched.start("Ollama", [str(tmp_path / "nothing")], never, log=tmp_path / "log")

    with pytest.raises(EngineError, match=r"Ollama could not be started: cannot start .*No such file"):
        run(main())


def test_a_program_that_never_gets_ready_is_given_up_and_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

    async def ready_once_written() -> bool:
        return False

    async def main() -> None:
        await Launched.start("slow", [sys.executable, "-c", code], ready_once_written, log=log, timeout_s=1)

    with pytest.raises(ServerSilent, match=r"not ready within 1 s"):
        run(main())
    written = log.read_text().split()
    assert not written or not psutil.pid_exists(int(written[0]))


def test_a_program_ends_when_whoever_launched_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"""
import asyncio, pathlib, sys
from bakeoff.engines import guard
from bakeoff.engines.launch import Launched
log = pathlib.Path({str(log)!r})
async def ready():
    return log.exists() and bool(log.read_bytes().strip())
async def main():
    program = await Launched.start("p", [sys.executable, "-c", {POLITE!r}], ready, log=log)
    print(program.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        program = psutil.Process(pid)
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([program], timeout=20)
    assert not alive


def test_a_free_port_can_be_bound() -> None:
    port = free_port()

    async def main() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        server.close()
        return int(server.sockets[0].getsockname()[1]) if server.sockets else port

    assert run(main()) == port


def test_the_status_of_a_program_that_ends_by_itself_is_its_own(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-IS",
        guard.__file__,
        str(tmp_path / "log"),
        sys.executable,
        "-c",
        "raise SystemExit(3)",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watched:
        assert watched.stderr is not None
        assert (watched.wait(20), watched.stderr.read()) == (3, b"")
