"""What a naive script gets wrong: its mistakes made on purpose, on SmolLM2 in the embedded engine.

And whether ``bakeoff run`` says so where a prompt came from the engine's cache, and is silent where none did.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bakeoff.engines.base import Prompt
from bakeoff.errors import BakeoffError
from bakeoff.measurement.metrics import client_decode_parts, decode_span_s, output_parts, output_tokens
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.run.session import run_async
from bakeoff.workload.prompts import BINARY_SEARCH, preamble
from bench.naive import Mistake, Start, chunks_as_tokens, load_in_a_trial, mean_of_rates, repeated_prompt
from bench.quiet import Kept, quiet_text, quietly
from bench.smollm2 import SUBJECT, about, ask, asking, every, loading
from bench.targets import Target, number, progress, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.results.records import Trial
    from bakeoff.run.contestant import Contestant

CONTEXTS = (1024, 2048)
SENDS = 3
LONG_PROMPT, PROMPT = 384, 128
LENGTHS = (16, 64, 256)
ANSWERS = {
    "an answer in English": BINARY_SEARCH.text,
    "an answer in Chinese": "用中文写一首关于春天的诗。",
    "an answer of emoji": "Repeat this line of emoji many times: 🙂🙃😀🚀🌍🎉",
}
NOTES = """\
Loading: a server that loads its model again, for instance because a request names another context length than the
warm-up did, does so inside a trial. What is measured here is the embedded engine started at the other length, its
process included; no Ollama server was run.
Thinking: a script that takes the first token for the first of the answer is not measured: SmolLM2 does not think."""


@dataclass(frozen=True)
class Hits:
    """What ``bakeoff run --json`` finds: the cells measured, and the evidence of each ``cache_hit``."""

    cells: int
    evidence: list[str]


@dataclass(frozen=True)
class Result:
    """The mistakes under their headings; Bakeoff's own findings with the cache on and under a fair trial."""

    setting: str
    mistakes: dict[str, list[Mistake]]
    warm: Hits
    fair: Hits

    def targets(self) -> list[Target]:
        what, of = "cells in which Bakeoff finds a cache hit", "of {}"
        warm, fair = self.warm, self.fair
        return [
            Target(f"{what}: --cache warm", of.format(warm.cells), len(warm.evidence), warm.cells, at_least=True),
            Target(f"{what}: a fair trial", of.format(fair.cells), len(fair.evidence), 0),
        ]

    def as_dict(self) -> dict[str, Any]:
        ratios = {heading: [m.ratio for m in mistakes] for heading, mistakes in self.mistakes.items()}
        return asdict(self) | {"ratios": ratios}

    def text(self) -> str:
        blocks = [f"{heading}\n\n{_table(mistakes)}" for heading, mistakes in self.mistakes.items()]
        found = "\n".join(f"  {evidence}" for evidence in self.warm.evidence)
        return "\n\n".join(
            [f"Naive scripts: {self.setting}", *blocks, NOTES, f"Bakeoff's finding with --cache warm:\n{found}"]
        )


def run(quick: bool) -> Result:
    """Make each mistake; about 3 minutes, or 40 seconds with ``quick``."""
    progress("cache · bakeoff run, twice")
    warm, fair = (cache_hits(_bakeoff_run(cache)) for cache in ("warm", "cold"))
    setting, mistakes = run_async(_mistakes(1 if quick else 6))
    return Result(setting, mistakes, warm, fair)


def cache_hits(document: dict[str, Any]) -> Hits:
    """The evidence of every finding ``cache_hit`` in what ``bakeoff run --json`` wrote."""
    findings = [finding for cell in document["cells"] for finding in cell["findings"]]
    return Hits(len(document["cells"]), [f["evidence"] for f in findings if f["code"] == "cache_hit"])


