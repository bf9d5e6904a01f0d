"""Are synthetic weights as fast as real ones? SmolLM2 against its synthetic twin, taking turns.

Two copies of one file can differ by a tenth in speed, by where in memory their pages come to lie, and the second to
be started and asked is the faster by some per cent. So a round has two starts, one in either order, each of them with
new copies and new engines. Both are sent the same token ids, the prompt cache off.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.engines.base import Prompt
from bakeoff.errors import BakeoffError
from bakeoff.measurement.metrics import client_decode_parts, engine_decode_parts, prefill_parts
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.run.session import run_async
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.units import figure_text
from bench.quiet import Kept, quiet_text, quietly
from bench.smollm2 import about, ask, asking, loading, synthetic_file, total
from bench.targets import Target, number, progress, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.measurement.metrics import Parts
    from bakeoff.results.records import Trial

    Started = tuple[str, Kept[dict[str, Trial]]]
    """What was started, and the trials of both."""

ENGINE, CLIENT, PREFILL = "decode, the engine's figure", "decode, the client's figure", "prefill"
MEASURES: dict[str, Parts] = {ENGINE: engine_decode_parts, CLIENT: client_decode_parts, PREFILL: prefill_parts}
REAL, SYNTHETIC = "real", "synthetic"
LIMIT = 0.05
PROMPT_TOKENS, CONTEXT = 128, 1024


@dataclass(frozen=True)
class Pair:
    """One round: the tokens that each of the two worked through, and the seconds that it took."""

    tokens: float
    real_s: float
    synthetic_s: float


@dataclass(frozen=True)
class Result:
    """The rounds of each measure."""

    setting: str
    rounds: dict[str, list[Pair]]

    def targets(self) -> list[Target]:
        return [
            Target(f"synthetic SmolLM2 off the real one: {name}", "", abs(ratio(self.rounds[name]).point - 1), LIMIT)
            for name in (ENGINE, CLIENT)
        ]

    def as_dict(self) -> dict[str, Any]:
        ratios = {name: ratio(pairs) for name, pairs in self.rounds.items()}
        figures = {name: {"point": r.point, "low": r.low, "high": r.high, "n": r.n} for name, r in ratios.items()}
        return asdict(self) | {"ratios": figures}

    def text(self) -> str:
        rows: list[tuple[str, ...]] = [("tokens per second", REAL, SYNTHETIC, "ratio (95 %)")]
        for name, pairs in self.rounds.items():
            tokens = sum(pair.tokens for pair in pairs)
            rates = (tokens / sum(p.real_s for p in pairs), tokens / sum(p.synthetic_s for p in pairs))
            found = ratio(pairs)
            rows.append((name, *map(number, rates), figure_text(found.point, found.low, found.high)))
        return f"Twin: {self.setting}\n\n{table(rows)}"


def ratio(pairs: Sequence[Pair]) -> Interval:
    """Synthetic rate over real rate, paired by round: the tokens are the same, so it is Σ real_s / Σ synthetic_s."""
    return ratio_of_sums([pair.real_s for pair in pairs], [pair.synthetic_s for pair in pairs])


def run(quick: bool, program: str | None = None) -> Result:
    """Measure both; about 6 minutes, or 1 minute with ``quick``. ``program``: a llama-server, else the embedded one."""
    return run_async(_run(program, rounds=5 if quick else 20, trials=1 if quick else 2, max_tokens=64))


async def _run(program: str | None, rounds: int, trials: int, max_tokens: int) -> Result:
    files = {REAL: smollm2_file(), SYNTHETIC: synthetic_file()}
    orders = (files, dict(reversed(files.items())))
    starts: list[Started] = []
    for turn in range(rounds * len(orders)):
        progress(f"twin · round {turn // len(orders) + 1} of {rounds}")
        starts.append(await _start(program, orders[turn % len(orders)], turn, trials, max_tokens))
    quiet = quiet_text([share for _, kept in starts for share in kept.others], sum(kept.made for _, kept in starts))
    sent = f"{PROMPT_TOKENS} prompt tokens and {max_tokens} of answer"
    by_round = [
        [both for _, kept in pair for both in kept.items] for pair in zip(starts[::2], starts[1::2], strict=True)
    ]
    return Result(
        f"{rounds} rounds, in each {trials} trials in either order, {sent}; {starts[0][0]}; {quiet}",
        {name: [_pair(parts, trials) for trials in by_round] for name, parts in MEASURES.items()},
    )


async def _start(program: str | None, files: dict[str, Path], turn: int, trials: int, max_tokens: int) -> Started:
    """Copies of both files loaded in their order, then the same prompt to each in that order, again and again."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: shutil.copyfile(file, Path(folder, f"{name}.gguf")) for name, file in files.items()}
        twins = {name: loading(copy, CONTEXT, program) for name, copy in copies.items()}

        async def measure(attempt: int) -> dict[str, Trial]:
            prompt = Prompt(token_ids=twins[REAL].token_ids(PROMPT_TOKENS, 1000 * turn + attempt))
            return {name: await ask(twin.engine, asking(prompt, max_tokens)) for name, twin in twins.items()}

        async with AsyncExitStack() as engines:
            for twin in twins.values():
                await engines.enter_async_context(twin.engine)
            await measure(-1)  # warm-up
            return about(twins[REAL].engine), await quietly(measure, trials)


def _pair(parts: Parts, trials: Sequence[dict[str, Trial]]) -> Pair:
    tokens, real_s = total(parts, [trial[REAL] for trial in trials])
    synthetic_tokens, synthetic_s = total(parts, [trial[SYNTHETIC] for trial in trials])
    if tokens != synthetic_tokens:
        raise BakeoffError(f"the twins did not do the same work: {tokens:g} and {synthetic_tokens:g} tokens")
    return Pair(tokens, real_s, synthetic_s)
