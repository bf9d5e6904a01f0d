"""A ``llama-server`` of this machine, started by us for one model and ended with us."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bakeoff.engines.base import Description, Request, StreamEvent
from bakeoff.engines.child import ALL_LAYERS
from bakeoff.engines.connections import Connections
from bakeoff.engines.gpu_choice import gpu_environment
from bakeoff.engines.launch import Launched, free_port
from bakeoff.engines.llama_attached import ALL_CAPABILITIES
from bakeoff.engines.llama_foretelling import LlamaForeteller
from bakeoff.engines.llama_log import CAUSES, Loaded, layers_text, on_accelerator, placement_settings, read_load
from bakeoff.engines.llama_server import ENDING_S, ServerSays, ask_server, is_going, stream_llama
from bakeoff.engines.lookup import get_json, some_names
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.page_cache import PageCache, drop_page_cache
from bakeoff.errors import EngineCrashed, EngineError, EngineMissing
from bakeoff.models.files import gguf_parts
from bakeoff.results.records import Model, Start

PROGRAM = "llama-server"
THE_ONE_GPU = "CUDA0"
"""What CUDA calls a GPU that is the only one that it shows."""
_LOG_BYTES = 1_000_000

_ENVIRONMENT = {
    "LLAMA_ARG_CACHE_RAM": "0",  # its default keeps every prompt it has seen: memory grows with each trial
    "LLAMA_ARG_LOG_VERBOSITY": "4",  # the least at which newer builds tell where the model went
}
"""What builds without these settings take no notice of; as options they would refuse them."""


class LaunchedLlama:
    """Starts the program for one model; ``model`` is what the file's header and digest say of it.

    Nothing that llama-server reads from our environment takes effect: what it runs with is in the description.
    """

    def __init__(self, path: Path, model: Model, options: EngineOptions, *, opens_thinking: bool | None) -> None:
        self._path = path
        self._model = model
        self._options = options
        self._opens_thinking = opens_thinking
        self._alias = f"bakeoff-{secrets.token_hex(4)}"
        self._url = ""
        self._connections = Connections("")
        self._launched: Launched | None = None
        self._page_cache: PageCache = "unknown"
        self._says = ServerSays(model=self._alias)
        self._loaded = Loaded()

    async def __aenter__(self) -> Self:
        program = find_program(self._options.program)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._connections = Connections(self._url)
        self._page_cache = drop_page_cache(gguf_parts(self._path))
        logs = self._options.logs
        self._launched = await Launched.start(
            PROGRAM,
            [program, *self._arguments(port)],
            self._ready,
            log=logs / f"{PROGRAM}-{self._alias}.log" if logs else None,
            environment=self._environment(),
            causes=CAUSES,
        )
        try:
            await self._look()
        except BaseException:
            await self._launched.stop()
            raise
        return self

    def _arguments(self, port: int) -> list[str]:
        """Its options; what is not set is left to it."""
        options = self._options
        arguments = ["-m", str(self._path), "--alias", self._alias, "--host", "127.0.0.1", "--port", str(port)]
        arguments += ["-c", str(options.context * options.parallel), "--parallel", str(options.parallel)]
        arguments.append("--metrics")
        if options.threads is not None:
            arguments += ["-t", str(options.threads)]
        if options.gpu_layers is not None:
            arguments += ["-ngl", str(options.gpu_layers if options.gpu_layers >= 0 else ALL_LAYERS)]
        if options.flash_attention is not None:
            arguments += ["-fa", "on" if options.flash_attention else "off"]
        return arguments

    def _environment(self) -> dict[str, str | None]:
        inherited = {name: None for name in os.environ if name.startswith(("LLAMA_ARG_", "LLAMA_API_KEY"))}
        return {**inherited, **_ENVIRONMENT, **gpu_environment(self._options.gpu)}

    async def _ready(self) -> bool:
        """Whether our server, and not another program on that port, has loaded the model."""
        try:
            await get_json(f"{self._url}/health", timeout_s=5)
            answer = await get_json(f"{self._url}/v1/models", timeout_s=5)
            return bool(answer["data"][0]["id"] == self._alias)
        except (EngineError, LookupError, TypeError):
            return False

    async def _look(self) -> None:
        """What it says of itself, and where its log says that the model went."""
        assert self._launched is not None
        self._says = await ask_server(self._url, self._alias)
        with self._launched.log.open("rb") as log:
            self._loaded = read_load(log.read(_LOG_BYTES).decode("utf-8", "replace"))
        self._check_devices()

    def _check_devices(self) -> None:
        """Raise EngineError where the model did not go to the devices that were asked for."""
        options, loaded = self._options, self._loaded
        if options.gpu_layers and (loaded.gpu_ignored or loaded.layers_on_gpu == 0):
            raise EngineError(
                f"This llama-server has no GPU that it can use, so --gpu-layers {layers_text(options.gpu_layers)} "
                "would do nothing. Leave it out, or name a build for your GPU with --program."
            )
        used = {part.device for part in loaded.memory if on_accelerator(part.device)}
        if options.gpu is not None and any(not device.startswith(THE_ONE_GPU) for device in used):
            raise EngineError(
                f"This llama-server does not heed --gpu {options.gpu}: it uses {some_names(used)}. Leave it out, or "
                "name a build for CUDA with --program."
            )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        launched, self._launched = self._launched, None
        await self._connections.close()
        if launched is not None:
            await launched.stop()

    def describe(self) -> Description:
        launched, options = self._launched, self._options
        settings: dict[str, Any] = {
            "context": self._says.context or options.context,
            "threads": options.threads,
            "slots": options.parallel,
            **placement_settings(options.gpu_layers, options.flash_attention, options.gpu, self._loaded),
        }
        return Description(
            engine="llamacpp",
            version=f"llama-server {self._says.version}" if self._says.version else PROGRAM,
            model=self._model,
            attached=False,
            capabilities=ALL_CAPABILITIES,
            settings=settings,
            opens_thinking=self._opens_thinking,
            pids=(launched.pid,) if launched and launched.pid else (),
            device=self._loaded.device,
            start=Start(ready_s=launched.ready_s, page_cache=self._page_cache) if launched else None,
            memory=self._loaded.memory,
        )

    async def ready(self, count: int) -> None:
        """Have so many connections open."""
        await self._connections.ready(count)

    def foreteller(self) -> LlamaForeteller:
        return LlamaForeteller(self._url, self._alias)

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        assert self._launched is not None
        try:
            async for event in stream_llama(self._connections, request, self._alias):
                yield event
        except EngineError as error:
            if not (await is_going(self._url) and await self._launched.ended(ENDING_S)):
                raise
            words = self._launched.last_words()
            raise EngineCrashed(f"llama-server ended by itself while it was answering{words}") from error


def find_program(named: str | None) -> str:
    """The llama-server to start: the one named, or that on PATH. Raises EngineMissing."""
    found = shutil.which(named or PROGRAM)
    if found is None and named:
        raise EngineMissing(f"There is no program {named} that can be started. Name the llama-server with --program.")
    if found is None:
        raise EngineMissing("There is no llama-server on PATH. Name one with --program FILE.")
    return found
