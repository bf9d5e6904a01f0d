"""Runs a program and ends it, with all that it started, when standard input closes: ``guard.py LOG COMMAND…``.

Whoever launches an engine holds the other end of that pipe, so the engine ends on every way out of us, a kill
included. It imports nothing of ours and runs as a plain file, so that it starts in a moment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_S = 10.0


def main() -> None:
    """Exit with the program's status; output of both kinds goes to the log."""
    log, *command = sys.argv[1:]
    with open(log, "ab", buffering=0) as output:  # noqa: PTH123 (no import that can be saved)
        try:
            program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            output.write(f"cannot start {command[0]}: {error.strerror}\n".encode())
            sys.exit(127)
    sys.stdout.write(f"{program.pid}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_when_left, args=(program,), daemon=True).start()
    status = program.wait()
    _signal_group(program.pid, signal.SIGKILL)  # what it left behind
    sys.exit(status if 0 <= status < 128 else 128 + abs(status) % 128)


def _end_when_left(program: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock would be held when we end first
        pass
    _signal_group(program.pid, signal.SIGTERM)
    try:
        program.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        _signal_group(program.pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


if __name__ == "__main__":
    main()
