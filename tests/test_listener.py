"""Whose process a running server is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

import psutil
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.launch import free_port
from bakeoff.engines.listener import is_engine, listeners
from bakeoff.engines.llama_attached import AttachedLlama
from bakeoff.engines.lookup import get_json
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.errors import EngineError
from bakeoff.results.runfile import read_run
from tests.servers import run
from tests.test_llama_launched import entered, stand_in

LISTENING = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(folder: Path, name: str, host: str = "127.0.0.1") -> Iterator[tuple[int, int]]:
    """A script of this name that listens: its port and its process."""
    script = folder / name
    script.write_text(LISTENING)
    command = [sys.executable, "-S", str(script), host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.communicate()


@pytest.mark.parametrize(("host", "asked"), [
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "localhost"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "localhost"),
])  # fmt: skip
def test_an_engine_that_listens_on_this_machine_is_found(tmp_path: Path, host: str, asked: str) -> None:
    with listening(tmp_path, "vllm", host) as (port, pid):
        assert listeners(f"http://{asked}:{port}/v1") == (pid,)


def test_without_the_right_to_see_every_process_its_own_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    with listening(tmp_path, "llama-server") as (port, pid):
        assert listeners(f"http://127.0.0.1:{port}") == (pid,)


def test_what_is_not_known_to_be_an_engine_is_left_out(tmp_path: Path) -> None:
    with listening(tmp_path, "gateway.py") as (port, _):
        assert listeners(f"http://127.0.0.1:{port}") == ()


def test_another_machines_port_is_not_looked_up_here(tmp_path: Path) -> None:
    with listening(tmp_path, "vllm", "0.0.0.0") as (port, _):
        assert listeners(f"http://192.0.2.1:{port}") == ()  # an address for examples (RFC 5737)


def test_a_port_that_nobody_listens_on_has_no_process() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert listeners(f"http://127.0.0.1:{free.getsockname()[1]}") == ()


def test_a_host_without_an_address_has_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert listeners("http://nowhere.invalid:8000") == ()


def test_a_process_that_has_just_ended_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    with listening(tmp_path, "vllm") as (port, _):
        monkeypatch.setattr(psutil, "Process", gone)
        assert listeners(f"http://127.0.0.1:{port}") == ()


@pytest.mark.parametrize(("name", "command", "expected"), [
    ("llama-server", ["llama-server", "-m", "x.gguf"], True),
    ("ollama", ["/usr/local/bin/ollama", "serve"], True),
    ("VLLM::APIServer", ["VLLM::APIServer"], True),
    ("python3.12", ["/venv/bin/python3", "/venv/bin/vllm", "serve", "x"], True),
    ("python3", ["python3", "-m", "mlx_lm.server", "--model", "x"], True),
    ("python3", ["python3", "-m", "sglang.launch_server"], True),
    ("LM Studio", ["/Applications/LM Studio.app/Contents/MacOS/LM Studio"], True),
    ("ssh", ["ssh", "-L", "8000:127.0.0.1:8000", "vllm-host"], False),
    ("docker-proxy", ["/usr/bin/docker-proxy", "-host-port", "8000"], False),
    ("python3", ["python3", "-m", "litellm", "--model", "ollama/x"], False),
    ("python3", ["python3"], False),
    ("nginx", ["nginx: master process"], False),
])  # fmt: skip
def test_an_engine_is_known_by_its_program_and_not_by_what_it_was_told(
    name: str, command: list[str], expected: bool
) -> None:
    assert is_engine(name, command) is expected


def test_we_are_no_engine() -> None:
    assert not is_engine(psutil.Process(os.getpid()).name(), psutil.Process(os.getpid()).cmdline())


# What that is for


def test_a_running_server_of_this_machine_has_its_memory_and_others_cpu_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    now, passed = psutil.cpu_times(), count()  # in a trial as short as these the system's own may not move
    monkeypatch.setattr(psutil, "cpu_times", lambda: now._replace(idle=now.idle + next(passed)))
    with running_llama(tmp_path) as (url, pid):
        about = entered(AttachedLlama("tiny", url, opens_thinking=lambda _: None))
        assert (about.attached, about.pids) == (True, (pid,))
        assert entered(OpenAICompatible("tiny", url)).pids == (pid,)
        arguments = ["--url", url, "--runs", "2", "--max-tokens", "8", "--prompt", "Count.", "--no-anchors", "--json"]
        assert main(["run", "llamacpp:tiny", *arguments]) == 0
        assert psutil.pid_exists(pid)
    trials = read_run(Path(json.loads(capsys.readouterr().out)["file"])).trials_of(0)
    assert all(trial.others_cpu is not None for trial in trials)
    if sys.platform != "win32":
        assert all(trial.memory_peak_bytes for trial in trials)


@contextmanager
def running_llama(folder: Path) -> Iterator[tuple[str, int]]:
    """A llama-server's stand-in that somebody else has started."""
    url = f"http://127.0.0.1:{free_port()}"
    options = {"--alias": "tiny", "-c": "1024", "--parallel": "1", "--host": "127.0.0.1", "--port": url.split(":")[-1]}
    with subprocess.Popen([stand_in(folder), *chain(*options.items())], stderr=subprocess.DEVNULL) as process:
        try:
            while not run(_answers(url)):
                assert process.poll() is None
            yield url, process.pid
        finally:
            process.terminate()


async def _answers(url: str) -> bool:
    try:
        await get_json(f"{url}/v1/models")
    except EngineError:
        return False
    return True
