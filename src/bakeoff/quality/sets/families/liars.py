"""Seven statements about how many of the seven are true."""

from __future__ import annotations

import re
from math import factorial
from typing import Any

from bakeoff.quality.sets.families.base import number_target
from bakeoff.quality.tasks import Task


def second(task: Task) -> Any:
    """By the number of true ones: once it is supposed, each statement is settled, so that it fits or does not."""
    claims = re.findall(r"Statement (\d): '([^']+)'", task.prompt)
    if len(claims) != 7:
        raise ValueError("not seven statements")
    return number_target(sum(_fits([text for _, text in claims], true) for true in range(8)))


def _fits(claims: list[str], true: int) -> bool:
    settled: list[bool] = []
    for claim in claims:
        settled.append(_holds(claim, true, 7 - true, settled))
    return sum(settled) == true


def _holds(claim: str, true: int, false: int, before: list[bool]) -> bool:
    """Whether a claim holds where so many are true; ``before`` are the verdicts on those before it."""
    if counted := re.match(r"(At least|At most|Exactly) (\d) of these 7 statements are (true|false)", claim):
        count, bound = (true if counted[3] == "true" else false), int(counted[2])
        return {"At least": count >= bound, "At most": count <= bound, "Exactly": count == bound}[counted[1]]
    if either := re.match(r"Either Statement (\d) or Statement (\d) is true, but not both", claim):
        return before[int(either[1]) - 1] is not before[int(either[2]) - 1]
    if claim.startswith("The number of true statements is a prime"):
        return _prime(true)
    if claim.startswith("The number of false statements is a composite"):
        return false > 1 and not _prime(false)
    raise ValueError(f"not understood: {claim}")


def _prime(number: int) -> bool:
    """By Wilson's theorem."""
    return number > 1 and (factorial(number - 1) + 1) % number == 0
