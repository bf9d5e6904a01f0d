"""Files that somebody wrote: read whole up to a size, found by name or path, and told where they are no TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.errors import FileError, UsageError
from bakeoff.texts import LARGEST_BYTES, Shelf, named_or_file, read_bounded, read_toml

SHELF = Shelf(package="bakeoff.workload", folder="suites", noun="suite")


def test_a_name_goes_before_a_file_and_a_file_is_known_by_its_folder(tmp_path: Path) -> None:
    own = tmp_path / "quick.toml"
    own.write_text("a = 1\r\nb = 2\n", encoding="utf-8-sig")
    assert (found := named_or_file("quick", SHELF)).folder is None
    assert found.text != "a = 1\nb = 2\n"
    assert (found := named_or_file(str(own), SHELF)).folder == tmp_path
    assert (found.name, found.text) == ("quick.toml", "a = 1\nb = 2\n")


@pytest.mark.parametrize("given", ["", "  "])
def test_no_name_at_all_is_no_file(given: str) -> None:
    with pytest.raises(
        UsageError, match=r"There is no suite .*, in the package or as a file\. In the package: article"
    ):
        named_or_file(given, SHELF)


def test_a_file_without_end_is_read_no_further_than_the_largest_that_may_be(tmp_path: Path) -> None:
    """A device tells no size before it is read: /dev/zero."""
    endless = Path("/dev/zero")
    if not endless.is_char_device():
        pytest.skip("no /dev/zero here")
    with pytest.raises(FileError, match="/dev/zero is larger than 1048576 bytes: not a suite"):
        named_or_file(str(endless), SHELF)
    just = tmp_path / "just"
    just.write_bytes(b"#" * LARGEST_BYTES)
    assert len(read_bounded(just, "just", "suite")) == LARGEST_BYTES


def test_a_folder_a_stranger_and_bytes_that_are_no_text_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    for given, why in (
        (str(tmp_path), "directory."),
        (str(tmp_path / "x"), "it is not UTF-8 text."),
        ("~nobody-of-that-name/x", "home directory."),
        ("a\0b", "null"),
    ):
        with pytest.raises(FileError, match="Cannot read the suite") as caught:
            named_or_file(given, SHELF)
        assert why in str(caught.value)
        assert not str(caught.value).endswith("..")


@pytest.mark.parametrize(
    ("text", "place"),
    [("a = ", "line 1, column 5"), ("a = 1\na = 2", "line 2, column 6"), ("x = [", "line 1, column 6")],
)
def test_what_is_no_toml_is_told_with_line_and_column(text: str, place: str) -> None:
    with pytest.raises(UsageError, match=f"^mine.toml, {place}: this is not TOML: "):
        read_toml("mine.toml", text, "suite")


def test_toml_too_deep_to_be_read_is_told() -> None:
    with pytest.raises(UsageError, match="is nested too deeply for a suite"):
        read_toml("mine.toml", "a = " + "[" * 100_000, "suite")
