"""``bakeoff run --sustained``: what it refuses, and a whole run of a scripted engine in invented time."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bakeoff.cli.main import main
from bakeoff.run.plan import MOST_SUSTAINED, Protocol
from bakeoff.run.rules import enough
from tests.test_sustained import START, trial

TEN_MINUTES = Protocol(sustained_s=600)


def test_a_sustained_cell_ends_when_its_time_is_over_and_not_when_its_interval_is_narrow() -> None:
    narrow = [trial(at, 50) for at in range(0, 590, 3)]
    assert enough(narrow, Protocol()) is not None
    assert enough(narrow, TEN_MINUTES) is None
    assert enough([*narrow, trial(599, 50)], TEN_MINUTES) == "number"
    assert (TEN_MINUTES.wanted, TEN_MINUTES.most_trials) == (None, MOST_SUSTAINED)


def test_a_sustained_cell_that_only_fails_is_given_up() -> None:
    assert enough([trial(at, 50, status="failed") for at in range(3)], TEN_MINUTES) == "failures"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--runs", "3"], "leave --runs or --sustained out"),
        (["--time-budget", "5m"], "leave --time-budget or --sustained out"),
        (["--prompt", "a", "--prompt", "b"], "one workload, and 2 are asked for"),
        (["--concurrency", "4"], "one stream"),
        (["--dry-run"], "nothing to foresee"),
        (["--suite", "article"], "a suite has many"),
    ],
)
def test_what_contradicts_it_is_refused_in_a_sentence(options: list[str], words: str, capsys: Any) -> None:
    assert main(["run", "scripted:plain", "--sustained", "2m", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_time_too_short_for_two_halves_is_refused(capsys: Any) -> None:
    assert main(["run", "scripted:plain", "--sustained", "90s"]) == 2
    assert "take 2m or more" in capsys.readouterr().err


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trial begins three seconds after the one before."""
    times = (START + timedelta(seconds=3 * number) for number in count())
    monkeypatch.setattr("bakeoff.run.trial.utc_now", lambda: next(times).isoformat(timespec="seconds"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    return tmp_path


def test_a_whole_run_has_its_course_on_the_screen_and_in_json(clock: None, home: Path, capsys: Any) -> None:
    assert main(["run", "scripted:steady", "--sustained", "2m", "--max-tokens", "16", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (cell,) = document["cells"]
    course = cell["sustained"]
    assert cell["trials"]["ok"] == 41
    assert course["span_s"] == pytest.approx(120, abs=3)
    assert course["changes"] == []
    assert course["steady_over_first"]["point"] == pytest.approx(1)
    assert sum(each["span_s"] for each in course["bins"]) == pytest.approx(course["span_s"])
    assert main(["runs", "show"]) == 0
    screen = capsys.readouterr().out
    assert "tokens/s in the first minute" in screen
    assert "The speed did not change by steps of 3 % or more." in screen
    assert max(map(len, screen.splitlines())) <= 80


def test_a_run_that_was_not_sustained_has_no_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    assert main(["run", "scripted:steady", "--runs", "2", "--json"]) == 0
    assert {cell["sustained"] for cell in json.loads(capsys.readouterr().out)["cells"]} == {None}