def _bakeoff_run(cache: str) -> dict[str, Any]:
    """The same prompt three times, the run file kept nowhere."""
    program = "from bakeoff.cli.main import entry; entry()"
    options = ["--prompt", BINARY_SEARCH.text, "--runs", str(SENDS), "--max-tokens", "32", "--cache", cache, "--json"]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-c", program, "run", SUBJECT, *options]
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"BAKEOFF_HOME": home})
    if done.returncode != 0:
        raise BakeoffError(f"bakeoff run ended with status {done.returncode}: {done.stderr.decode()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


async def _mistakes(sets: int) -> tuple[str, dict[str, list[Mistake]]]:
    """Every mistake's figures, from ``sets`` measurements of each."""
    model = loading(smollm2_file(), CONTEXTS[0])
    async with model.engine:
        setting = about(model.engine)
        repeated = await _repeated(model, sets)
        answers = {name: await _answers(model, name, text, sets) for name, text in ANSWERS.items()}
        unlike = await _unlike_lengths(model, sets)
    starts = await _starts([loading(smollm2_file(), context) for context in CONTEXTS], sets)
    lengths = ", ".join(map(str, LENGTHS))
    headings = {
        f"One prompt of {LONG_PROMPT} tokens {SENDS} times, the prompt cache left on": repeated_prompt(
            [same for same, _ in repeated.items], [trial for _, fair in repeated.items for trial in fair]
        ),
        "Chunks counted as tokens": [
            mistake for name, kept in answers.items() for mistake in chunks_as_tokens(name, kept.items)
        ],
        f"The mean of the rates of trials of {lengths} tokens": _means(unlike.items),
        f"The model loaded inside the first of {SENDS} trials ({_load_text(starts.items)})": (
            load_in_a_trial(starts.items)
        ),
    }
    all_kept: list[Kept[Any]] = [repeated, *answers.values(), unlike, starts]
    others = [share for kept in all_kept for share in kept.others]
    return f"{setting}; n = {sets} of each; {quiet_text(others, sum(kept.made for kept in all_kept))}", headings


def _means(sets: Sequence[Sequence[Trial]]) -> list[Mistake]:
    trials = [trial for unlike in sets for trial in unlike]
    alike = [trial for trial in trials if output_tokens(trial) == LENGTHS[-1]]
    return [
        mean_of_rates("end to end, all", output_parts, trials),
        mean_of_rates("decode, all", client_decode_parts, trials),
        mean_of_rates(f"end to end, those of {LENGTHS[-1]} tokens", output_parts, alike),
    ]


def _load_text(starts: Sequence[Start]) -> str:
    load_s = fmean(start.load_s for start in starts)
    decode_s = fmean(every(decode_span_s, [start.trials[0] for start in starts]))
    caches = " or ".join(sorted({start.page_cache for start in starts}))
    return f"loading {number(load_s)} s, page cache {caches}, then decoding {LENGTHS[1]} tokens in {number(decode_s)} s"


async def _repeated(model: Contestant, sets: int) -> Kept[tuple[list[Trial], list[Trial]]]:
    """One prompt sent again and again with the cache on, then as many unlike ones with it off."""

    async def measure(attempt: int) -> tuple[list[Trial], list[Trial]]:
        progress(f"cache · repeated prompt {attempt + 1}")
        first, *others = (Prompt(token_ids=model.token_ids(LONG_PROMPT, attempt * 4 + i)) for i in range(SENDS + 1))
        same = [await ask(model.engine, asking(first, LENGTHS[0], cache=True)) for _ in range(SENDS)]
        return same, [await ask(model.engine, asking(prompt, LENGTHS[0])) for prompt in others]

    await measure(-1)  # warm-up
    return await quietly(measure, sets)


async def _answers(model: Contestant, name: str, text: str, sets: int) -> Kept[Trial]:
    async def measure(attempt: int) -> Trial:
        progress(f"cache · {name} {attempt + 1}")
        return await ask(model.engine, asking(Prompt(text=text, system=preamble(attempt)), LENGTHS[-1]))

    return await quietly(measure, sets)


async def _unlike_lengths(model: Contestant, sets: int) -> Kept[list[Trial]]:
    async def measure(attempt: int) -> list[Trial]:
        progress(f"cache · unlike lengths {attempt + 1}")
        seeds = range(attempt * len(LENGTHS), (attempt + 1) * len(LENGTHS))
        prompts = [Prompt(token_ids=model.token_ids(PROMPT, seed)) for seed in seeds]
        return [await ask(model.engine, asking(p, length)) for p, length in zip(prompts, LENGTHS, strict=True)]

    return await quietly(measure, sets)


async def _starts(models: Sequence[Contestant], sets: int) -> Kept[Start]:
    """The engine started with each context length in turn; its first trial follows without a warm-up."""

    async def measure(attempt: int) -> Start:
        progress(f"cache · start {attempt + 1}")
        model = models[attempt % len(models)]
        prompts = [Prompt(token_ids=model.token_ids(PROMPT, attempt * SENDS + i)) for i in range(SENDS)]
        async with model.engine:
            start = model.engine.describe().start
            assert start is not None  # the embedded engine is one that we start
            trials = [await ask(model.engine, asking(prompt, LENGTHS[1])) for prompt in prompts]
        return Start(start.ready_s, start.page_cache, trials)

    return await quietly(measure, sets)


def _table(mistakes: Sequence[Mistake]) -> str:
    heading = ("figure", "naive", "true", "naive / true")
    figures = [(f"{m.figure}, {m.unit}".rstrip(", "), m.naive, m.true, m.ratio) for m in mistakes]
    return table([heading, *((what, *map(number, rest)) for what, *rest in figures)])
