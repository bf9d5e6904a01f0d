"""Set-ups: every script is sound bash, does only what is not done, and says why it does other than asked."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest

from bakeoff.cli.main import main
from bakeoff.cli.stepping import Answer, run_steps, show_states, state_of
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import BakeoffError, UsageError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.machine import HostMemory, Machine
from bakeoff.models.catalogue import R1_FAMILY, find
from bakeoff.models.mlx import half_tensors
from bakeoff.models.names import ENGINE_KINDS, EngineKind, engine_name, names_of
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import file_bytes
from bakeoff.planning.fit import fit
from bakeoff.planning.setup.make import make_setup
from bakeoff.planning.setup.script import fragment, script
from bakeoff.planning.setup.steps import Setup, Step, failing

MAIN_MACHINES = ("rtx-4090", "m3-max-48gb", "cpu")
MACHINES = (*MAIN_MACHINES, "2x-rtx-3090", "rx-7900-xtx", "ryzen-ai-max-395", "gb10")
MODELS = (*(model.short for model in R1_FAMILY), "r1-0528-qwen3-8b", "qwen3-14b", "llama-3.1-8b")


def made(hardware: str, engine: EngineKind, model: str, quant: str | None = None) -> str:
    """The script for a named machine."""
    setup = make_setup(find_machine(hardware), engine, model, quant=quant)
    return script(setup, f"bakeoff setup {model} --engine {engine} --on {hardware}")


def joined(text: str) -> str:
    """A script with its comments' and commands' broken lines put together."""
    return re.sub(r" +", " ", text.replace("\n#", " ").replace("\\\n", " "))


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    """MACHINES × engines × MODELS, on MAIN_MACHINES in each quantization too, as far as they fit."""
    every = {}
    for hardware in MACHINES:
        for engine in ENGINE_KINDS:
            for model in MODELS:
                names = names_of(model).get(engine, ()) if hardware in MAIN_MACHINES else ()
                quants = {name.quant for name in names}
                for quant in (None, *sorted(filter(None, quants))):
                    try:
                        every[f"{hardware} {engine} {model} {quant}"] = made(hardware, engine, model, quant)
                    except UsageError:
                        continue
    return every


def test_every_script_is_bash(scripts: dict[str, str]) -> None:
    assert len(scripts) > 300
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(scripts.values()), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(scripts: dict[str, str], tmp_path: Path) -> None:
    unlike = [f"{hardware} {engine} r1-70b None" for hardware in MAIN_MACHINES for engine in ENGINE_KINDS]
    unlike += ["rtx-4090 vllm llama-3.1-8b None", "rtx-4090 vllm qwen3-14b None", "2x-rtx-3090 vllm r1-7b None"]
    unlike += ["rx-7900-xtx llamacpp r1-7b None", "ryzen-ai-max-395 ollama r1-70b None"]
    files = []
    for name in filter(scripts.__contains__, unlike):
        files.append(tmp_path / f"{name.replace(' ', '-')}.sh")
        files[-1].write_text(scripts[name], encoding="utf-8")
    assert len(files) == 12
    done = subprocess.run(["shellcheck", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_script_stops_at_the_first_failure_and_announces_each_step(scripts: dict[str, str]) -> None:
    for name, text in scripts.items():
        assert text.startswith("#!/usr/bin/env bash\n#"), name
        assert text.index("set -euo pipefail") < text.index("DIR="), name
        numbers = re.findall(r"^echo '\[(\d+)/(\d+)\] ", text, re.MULTILINE)
        assert [int(number) for number, _ in numbers] == list(range(1, int(numbers[0][1]) + 1)), name


def test_every_script_asks_the_question_and_measures_a_subject_that_bakeoff_reads(scripts: dict[str, str]) -> None:
    for name, text in scripts.items():
        assert "What is 247 × 83?" in text, name
        (command,) = re.findall(r"^bakeoff run (.*)$", text, re.MULTILINE)
        subject, *options = shlex.split(command)
        assert parse_subject(subject).engine in ("ollama", "llamacpp", "vllm", "openai"), name
        assert options[0] in ("--context", "--url"), name


def test_no_script_holds_a_token_and_only_a_gated_model_asks_for_one(scripts: dict[str, str]) -> None:
    for name, text in scripts.items():
        asks = "huggingface_hub hf auth login" in text
        assert asks == ("llama-3.1-8b" in name), name
        assert not re.search(r"hf_[A-Za-z0-9]{8}|echo .*HF_TOKEN", text), name


def test_the_head_says_what_it_is_for_and_how_much_it_takes() -> None:
    head = joined(made("rtx-4090", "llamacpp", "r1-7b").partition("set -euo")[0])
    arch = find("r1-7b")
    size = file_bytes(tensors(arch, "Q4_K_M"), arch)
    assert "DeepSeek-R1-Distill-Qwen-7B with llama.cpp on RTX 4090." in head
    assert "unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF, DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf: Q4_K_M" in head
    assert f"Disk {size / 1e9:.2f} GB for the model" in head
    assert "of 24 GB on the GPU, for 4,096 tokens of context" in head
    assert "Licence MIT" in head


def test_a_model_that_does_not_fit_vllm_is_taken_as_a_quantized_checkpoint() -> None:
    text = made("rtx-4090", "vllm", "r1-14b")
    assert "quantized to FP8, because 29.5 GB of BF16 do not fit in 24 GB" in joined(text)
    assert "hf download RedHatAI/DeepSeek-R1-Distill-Qwen-14B-FP8-dynamic" in text
    assert "--max-model-len 4096 --gpu-memory-utilization 0.90" in text
    assert "--quantization" not in text  # the checkpoint says it
    assert 'bakeoff run vllm:r1-14b@FP8 --url "$URL"' in text


def test_on_a_smaller_gpu_the_checkpoint_is_smaller() -> None:
    text = made("rtx-4080", "vllm", "r1-14b")
    assert "hf download RedHatAI/DeepSeek-R1-Distill-Qwen-14B-quantized.w4a16" in text
    assert "because 29.5 GB of BF16 do not fit in 16 GB" in joined(text)


def test_a_model_without_a_known_checkpoint_is_quantized_while_it_is_loaded() -> None:
    text = made("rtx-4090", "vllm", "qwen3-14b")
    assert "hf download Qwen/Qwen3-14B " in text
    assert "--quantization fp8_per_channel" in text
    assert 'bakeoff run vllm:Qwen/Qwen3-14B --url "$URL"' in text
    assert "quantized to FP8 while it is loaded, because 29.5 GB of BF16 do not fit in 24 GB" in joined(text)


def test_a_model_that_fits_is_taken_as_it_was_asked_for() -> None:
    text = made("rtx-4090", "vllm", "r1-7b")
    assert "hf download deepseek-ai/DeepSeek-R1-Distill-Qwen-7B " in text
    assert "quantized" not in text


def test_the_server_is_asked_for_what_bakeoff_asks_for() -> None:
    """A subject of the script is the name that its server has, as Bakeoff itself reads it."""
    for model, quant in (("r1-14b", None), ("r1-7b", "GPTQ"), ("r1-0528-qwen3-8b", None), ("llama-3.1-8b", None)):
        text = made("rtx-4090", "vllm", model, quant)
        (served,) = re.findall(r"--served-model-name (\S+)", text)
        (subject,) = re.findall(r"^bakeoff run (\S+)", text, re.MULTILINE)
        read = parse_subject(subject)
        assert engine_name("vllm", read.model, read.quant).name == served


def test_several_gpus_share_a_model() -> None:
    assert "--tensor-parallel-size 2" in made("2x-rtx-3090", "vllm", "r1-7b")
    assert "parallel-size" not in made("rtx-3090", "vllm", "r1-7b")


@pytest.mark.parametrize("engine", ["ollama", "llamacpp", "mlx"])
def test_a_mac_lets_its_gpu_use_more_and_says_what_is_left(engine: EngineKind) -> None:
    text = made("m3-max-48gb", engine, "r1-70b")
    (limit,) = re.findall(r"^  sudo sysctl iogpu\.wired_limit_mb=(\d+)$", text, re.MULTILINE)
    assert 40_000 < int(limit) < 48 * 1024
    assert f"which leaves macOS {48 - int(limit) / 1024:.1f} of 48 GB" in joined(text)
    assert "wired_limit" not in made("m3-max-128gb", engine, "r1-70b")


@pytest.mark.parametrize("hardware", ["rtx-4090", "rtx-3060"])
def test_layers_are_split_as_planned_and_the_output_counts_as_one(hardware: str) -> None:
    arch = find("r1-70b")
    planned = fit(find_machine(hardware), arch, tensors(arch, "Q4_K_M"), context=4096)
    assert planned.fits == "split"
    assert f"-ngl {planned.gpu_layers + 1} " in made(hardware, "llamacpp", "r1-70b")
    ollama = made(hardware, "ollama", "r1-70b")
    assert f"deepseek-r1:70b-llama-distill-q4_K_M {planned.gpu_layers + 1} 4096" in ollama
    assert f"{planned.gpu_layers} of 80 layers on the GPU" in joined(ollama)


def test_what_the_machine_must_have_is_checked_first() -> None:
    vllm = made("rtx-4090", "vllm", "r1-7b")
    assert "NVIDIA driver 580 or newer" in vllm
    assert "Python 3.11 to 3.14" in vllm
    assert "Compute capability 7.5 or higher" in vllm
    assert "macOS 14 or newer on Apple silicon" in made("m3-max-48gb", "mlx", "r1-7b")
    assert "grep -q -w avx2 /proc/cpuinfo" in made("cpu", "llamacpp", "r1-7b")
    assert "nvidia" not in made("cpu", "ollama", "r1-7b")
    assert "-DGGML_CUDA=ON" in made("rtx-4090", "llamacpp", "r1-7b")
    assert "-DGGML_VULKAN=ON" in made("rx-7900-xtx", "llamacpp", "r1-7b")


def test_ollama_gets_the_long_tag() -> None:
    text = made("rtx-4090", "ollama", "r1-7b")
    assert "ollama pull deepseek-r1:7b-qwen-distill-q4_K_M" in text
    assert "bakeoff run ollama:deepseek-r1:7b-qwen-distill-q4_K_M --context 4096" in text


def test_all_parts_of_a_split_file_are_downloaded() -> None:
    text = made("2x-rtx-3090", "llamacpp", "r1-70b", "Q8_0")
    assert "--include 'DeepSeek-R1-Distill-Llama-70B-Q8_0/DeepSeek-R1-Distill-Llama-70B-Q8_0-*-of-00002.gguf'" in text
    assert engine_name("llamacpp", "r1-70b", "Q8_0").file == re.findall(r'MODEL=".*-GGUF/(.*)"', text)[0]


@pytest.mark.parametrize(
    ("hardware", "engine", "model", "quant", "words"),
    [
        ("rtx-4090", "mlx", "r1-7b", None, "Take --engine vllm, llamacpp or ollama."),
        ("cpu", "mlx", "r1-7b", None, "Take --engine llamacpp or ollama."),
        ("m3-max-48gb", "vllm", "r1-7b", None, "Take --engine mlx, llamacpp or ollama."),
        ("cpu", "vllm", "r1-7b", None, "Take --engine llamacpp or ollama."),
        ("rx-7900-xtx", "vllm", "r1-7b", None, "Take --engine llamacpp or ollama."),
        ("rtx-4090", "llamacpp", "r1-671b", None, "Take a smaller model: bakeoff plan shows what fits."),
        ("rtx-3060", "vllm", "r1-70b", None, "--engine llamacpp does."),
        ("m1-8gb", "mlx", "r1-7b", "8bit", "r1-7b@4bit --engine mlx does."),
        ("rtx-4090", "ollama", "qwen3-8b", None, "does not know what ollama calls qwen3-8b"),
        ("rtx-4090", "vllm", "qwen3-8b", "Q4_K_M", "leave @Q4_K_M out"),
        ("rtx-4090", "ollama", "r1-9b", None, "Did you mean"),
        ("rtx-4090", "ollama", "r1-7b", "Q5_K_M", "It exists as llamacpp:r1-7b@Q5_K_M"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    hardware: str, engine: EngineKind, model: str, quant: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        made(hardware, engine, model, quant)


def test_a_quantization_that_is_named_instead_does_fit() -> None:
    with pytest.raises(UsageError) as refused:
        made("rtx-3060", "vllm", "r1-70b")
    found = re.search(r"(\S+)@(\S+) --engine (\S+) does\.", str(refused.value))
    assert found is not None
    assert found[3] == "llamacpp"
    assert made("rtx-3060", "llamacpp", found[1], found[2])


def test_a_context_beyond_the_trained_one_is_refused() -> None:
    with pytest.raises(UsageError, match="131,072 tokens of context at most"):
        make_setup(find_machine("rtx-4090"), "ollama", "r1-7b", context=200_000)


def test_more_context_can_mean_another_quantization() -> None:
    arch = find("r1-7b")
    assert fit(find_machine("rtx-4090"), arch, half_tensors(arch), context=131_072, engine="vllm").fits == "no"
    text = script(make_setup(find_machine("rtx-4090"), "vllm", "r1-7b", context=131_072), "")
    assert "--max-model-len 131072" in text
    assert "quantized to FP8" in text


def test_a_machine_that_calls_itself_oddly_stays_inside_the_comment() -> None:
    host = HostMemory(memory_bytes=64 << 30, bandwidth_bytes_s=5e10, described="")
    setup = make_setup(Machine(name="odd\n$(reboot)\n`id`", host=host), "llamacpp", "r1-1.5b")
    odd = [line for line in script(setup, "").splitlines() if "reboot" in line or "`id`" in line]
    assert odd == ["# DeepSeek-R1-Distill-Qwen-1.5B with llama.cpp on odd $(reboot) `id`."]


# --- scripts that run -------------------------------------------------------------------------------------------------

SERVER = """#!{python}
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self): self.answer(b"ok")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b'{{"choices": [{{"message": {{"content": "It is 20,501."}}}}]}}')
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
DOWNLOAD = """#!/usr/bin/env bash
while [ $# -gt 0 ]; do
  case "$1" in --include) file="$2" ;; --local-dir) folder="$2" ;; esac
  shift
done
mkdir -p "$folder" && echo GGUF > "$folder/$file"
"""


