"""How far one distribution lies from another, where only the likeliest of either are known; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

ROUNDING = 3e-4
"""Of a sum of probabilities, and hence of a divergence in nats: engines add them up in single precision. All 49,152 of
a llama-server (b11434) came to as much as 1.00025."""


def shared_kl(p: Mapping[int, float], q: Mapping[int, float]) -> tuple[float, float]:
    """(A lower bound of KL(p ‖ q) in nats, the share of p that it takes as one lump).

    Both map tokens to natural logarithms of their probabilities, of the likeliest tokens alone. Tokens that both name
    count by themselves, all others as one lump: Σ p ln(p / q) over these. Lumping can only lower the divergence (log
    sum inequality; Cover and Thomas, Elements of Information Theory, 2nd edition, theorem 2.7.1), and never below 0.
    It holds to within the rounding of what is given; a lump of q is taken to be no smaller than that.
    """
    both = [token for token in p if token in q]
    of_p, of_q = (math.fsum(math.exp(side[token]) for token in both) for side in (p, q))
    rest_p, rest_q = max(0.0, 1 - of_p), max(ROUNDING, 1 - of_q)
    named = math.fsum(math.exp(p[token]) * (p[token] - q[token]) for token in both)
    lump = rest_p * math.log(rest_p / rest_q) if rest_p else 0.0
    return max(0.0, named + lump), rest_p
