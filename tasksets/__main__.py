"""``python -m tasksets``: draw the items again, and write the frozen file and the page about it.

Needs reasoning-gym (``pip install 'bakeoff[fresh]'``; 319 MB with what it needs), which the package does not. Same
version and seed, same file.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tasksets.freeze import Cell, cells, frozen
from tasksets.page import page

ROOT = Path(__file__).parent.parent
FROZEN = ROOT / "src" / "bakeoff" / "quality" / "sets" / "standard.jsonl"
PAGE = ROOT / "docs" / "tasks.md"


def main() -> None:
    """Write both files and say what came of the drafts."""
    drawn = cells()
    FROZEN.write_text(frozen(drawn), encoding="utf-8")
    PAGE.write_text(page(drawn, version("reasoning-gym")), encoding="utf-8")
    for cell in drawn:
        print(_line(cell))
    print(f"Written: {FROZEN.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")


def _line(cell: Cell) -> str:
    drawn = cell.drawn
    return (
        f"{cell.family} {cell.level}: {len(drawn.tasks)} items; {drawn.unfit} drafts unfit, {drawn.disagreed} solved "
        f"otherwise, {drawn.repeated} repeated"
    )


if __name__ == "__main__":
    main()