class Sandbox:
    """A PATH whose engine, downloads and Bakeoff are stand-ins, and a folder for the set-up."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home = folder / "home"
        self._programs = folder / "programs"
        self._programs.mkdir()
        self.path = f"{self._programs}:{os.environ['PATH']}"
        self._port = port
        self.program("llama-server", SERVER.format(python=sys.executable))
        self.program("uvx", DOWNLOAD)
        self.program("uv", "#!/bin/sh\n")
        self.program("bakeoff", '#!/bin/sh\necho "measured: $*"\n')
        self.program("sleep", f"#!/bin/sh\nexec {shutil.which('sleep')} 0.05\n")
        for tool in ("curl", "git", "cmake", "c++"):
            if shutil.which(tool) is None:
                self.program(tool, "#!/bin/sh\nexit 1\n")

    def program(self, name: str, text: str) -> None:
        """Put a program there."""
        file = self._programs / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": self.path, "BAKEOFF_SETUP_DIR": str(self.home), "PORT": str(self._port)}

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a script to its end."""
        return subprocess.run(
            ["bash"], input=text, capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )

    def stop(self) -> None:
        """End the server that a script left running."""
        for file in self.home.glob("*.pid"):
            subprocess.run(["kill", file.read_text().strip()], check=False)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    from bakeoff.engines.launch import free_port

    made = Sandbox(tmp_path, free_port())
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_a_script_runs_to_the_measurement_and_a_second_time_leaves_alone_what_is_done(sandbox: Sandbox) -> None:
    text = made("cpu", "llamacpp", "r1-1.5b")
    first, second = sandbox.run(text), sandbox.run(text)
    for done in (first, second):
        assert (done.returncode, done.stderr) == (0, "")
        assert "Right: it has 20,501." in done.stdout
        assert "measured: run llamacpp:r1-1.5b@Q4_K_M --url http://127.0.0.1:" in done.stdout
    steps = first.stdout.count("/13] ")
    assert steps == 26 / 2
    assert second.stdout.count("done already") == steps - 2  # all but the question and the measurement
    assert first.stdout.count("done already") == second.stdout.count("done already") - 3  # folder, weights, server


