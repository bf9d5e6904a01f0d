"""Which quantization to take: a rule in words, from the planner's own numbers.

Of the quantizations whose weights and cache fit where the model is to run, with the context that is needed, and
that decode at the pace that is needed, take the one that loses least. ``LOSS`` says how much each loses. Q8_0 loses
nothing that shows, so F16 is taken only where nothing else was asked about. Where what fits is too slow, take what
loses least of the nearly fastest. Where nothing fits, a setting that can be changed comes first, then a tight fit,
then a split between GPU and processor, if it keeps the pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

LOSS: dict[str, float] = {
    # Rise of perplexity over F16 in percent. Llama 2 70B, scorecard in llama.cpp's README of August 2023; Q8_0:
    # Salamandra 2B, quantization table on its Hugging Face page, as no scorecard has it.
    "F16": 0.0,
    "BF16": 0.0,
    "Q8_0": 0.02,
    "8bit": 0.02,  # as Q8_0: MLX has groups of 64 where Q8_0 has blocks of 32; not measured apart
    "Q6_K": 0.16,
    "Q5_K_M": 0.40,
    "Q5_K_S": 0.50,
    "Q4_K_M": 1.20,
    "Q5_0": 1.26,
    "Q4_K_S": 1.57,
    "Q4_1": 2.37,
    "Q4_0": 3.61,
    "4bit": 3.61,  # as Q4_0: both spend 4.5 bits without a mix; not measured apart
    "Q3_K_L": 3.80,
    "Q3_K_M": 4.72,
    "Q3_K_S": 7.89,
    "Q2_K": 8.82,
}
UNKNOWN_LOSS = 10.0
NOTHING_SHOWS = 0.02
"""Percent: what loses no more than this is as good as unquantized."""
NEARLY_AS_FAST = 0.85
"""Of the fastest: where nothing keeps the pace, so much speed is worth giving for less loss."""
INTERACTIVE_TPS = 10.0
"""Below this, waiting is what one does: the usual floor of interactive use."""

Fits = Literal["yes", "yes_if", "tight", "split", "no"]
_ORDER: tuple[Fits, ...] = ("yes", "yes_if", "tight", "split")


class Option(Protocol):
    """What the rule looks at of a row: one model, quantization and machine."""

    @property
    def quant(self) -> str: ...
    @property
    def fits(self) -> Fits: ...
    @property
    def max_context(self) -> int: ...
    @property
    def slow_tps(self) -> float:
        """The low end of the decode rate's interval, at the context that is needed."""
        ...

    @property
    def likely_tps(self) -> float:
        """The decode rate to expect there."""
        ...


class Needs(Struct, frozen=True, kw_only=True):
    """What the user needs: tokens per second, at that context length."""

    tps: float = INTERACTIVE_TPS
    context: int = 4096


class Choice(Struct, frozen=True, kw_only=True):
    """The option to take, by its place, or None; and why, in one sentence."""

    index: int | None
    reason: str


def choose(options: Sequence[Option], needs: Needs) -> Choice:
    """Apply the rule to the quantizations of one model on one machine."""
    context = f"{needs.context:,} tokens of context"
    pace = f"{needs.tps:g} tokens/s"
    for fits in _ORDER:
        here = [i for i, option in enumerate(options) if option.fits == fits and option.max_context >= needs.context]
        fast = [i for i in here if options[i].likely_tps >= needs.tps]
        if fast:
            best = min(fast, key=lambda i: _badness(options[i]))
            return Choice(index=best, reason=_reason(options[best], fits, context, pace, needs))
        if here and fits == "yes":
            fastest = max(options[i].likely_tps for i in here)
            near = [i for i in here if options[i].likely_tps >= NEARLY_AS_FAST * fastest]
            best = min(near, key=lambda i: _badness(options[i]))
            return Choice(
                index=best,
                reason=f"nearly the fastest that fits with {context}, though below {pace}: "
                f"about {options[best].likely_tps:.2g} tokens/s",
            )
    left = [option for option in options if option.fits != "no"]
    if left:
        quickest = max(left, key=lambda option: option.likely_tps)
        return Choice(
            index=None,
            reason=f"not recommended here: no quantization fits {context} and keeps {pace}; "
            f"the fastest, {quickest.quant}, would do about {quickest.likely_tps:.2g} tokens/s",
        )
    return Choice(index=None, reason=f"not recommended here: no quantization fits, not even split, with {context}")


def loss(quant: str) -> float:
    """Rise of perplexity in percent, as far as it is published; ``UNKNOWN_LOSS`` else."""
    return LOSS.get(quant, UNKNOWN_LOSS)


def _badness(option: Option) -> tuple[float, float]:
    """Least loss first; of what loses nothing that shows, the fastest."""
    return max(loss(option.quant), NOTHING_SHOWS), -option.likely_tps


def _reason(option: Option, fits: Fits, context: str, pace: str, needs: Needs) -> str:
    how = {
        "yes": "fits",
        "yes_if": "fits once the condition is met",
        "tight": "fits, but only just",
        "split": "does not fit whole, and keeps the pace even split",
    }[fits]
    lost = loss(option.quant)
    if lost <= NOTHING_SHOWS:
        quality = "loses nothing that shows"
    elif lost >= UNKNOWN_LOSS:
        quality = "loses an unknown amount"
    else:
        quality = f"loses least of those that do (perplexity +{lost:g} %)"
    sure = "" if option.slow_tps >= needs.tps else f" (perhaps less: {option.slow_tps:.2g})"
    return f"{how} with {context}, keeps {pace}{sure}, and {quality}"
