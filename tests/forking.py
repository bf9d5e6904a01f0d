"""Commands in processes of their own, without the time that a process takes to load Bakeoff: forked from one that has.

Run as a program it reads commands line by line and forks for each; ``Forking`` starts it and talks to it.
"""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Forked:
    """One command, running."""

    def __init__(self, server: Forking, pid: int, out: Path) -> None:
        self.pid = pid
        self._server = server
        self._out = out

    def kill(self) -> None:
        """End it as a power cut does, unless it has ended."""
        os.kill(self.pid, signal.SIGKILL)  # it is a zombie at most: its parent has not waited for it yet

    def wait(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        return int(self._server.ask({"wait": self.pid}))

    @property
    def document(self) -> dict[str, Any]:
        """What it wrote to standard output."""
        document: dict[str, Any] = json.loads(self._out.read_text())
        return document

    @property
    def error(self) -> str:
        return self._out.with_suffix(".err").read_text()


class Forking:
    """A process that has loaded Bakeoff, and forks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self, home: Path, *arguments: str) -> Forked:
        """``bakeoff`` with these arguments and this BAKEOFF_HOME."""
        self._count += 1
        out = home.parent / f"{home.name}-{self._count}.out"
        pid = self.ask({"home": str(home), "out": str(out), "arguments": arguments})
        return Forked(self, int(pid), out)

    def ask(self, what: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def serve() -> None:
    """Fork for each line until there are no more."""
    load()
    for line in sys.stdin:
        what = json.loads(line)
        if "wait" in what:
            answer = os.waitstatus_to_exitcode(os.waitpid(what["wait"], 0)[1])
        else:
            answer = os.fork() or command(what)
        print(answer, flush=True)


def load() -> None:
    """Do once what the commands will do, so that all of it is loaded."""
    from bakeoff.cli.main import main

    silent = io.StringIO()
    with tempfile.TemporaryDirectory() as home, redirect_stdout(silent), redirect_stderr(silent):
        os.environ["BAKEOFF_HOME"] = home
        main(["run", "scripted:steady", "--max-tokens", "4"])
        main(["runs", "resume", "--json"])
    gc.freeze()


def command(what: dict[str, Any]) -> int:
    """In the child: the command itself, and the end."""
    from bakeoff.cli.main import main

    os.environ["BAKEOFF_HOME"] = what["home"]
    for descriptor, path in ((1, Path(what["out"])), (2, Path(what["out"]).with_suffix(".err"))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    code = 99
    try:
        code = main(what["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
