"""What the meters cost the engine: its decode rate with all of them on and off, in pairs of random order.

SmolLM2 in the embedded engine, one engine for all pairs. The meters are those that a run would open on it.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bakeoff.engines.base import Prompt
from bakeoff.measurement.metrics import client_decode_parts
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.run.metering import Metering
from bakeoff.run.plan import Meters
from bakeoff.run.session import run_async
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.units import figure_text
from bench.quiet import quiet_text, quietly
from bench.smollm2 import about, ask, asking, loading, total
from bench.targets import Target, number, progress, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.engines.base import Engine
    from bakeoff.measurement.meters.meter_set import MeterSet
    from bakeoff.results.records import Trial
    from bakeoff.run.contestant import Contestant

LIMIT, SHARE = 0.01, 0.01
PROMPT_TOKENS, MAX_TOKENS, CONTEXT = 128, 128, 1024
ON, OFF = "meters on", "meters off"


@dataclass(frozen=True)
class Pair:
    """The same number of tokens decoded with the meters on and off, in seconds."""

    tokens: float
    on_s: float
    off_s: float


@dataclass(frozen=True)
class Result:
    """The pairs, which meters were on, and the share of a core that their sampling took."""

    setting: str
    meters: list[str]
    share: float
    pairs: list[Pair]

    def targets(self) -> list[Target]:
        found = slowdown(self.pairs)
        return [
            Target("decode rate with meters on, off that without", "", abs(found.point - 1), LIMIT),
            Target("meters' own share of a core", "", self.share, SHARE),
        ]

    def as_dict(self) -> dict[str, Any]:
        found = slowdown(self.pairs)
        return asdict(self) | {"ratio": {"point": found.point, "low": found.low, "high": found.high, "n": found.n}}

    def text(self) -> str:
        found, tokens = slowdown(self.pairs), sum(pair.tokens for pair in self.pairs)
        rates = (tokens / sum(pair.off_s for pair in self.pairs), tokens / sum(pair.on_s for pair in self.pairs))
        rows = [
            ("decode, tokens per second", OFF, ON, "ratio (95 %)"),
            ("SmolLM2", *map(number, rates), figure_text(found.point, found.low, found.high)),
        ]
        return f"Overhead: {self.setting}; on: {', '.join(self.meters)}\n\n{table(rows)}"


def slowdown(pairs: Sequence[Pair]) -> Interval:
    """Rate with the meters on over that without, paired: Σ off_s / Σ on_s."""
    return ratio_of_sums([pair.off_s for pair in pairs], [pair.on_s for pair in pairs])


def run(quick: bool) -> Result:
    """Measure; about two minutes, or one with ``quick``."""
    return run_async(_run(10 if quick else 24))


async def _run(pairs: int) -> Result:
    real, metering = loading(smollm2_file(), CONTEXT), Metering(Meters())
    rng = random.Random(1)
    async with real.engine as engine:
        await _pair(real, engine, metering, -1, rng)  # warm-up

        async def measure(attempt: int) -> tuple[Pair, MeterSet]:
            progress(f"overhead · pair {attempt + 1}")
            return await _pair(real, engine, metering, attempt, rng)

        kept = await quietly(measure, pairs)
        setting = f"{pairs} pairs of {MAX_TOKENS} tokens; {about(engine)}; {quiet_text(kept.others, kept.made)}"
    names = [state.name for state in kept.items[0][1].states if state.state == "ready"]
    return Result(setting, names, fmean(meters.cost for _, meters in kept.items), [pair for pair, _ in kept.items])


async def _pair(
    real: Contestant, engine: Engine, metering: Metering, attempt: int, rng: random.Random
) -> tuple[Pair, MeterSet]:
    """Both ways, on the same tokens, whichever comes first by lot; and the meters that were on."""
    request = asking(Prompt(token_ids=real.token_ids(PROMPT_TOKENS, 1000 + attempt)), MAX_TOKENS)
    meters = metering.set_for(engine, engine.describe())
    assert meters is not None
    trials: dict[str, Trial] = {}
    for way in rng.sample([ON, OFF], 2):
        if way == OFF:
            trials[way] = await ask(engine, request)
            continue
        with meters:
            meters.start()
            trials[way] = await ask(engine, request)
            meters.finish()
    tokens, on_s = total(client_decode_parts, [trials[ON]])
    _, off_s = total(client_decode_parts, [trials[OFF]])
    return Pair(tokens, on_s, off_s), meters
