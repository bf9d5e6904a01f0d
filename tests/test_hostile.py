"""Programs made to harm the host, other items or the grade: none does, in either sandbox.

Each program's function returns "won" where its trick worked. That a trick is real is shown where it can be tried
without harm: run outside, it wins.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from bakeoff.quality.grading.grade import grade, graders
from bakeoff.quality.sandbox.base import Call, Outcome
from bakeoff.quality.tasks import Task
from tests.sandboxes import NAMES, missing, sandbox_named

SECRET = "kept-by-the-host-73b1"


def tricks(kind: str) -> dict[str, str]:
    """The programs of one file, by the names of their tricks."""
    text = (Path(__file__).parent / "data" / "hostile" / f"{kind}.txt").read_text("utf-8")
    parts = [part.partition("\n") for part in text.split("=== ")[1:]]
    return {name: source for name, _, source in parts}


HARMLESS = tricks("harmless")
"""Those that can be tried outside: what they reach for is there, and reaching it does no harm."""
HARMFUL = tricks("harmful") | {
    "is parsed without end": "x = " + "-" * 100_000 + "1\ndef f():\n    return 'won'\n",
    "holds a null byte": "def f():\n    return 'won'\n\x00",
}
ENDLESS = tricks("endless")
FORGERIES = tricks("forgeries")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Lines that tell a program of things on the host to reach for: a file, a port, a process, an environment."""
    file = tmp_path / "kept"
    file.write_text(SECRET)
    monkeypatch.setenv("SECRET", SECRET)
    harness = Path(sys.modules["bakeoff.quality.sandbox.base"].__file__ or "").with_name("exchange.py")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        file.open() as inherited,
    ):
        abstract = f"\0bakeoff-{os.getpid()}" if sys.platform == "linux" else str(tmp_path / "socket")
        local.bind(abstract)
        local.listen()
        os.set_inheritable(inherited.fileno(), True)
        names = {
            "FILE": str(file), "HARNESS": str(harness), "HOME": str(Path.home()), "PORT": server.getsockname()[1],
            "ABSTRACT": abstract, "HOST": os.getpid(), "SECRET": SECRET, "PATH": sys.path,
        }  # fmt: skip
        yield "".join(f"{name} = {value!r}\n" for name, value in names.items())
    assert file.read_text() == SECRET


def nothing_runs_on() -> bool:
    """Whether every process of a sandbox has ended, reaped or not."""
    named = [one for one in psutil.process_iter(["name", "status"]) if one.info["name"] in ("bwrap", "monty")]
    running = [one for one in named if one.info["status"] != psutil.STATUS_ZOMBIE]
    _, alive = psutil.wait_procs(running, timeout=10)
    return all(one.status() == psutil.STATUS_ZOMBIE for one in alive)


@pytest.mark.parametrize("trick", HARMLESS)
def test_outside_the_sandbox_the_trick_works(trick: str, world: str) -> None:
    if sys.platform != "linux":
        pytest.skip("the tricks are of Linux")
    ending = "\nif __name__ == '__main__':\n    print(f())\n"
    program = [sys.executable, "-W", "ignore", "-c", world + HARMLESS[trick] + ending]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    if trick in ("makes a namespace of its own", "raises its own limits") and done.stdout != "won\n":
        pytest.skip("this user may not do it outside either")
    assert done.stdout == "won\n", done.stderr


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trick", HARMLESS | HARMFUL)
def test_in_the_sandbox_the_trick_fails(trick: str, name: str, world: str) -> None:
    [outcome] = sandbox_named(name).run(world + (HARMLESS | HARMFUL)[trick], [Call("f", ())])
    assert outcome.value in (None, "lost"), outcome
    assert outcome.value == "lost" or outcome.how != "returned"


@pytest.fixture(scope="module")
def ended() -> dict[tuple[str, str], Outcome]:
    """What the endless programs came to, all begun at once, with a good one among them for each sandbox."""
    sources = ENDLESS | {"well": "def f():\n    return 'well'\n"}
    pairs = [(name, trick) for name in NAMES if missing(name) is None for trick in sources]

    def run(pair: tuple[str, str]) -> Outcome:
        name, trick = pair
        [outcome] = sandbox_named(name, 20 if trick == "well" else 1).run(sources[trick], [Call("f", ())])
        return outcome

    with ThreadPoolExecutor(len(pairs) or 1) as pool:
        return dict(zip(pairs, pool.map(run, pairs), strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trick", ENDLESS)
def test_in_the_sandbox_what_never_ends_is_ended(trick: str, name: str, ended: dict[tuple[str, str], Outcome]) -> None:
    sandbox_named(name)
    allowed = (
        ("timed_out",) if trick == "loops without end" else ("timed_out", "raised", "ended", "not_data", "lacking")
    )
    assert ended[name, trick].how in allowed


@pytest.mark.parametrize("name", NAMES)
def test_a_good_program_beside_them_is_not_disturbed_and_nothing_runs_on(
    name: str, ended: dict[tuple[str, str], Outcome]
) -> None:
    sandbox_named(name)
    assert ended[name, "well"].value == "well"
    assert nothing_runs_on()


def test_what_bubblewrap_refuses_is_refused_by_the_system(world: str) -> None:
    def error(source: str) -> Outcome:
        return sandbox_named("bubblewrap").run(world + source, [Call("f", ())])[0]

    for trick in ("forks", "opens a socket", "runs another program", "keeps memory in an unnamed file"):
        assert error(HARMLESS[trick]).error[0] == "PermissionError", trick
    assert error(HARMFUL["takes memory at once"]).error[0] == "MemoryError"
    assert error(HARMFUL["writes to the root"]).note.startswith("OSError: [Errno 30]")


# The grade cannot be forged: only the host knows what is right, and it compares


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trick", FORGERIES)
def test_no_forgery_makes_an_answer_right(trick: str, name: str) -> None:
    sandbox = sandbox_named(name)
    target = {"function": "f", "cases": [{"arguments": [1], "returns": SECRET}]}
    task = Task(id="t", set="t", level=1, prompt="", checker="python", target=target)
    score = grade(f"```python\n{FORGERIES[trick]}```", task, graders(sandbox))
    assert score.verdict in (("wrong",) if name == "bubblewrap" else ("wrong", "ungraded")), score
