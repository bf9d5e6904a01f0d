"""The fitted numbers, as ``python -m fit`` wrote them into ``fitted.json``."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import msgspec

from bakeoff.planning.formula import Decode, Prefill, Processor


def width_of(what: str, vendor: str) -> float:
    """Half the width of an interval in natural logarithms; ``what`` is ``decode`` or ``prefill``."""
    widths = numbers()["log_width"][what]
    return float(widths.get(vendor, widths["other"]))


@cache
def numbers() -> dict[str, Any]:
    """All of them."""
    text = resources.files("bakeoff.planning").joinpath("fitted.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])


@cache
def decode_fit(vendor: str) -> Decode:
    """A vendor's numbers of decode; those of one without rows are NVIDIA's."""
    return msgspec.convert(_merged(vendor), Decode)


@cache
def processor_fit() -> Processor:
    """The numbers of decode without a GPU."""
    return msgspec.convert(numbers()["processor"], Processor)


@cache
def prefill_fit(vendor: str) -> Prefill:
    """A vendor's numbers of prefill."""
    return msgspec.convert(_merged(vendor), Prefill)


def _merged(vendor: str) -> dict[str, Any]:
    own = numbers()["vendors"].get(vendor, numbers()["vendors"]["nvidia"])
    return {**own, **numbers()["shared"]}
