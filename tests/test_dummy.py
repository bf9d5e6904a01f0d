"""A model's shape written as Hugging Face's files, and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from bakeoff.errors import FileError
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import MODELS
from bakeoff.models.config import parse_config
from bakeoff.models.config_write import config_json
from bakeoff.models.dummy import dummy_folder

SMALL = MODELS["smollm2-135m"]
ODD = {
    "a window": replace(MODELS["mistral-7b"], sliding_window=4096),
    "a window of Qwen's": replace(MODELS["qwen2.5-7b"], sliding_window=131_072),
    "a bias": replace(SMALL, qkv_bias=True),
    "Gemma": Architecture(
        name="gemma", family="gemma3", layers=26, hidden=1152, intermediate=6912, heads=4, kv_heads=1, head_dim=256,
        vocab=262_144, tied=True, max_position=32_768, qk_norm=True, sliding_window=512, rope_base=1e6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("arch", [*MODELS.values(), *ODD.values()], ids=[*MODELS, *ODD])
def test_the_shape_that_was_written_is_the_shape_that_is_read(arch: Architecture) -> None:
    read, kind = parse_config(config_json(arch), arch.name)
    assert read == replace(arch, short="", source="", licence="")
    assert kind == "BF16"


def test_the_type_of_the_weights_is_read_back() -> None:
    assert parse_config(config_json(SMALL, "float16"), "it")[1] == "F16"


def test_what_makes_a_config_usable_to_transformers_is_there() -> None:
    config = json.loads(config_json(MODELS["r1-8b"]))
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["rope_scaling"]["rope_type"] == "llama3"


def test_a_dummy_folder_holds_the_shape_and_a_word_for_every_id(tmp_path: Path) -> None:
    folder = dummy_folder(SMALL, tmp_path)
    assert parse_config((folder / "config.json").read_bytes(), SMALL.name)[0].layers == SMALL.layers
    words = json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    assert sorted(words.values()) == list(range(SMALL.vocab))
    assert all(word.strip() for word in words)
    assert "chat_template" in json.loads((folder / "tokenizer_config.json").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_dummy_folder_is_written_once(tmp_path: Path) -> None:
    folder = dummy_folder(SMALL, tmp_path)
    before = (folder / "config.json").stat().st_mtime_ns
    assert dummy_folder(SMALL, tmp_path) == folder
    assert (folder / "config.json").stat().st_mtime_ns == before


def test_another_shape_of_the_same_name_has_a_folder_of_its_own(tmp_path: Path) -> None:
    named = replace(SMALL, short="", name="../my model")
    one, other = dummy_folder(named, tmp_path), dummy_folder(replace(named, layers=2), tmp_path)
    assert one != other
    assert {one.parent, other.parent} == {tmp_path}


def test_another_type_of_weights_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert dummy_folder(SMALL, tmp_path) != dummy_folder(SMALL, tmp_path, "float16")


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileError, match=r"could not be written .*BAKEOFF_HOME"):
        dummy_folder(SMALL, tmp_path / "file")
