"""``python -m fit.gpu``: write docs/gpu.md, and the README's table, again out of the run files in examples/h100."""

from __future__ import annotations

import re
from pathlib import Path

from fit.gpu import meter, misses, proofs, speeds
from fit.gpu.runs import EXAMPLES, FILES, QUALITY_FILE, SPLIT_FILE, examples, read
from fit.gpu.text import prose
from fit.markdown import table

ROOT = Path(__file__).parent.parent.parent
PAGE, README = ROOT / "docs" / "gpu.md", ROOT / "README.md"
TITLE = "# R1 distills on an H100: predicted, measured, explained"
INTRODUCTION = """This page is written by `python -m fit.gpu` out of the files in [examples/h100](../examples/README.md)
alone. They are real runs of the suite `article-gpu` on one {gpu} (driver {driver}) of a virtual machine with {cores}
cores and {memory:.0f} GB, with {engine} built with CUDA, in November 2026. **The weights are synthetic**: random, in
the models' exact shapes and quantizations. Speed, memory and power are real, answers are not."""
TRIALS = """± is half of a 95 % interval over a cell's timed trials, by Student's t: five of the 7B at Q4_K_M, three of
the others, where it is wide for that. The predictions are those that the planner made before each run and stored in its
file, with 80 % intervals, with nothing learned from other runs; nothing was fitted on this card's figures, then or
since. The error is predicted / measured − 1."""
BEFORE = """These are the second runs of two; before the first, the planner had seen no figure of this card at all. Its
decode has not changed since, its prefill has, for a reason that is general: what it said before stands below, under
*Prefill*."""
METER = "A matrix product of known length between pauses, in windows from 1.5 s before it to 2 s after it."
COUNTER = """Counter and integral are two ways to one energy. In parentheses is what each leaves open, since a window
begins and ends between two changes of the driver's figures. Beyond a second of load they agree to a few parts in a
thousand. A burst of 0.3 s is three samples of a power that changes faster than that: there the integral is off. Bakeoff
takes the counter, and withholds the energy of the load alone where that was too short for the resolution."""


def page() -> str:
    """The page, in Markdown."""
    host, subject = examples()[0].run.started.host, examples()[0].cells[0].opened.subject
    introduction = INTRODUCTION.format(
        gpu=host.gpus[0].name,
        driver=host.gpus[0].driver,
        cores=host.cores_physical,
        memory=host.memory_bytes / 1e9,
        engine=str(subject.engine_version).removesuffix("-unknown"),
    )
    parts = [
        TITLE, prose(introduction), prose(TRIALS),
        "## Decode", "One stream, 76 tokens of prompt and 256 of answer.", speeds.decode(), prose(BEFORE),
        "## Prefill", speeds.prefill(),
        "## Memory on the GPU", speeds.memory(),
        "## Power, energy, heat", speeds.energy(),
        "## Many streams: the 7B at Q4_K_M", speeds.streams(),
        "## Layers on the processor: the 70B", speeds.split(),
        "## Measured twice", proofs.twice(),
        "## Real weights and synthetic ones", proofs.twin(),
        "## What a right answer takes", proofs.right_answers(),
        "## The meter, proven", prose(METER), meter.updates(), meter.windows(), prose(COUNTER),
        *(prose(text()) for text in (meter.held_back, meter.memory, meter.net)),
        "## What explains the misses", misses.page(),
        "## What was not run", _not_run(),
        "## The commands", _commands(),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _not_run() -> str:
    return "\n".join(
        prose(text, bullet=True)
        for text in (
            "A large model's real file beside its synthetic twin on this card.",
            "As many slots as streams, or one cache for all of them: what that does for many streams.",
            "Other engines, several cards, other hosts: this is one kind of card, one engine, one day.",
        )
    )


def _commands() -> str:
    rows = [(f"`{name}.jsonl`", f"`{read(name).run.started.command}`") for name in (*FILES, SPLIT_FILE, QUALITY_FILE)]
    said = """`split.toml` is what `article-gpu` says of the 70B's layers, alone. `bakeoff runs show
    examples/h100/FILE` shows one with its findings; `bakeoff compare` takes them too."""
    return table(("file", "command"), rows) + "\n\n" + prose(said)


def readme(text: str) -> str:
    """The README with its table of the H100 written again."""
    table_there = re.compile(r"^\| one H100 .*\n(?:\|.*\n)*", re.MULTILINE)
    written, count = table_there.subn(lambda _: speeds.short() + "\n", text)
    if count != 1:
        raise SystemExit(f"README.md has {count} tables that begin with 'one H100'; one is written again.")
    return written


def main() -> None:
    """Write both and say so."""
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"Written: docs/{PAGE.name} and a table of {README.name}, from examples/{EXAMPLES.name}")


if __name__ == "__main__":
    main()
