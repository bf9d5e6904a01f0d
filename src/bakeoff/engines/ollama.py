"""Ollama: attached to where a server answers, else started for as long as we measure."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bakeoff.engines.address import Address
from bakeoff.engines.base import Capabilities, Description, Request, StreamEvent
from bakeoff.engines.connections import Connections
from bakeoff.engines.launch import Launched
from bakeoff.engines.listener import processes
from bakeoff.engines.lookup import count_or_none, some_names, table, text_or_none
from bakeoff.engines.ollama_launch import HOST_VARIABLE, start_server
from bakeoff.engines.ollama_server import Loaded, OllamaServer, Progress, differs
from bakeoff.engines.ollama_stream import generation, runner_options, stream_ollama
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.page_cache import PageCache, drop_page_cache
from bakeoff.errors import (
    EngineCrashed,
    EngineError,
    ModelMissing,
    PromptTooLong,
    ServerRefused,
    ServerUnreachable,
    UsageError,
)
from bakeoff.models.names import EngineName, elsewhere
from bakeoff.results.records import MemoryPart, Model, Start

DEFAULT_PORT = 11434
PROGRAM = "ollama"
ENDING_S = 10.0

_BLOB = re.compile(r"^FROM (/.*/blobs/sha256-[0-9a-f]{64})$", re.MULTILINE)
_TOO_LITTLE_MEMORY = ("more system memory", "out of memory", "out-of-memory", "cudamalloc", "unable to allocate")
_TOO_LONG = ("exceed_context_size_error", "available context size", "context length")


def _silent(what: str, done: int, total: int) -> None: ...


class Ollama:
    """Attaches to ``options.url``, else to ``OLLAMA_HOST`` in any form that Ollama takes, else to its default.

    Where nobody answers on this machine and the program is installed, or where ``options.program`` names one, it
    starts a server of its own on a free port, and stops it at the end. A running one is never stopped, and is left
    with what it had loaded: a model that was not loaded before is unloaded again. Entering loads the model with the
    options that the trials use. ``expects`` is what the weights should be, by the catalogue.
    """

    def __init__(
        self,
        model: str,
        options: EngineOptions | None = None,
        *,
        expects: EngineName | None = None,
        progress: Progress = _silent,
    ) -> None:
        self._options = options or EngineOptions()
        text = self._options.url or os.environ.get(HOST_VARIABLE) or "127.0.0.1"
        self._address = Address.parse(text, DEFAULT_PORT)
        self._server = OllamaServer(self._address.url)
        self._connections = Connections(self._server.base)
        self._model = model
        self._expects = expects
        self._progress = progress
        self._launched: Launched | None = None
        self._version: str | None = None
        self._shown: dict[str, Any] = {}
        self._tag: dict[str, Any] = {}
        self._memory: Loaded | None = None
        self._others = 0
        self._pids: tuple[int, ...] = ()
        self._we_loaded = False
        self._start: Start | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._find_server()
            self._pids = processes(self._launched, self._server.base)
            await self._find_model()
            self._check_weights()
            await self._load()
        except BaseException:
            await self._leave()
            raise
        return self

    async def _find_server(self) -> None:
        if self._options.program is not None:
            await self._launch(self._options.program)
            return
        try:
            self._version = await self._server.version()
        except ServerUnreachable:
            program = shutil.which(PROGRAM)
            if self._options.url is not None or not self._address.is_here or program is None:
                raise
            await self._launch(program)
        else:
            self._check_settings()

    def _check_settings(self) -> None:
        """Raise UsageError where a running server would ignore what it can only be started with."""
        asked = {"--gpu": self._options.gpu, "--flash-attention": self._options.flash_attention}
        for name, value in asked.items():
            if value is not None:
                raise UsageError(
                    f"{name} is for a server that we start, and one runs at {self._server.base}. "
                    f"Leave it out, or have one of our own with --program {PROGRAM}."
                )

    async def _launch(self, program: str) -> None:
        self._server, self._launched = await start_server(program, self._options)
        self._connections = Connections(self._server.base)
        self._version = await self._server.version()

    async def _find_model(self) -> None:
        shown = await self._server.show(self._model)
        if shown is None and self._options.pull:
            await self._server.pull(self._model, self._progress)
            shown = await self._server.show(self._model)
        held = await self._server.tags()
        if shown is None:
            raise ModelMissing(self._missing(held))
        self._shown = shown
        self._tag = held.get(_full(self._model), {})

    def _missing(self, held: dict[str, dict[str, Any]]) -> str:
        have = f" It has: {some_names(held)}." if held else " It has none yet."
        how = elsewhere("ollama", self._model) or f"Get it with: ollama pull {self._model}, or add --pull."
        return f"Ollama at {self._server.base} has no model {self._model!r}.{have} {how}"

    def _check_weights(self) -> None:
        """Raise ModelMissing where a tag that the catalogue gave out has come to hold other weights."""
        expected = self._expects.architecture if self._expects else None
        if self._expects is None or expected is None:
            return
        words = differs(self._expects, self._shown)
        if words is not None:
            raise ModelMissing(
                f"{self._model} at {self._server.base} is not {expected.name} at {self._expects.quant}: {words}. "
                f"To measure what is there: ollama:{self._model}"
            )

    async def _load(self) -> None:
        before = await self._server.loaded()
        mine, held = _full(self._model), {model.name for model in before}
        cached: PageCache = "unknown" if mine in held else self._drop_files()
        try:
            load_s = await self._server.load(self._model, runner_options(self._options))
        except ServerRefused as error:
            raise ServerRefused(f"{error}{_advice(str(error))}", error.status) from error
        self._we_loaded = mine not in held
        if self._we_loaded:
            ready_s = load_s + (self._launched.ready_s if self._launched else 0.0)
            self._start = Start(ready_s=ready_s, load_s=load_s, page_cache=cached)
        after = await self._server.loaded()
        self._memory = next((model for model in after if model.name == mine), None)
        self._others = len([model for model in after if model.name != mine])

    def _drop_files(self) -> PageCache:
        """Have the weights read from the disk, where the server is here and says where its file lies."""
        named = _BLOB.findall(str(self._shown.get("modelfile") or "")) if self._address.is_here else []
        paths = [path for path in map(Path, named) if path.is_file()]
        return drop_page_cache(paths) if paths else "unknown"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        await self._connections.close()
        if self._we_loaded:
            self._we_loaded = False
            with suppress(EngineError):
                await self._server.unload(self._model)
        if self._launched is not None:
            await self._launched.stop()

    def describe(self) -> Description:
        info = table(self._shown.get("model_info"))
        architecture = text_or_none(info.get("general.architecture"))
        template = text_or_none(self._shown.get("template")) or ""
        return Description(
            engine="ollama",
            version=self._version,
            model=Model(
                name=self._model,
                quant=text_or_none(table(self._shown.get("details")).get("quantization_level")),
                size_bytes=count_or_none(self._tag.get("size")),
                digest=text_or_none(self._tag.get("digest")),
                architecture=architecture,
                parameters=count_or_none(info.get("general.parameter_count")),
                context_trained=count_or_none(info.get(f"{architecture}.context_length")),
            ),
            attached=self._launched is None,
            capabilities=Capabilities(),
            settings=self._settings(),
            opens_thinking=True if template.rstrip().endswith("<think>") else None,
            pids=self._pids,
            device="unknown" if self._memory is None else "gpu" if self._memory.gpu_bytes else "cpu",
            start=self._start,
            memory=_parts(self._memory),
        )

    def _settings(self) -> dict[str, Any]:
        options, memory = self._options, self._memory
        known: dict[str, Any] = {
            "url": None if self._launched else self._server.base,
            "threads": options.threads,
            "gpu_layers": options.gpu_layers,
            "slots": options.parallel if self._launched else None,
            "gpu_share": round(memory.gpu_share, 3) if memory else None,
            "other_models_loaded": self._others or None,
        }
        return {
            "context": (memory.context if memory else None) or options.context,
            "endpoint": "generate, raw" if options.raw else "chat",
            **{name: value for name, value in known.items() if value is not None},
        }

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        thinks = "thinking" in (self._shown.get("capabilities") or ())
        path, body = generation(self._model, request, self._options, thinks)
        try:
            async with self._connections.one() as connection:
                async for event in stream_ollama(connection, path, body):
                    yield event
        except EngineError as error:
            if self._launched is not None and await self._has_ended(self._launched):
                words = self._launched.last_words()
                raise EngineCrashed(f"Ollama ended by itself while it was answering{words}") from error
            if isinstance(error, ServerRefused) and any(word in str(error) for word in _TOO_LONG):
                raise PromptTooLong(f"{error} Raise --context, or shorten the prompt.", error.status) from error
            raise

    async def _has_ended(self, launched: Launched) -> bool:
        """Whether it is gone: then it does not answer, and its guard is about to say so."""
        try:
            await self._server.version(timeout_s=ENDING_S)
        except EngineError:
            return await launched.ended(ENDING_S)
        return False


def _full(model: str) -> str:
    return model if ":" in model.rpartition("/")[2] else f"{model}:latest"


def _parts(memory: Loaded | None) -> tuple[MemoryPart, ...]:
    """What ``/api/ps`` says, by device."""
    if memory is None:
        return ()
    parts = {"gpu": min(memory.gpu_bytes, memory.bytes), "cpu": max(0, memory.bytes - memory.gpu_bytes)}
    return tuple(MemoryPart(what="all", device=device, bytes=size) for device, size in parts.items() if size)


def _advice(text: str) -> str:
    short = any(words in text.lower() for words in _TOO_LITTLE_MEMORY)
    return " Take a smaller quantization, a smaller --context, or fewer --gpu-layers." if short else ""
