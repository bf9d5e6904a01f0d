"""MLX: ``mlx_lm.stream_generate`` in a child process of ours, run by whichever Python has mlx_lm.

Each token is dated by the child as mlx_lm hands it over, on the clock that we read too: no server and no network
stand between. mlx_lm starts every request from an empty cache.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from bakeoff.clock import now_ns
from bakeoff.engines import mlx_child
from bakeoff.engines.base import Begun, Capabilities, Chunk, Description, Request, StreamEvent
from bakeoff.engines.launch import Cause
from bakeoff.engines.mlx_lines import About, Line, as_finished, as_message, decode_line
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.piped import Piped
from bakeoff.engines.reply import Timeouts
from bakeoff.errors import (
    BrokenReply,
    EngineCrashed,
    EngineError,
    EngineMissing,
    ModelMissing,
    ServerRefused,
    ServerSilent,
)
from bakeoff.results.records import MemoryPart, Model, Start
from bakeoff.units import plain_text

PYTHON_VARIABLE = "BAKEOFF_MLX_PYTHON"
INSTALL = "pip install 'bakeoff[mlx]'"
LOAD_TIMEOUT_S, DOWNLOAD_TIMEOUT_S = 900.0, 6 * 3600.0
CAUSES = (
    Cause("insufficient memory", "Take a smaller quantization, or raise iogpu.wired_limit_mb."),
    Cause("out of memory", "Take a smaller quantization, or a shorter prompt."),
)
_HALF = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


class Mlx:
    """Launches one model: a folder, or a repository of the Hugging Face hub.

    ``name`` is what to call it, ``digest`` that of a folder's weights.
    """

    def __init__(
        self, model: str, options: EngineOptions, *, name: str | None = None, digest: str | None = None
    ) -> None:
        folder = Path(model).expanduser()
        self._is_folder = folder.is_dir()
        self._model = str(folder.resolve()) if self._is_folder else model
        self._name = name or (folder.resolve().name if self._is_folder else model)
        self._digest = digest
        self._options = options
        self._child: Piped | None = None
        self._about: About | None = None
        self._ready_s = 0.0
        self._requests = 0
        self._unfinished: int | None = None
        self._busy = False

    async def __aenter__(self) -> Self:
        if not self._is_folder and ("/" not in self._model or self._model.startswith(("/", "."))):
            raise ModelMissing(
                f"There is no folder {self._model}. Name one with a model in it (config.json, *.safetensors), a "
                "repository like mlx-community/NAME, or a model of the catalogue, like r1-7b@4bit."
            )
        try:
            await self._launch()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _launch(self) -> None:
        python = _python(self._options.program)
        log = self._options.logs / f"mlx-{secrets.token_hex(4)}.log" if self._options.logs else None
        began_ns = now_ns()
        offline = {} if self._options.pull else {"HF_HUB_OFFLINE": "1"}
        try:
            self._child = await Piped.start(
                [python, "-I", mlx_child.__file__], log=log, environment=offline, causes=CAUSES
            )
        except OSError as error:
            raise EngineMissing(f"{python} cannot be started ({error.strerror}). {_other_python()}") from error
        self._child.send({"model": self._model, "download": self._options.pull})
        limit_s = DOWNLOAD_TIMEOUT_S if self._options.pull else LOAD_TIMEOUT_S
        try:
            line = await self._next(limit_s)
        except ServerSilent as error:
            raise ServerSilent(f"{self._name} was not loaded by MLX within {limit_s:g} s.") from error
        if line.ready is None:
            raise self._no_start(python, line)
        self._about = line.ready
        self._ready_s = (now_ns() - began_ns) / 1e9 - line.ready.download_s
        await self._check_clock()

    def _no_start(self, python: str, line: Line) -> EngineError:
        words = plain_text(" ".join((line.error or "").split()))[:300].rstrip(".")
        match line.kind:
            case "engine":
                return EngineMissing(f"{python} has no mlx_lm ({words}). {_other_python()}")
            case "model":
                return ModelMissing(
                    f"{self._name} is not on this machine, or not to be had ({words}). "
                    f"Get it with --pull, or with: hf download {self._model}"
                )
        return EngineError(f"MLX cannot load {self._name}: {words}.")

    async def _check_clock(self) -> None:
        """Make sure that the child reads our clock: its answer must lie between question and receipt."""
        assert self._child is not None
        before = now_ns()
        self._child.send({"clock": 0})
        at_ns = (await self._next(Timeouts().silence_s)).clock
        if at_ns is None or not before <= at_ns <= now_ns():
            raise EngineError("The Python of the MLX engine has a clock of its own: use Python 3.10 or newer for it.")

    async def _next(self, within_s: float) -> Line:
        """The child's next line. Raises EngineCrashed, ServerSilent, BrokenReply."""
        child = self._child
        assert child is not None
        try:
            async with asyncio.timeout(within_s):
                data = await child.line()
        except TimeoutError as error:
            raise ServerSilent(f"Nothing came from the MLX engine for {within_s:g} s.") from error
        if not data and await child.ended():
            doing = "while it was answering" if self._about else f"while it loaded {self._name}"
            raise EngineCrashed(f"The MLX engine ended by itself (status {child.status}) {doing}{child.reason()}")
        try:
            return decode_line(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BrokenReply("The MLX engine's child sent something that is not its protocol.") from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()

    def describe(self) -> Description:
        about = self._about
        assert about is not None
        device: Literal["cpu", "gpu"] = "gpu" if about.gpu else "cpu"
        quant = f"{about.bits}bit" if about.bits else _HALF.get(about.dtype, about.dtype)
        return Description(
            engine="mlx",
            version=f"mlx-lm {about.version}",
            model=Model(
                name=self._name,
                quant=quant,
                size_bytes=about.size_bytes,
                digest=about.revision or self._digest,
                parameters=about.parameters,
                architecture=about.architecture,
                context_trained=about.context_trained,
                chat_template=about.chat_template,
            ),
            attached=False,
            capabilities=Capabilities(
                exact_length=about.exact_length, cache_off=True, reports_cache=True, token_ids=True, at_once=False
            ),
            settings={
                "device": about.device,
                "wired_limit_bytes": about.wired_limit_bytes,
                "group_size": about.group_size,
                "chat_template": about.chat_template,
                "mlx": about.mlx,
            },
            opens_thinking=about.opens_thinking,
            pids=(self._child.pid,) if self._child else (),
            device=device,
            start=Start(ready_s=self._ready_s, load_s=about.load_s),
            memory=(MemoryPart(what="weights", device=device, bytes=about.size_bytes or 0),),
        )

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        child = self._child
        if child is None or self._busy:
            raise EngineError("MLX answers one request at a time; for several at once, serve it with mlx_lm.server.")
        self._busy = True
        try:
            await self._settle()
            self._requests += 1
            self._unfinished = number = self._requests
            begun_ns = now_ns()  # before, not after: the child may date its first token before we run again
            child.send(as_message(number, request))
            await child.sent()
            yield Begun(begun_ns)
            async for event in self._events(number):
                yield event
        finally:
            self._busy = False
            if self._unfinished is not None:
                child.send({"cancel": self._unfinished})

    async def _settle(self) -> None:
        """Wait until a request that was left early is out of the way."""
        while self._unfinished is not None:
            line = await self._next(Timeouts().first_byte_s)
            if line.id == self._unfinished and line.last:
                self._unfinished = None

    async def _events(self, number: int) -> AsyncIterator[StreamEvent]:
        """A token without text of its own, part of a character perhaps, comes with the next that has some."""
        within_s = Timeouts().first_byte_s
        while True:
            line = await self._next(within_s)
            within_s = Timeouts().silence_s
            if line.id != number:
                raise BrokenReply("The MLX engine's child answered another request.")
            if line.last:
                self._unfinished = None
            if line.error is not None:
                raise ServerRefused(f"The MLX engine broke off with an error: {plain_text(line.error)[:300]}")
            if line.done is not None:
                yield as_finished(line.at, line.done)
                return
            if line.text:
                yield Chunk(line.at, line.text, "", line.n)


def _python(program: str | None) -> str:
    """The Python to run mlx_lm with. Raises EngineMissing where none is named and ours has no mlx_lm."""
    named = program or os.environ.get(PYTHON_VARIABLE)
    if named:
        return shutil.which(os.path.expanduser(named)) or named  # noqa: PTH111 (a command's name is no path)
    if importlib.util.find_spec("mlx_lm") is None:
        raise EngineMissing(f"MLX is not installed. {_other_python()}")
    return sys.executable


def _other_python() -> str:
    return f"Install it with: {INSTALL}, or name a Python that has mlx_lm with {PYTHON_VARIABLE}."
