"""What a request has to keep to count as served well, as users write it: ``ttft=2s,tpot=80ms``."""

from __future__ import annotations

import re

from bakeoff.errors import UsageError
from bakeoff.results.records import Slo
from bakeoff.units import plain_text

EXAMPLE = "ttft=2s,tpot=80ms"
_FIELDS = {"ttft": "ttft_s", "tpot": "tpot_s", "itl": "itl_s", "latency": "latency_s"}
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s)?")


def parse_slo(text: str) -> Slo:
    """The limits in ``text``. Raises UsageError, with what to write, where it is none."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        shown = plain_text(part.strip())[:60]
        if not equals or name.lower() not in _FIELDS:
            raise UsageError(
                f"--slo does not know {shown!r}. A limit is one of {', '.join(_FIELDS)}, for instance {EXAMPLE}."
            )
        field = _FIELDS[name.lower()]
        if field in found:
            raise UsageError(f"--slo has {name} twice: leave one of them out.")
        found[field] = _seconds(value, name, shown)
    return Slo(**found)


def _seconds(value: str, name: str, shown: str) -> float:
    match = _TIME.fullmatch(value.lower())
    if match is None:
        raise UsageError(f"--slo cannot read a time in {shown!r}: write for instance {name}=2s or {name}=80ms.")
    if match[2] is None:
        raise UsageError(f"--slo needs a unit in {shown!r}: {name}={match[1]}s or {name}={match[1]}ms?")
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
    if seconds == 0:
        raise UsageError(f"--slo allows no time at all in {shown!r}, which nothing can keep.")
    return seconds
