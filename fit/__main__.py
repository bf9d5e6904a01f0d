"""``python -m fit``: fit again, and write the numbers and the page on how far they can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

from fit import article
from fit.fitting import everything
from fit.report import page

ROOT = Path(__file__).parent.parent
NUMBERS = ROOT / "src" / "bakeoff" / "planning" / "fitted.json"
PAGE = ROOT / "docs" / "prediction.md"
ARTICLE = ROOT / "docs" / "article.md"


def main() -> None:
    """Write the files and say so."""
    result = everything()
    NUMBERS.write_text(json.dumps(result.numbers, indent=2) + "\n", encoding="utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    text = page(result)
    PAGE.write_text(text, encoding="utf-8")
    ARTICLE.write_text(article.page(), encoding="utf-8")
    print(text)
    print(f"Written: {NUMBERS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}, {ARTICLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
