"""How tasks are asked: sampling, seeds, the order, and how many tokens an answer may have."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from msgspec import Struct

ADVISED_TOKENS = 32_768
"""What the authors of DeepSeek-R1 allow an answer (arXiv 2501.12948, section 3); also temperature 0.6, top-p 0.95."""
TEMPERATURE, TOP_P = 0.6, 0.95
USUAL_TOKENS = 8192
"""Allowed where nothing tells how fast a subject will be."""
LONGEST_ANSWER_S = 600.0
"""By choice: by itself, Bakeoff allows no answer that would take longer."""
FEWEST_TOKENS = 1024
_TEMPLATE_TOKENS = 256
_BYTES_A_TOKEN = 2
"""Few enough that no usual tokenizer makes more tokens of a prompt; English has some four bytes a token."""


class Sampling(Struct, frozen=True, kw_only=True):
    """``samples`` answers to each task, of ``max_tokens`` at most; greedy at temperature 0. ``seed`` gives theirs."""

    samples: int = 1
    max_tokens: int = USUAL_TOKENS
    temperature: float = TEMPERATURE
    top_p: float | None = TOP_P
    seed: int = 0

    @property
    def greedy(self) -> bool:
        """Whether each token is the likeliest one, so that an answer repeats."""
        return self.temperature == 0


def answer_seed(seed: int, item: str, sample: int) -> int:
    """The seed of one answer, of 31 bits: the same for every subject, whatever else is asked."""
    return random.Random(f"{seed}/{item}/{sample}").getrandbits(31)  # noqa: S311 (a seed, not a secret)


def order(items: Sequence[str], samples: int, seed: int) -> Iterator[tuple[str, int]]:
    """(item, sample): all items once in a random order, then once more in another, and so on.

    What has been answered at any time is a fair part of the whole, so that a running estimate is one.
    """
    for sample in range(samples):
        shuffled = list(items)
        random.Random(f"{seed}/order/{sample}").shuffle(shuffled)  # noqa: S311 (an order)
        yield from ((item, sample) for item in shuffled)


def prompt_room(prompts: Sequence[str]) -> int:
    """Tokens that surely hold the longest of the prompts with a chat template around it; a multiple of 256."""
    longest = max((len(prompt.encode()) for prompt in prompts), default=0)
    return 256 * math.ceil((longest / _BYTES_A_TOKEN + _TEMPLATE_TOKENS) / 256)


def budget(slowest_tps: float | None, trained: int | None, room: int) -> int:
    """Tokens to allow an answer: as advised, unless that takes the slowest subject too long, or its context ends.

    ``trained`` is the shortest context that a subject was trained to, ``room`` the prompt's part of it. None: unknown.
    """
    by_time = USUAL_TOKENS if slowest_tps is None else max(FEWEST_TOKENS, _round(slowest_tps * LONGEST_ANSWER_S))
    by_context = ADVISED_TOKENS if trained is None else max(FEWEST_TOKENS, trained - room)
    return min(ADVISED_TOKENS, by_time, by_context)


def _round(tokens: float) -> int:
    """Down to a power of two."""
    return int(2 ** math.floor(math.log2(max(1.0, tokens))))
