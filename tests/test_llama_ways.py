"""Which way llama.cpp is there, and what of the command line reaches it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.base import Capabilities, Description
from bakeoff.engines.child import ALL_LAYERS, ChildConfig, _params
from bakeoff.engines.embedded import EmbeddedLlama
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import EngineError, EngineMissing, FileError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.gpus import FoundGpu
from bakeoff.hardware.reader import System
from bakeoff.models.catalogue import find
from bakeoff.models.gguf import SYNTHETIC_KEY
from bakeoff.models.recipes import tensors
from bakeoff.models.synthetic import synthesize
from bakeoff.results.records import Model, Workload
from bakeoff.run import llama
from bakeoff.run.contestants import contestant
from bakeoff.run.predicting import Predictor, Weights
from tests.fakes import MODEL, FakeLlamaServer, hosted
from tests.servers import run
from tests.split_gguf import cut
from tests.test_embedded import child_runs
from tests.test_llama_launched import SPLIT, stand_in
from tests.test_synthetic import TINY

GPU = FoundGpu(name="Some GPU", vendor="nvidia")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small model that passes for a real one, which is asked in words."""
    file = tmp_path / "tiny.gguf"
    made = synthesize(TINY, "Q4_0", tmp_path).read_bytes()
    file.write_bytes(made.replace(SYNTHETIC_KEY.encode(), b"x" * len(SYNTHETIC_KEY)))
    return file


def machine(monkeypatch: pytest.MonkeyPatch, *, embedded: bool, on_path: bool, gpu: bool) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if embedded else None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if on_path else None)
    monkeypatch.setattr(llama, "found_gpus", lambda reader: (GPU,) if gpu else ())


def way(weights: Path, **options: Any) -> str:
    made = contestant(parse_subject(f"llamacpp:{weights}"), EngineOptions(**options), lambda *_: None)
    return type(made.engine).__name__


@pytest.mark.parametrize(
    ("embedded", "on_path", "gpu", "expected"),
    [
        (True, True, True, "LaunchedLlama"),
        (True, True, False, "EmbeddedLlama"),
        (True, False, True, "EmbeddedLlama"),
        (True, False, False, "EmbeddedLlama"),
        (False, True, False, "LaunchedLlama"),
    ],
)
def test_a_llama_server_on_path_is_for_a_gpu_and_what_is_embedded_for_the_rest(
    embedded: bool, on_path: bool, gpu: bool, expected: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, embedded=embedded, on_path=on_path, gpu=gpu)
    assert way(weights) == expected


def test_what_is_named_is_taken(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, embedded=True, on_path=False, gpu=False)
    assert way(weights, program="/opt/llama-server") == "LaunchedLlama"
    assert way(weights, url="http://127.0.0.1:8080") == "AttachedLlama"


def test_without_any_both_installations_are_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, embedded=False, on_path=False, gpu=True)
    with pytest.raises(EngineMissing, match=r"pip install 'bakeoff\[embedded\]'; or a llama-server \(brew install"):
        way(weights)


# A model in several files


def described(model: Path) -> Model:
    """The weights as the run file would have them."""
    made = contestant(parse_subject(f"llamacpp:{model}"), EngineOptions(program="/bin/true"), lambda *_: None)
    return made.engine.describe().model


@pytest.mark.parametrize("named", [0, 1])
def test_a_split_model_is_all_of_its_files_whichever_is_named(weights: Path, tmp_path: Path, named: int) -> None:
    parts = cut(weights, tmp_path, 3)
    whole, split = described(weights), described(parts[named])
    assert split.parameters == whole.parameters
    assert split.size_bytes == sum(part.stat().st_size for part in parts)
    joined = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert split.digest == f"sha256:{joined}"


def test_a_split_model_of_which_a_file_is_missing_is_told(weights: Path, tmp_path: Path) -> None:
    first, second, _ = cut(weights, tmp_path, 3)
    second.unlink()
    with pytest.raises(FileError, match=rf"^There is no file .*{second.name}\. Check the path\.$"):
        described(first)