def test_a_download_that_fails_is_told_in_a_sentence_and_leaves_no_sign_of_success(sandbox: Sandbox) -> None:
    sandbox.program("uvx", "#!/bin/sh\nexit 1\n")
    done = sandbox.run(made("cpu", "llamacpp", "r1-1.5b"))
    assert done.returncode == 1
    assert "Error: The download failed. Is the network up, and https://huggingface.co/unsloth/" in done.stderr
    assert list(sandbox.home.rglob("*.complete")) == []


def test_a_download_of_nothing_is_a_failure(sandbox: Sandbox) -> None:
    sandbox.program("uvx", "#!/bin/sh\n")
    done = sandbox.run(made("cpu", "llamacpp", "r1-1.5b"))
    assert done.returncode == 1
    assert "no longer has what is needed" in done.stderr


@needs_curl
def test_a_server_that_ends_is_told_with_the_end_of_its_log(sandbox: Sandbox) -> None:
    sandbox.program("llama-server", "#!/bin/sh\necho 'not enough memory'\nexit 1\n")
    done = sandbox.run(made("cpu", "llamacpp", "r1-1.5b"))
    assert done.returncode == 1
    assert "llama-server ended while it started." in done.stderr
    assert "not enough memory" in done.stderr


@needs_curl
def test_another_server_on_the_port_is_not_taken_for_ours(sandbox: Sandbox) -> None:
    theirs = subprocess.Popen(
        [sandbox.home.parent / "programs" / "llama-server", "--port", sandbox.environment["PORT"]]
    )
    try:
        subprocess.run(
            ["curl", "-s", "--retry", "20", "--retry-connrefused", f"http://127.0.0.1:{sandbox.environment['PORT']}"],
            check=True,
            capture_output=True,
        )
        done = sandbox.run(made("cpu", "llamacpp", "r1-1.5b"))
    finally:
        theirs.kill()
        theirs.wait()
    assert done.returncode == 1
    assert "is taken by another server" in done.stderr


