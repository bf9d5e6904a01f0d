"""The published measurements that the package carries for claims: ``python -m fit.published``.

Decode of one stream of the catalogue's models, up to 1,024 tokens from an empty context; of each source, chip, model
and quantization the shortest answer.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from fit.data import MODELS, others

TARGET = Path(__file__).parent.parent / "src/bakeoff/analysis/claims/published.csv"
LONGEST = 1024
COLUMNS = ("chip", "gpus", "model", "quant", "engine", "decode_tps", "tokens", "source", "date")
_DATES = {"XiongjieDai/GPU-Benchmarks-on-LLM-Inference": "2024-05"}
OURS = "measured by this project"


def text() -> str:
    """The file as it has to be."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(set(_of_speeds()) | set(_of_others())))
    return out.getvalue()


def _of_speeds() -> list[tuple[str, ...]]:
    kept: dict[tuple[str, ...], tuple[str, ...]] = {}
    with (Path(__file__).parent / "speeds.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            tokens = int(line["gen_tokens"] or 0)
            usable = line["outcome"] == "ok" and line["chip"] and line["model"] in MODELS and line["decode_tps"]
            if not usable or not 0 < tokens <= LONGEST or "UD-" in line["model"]:
                continue
            source = f"{line['source']}, {line['backend']}"
            key = (line["chip"], line["gpus"], line["model"], line["quant"], source)
            date = _DATES.get(
                line["source"], f"build {line['version'].split(' ')[0]}" if line["version"] else "undated"
            )
            row = (line["chip"], line["gpus"], MODELS[line["model"]], line["quant"], "llamacpp", line["decode_tps"],
                   str(tokens), source, date)  # fmt: skip
            if key not in kept or int(kept[key][6]) > tokens:
                kept[key] = row
    return list(kept.values())


def _of_others() -> list[tuple[str, ...]]:
    return [
        (
            line["chip"],
            "1",
            line["model"],
            line["quant"],
            line["engine"],
            line["decode_tps"],
            "0",
            line["source"],
            "2025 to 2026",
        )
        for line in others()
        if not line["source"].startswith(OURS)
    ]


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8", newline="\n")
