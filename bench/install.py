"""Other people's tools, each in an environment of its own in the build folder, with what they need to run offline."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bakeoff.errors import BakeoffError
from bench.targets import progress

HERE = Path(__file__).parent
RIVALS = HERE / "build" / "rivals"
MODEL = "deepseek-r1-distill-qwen-7b"
"""The model that the token server says it has."""
BOOK_URL = "http://127.0.0.1/book.txt"
"""Where llama-benchy believes its book to be from; it is found in its cache, never fetched."""
BOOK_LENGTH = 562_205
"""Characters of the book that it takes unless told otherwise: Project Gutenberg's 1661-0.txt."""
TEXT = """\
It was a quiet machine with two cores, and nothing on it ran but the server and the one that measured it. The server
sent a token, and wrote down when; then it waited for the time of the next one, and sent that. The other read what
came, looked at its clock, and wrote that down too. In the end the two lists were laid side by side, line by line,
and the difference between them was all that anybody wanted to know: how late the one had looked at its clock.
"""
TOKENIZER = """
import json, sys
from pathlib import Path
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
folder, text = Path(sys.argv[1]), sys.stdin.read()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=512, initial_alphabet=alphabet, show_progress=False)
tokenizer.train_from_iterator([text], trainer)
folder.mkdir(exist_ok=True)
tokenizer.save(str(folder / "tokenizer.json"))
kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 131072}
(folder / "tokenizer_config.json").write_text(json.dumps(kind))
"""
"""Trains a small byte-level tokenizer on our text: no tokenizer can be downloaded when the tools run."""


def installed(name: str, version: str) -> Path:
    """The folder of this tool's environment, made where it is not there in this version.

    In it: bin/, home/ (to be its HOME) and tokenizer/. Raises BakeoffError where it cannot be installed.
    """
    folder = RIVALS / name
    mark = folder / f"ready-{version}"
    if mark.exists():
        return folder
    progress(f"installing {name} {version} · minutes")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _do([sys.executable, "-m", "venv", str(folder)])
    python = str(folder / "bin" / "python")
    _do([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{name}=={version}"])
    _do([python, "-c", TOKENIZER, str(folder / "tokenizer")], TEXT)
    books = folder / "home" / ".cache" / "llama-benchy"
    books.mkdir(parents=True)
    (books / f"{hashlib.md5(BOOK_URL.encode()).hexdigest()}.txt").write_text(TEXT * (BOOK_LENGTH // len(TEXT)))
    _do([str(folder / "bin" / name), "--help"])  # the first start compiles what the others find compiled
    mark.touch()
    return folder


def _do(command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it did not say why"]
        raise BakeoffError(f"not installed: {lines[-1]}")
