"""A file is written whole or not at all."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from bakeoff.errors import FileError
from bakeoff.results.files import write_text


def test_the_text_is_written_and_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "out.csv", "Zug 🚆\n")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "Zug 🚆\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old and longer")
    write_text(path, "new")
    assert path.read_text() == "new"


def test_on_a_full_disk_the_old_file_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FileError, match=r"^Cannot write .*out\.csv: File too large\.$"):
            write_text(path, "new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("name", ["no/such/folder/out.csv", "x" * 5000])
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match=r"^Cannot write .*\.$"):
        write_text(tmp_path / name, "new")


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="Is a directory"):
        write_text(tmp_path / "folder", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "null"
    path.symlink_to("/dev/null")
    write_text(path, "new")
    assert path.is_symlink()
    assert path.is_char_device()
