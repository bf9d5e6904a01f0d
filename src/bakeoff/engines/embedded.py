"""The embedded llama.cpp engine: xllamacpp's llama-server in a child process on a free loopback port.

A child, so that its memory can be told from ours and so that its crash is an error and not our end. It ends when
its standard input closes, hence also when we are killed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import msgspec

from bakeoff.clock import now_ns
from bakeoff.engines.base import Capabilities, Description, Request, StreamEvent
from bakeoff.engines.child import ChildConfig, ChildReply
from bakeoff.engines.connections import Connections
from bakeoff.engines.gpu_choice import gpu_environment
from bakeoff.engines.launch import find_cause
from bakeoff.engines.llama_foretelling import LlamaForeteller
from bakeoff.engines.llama_log import CAUSES, Loaded, layers_text, placement_settings, read_load
from bakeoff.engines.llama_server import ENDING_S, is_going, stream_llama
from bakeoff.engines.page_cache import drop_page_cache
from bakeoff.errors import EngineCrashed, EngineError, EngineMissing, ServerSilent
from bakeoff.models.files import gguf_parts
from bakeoff.results.records import Model, Start
from bakeoff.units import plain_text

LOAD_TIMEOUT_S = 900.0
_LOG_BYTES = 256_000
_ERROR_LINE = re.compile(r"[\d.]+ E ")
_INSTALL = "Install the embedded engine with: pip install 'bakeoff[embedded]'"


class EmbeddedLlama:
    """Launches one model; ``model`` is what the file's header and digest say of it.

    ``gpu_layers``, ``flash_attention`` and ``gpu`` are left to llama.cpp where they are None.
    """

    def __init__(
        self,
        path: Path,
        model: Model,
        *,
        context: int,
        threads: int,
        opens_thinking: bool | None,
        slots: int = 1,
        gpu_layers: int | None = None,
        flash_attention: bool | None = None,
        gpu: str | None = None,
    ) -> None:
        self._path = path
        self._model = model
        self._config = ChildConfig(
            model=str(path),
            context=context,
            slots=slots,
            threads=threads,
            gpu_layers=gpu_layers,
            flash_attention=flash_attention,
        )
        self._gpu = gpu
        self._opens_thinking = opens_thinking
        self._start = Start(ready_s=0.0)
        self._loaded = Loaded()
        self._child: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None
        self._reply = ChildReply()
        self._connections = Connections("")

    async def __aenter__(self) -> Self:
        if importlib.util.find_spec("xllamacpp") is None:
            raise EngineMissing(f"The embedded llama.cpp engine is not installed. {_INSTALL}")
        try:
            await self._launch()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _launch(self) -> None:
        self._log = tempfile.TemporaryFile(prefix="bakeoff-llama-")  # noqa: SIM115 (lives as long as the child)
        environment = {**os.environ, **gpu_environment(self._gpu)}
        page_cache = drop_page_cache(gguf_parts(self._path))
        began_ns = now_ns()
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bakeoff.engines.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(msgspec.json.encode(self._config) + b"\n")
            await self._child.stdin.drain()
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                line = await self._child.stdout.readline()
        except TimeoutError as error:
            raise ServerSilent(f"{self._path.name} was not loaded within {LOAD_TIMEOUT_S:g} s.") from error
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            raise EngineCrashed(f"The llama.cpp engine ended while it loaded {self._path.name}{self._reason()}")
        self._reply = msgspec.json.decode(line, type=ChildReply)
        if self._reply.error:
            words = self._reply.error.rstrip(".")
            raise EngineError(f"llama.cpp cannot load {self._path.name}: {words}{self._reason()}")
        self._connections = Connections(self._reply.url)
        self._start = Start(ready_s=(now_ns() - began_ns) / 1e9, page_cache=page_cache)
        self._loaded = read_load(self._log_text())
        if self._config.gpu_layers and self._reply.gpu is None:
            raise EngineError(
                f"The embedded llama.cpp has no GPU that it can use, so --gpu-layers "
                f"{layers_text(self._config.gpu_layers)} would do nothing. Leave it out, or name a llama-server that "
                "was built for your GPU with --program."
            )

    def _reason(self) -> str:
        """What the log says went wrong, for the end of a sentence, and what to do where that is known.

        Its first line of level E, else the first that speaks of an error.
        """
        lines = self._log_text().splitlines()
        told = [line for line in lines if _ERROR_LINE.match(line)]
        told = told or [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
        found = find_cause(CAUSES, lines)
        advice = f" {found[0].advice}" if found else ""
        return f" ({plain_text(told[0]).split(': ', 1)[-1].strip()[:200]}).{advice}" if told else "."

    def _log_text(self) -> str:
        """The end of what it wrote."""
        if self._log is None:
            return ""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_BYTES))
        return self._log.read().decode("utf-8", "replace")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        child, self._child = self._child, None
        await self._connections.close()
        if child is not None and child.returncode is None:
            assert child.stdin is not None
            child.stdin.close()
            try:
                async with asyncio.timeout(5):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def describe(self) -> Description:
        config = self._config
        settings: dict[str, Any] = {"context": config.context, "slots": config.slots, "threads": config.threads}
        settings |= placement_settings(config.gpu_layers, config.flash_attention, self._gpu, self._loaded)
        return Description(
            engine="llamacpp",
            version=f"xllamacpp {metadata.version('xllamacpp')}",
            model=self._model,
            attached=False,
            capabilities=Capabilities(exact_length=True, cache_off=True, reports_cache=True, token_ids=True),
            settings=settings,
            opens_thinking=self._opens_thinking,
            pids=(self._child.pid,) if self._child else (),
            device=self._device(),
            start=self._start,
            memory=self._loaded.memory,
        )

    def _device(self) -> Literal["cpu", "gpu", "unknown"]:
        """By where its log says that the model went, else by whether there is a GPU that it can use."""
        by_log = self._loaded.device
        return by_log if by_log != "unknown" else "gpu" if self._reply.gpu else "cpu"

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    def foreteller(self) -> LlamaForeteller:
        return LlamaForeteller(self._reply.url, self._model.name)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        try:
            async for event in stream_llama(self._connections, request, self._model.name):
                yield event
        except EngineError as error:
            if self._child is not None and await _has_ended(self._child, self._reply.url):
                raise EngineCrashed(
                    f"The llama.cpp engine ended by itself (status {self._child.returncode}) while it was "
                    f"answering{self._reason()}"
                ) from error
            raise


async def _has_ended(child: asyncio.subprocess.Process, url: str) -> bool:
    """Whether the child is gone, or going and gone within a while."""
    if not await is_going(url):
        return False
    try:
        async with asyncio.timeout(ENDING_S):
            await child.wait()
    except TimeoutError:
        return False
    return True
