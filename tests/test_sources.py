"""Models as users name them: by catalogue, by file, by address, of which only headers come."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError, FileError, UsageError
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import R1_FAMILY
from bakeoff.models.gguf_write import header_bytes
from bakeoff.models.recipes import tensors
from bakeoff.models.weights import tensor_bytes
from bakeoff.planning.sources import Source, sources_of

USUAL = ("Q4_0", "Q4_K_M", "F16")
TINY = Architecture(
    name="tiny", family="llama", layers=2, hidden=256, intermediate=512, heads=4, kv_heads=2, head_dim=64, vocab=20_000,
    tied=False, max_position=2048,
)  # fmt: skip
CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 2048,
}  # fmt: skip
METADATA: dict[str, Any] = {
    "general.architecture": "llama", "general.file_type": 15, "llama.block_count": 2, "llama.context_length": 2048,
    "llama.embedding_length": 256, "llama.feed_forward_length": 512, "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
}  # fmt: skip


def one(text: str) -> Source:
    (found,) = sources_of(text, USUAL)
    return found


def gguf(folder: Path, name: str = "tiny.gguf") -> Path:
    """A GGUF of the tiny model at Q4_K_M, its weights a hole in the file."""
    specs = tensors(TINY, "Q4_K_M")
    header = header_bytes(METADATA, specs)
    with (folder / name).open("wb") as file:
        file.write(header)
        file.truncate(len(header) + sum(-(-spec.bytes // 32) * 32 for spec in specs))
    return folder / name


def safetensors(folder: Path) -> Path:
    """A folder of Hugging Face's format with one tensor in half precision."""
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    entry = {"dtype": "BF16", "shape": [300, 256], "data_offsets": [0, 300 * 256 * 2]}
    header = json.dumps({"model.embed_tokens.weight": entry}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 300 * 256 * 2)
    return folder


def test_a_short_name_gives_every_usual_quantization_in_order() -> None:
    found = sources_of("r1-7b", USUAL)
    assert [(source.name, source.quant) for source in found] == [("r1-7b", quant) for quant in USUAL]
    assert found[1].tensors == tensors(found[1].architecture, "Q4_K_M")
    assert found[1].file_bytes is not None
    assert found[1].file_bytes > tensor_bytes(found[1].tensors)


@pytest.mark.parametrize(
    ("text", "name", "quant"),
    [
        ("r1-14b@Q8_0", "r1-14b", "Q8_0"),
        ("R1-14B@q8_0", "r1-14b", "Q8_0"),
        (" llama-3-8b@fp16 ", "llama-3-8b", "F16"),
        ("DeepSeek-R1-Distill-Qwen-7B@q4_K_M", "r1-7b", "Q4_K_M"),
        ("deepseek-ai/DeepSeek-R1@Q2_K", "r1-671b", "Q2_K"),
        ("r1-70b@4bit", "r1-70b", "4bit"),
        ("r1-70b@8BIT", "r1-70b", "8bit"),
    ],
)
def test_a_quantization_stands_behind_the_name(text: str, name: str, quant: str) -> None:
    found = one(text)
    assert (found.name, found.quant) == (name, quant)


def test_mlx_takes_its_own_tensors() -> None:
    found = one("r1-7b@4bit")
    assert {spec.type.name for spec in found.tensors} == {"4bit", "F16"}
    assert found.file_bytes == tensor_bytes(found.tensors)


def test_the_whole_family_has_a_name() -> None:
    assert [one(f"{model.short}@Q6_K").name for model in R1_FAMILY] == [model.short for model in R1_FAMILY]


def test_a_wrong_name_or_quantization_is_answered_with_the_likely_ones() -> None:
    with pytest.raises(UsageError, match=r"No model 'r1-7bb' in the catalogue\. Did you mean r1-7b"):
        one("r1-7bb")
    with pytest.raises(UsageError, match=r"No quantization 'Q4_K_X'\. Did you mean"):
        one("r1-7b@Q4_K_X")