def test_a_split_model_is_loaded_by_its_first_file(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = cut(weights, tmp_path, 3)
    assert bakeoff(f"llamacpp:{parts[1]}", "--program", stand_in(tmp_path), "--json") == 0
    (log,) = Path(json.loads(capsys.readouterr().out)["file"]).with_suffix("").iterdir()
    arguments = json.loads(log.read_text().splitlines()[0])["arguments"]
    assert arguments[arguments.index("-m") + 1] == str(parts[0])


# The command line


def bakeoff(*arguments: str) -> int:
    code = main(["run", *arguments, "--runs", "2", "--max-tokens", "8", "--prompt", "Count."])
    assert psutil.Process().children(recursive=True) == []
    return code


def test_each_number_of_layers_is_a_cell_of_its_own(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = stand_in(tmp_path)
    subject = f"llamacpp:{weights}"
    assert bakeoff(subject, "--program", program, "--gpu-layers", "0,20,all,auto,20", "--no-anchors", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    subjects = [cell["subject"] for cell in document["cells"]]
    assert [each["settings"]["gpu_layers"] for each in subjects] == [0, 20, "all", "auto"]
    assert [each["text"] for each in subjects] == [f"{subject} --gpu-layers {n}" for n in (0, 20, "all", "auto")]
    logs = sorted(Path(document["file"]).with_suffix("").iterdir())
    starts = [json.loads(log.read_text().splitlines()[0])["arguments"] for log in logs]
    asked = [start[start.index("-ngl") + 1] if "-ngl" in start else "auto" for start in starts]
    assert sorted(asked) == ["0", "20", str(ALL_LAYERS), "auto"]


def test_where_there_is_no_gpu_its_layers_fail_and_the_others_are_measured(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text("warning: no usable GPU found, --gpu-layers option will be ignored\n")
    assert bakeoff(f"llamacpp:{weights}", "--program", stand_in(tmp_path, log), "--gpu-layers", "0,20", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert [cell["subject"]["settings"]["gpu_layers"] for cell in document["cells"]] == [0]
    (failure,) = document["failures"]
    assert failure["subject"].endswith("--gpu-layers 20")
    assert "would do nothing" in failure["error"]


def test_the_screen_says_how_long_the_start_took_and_where_the_layers_are(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(SPLIT)
    assert bakeoff(f"llamacpp:{weights}", "--program", stand_in(tmp_path, log), "--gpu-layers", "20") == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "20 of 33 layers on the GPU · ready in " in screen


def test_what_the_engine_holds_by_its_own_account_is_kept_part_by_part(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(SPLIT)
    assert bakeoff(f"llamacpp:{weights}", "--program", stand_in(tmp_path, log), "--json") == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert {"what": "weights", "device": "CUDA0", "bytes": int(2700.5 * 2**20)} in cell["engine_memory"]
    whole = sum(part["bytes"] for part in cell["engine_memory"])
    assert cell["metrics"]["peak_memory_bytes"]["engine"]["point"] == whole
    assert cell["start"]["ready_s"] > 0
    assert cell["start"]["page_cache"] in ("cold", "warm", "unknown")


def test_a_server_that_is_running_is_measured_and_left_running(capsys: pytest.CaptureFixture[str]) -> None:
    with hosted(FakeLlamaServer()) as url:
        for _ in range(2):
            assert bakeoff(f"llamacpp:{MODEL}", "--url", url, "--json") == 0
            (cell,) = json.loads(capsys.readouterr().out)["cells"]
            assert (cell["subject"]["attached"], cell["start"]) == (True, None)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["llamacpp:tiny", "--gpu-layers", "20,many"], 2, "'many' is no number of layers"),
        (["llamacpp:tiny", "--gpu-layers", "-3"], 2, "'-3' is no number of layers"),
        (["openai:tiny", "--url", "http://127.0.0.1:9", "--gpu-layers", "3"], 2, "--gpu-layers is for llamacpp and"),
        (["scripted:steady", "--flash-attention"], 2, "scripted:steady does not take it"),
        (["llamacpp:tiny", "--url", "http://127.0.0.1:9", "--gpu-layers", "3"], 2, "runs as it was started"),
        (["llamacpp:tiny", "--url", "http://127.0.0.1:9", "--synthetic"], 2, "what its server has"),
        (["llamacpp:tiny", "--url", "http://127.0.0.1:9"], 1, "Start it with 'llama-server -m FILE'"),
        (["llamacpp:nowhere.gguf", "--program", "/nowhere"], 1, "There is no file nowhere.gguf"),
        (["llamacpp:deepseek-r1:7b"], 1, "is no GGUF file. It looks like Ollama's: ollama:deepseek-r1:7b."),
        (["llamacpp:deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"], 1, "the name that vllm has for it: vllm:r1-7b@BF16."),
        (["llamacpp:WEIGHTS", "--program", "/bin/false"], 1, "and said nothing: is that the right program?"),
        (["llamacpp:WEIGHTS", "--program", "/nowhere"], 1, "There is no program /nowhere"),
        (["llamacpp:WEIGHTS", "--program", "STAND_IN", "--gpu", "7"], 2, "There is no NVIDIA GPU '7' here"),
    ],
)
def test_bad_input_gets_a_sentence(
    arguments: list[str],
    code: int,
    words: str,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(System, "output", lambda self, *command: "")
    places = {"WEIGHTS": str(weights), "STAND_IN": stand_in(tmp_path)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    assert bakeoff(*arguments) == code
    printed = capsys.readouterr()
    assert words in " ".join(printed.err.split())
    assert "Traceback" not in printed.err


def predicted(on_gpu: int) -> float:
    model = find("r1-8b")
    about = Description(
        engine="llamacpp", version=None, model=Model(name="r1-8b"), attached=False, capabilities=Capabilities(),
        settings={"layers_on_gpu": on_gpu, "layers": 33}, device="gpu",
    )  # fmt: skip
    predictor = Predictor(find_machine("RTX 4090"), {})
    made = predictor(Weights(model, tensors(model, "Q4_K_M")), about, Workload(name="own", prompt="?"), 100)
    assert made is not None
    return made.decode_tps.point


def test_a_split_is_held_against_the_prediction_of_a_split() -> None:
    assert predicted(10) < predicted(20) < predicted(32) < predicted(33)


# The embedded engine


def test_layers_for_a_gpu_that_the_embedded_engine_lacks_are_not_ignored_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = """if True:
        import sys
        sys.stdin.readline()
        print('{"url": "http://127.0.0.1:9"}', flush=True)
        sys.stdin.read()
    """
    child_runs(monkeypatch, program)
    engine = EmbeddedLlama(
        Path("model.gguf"), Model(name="tiny"), context=512, threads=1, opens_thinking=None, gpu_layers=99
    )

    async def enter() -> None:
        async with engine:
            pass

    with pytest.raises(EngineError, match=r"has no GPU that it can use, so --gpu-layers 99 would do nothing"):
        run(enter())
    assert psutil.Process().children(recursive=True) == []


def test_the_embedded_engine_is_given_its_layers_and_flash_attention() -> None:
    kinds = pytest.importorskip("xllamacpp").llama_flash_attn_type
    left = _params(ChildConfig(model="m", context=512, threads=1))
    given = _params(ChildConfig(model="m", context=512, threads=1, gpu_layers=20, flash_attention=False))
    every = _params(ChildConfig(model="m", context=512, threads=1, gpu_layers=-1, flash_attention=True))
    assert left.n_gpu_layers < 0
    assert left.flash_attn_type == kinds.LLAMA_FLASH_ATTN_TYPE_AUTO
    assert (given.n_gpu_layers, given.flash_attn_type) == (20, kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    assert (every.n_gpu_layers, every.flash_attn_type) == (ALL_LAYERS, kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED)


@pytest.mark.parametrize("has", [True, False])
def test_whether_weights_bring_a_chat_template_is_read_from_their_file(
    has: bool, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, embedded=True, on_path=False, gpu=False)
    if not has:
        weights.write_bytes(weights.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.none_template"))
    engine = contestant(parse_subject(f"llamacpp:{weights}"), EngineOptions(), lambda *_: None).engine
    model = engine._model  # type: ignore[attr-defined]  # describe() asks for what is installed
    assert model.chat_template is has
