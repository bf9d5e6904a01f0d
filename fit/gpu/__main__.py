"""``python -m fit.gpu``: write docs/gpu.md again out of the run files in examples/h100."""

from __future__ import annotations

from pathlib import Path

from fit.gpu import meter, misses, speeds
from fit.gpu.runs import EXAMPLES, FILES, examples
from fit.gpu.text import prose, table

PAGE = Path(__file__).parent.parent.parent / "docs" / "gpu.md"
TITLE = "# R1 distills on an H100: predicted, measured, explained"
INTRODUCTION = """This page is written by `python -m fit.gpu` out of the files in [examples/h100](../examples/README.md)
alone. They are real runs of the suite `article-gpu` on one {gpu} (driver {driver}) of a virtual machine with {cores}
cores and {memory:.0f} GB, with {engine} built with CUDA, in November 2026. **The weights are synthetic**: random, in
the models' exact shapes and quantizations. Speed, memory and power are real, answers are not."""
TRIALS = """Each cell has three timed trials: ± is half of a 95 % interval over them, by Student's t, and wide for that.
The predictions are those that the planner made before each run and stored in its file, with 80 % intervals; nothing was
fitted on this card's figures, then or since. The error is predicted / measured − 1."""
LEARNED = """Only the planner's own predictions are shown. What the screens of the runs after the first said was worse:
there they had been corrected by what *loaded* cells of the first run taught, which these should not have done, and no
longer do. On one chip the planner's interval is the same share of every figure, so it is taken from the first run, of
which nothing had been learned yet."""
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
        "## Decode", "One stream, 76 tokens of prompt and 256 of answer.", speeds.decode(), prose(LEARNED),
        "## Prefill", speeds.prefill(),
        "## Memory on the GPU", speeds.memory(),
        "## Power, energy, heat", speeds.energy(),
        "## Many streams: the 7B at Q4_K_M", speeds.streams(),
        "## Layers on the processor: the 70B", speeds.split(),
        "## The meter, proven", prose(METER), meter.updates(), meter.windows(), prose(COUNTER),
        *(prose(text()) for text in (meter.held_back, meter.memory, meter.net)),
        "## What explains the misses", misses.page(),
        "## What was not run", _not_run(),
        "## The commands", _commands(),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _not_run() -> str:
    cut = ", ".join(f"`{text}`" for text in speeds.not_measured())
    return "\n".join(
        prose(text, bullet=True)
        for text in (
            f"{cut}: the time on the machine was over while it warmed up. Its run is one that was cut.",
            "A real model's file beside its synthetic twin on this card. That the two are equally fast was seen on "
            "processors only.",
            "Other engines, several cards, other hosts: this is one card, one engine, one day.",
        )
    )


def _commands() -> str:
    rows = [
        (f"`{name}.jsonl`", f"`{example.run.started.command}`") for name, example in zip(FILES, examples(), strict=True)
    ]
    said = "`bakeoff runs show examples/h100/FILE` shows one with its findings; `bakeoff compare` takes them too."
    return table(("file", "command"), rows) + "\n\n" + said


def main() -> None:
    """Write the page and say so."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Written: docs/{PAGE.name}, from {len(FILES)} runs in examples/{EXAMPLES.name}")


if __name__ == "__main__":
    main()
