"""Prometheus text, as engines write it under ``/metrics``: only as much of it as is asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from msgspec import Struct

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+([^\s{}]+)(?:[ \t]+-?\d+)?")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_LONGEST_LINE, _MOST_SAMPLES = 16_384, 4096


class Sample(Struct, frozen=True):
    """One line: a metric, what it is told apart by, and its value, which is finite."""

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str, wanted: Collection[str]) -> list[Sample]:
    """The samples of the wanted names, in their order; lines that are not Prometheus text are passed over."""
    found: list[Sample] = []
    for line in text.split("\n"):
        if len(line) > _LONGEST_LINE or not line.startswith(tuple(wanted)):
            continue
        match = _SAMPLE.fullmatch(line.strip())
        if match is None or match[1] not in wanted:
            continue
        value = _number(match[3])
        if value is not None:
            found.append(Sample(match[1], _labels(match[2] or ""), value))
        if len(found) == _MOST_SAMPLES:
            break
    return found


def total(found: Collection[Sample], *names: str) -> float | None:
    """The sum over everything that the first of these names, that there is, is told apart by; None without one."""
    for name in names:
        values = [sample.value for sample in found if sample.name == name]
        if values:
            return sum(values)
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _labels(text: str) -> dict[str, str]:
    return {name: _ESCAPED.sub(lambda escape: {"n": "\n"}.get(escape[1], escape[1]), value)
            for name, value in _LABEL.findall(text)}  # fmt: skip
