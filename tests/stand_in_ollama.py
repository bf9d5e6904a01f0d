"""``ollama serve`` in Python: listens where ``OLLAMA_HOST`` says, logs, and fails as its first argument says.

``stand_in_ollama.py FAULT serve``. It starts a runner of its own, which stays when nobody ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fake_ollama import FakeOllama
from tests.stand_in_llama import answer

IN_A_STREAM = ("refused", "error in the stream", "cut", "crashed")
DYING_WORDS = {
    "port taken": "Error: listen tcp 127.0.0.1:11434: bind: address already in use\n",
    "no rights": "Error: mkdir /usr/share/ollama: permission denied\n",
    "a mystery": 'time=2026-11-04T19:22:45.499Z level=ERROR source=routes.go msg="something odd"\n',
}


class StandIn(FakeOllama):
    def _strike(self, writer: asyncio.StreamWriter) -> None:
        if self.fault == "crashed":
            os.kill(os.getpid(), signal.SIGKILL)
        super()._strike(writer)


async def serve(fault: str) -> None:
    fake = StandIn(thinking=3)
    fake.fault = fault if fault in IN_A_STREAM else None
    host, _, port = os.environ["OLLAMA_HOST"].rpartition(":")
    server = await asyncio.start_server(lambda r, w: answer(fake, r, w), host, int(port))
    async with server:
        await server.serve_forever()


def main() -> None:
    fault, *arguments = sys.argv[1:]
    seen = {name: value for name, value in os.environ.items() if name.startswith(("OLLAMA_", "CUDA_"))}
    runner = subprocess.Popen(["sleep", "600"]) if fault == "with a runner" else None
    told = {"arguments": arguments, "environment": seen, "runner": runner.pid if runner else None}
    sys.stderr.write(json.dumps(told) + "\n")
    sys.stderr.flush()
    if fault in DYING_WORDS:
        sys.stderr.write(DYING_WORDS[fault])
        sys.exit(1)
    asyncio.run(serve(fault))


if __name__ == "__main__":
    main()