def test_a_gguf_file_says_what_it_is(tmp_path: Path) -> None:
    path = gguf(tmp_path)
    found = one(str(path))
    assert (found.name, found.quant, found.file_bytes) == ("tiny.gguf", "Q4_K_M", path.stat().st_size)
    assert found.tensors == tensors(TINY, "Q4_K_M")
    assert (found.architecture.layers, found.architecture.kv_heads) == (2, 2)


def test_a_file_in_the_current_folder_needs_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf(tmp_path, "model")
    monkeypatch.chdir(tmp_path)
    assert one("model").quant == "Q4_K_M"


def test_a_file_may_have_an_at_sign_in_its_name(tmp_path: Path) -> None:
    found = one(str(gguf(tmp_path, "tiny@home")))
    assert (found.name, found.quant) == ("tiny@home", "Q4_K_M")


def test_a_files_shape_is_planned_at_another_quantization(tmp_path: Path) -> None:
    found = one(f"{gguf(tmp_path)}@Q8_0")
    assert (found.name, found.quant) == ("tiny.gguf", "Q8_0")
    assert found.tensors == tensors(found.architecture, "Q8_0")


def test_a_folder_of_safetensors_is_read_by_its_headers(tmp_path: Path) -> None:
    folder = tmp_path / "Tiny-1M"
    folder.mkdir()
    found = one(f"{safetensors(folder)}/")
    assert (found.name, found.quant) == ("Tiny-1M", "BF16")
    assert tensor_bytes(found.tensors) == 300 * 256 * 2


def test_a_config_alone_gives_the_unquantized_tensors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"torch_dtype": "float16"}), "utf-8")
    found = one(str(tmp_path / "config.json"))
    assert (found.quant, found.architecture.hidden) == ("F16", 256)
    assert one(f"{tmp_path / 'config.json'}@Q4_0").quant == "Q4_0"


@pytest.mark.parametrize("name", ["missing.gguf", "no/such/folder", "./r1-7b"])
def test_a_missing_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"There is no file .*\. Check the path\."):
        one(name)


class _Ranges(BaseHTTPRequestHandler):
    """Serves a folder by ranges, and counts what it sent."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, sent: list[int], *args: Any) -> None:
        self.folder, self.sent = folder, sent
        super().__init__(*args)

    def do_GET(self) -> None:
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            self._answer(404, b"")
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, data)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        self._answer(206, part, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.sent.append(len(body))

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[int]]]:
    sent: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, folder, sent))
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_of_a_file_on_a_server_only_the_header_comes(tmp_path: Path) -> None:
    path = gguf(tmp_path)
    with serving(tmp_path) as (url, sent):
        found = one(f"{url}/tiny.gguf?download=true")
    assert (found.name, found.quant, found.file_bytes) == ("tiny.gguf", "Q4_K_M", path.stat().st_size)
    assert found.tensors == tensors(TINY, "Q4_K_M")
    assert sum(sent) < path.stat().st_size / 4


def test_a_repository_is_read_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "owner" / "Tiny-1M" / "resolve" / "main"
    folder.mkdir(parents=True)
    safetensors(folder)
    gguf(folder)
    with serving(tmp_path) as (url, _):
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert (one("hf:owner/Tiny-1M").name, one("hf:owner/Tiny-1M").quant) == ("Tiny-1M", "BF16")
        assert (one("hf:owner/Tiny-1M:tiny.gguf").name, one("hf:owner/Tiny-1M:tiny.gguf").quant) == (
            "tiny.gguf",
            "Q4_K_M",
        )
        assert one("hf:owner/Tiny-1M@Q6_K").quant == "Q6_K"
        with pytest.raises(FileError, match=r"was refused \(HTTP 404\)\. Check the name\."):
            one("hf:owner/Tiny-1M:other.gguf")


@given(st.text(max_size=30))
def test_any_text_gives_a_model_or_a_sentence(text: str) -> None:
    if text.lower().startswith(("hf:", "http")):
        return
    with suppress(BakeoffError):
        assert sources_of(text, USUAL)
