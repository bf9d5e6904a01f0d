"""What this machine's own runs teach the planner: a factor on its predictions, and a narrower interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, median, stdev
from typing import Literal

from msgspec import Struct, structs

from bakeoff.planning.speed import CONFIDENCE, Speed
from bakeoff.results.records import Figure

DeviceKind = Literal["cpu", "gpu"]
SPREAD_FROM = 3
"""From so many measurements on their own spread is believed."""
FEW_WIDTH = math.log(1.25)
LEAST_WIDTH = math.log(1.08)
"""Half widths of the 80 % interval on a logarithmic scale, for few measurements and for any: another model or
quantization on the same machine and engine. Assumptions, wider than trials of one model spread."""


class Correction(Struct, frozen=True, kw_only=True):
    """Measured over predicted, by the median of ``n`` measurements, with the half width of its interval (log)."""

    decode: float
    decode_width: float
    prefill: float
    prefill_width: float
    n: int


def correction(decode: Sequence[float], prefill: Sequence[float]) -> Correction | None:
    """From ratios of measured to predicted, one for each model and quantization; None where there is none."""
    if not decode:
        return None
    decode_factor, decode_width = _factor(decode)
    prefill_factor, prefill_width = _factor(prefill or [1.0])
    return Correction(
        decode=decode_factor,
        decode_width=decode_width,
        prefill=prefill_factor,
        prefill_width=prefill_width if prefill else math.inf,
        n=len(decode),
    )


def corrected(speed: Speed, by: Correction) -> Speed:
    """The prediction with what was learned: points times the factor, intervals by what is left uncertain.

    Decode stays under the bandwidth limit.
    """
    decode = _scaled(speed.decode, by.decode, by.decode_width, speed.limit_tps)
    at_context = _scaled(speed.decode_at_context, by.decode, by.decode_width, speed.limit_tps)
    prefill = _scaled(speed.prefill, by.prefill, by.prefill_width)
    ttft = _scaled(speed.ttft, 1 / by.prefill, by.prefill_width)
    return structs.replace(speed, decode=decode, decode_at_context=at_context, prefill=prefill, ttft=ttft)


def _factor(ratios: Sequence[float]) -> tuple[float, float]:
    logs = [math.log(ratio) for ratio in ratios]
    if len(logs) < SPREAD_FROM:
        return math.exp(median(logs)), FEW_WIDTH
    quantile = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    return math.exp(median(logs)), max(LEAST_WIDTH, quantile * stdev(logs))


def _scaled(figure: Figure, factor: float, width: float, limit: float = math.inf) -> Figure:
    """Where nothing was learned of a figure, it keeps its own interval."""
    point = min(figure.point * factor, limit)
    if not math.isfinite(width):
        return figure
    return structs.replace(figure, point=point, low=point * math.exp(-width), high=min(point * math.exp(width), limit))
