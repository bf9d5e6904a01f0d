"""An Ollama server of our own: beside one that runs, it must neither take its port nor prune the models they share."""

from __future__ import annotations

from contextlib import suppress

from bakeoff.engines.gpu_choice import gpu_environment
from bakeoff.engines.launch import Cause, Launched, free_port
from bakeoff.engines.ollama_server import OllamaServer
from bakeoff.engines.options import EngineOptions
from bakeoff.errors import EngineError

HOST_VARIABLE = "OLLAMA_HOST"
ASK_TIMEOUT_S = 1.0

_CAUSES = (
    Cause("address already in use", "Another program took the port: try again."),
    Cause("permission denied", "Give this user the right to read and write its models, or set OLLAMA_MODELS."),
    Cause("no space left on device", "Free some space, or set OLLAMA_MODELS to another disk."),
)


async def start_server(program: str, options: EngineOptions) -> tuple[OllamaServer, Launched]:
    """Start ``ollama serve`` on a free port and wait until it answers. Raises as ``Launched.start`` does."""
    port = free_port()
    server = OllamaServer(f"http://127.0.0.1:{port}")

    async def answers() -> bool:
        with suppress(EngineError):
            await server.version(timeout_s=ASK_TIMEOUT_S)
            return True
        return False

    launched = await Launched.start(
        "Ollama",
        [program, "serve"],
        answers,
        log=options.logs / f"ollama-{port}.log" if options.logs else None,
        environment=_environment(port, options),
        causes=_CAUSES,
    )
    return server, launched


def _environment(port: int, options: EngineOptions) -> dict[str, str]:
    chosen = {
        HOST_VARIABLE: f"127.0.0.1:{port}",
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NUM_PARALLEL": str(options.parallel),
        "OLLAMA_MAX_LOADED_MODELS": "1",
    }
    if options.flash_attention is not None:
        chosen["OLLAMA_FLASH_ATTENTION"] = str(int(options.flash_attention))
    return chosen | gpu_environment(options.gpu)