def test_a_script_for_other_hardware_stops_before_it_changes_anything(sandbox: Sandbox) -> None:
    sandbox.program("nvidia-smi", "#!/bin/sh\nexit 1\n")
    done = sandbox.run(made("rtx-4090", "vllm", "r1-7b"))
    assert done.returncode == 1
    assert "Error: No NVIDIA driver 580 or newer answers." in done.stderr
    assert list(sandbox.home.iterdir()) == []


@pytest.mark.parametrize(
    ("driver", "memory", "capability", "stops_at"),
    [
        ("580.95.05", "24564", "8.9", None),
        ("550.144", "24564", "8.9", "No NVIDIA driver 580"),
        ("580.95.05", "16376", "8.9", "less than 24 GB"),
        ("580.95.05", "24564", "6.1", "too old for vLLM"),
    ],
)
def test_the_gpu_is_read_from_its_driver(
    sandbox: Sandbox, driver: str, memory: str, capability: str, stops_at: str | None
) -> None:
    answers = f"*driver_version*) echo {driver} ;; *memory.total*) echo {memory} ;; *compute_cap*) echo {capability} ;;"
    sandbox.program("nvidia-smi", f'#!/bin/sh\ncase "$*" in {answers} esac\n')
    sandbox.program("cc", "#!/bin/sh\n")
    sandbox.program("uv", "#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    done = sandbox.run(made("rtx-4090", "vllm", "r1-7b"))
    assert done.returncode == 1
    assert (stops_at or "no network") in done.stderr


# --- the command ------------------------------------------------------------------------------------------------------


def steps_of(*steps: Step) -> Setup:
    """A set-up of these steps."""
    return Setup(title="A test", facts=(), definitions=("WORD=word",), steps=steps, closing=())


def test_the_script_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "r1-14b", "--engine", "vllm", "--on", "rtx-4090"]) == 0
    said = capsys.readouterr()
    assert said.out == made("rtx-4090", "vllm", "r1-14b")
    assert said.err == ""


