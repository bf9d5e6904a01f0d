"""A run is found by what a person types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bakeoff.errors import UsageError
from bakeoff.results.runfile import RunWriter
from bakeoff.results.store import find_run, new_run_id, readable_runs, run_files, run_path
from tests.hand_made import a_run

MONDAY, TUESDAY, LATER = "2026-11-23-080000-aaaa", "2026-11-24-101502-7f3a", "2026-11-24-101502-7f3b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for run_id in (LATER, MONDAY, TUESDAY):
        with RunWriter(run_path(tmp_path, run_id)) as writer:
            writer.write(a_run().started)
    return tmp_path


def test_a_run_is_found_by_its_id(folder: Path) -> None:
    assert find_run(folder, TUESDAY) == folder / f"{TUESDAY}.jsonl"


def test_a_run_is_found_by_a_beginning_that_no_other_has(folder: Path) -> None:
    assert find_run(folder, "2026-11-23").stem == MONDAY


def test_an_id_wins_over_the_longer_ones_that_begin_with_it(folder: Path) -> None:
    with RunWriter(run_path(folder, f"{TUESDAY}-copy")) as writer:
        writer.write(a_run().started)
    assert find_run(folder, TUESDAY).stem == TUESDAY


@pytest.mark.parametrize("text", [None, "last"])
def test_the_newest_run_is_the_last(folder: Path, text: str | None) -> None:
    assert find_run(folder, text).stem == LATER


def test_a_run_is_found_by_its_file_wherever_that_is(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    elsewhere.write_bytes((folder / f"{MONDAY}.jsonl").read_bytes())
    assert find_run(folder, str(elsewhere)) == elsewhere


def test_a_beginning_that_several_runs_have_names_none(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"^2 runs are named '2026-11-24'\. List your runs with: bakeoff runs list$"):
        find_run(folder, "2026-11-24")


@pytest.mark.parametrize("text", ["1999", "*", "../x", "\0", "x" * 5000])
def test_a_name_that_no_run_has_is_a_sentence(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"^No run is named .* List your runs with: bakeoff runs list$"):
        find_run(folder, text)


@pytest.mark.parametrize("name", ["none.jsonl", "y" * 5000 + ".jsonl"])
def test_a_run_file_that_is_not_there_is_a_sentence(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^There is no run file .*\. List your runs"):
        find_run(folder, name)


@pytest.mark.parametrize("text", [None, "last"])
def test_without_any_run_it_says_how_to_make_one(tmp_path: Path, text: str | None) -> None:
    for place in (tmp_path, tmp_path / "not-made-yet"):
        with pytest.raises(UsageError, match=r"^There are no runs yet\. Make one with: bakeoff run$"):
            find_run(place, text)


def test_files_are_listed_oldest_first_and_only_run_files(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    assert [path.stem for path in run_files(folder)] == [MONDAY, TUESDAY, LATER]


def test_a_file_that_cannot_be_read_is_listed_with_the_reason_and_hides_no_other(folder: Path) -> None:
    run_path(folder, TUESDAY).write_text("torn")
    run_path(folder, "folder").mkdir()
    runs, problems = readable_runs(folder)
    assert [path.stem for path, _ in runs] == [MONDAY, LATER]
    assert len(problems) == 2
    assert problems[0] == f"{TUESDAY}.jsonl is not a Bakeoff run file."
    assert problems[1].startswith("Cannot read ")


def test_ids_sort_by_time_and_do_not_collide() -> None:
    ids = {new_run_id("2026-11-24T10:15:02+00:00") for _ in range(20)}
    assert len(ids) > 10
    assert all(re.fullmatch(r"2026-11-24-101502-[0-9a-f]{4}", run_id) for run_id in ids)
    assert new_run_id("2026-11-24T09:59:59+00:00") < min(ids)
