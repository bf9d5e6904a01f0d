"""A ``llama-server`` in Python: takes its options, writes a log as it does, and fails as its first argument says.

``stand_in_llama.py FAULT OPTIONS…``. Where FAULT ends in ``.txt`` it is a file to print as the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fakes import FakeLlamaServer, FakeServer
from tests.servers import Received, _read, sized

IN_A_STREAM = ("refused", "error in the stream", "broken", "cut", "ended early", "no stream", "silent", "crashed")
LOADING = "llama_model_loader: loaded meta data with 34 key-value pairs and 272 tensors\n"
DYING_WORDS = {
    "out of memory": "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4403.49 MiB on device 0: "
    "cudaMalloc failed: out of memory\nalloc_tensor_range: failed to allocate CUDA0 buffer of size 4617397248\n",
    "unknown architecture": "error loading model: error loading model architecture: "
    "unknown model architecture: 'fromthefuture'\n",
    "no vocabulary": "0.00.104.174 E llama_model_load: error loading model: error loading model vocabulary: "
    "key not found in model: tokenizer.ggml.model\n0.00.167.235 E srv    load_model: failed to load model\n"
    "0.00.167.241 I srv    operator(): operator(): cleaning up before exit...\n"
    "0.00.173.111 E srv  llama_server: exiting due to model loading error\n",
    "missing library": "llama-server: error while loading shared libraries: libcudart.so.12: "
    "cannot open shared object file: No such file or directory\n",
    "unknown option": "error: invalid argument: --parallel\n",
    "crashed while loading": "",
}
"""What it writes before it ends: the CUDA lines by ggml-cuda.cu and ggml-alloc.c, the others as they were seen."""


class StandIn(FakeLlamaServer):
    def _strike(self, writer: asyncio.StreamWriter) -> None:
        if self.fault == "crashed":
            os.kill(os.getpid(), signal.SIGKILL)
        super()._strike(writer)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if self.fault == "never ready":
            writer.write(sized(json.dumps({"error": {"code": 503}}).encode(), b"503 Service Unavailable"))
        else:
            await super().__call__(request, writer)


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


async def serve(fault: str, options: dict[str, str]) -> None:
    slots = int(options["--parallel"])
    fake = StandIn(name=options["--alias"], context=int(options["-c"]) // slots, slots=slots)
    fake.fault = fault if fault in (*IN_A_STREAM, "never ready") else None

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(fake, reader, writer)

    try:
        server = await asyncio.start_server(handle, options["--host"], int(options["--port"]))
    except OSError:
        say(f"couldn't bind HTTP server socket, hostname: 127.0.0.1, port: {options['--port']}\n")
        sys.exit(1)
    async with server:
        await server.serve_forever()


async def answer(fake: FakeServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (request := await _read(reader)) is not None:
            await fake(request, writer)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def main() -> None:
    fault, *arguments = sys.argv[1:]
    names = [name for name in arguments if name.startswith("-") and name != "--metrics"]
    options: dict[str, Any] = {name: arguments[arguments.index(name) + 1] for name in names}
    seen = {name: value for name, value in os.environ.items() if name.startswith(("LLAMA_", "CUDA_"))}
    say(json.dumps({"arguments": arguments, "environment": seen}) + "\n" + LOADING)
    if fault.endswith(".txt"):
        say(Path(fault).read_text())
    if fault in DYING_WORDS:
        say(DYING_WORDS[fault])
        sys.exit(1)
    asyncio.run(serve(fault, options))


if __name__ == "__main__":
    main()
