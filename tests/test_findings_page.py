"""docs/findings.md lists every finding, as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bakeoff.analysis.findings import CHECKS, Check, unlike_hosts
from tests.finding_cases import found, name
from tests.test_findings import CASES, EVERY, OURS, THEIRS

PAGE = (Path(__file__).parent.parent / "docs" / "findings.md").read_text(encoding="utf-8")
ROWS = {row[0]: row[1:] for line in PAGE.splitlines() if re.match(r"\| [a-z_]+ \|", line)
        if (row := [field.strip() for field in line.strip("|").split("|")])[0] != "code"}  # fmt: skip


def words(function: object) -> str:
    """A docstring on one line."""
    return " ".join((function.__doc__ or "").split())


def test_every_finding_has_its_row_in_the_order_in_which_they_are_shown() -> None:
    codes = [found(check, CASES[check][0][0]).code for check in CHECKS]
    assert list(ROWS) == [*codes, "unlike_hosts"]
    assert len(re.findall(r"^\| [a-z_]+ \|", PAGE, re.MULTILINE)) == len(ROWS) + 1, "no row stands twice"


@pytest.mark.parametrize("check", EVERY)
def test_a_row_has_the_severities_that_there_are_and_says_what_provokes_it(check: Check) -> None:
    severity, provokes, advice = ROWS[found(check, CASES[check][0][0]).code]
    assert set(severity.split(", ")) == {expected for _, expected, *_ in CASES[check]}
    assert provokes == words(check), name(check)
    assert advice


def test_the_row_of_unlike_hosts_says_what_provokes_it() -> None:
    assert ROWS["unlike_hosts"][:2] == ["warning, severe", words(unlike_hosts)]


def test_the_page_names_only_options_that_there_are() -> None:
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= OURS | THEIRS