def test_this_machine_is_set_up_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "r1-1.5b", "--engine", "llamacpp"]) == 0
    assert "# Made by: bakeoff setup r1-1.5b --engine llamacpp\n" in capsys.readouterr().out


def test_a_saved_script_is_executable_and_not_overwritten_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "setup.sh"
    words = ["setup", "r1-7b@Q8_0", "--engine", "ollama", "--on", "m3-max-48gb", "--save", str(file)]
    assert main(words) == 0
    first = file.read_text(encoding="utf-8")
    assert os.access(file, os.X_OK)
    assert "ollama pull deepseek-r1:7b-qwen-distill-q8_0" in first
    file.write_text("mine")
    assert main(words) == 1
    assert file.read_text() == "mine"
    assert "add --force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert file.read_text(encoding="utf-8") == first
    assert [path.name for path in tmp_path.iterdir()] == ["setup.sh"]


def test_a_file_that_cannot_be_written_gets_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no" / "setup.sh"
    assert main(["setup", "r1-7b", "--engine", "ollama", "--on", "cpu", "--save", str(missing)]) == 1
    assert "could not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--check", "--run"], "exclude each other"),
        (["--save", "x.sh", "--check"], "exclude each other"),
        (["--force"], "name it with --save"),
        (["--yes"], "add --run"),
        (["--host-memory", "32"], "add --on"),
        (["--run"], "add --yes"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(["setup", "r1-7b", "--engine", "llamacpp", *words]) == 2
    assert said in capsys.readouterr().err


def test_host_memory_decides_whether_a_split_fits(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["setup", "r1-70b", "--engine", "llamacpp", "--on", "rtx-4090"]
    assert main([*words, "--host-memory", "16"]) == 2
    assert "does not fit on RTX 4090" in capsys.readouterr().err
    assert main([*words, "--host-memory", "32"]) == 0
    assert "--host-memory 32" in capsys.readouterr().out


def test_checking_says_what_is_done_and_changes_nothing(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "r1-1.5b", "--engine", "llamacpp", "--on", "cpu", "--check"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"^to do +1\. A folder for it all$", said, re.MULTILINE)
    assert re.search(r"^done +\d+\. uv$", said, re.MULTILINE)
    assert re.search(r"^to do +\d+\. The weights, from unsloth/\S+ \(1\.12 GB\)$", said, re.MULTILINE)
    assert re.search(r"^each time +\d+\. A first question$", said, re.MULTILINE)
    assert not sandbox.home.exists()


@needs_curl
def test_checking_after_a_run_finds_nothing_left_to_do(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["setup", "r1-1.5b", "--engine", "llamacpp", "--on", "cpu"]
    assert main([*words, "--run", "--yes"]) == 0
    assert "Right: it has 20,501." in capsys.readouterr().out
    assert main([*words, "--check"]) == 0
    assert "All is done" in capsys.readouterr().out


def test_a_check_that_hangs_is_ended_and_its_state_unknown() -> None:
    setup = steps_of(Step(title="slow", why="", lines=(), check="tail -f /dev/null"))
    assert state_of(setup, setup.steps[0], timeout_s=0.1) == "unknown"
    assert show_states(steps_of(Step(title="once", why="", lines=(), check="true"))) == 0


def test_steps_are_shown_and_run_as_they_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def step(name: str) -> Step:
        path = shlex.quote(str(tmp_path / name))
        return Step(title=name, why=f"because of {name}", lines=(f"echo $WORD > {path}",), check=f"[ -e {path} ]")

    (tmp_path / "there").touch()
    setup = steps_of(*(step(name) for name in ("there", "wanted", "unwanted", "rest", "last")))
    answers: Iterator[Answer] = iter(["y", "n", "all"])
    assert run_steps(setup, lambda: next(answers)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "rest", "there", "wanted"]
    assert (tmp_path / "there").read_text() == ""
    assert (tmp_path / "last").read_text() == "word\n"
    said = capsys.readouterr().out
    assert "[1/5] there\ndone already\n" in said
    assert f"because of unwanted\n    echo $WORD > {tmp_path / 'unwanted'}" in said


def test_quitting_stops_there(tmp_path: Path) -> None:
    steps = [Step(title=name, why="", lines=(f"touch {tmp_path / name}",)) for name in ("one", "two")]
    answers: Iterator[Answer] = iter(["y", "quit"])
    assert run_steps(steps_of(*steps), lambda: next(answers)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_step_that_fails_ends_it_with_the_end_of_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ('for i in $(seq 40); do echo "line $i"; done', "printf '\\033[31mlast words\\033[0m\\n' >&2", "exit 7")
    steps = [Step(title="break", why="", lines=lines), Step(title="after", why="", lines=("echo never",))]
    with pytest.raises(BakeoffError) as failed:
        run_steps(steps_of(*steps), lambda: "all")
    said = str(failed.value)
    assert said.startswith(
        "Step 1 (break) failed with exit status 7: line 37 | line 38 | line 39 | line 40 | last words."
    )
    out = capsys.readouterr().out
    assert "line 1\n" in out
    assert "never" not in out
    assert "\033" not in out


def test_a_server_that_a_step_leaves_running_does_not_hold_it_up(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    lines = (f"nohup tail -f /dev/null 2> /dev/null & echo $! > {pid}",)  # its output still goes to our pipe
    try:
        assert run_steps(steps_of(Step(title="serve", why="", lines=lines)), lambda: "all") == 0
    finally:
        subprocess.run(["kill", pid.read_text().strip()], check=False)


def at_a_terminal(words: list[str], typed: bytes, environment: dict[str, str]) -> tuple[int, str]:
    """Run Bakeoff at a terminal of its own, with this typed; its exit code, and all that was on the screen."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "bakeoff", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.write(ours, typed)
    screen = b""
    with suppress(OSError):  # how a terminal says that nobody is left
        while data := os.read(ours, 1 << 16):
            screen += data
    os.close(ours)
    return running.wait(), screen.decode()


@needs_curl
def test_at_a_terminal_each_step_is_asked_for(sandbox: Sandbox) -> None:
    words = ["setup", "r1-1.5b", "--engine", "llamacpp", "--on", "cpu", "--run"]
    code, screen = at_a_terminal(words, b"perhaps\nquit\n", sandbox.environment)
    assert code == 1
    assert "Run it? (y, n, all, quit) [y]" in screen
    assert not sandbox.home.exists()
    code, screen = at_a_terminal(words, b"y\nall\n", sandbox.environment)
    assert code == 0
    assert screen.count("Run it?") == 2
    assert "Right: it has 20,501." in screen


def test_at_a_terminal_a_step_has_one_too_and_its_last_words_are_told(sandbox: Sandbox) -> None:
    sandbox.program("uvx", "#!/bin/sh\n[ -t 1 ] && echo 'at a terminal'\nexit 1\n")
    words = ["setup", "r1-1.5b", "--engine", "llamacpp", "--on", "cpu", "--run", "--yes"]
    code, screen = at_a_terminal(words, b"", sandbox.environment)
    assert code == 1
    assert re.search(r"failed with exit status 1: at a terminal \| Error: The download failed\.", screen)


def test_windows_is_told_where_to_run_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert main(["setup", "r1-7b", "--engine", "ollama"]) == 2
    assert "WSL 2" in capsys.readouterr().err


@pytest.mark.parametrize("unless", ["", "true", "command -v something-with-a-long-name > /dev/null"])
@pytest.mark.parametrize("text", ["Short.", "A sentence that goes on " * 8 + "and ends."])
def test_a_sentence_reaches_the_reader_whole_however_it_is_broken(text: str, unless: str) -> None:
    body: Sequence[str] = failing(text, unless)
    setup = Setup(title="", facts=(), definitions=("fail() { printf '%s' \"$*\"; exit 3; }",), steps=(), closing=())
    done = subprocess.run(["bash", "-c", fragment(setup, "\n".join(body))], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == ((0, "") if unless == "true" else (3, text))
