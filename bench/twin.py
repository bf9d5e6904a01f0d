"""Are synthetic weights as fast as real ones? SmolLM2 against its synthetic twin, taking turns.

Both run in embedded engines that are started anew in every round, so that the luck of a process (where its memory
lies) is part of the spread and not of the answer. Both are sent the same token ids, the cache off.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.engines.base import Prompt
from bakeoff.errors import BakeoffError
from bakeoff.measurement.metrics import client_decode_parts, engine_decode_parts, prefill_parts
from bakeoff.run.session import run_async
from bakeoff.stats.intervals import Interval, ratio_of_sums
from bakeoff.units import figure_text
from bench.quiet import Kept, quiet_text, quietly
from bench.smollm2 import about, ask, asking, smollm2, total
from bench.targets import Target, number, progress, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.measurement.metrics import Parts
    from bakeoff.results.records import Trial
    from bakeoff.run.runner import Contestant

ENGINE, CLIENT, PREFILL = "decode, the engine's figure", "decode, the client's figure", "prefill"
MEASURES: dict[str, Parts] = {ENGINE: engine_decode_parts, CLIENT: client_decode_parts, PREFILL: prefill_parts}
REAL, SYNTHETIC = "real", "synthetic"
LIMIT = 0.05
PROMPT_TOKENS, CONTEXT = 256, 1024


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


def run(quick: bool) -> Result:
    """Measure both; about 5 minutes, or 40 seconds with ``quick``."""
    rounds, trials, max_tokens = (5, 1, 64) if quick else (12, 4, 128)
    return run_async(_run(rounds, trials, max_tokens))


async def _run(rounds: int, trials: int, max_tokens: int) -> Result:
    twins = {REAL: smollm2(CONTEXT), SYNTHETIC: smollm2(CONTEXT, synthetic=True)}
    measured: list[Kept[dict[str, Trial]]] = []
    setting = ""
    for round_ in range(rounds):
        progress(f"twin · round {round_ + 1} of {rounds}")
        async with twins[REAL].engine, twins[SYNTHETIC].engine:
            setting = about(twins[REAL].engine)
            order = twins if round_ % 2 == 0 else dict(reversed(twins.items()))
            measured.append(await _round(order, round_, trials, max_tokens))
    quiet = quiet_text([share for kept in measured for share in kept.others], sum(kept.made for kept in measured))
    sent = f"{PROMPT_TOKENS} prompt tokens and {max_tokens} of answer"
    return Result(
        f"{rounds} rounds of {trials} trials each, {sent}; {setting}; {quiet}",
        {name: [_pair(parts, kept.items) for kept in measured] for name, parts in MEASURES.items()},
    )


async def _round(twins: dict[str, Contestant], round_: int, trials: int, max_tokens: int) -> Kept[dict[str, Trial]]:
    """The same prompt to each of the twins in their order, again and again, after one to warm up."""

    async def measure(attempt: int) -> dict[str, Trial]:
        prompt = Prompt(token_ids=twins[REAL].token_ids(PROMPT_TOKENS, 1000 * round_ + attempt))
        return {name: await ask(twin.engine, asking(prompt, max_tokens)) for name, twin in twins.items()}

    await measure(-1)
    return await quietly(measure, trials)


def _pair(parts: Parts, trials: Sequence[dict[str, Trial]]) -> Pair:
    tokens, real_s = total(parts, [trial[REAL] for trial in trials])
    synthetic_tokens, synthetic_s = total(parts, [trial[SYNTHETIC] for trial in trials])
    if tokens != synthetic_tokens:
        raise BakeoffError(f"the twins did not do the same work: {tokens:g} and {synthetic_tokens:g} tokens")
    return Pair(tokens, real_s, synthetic_s)
