"""A ``vllm`` in Python: takes the arguments of ``vllm serve``, writes a log as it does, and fails as told.

``stand_in_vllm.py FAULT serve MODEL OPTIONS…``. Where FAULT names a cause of death it is what the log ends with.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fake_vllm import FakeVllmServer
from tests.servers import Received
from tests.stand_in_llama import answer

IN_A_STREAM = ("refused", "error in the stream", "broken", "cut", "ended early", "no stream", "silent")
LOADING = "INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: device_config=cuda, seed=0\n"
LOADED = (
    "INFO [gpu_model_runner.py:1] Model loading took 14.27 GiB memory and 5.1 seconds\n"
    "INFO [gpu_worker.py:1] Available KV cache memory: 5.20 GiB\n"
    "INFO [gpu_model_runner.py:1] Graph capturing finished in 21 secs, took 0.52 GiB\n"
)
DYING_WORDS = {
    "out of memory": "ERROR [core.py:866] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 130.00 MiB.\n",
    "taken memory": "ERROR [core.py:866] ValueError: Free memory on device cuda:0 (4.04/23.63 GiB) on startup is "
    "less than desired GPU memory utilization (0.9, 21.27 GiB).\n",
    "long context": "ERROR [core.py:866] ValueError: To serve at least one request with the models's max seq len "
    "(131072), (7.00 GiB KV cache is needed, which is larger than the available KV cache memory (4.46 GiB).\n",
    "too large": "ERROR [core.py:866] ValueError: No available memory for the cache blocks. Try increasing ...\n",
    "no gpu": "RuntimeError: Failed to infer device type, please set the environment variable ...\n",
    "port taken": "OSError: [Errno 98] Address already in use\n",
    "gated": "OSError: You are trying to access a gated repo.\nMake sure to have access to it at ...\n",
    "unknown option": "vllm: error: unrecognized arguments: --max-model-len 4096\n",
    "crashed while loading": "",
}
"""What it writes before it ends; each as vLLM 0.32 and its libraries write it in their source."""


class StandIn(FakeVllmServer):
    """Its fault strikes in chats: what is asked of it before goes well."""

    late: str | None = None

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self.fault = self.late if request.path == "/v1/chat/completions" else None
        await super().__call__(request, writer)

    def _strike(self, writer: asyncio.StreamWriter) -> None:
        if self.fault == "crashed":
            os._exit(1)
        if self.fault == "engine died":
            self.healthy = False
            asyncio.get_running_loop().call_later(0.3, os._exit, 1)
            self.fault = "error in the stream"
        super()._strike(writer)


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def main() -> None:
    fault, *arguments = sys.argv[1:]
    known = ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "VLLM_API_KEY", "VLLM_CPU_KVCACHE_SPACE", "CUDA_VISIBLE_DEVICES",
             "CUDA_DEVICE_ORDER")  # fmt: skip
    say(json.dumps({"arguments": arguments, "environment": {name: os.environ.get(name) for name in known}}) + "\n")
    if fault == "an old build" and "--enable-per-request-metrics" in arguments:
        say("usage: vllm [-h]\nvllm: error: unrecognized arguments: --enable-per-request-metrics\n")
        sys.exit(2)
    say(LOADING)
    if fault in DYING_WORDS:
        say(DYING_WORDS[fault])
        sys.exit(1)
    say(LOADED)
    options = dict(itertools.pairwise(arguments))
    fake = StandIn(
        name=options["--served-model-name"], root=arguments[1], context=int(options["--max-model-len"]),
        details="--enable-prompt-tokens-details" in arguments, metrics="--enable-per-request-metrics" in arguments,
    )  # fmt: skip
    fake.late = fault if fault in (*IN_A_STREAM, "crashed", "engine died") else None
    asyncio.run(serve(fake, options["--host"], int(options["--port"])))


async def serve(fake: StandIn, host: str, port: int) -> None:
    server = await asyncio.start_server(lambda reader, writer: answer(fake, reader, writer), host, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    main()
