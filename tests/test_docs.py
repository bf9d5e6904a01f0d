"""The pages of the docs name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINES = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
PROOFS = re.findall(r"^(\d+)\. `(tests/\w+\.py)(?:::(\w+))?`", ENGINES, re.MULTILINE)


@pytest.mark.parametrize(("number", "file", "name"), PROOFS)
def test_a_proof_in_the_table_of_engines_is_a_test_that_exists(number: str, file: str, name: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert not name or re.search(rf"(def|class) {name}\b", source)


def test_every_number_in_the_table_is_listed_once_and_used() -> None:
    table = "".join(line for line in ENGINES.splitlines() if line.startswith("|"))
    used = {int(number) for cell in table.split("|") for number in re.findall(r"\b(\d+)\b", cell)}
    listed = [int(number) for number, _, _ in PROOFS]
    assert listed == list(range(1, len(listed) + 1))
    assert used == set(listed)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or ((ROOT / page).parent / target).exists()
