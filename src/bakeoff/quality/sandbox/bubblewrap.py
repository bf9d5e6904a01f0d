"""The sandbox of Linux: a bare Python in namespaces of its own, by bubblewrap.

The program sees the C library, this Python's standard library and an empty ``/tmp`` of 16 MB; all but that is read
only. It has no network, no other process, no capability, no environment and no descriptor of ours.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from bakeoff.quality.sandbox.base import MEMORY_BYTES, WALL_S, Call, Outcome
from bakeoff.quality.sandbox.exchange import exchange, limits
from bakeoff.quality.sandbox.seccomp import program as seccomp_program

TMP_BYTES = 16_000_000
_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")


class Bubblewrap:
    """Runs each program in a sandbox made anew; a start takes some 0.04 s."""

    name = "bubblewrap"

    def __init__(self, bwrap: str = "bwrap", wall_s: float = WALL_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._bwrap, self._wall_s = bwrap, wall_s
        self._limits = limits(memory_bytes, wall_s, TMP_BYTES)

    def missing(self) -> str | None:
        """Why this machine cannot do it, found by trying; None where it can."""
        if shutil.which(self._bwrap) is None:
            return "bubblewrap is not installed."
        if seccomp_program(platform.machine()) is None:
            return f"There is no system call filter for {platform.machine()}."
        [outcome] = self.run("def trial(x):\n    return [x, 2]\n", [Call("trial", (1,))])
        return None if outcome.value == [1, 2] else f"bubblewrap does not work here ({outcome.note})."

    def run(self, source: str, calls: Sequence[Call]) -> tuple[Outcome, ...]:
        """See ``Sandbox``. The wall time counts from the sandbox's start."""
        with tempfile.TemporaryFile() as barred:
            barred.write(seccomp_program(platform.machine()) or b"")
            barred.seek(0)
            command = [self._bwrap, *_arguments(barred.fileno())]
            return exchange(command, source, calls, self._limits, wall_s=self._wall_s, pass_fds=[barred.fileno()])


def _arguments(seccomp: int) -> list[str]:
    """Bubblewrap's arguments and the command; ``seccomp`` is the filter's descriptor.

    A Python outside of the system's folders is shown at ``/python``, so that no path of the host's is.
    """
    arguments = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    arguments += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--clearenv"]
    shown = {name: name for name in _SYSTEM if Path(name).is_dir()}
    prefix = Path(sys.base_prefix).resolve()
    inside = prefix if any((prefix / "lib") == Path(name).resolve() for name in shown) else Path("/python")
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = inside / "bin" / name
    shown |= {str((prefix / "bin" / name).resolve()): str(python)}
    if inside != prefix:
        shown |= {str(prefix / "lib"): str(inside / "lib")}
        arguments += ["--setenv", "LD_LIBRARY_PATH", str(inside / "lib")]
    for host, place in shown.items():
        arguments += ["--ro-bind", host, place]
    for packages in sorted(prefix.glob("lib/python3*/*-packages")):
        place = str(inside / packages.relative_to(prefix))
        arguments += ["--tmpfs", place, "--remount-ro", place]
    arguments += ["--dir", "/dev", "--dev-bind", "/dev/null", "/dev/null"]
    arguments += ["--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    arguments += ["--seccomp", str(seccomp)]
    return [*arguments, str(python), "-I", "-S", "-B", "-X", "utf8", "-c", _inside()]


def _inside() -> str:
    """The text of what runs inside: ``wire`` and ``inside`` as one program, without the imports of this package."""
    room = files("bakeoff.quality.sandbox")
    text = "\n".join((room / name).read_text(encoding="utf-8") for name in ("wire.py", "inside.py"))
    future = "from __future__ import annotations\n"
    own = "".join(line for line in text.splitlines(keepends=True) if line != future and "from bakeoff." not in line)
    return f"{future}{own}\nserve()\n"
