"""When requests are due under load, how many, and how long a stream's lead-in is; pure. Nanoseconds and tokens."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import count
from typing import Literal

from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.workload.asked import Asked

Arrival = Literal["closed", "poisson", "constant"]
_NS = 1_000_000_000

REQUESTS_A_STREAM, FEWEST_REQUESTS = 4, 8
"""Of a window with streams: each has four turns on average, and one stream alone has eight."""
SECONDS_OF_ARRIVALS, FEWEST_ARRIVALS = 30, 16
"""Of a window with a rate: what is due in that time."""
OPEN_SLOTS = 4
"""Slots of an engine that we start for requests at a rate, where nobody asked for a number: llama-server's default."""


def due_times(arrival: Arrival, rate_rps: float, seed: int) -> Iterator[int]:
    """When each request is due since the window began, in order and without end.

    *constant*: every 1/rate seconds from 0 on. *poisson*: after gaps drawn from the exponential distribution of that
    mean, so that the number due in any stretch of time is Poisson's; the same for the same seed.
    """
    if arrival == "constant":
        yield from (round(number * _NS / rate_rps) for number in count())
    rng = random.Random(f"arrivals/{seed}")  # noqa: S311 (a workload, not a secret)
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate_rps)
        yield round(at_s * _NS)


def lead_in_tokens(stream: int, streams: int, max_tokens: int) -> int:
    """How long the answer is that a stream begins with: (2·stream + 1) / (2·streams) of the full length.

    Streams that all began with a full answer would march in step: all prompts read at once, then none. With these
    lengths they come to the full ones evenly spread.
    """
    return max(1, round(max_tokens * (2 * stream + 1) / (2 * streams)))


def default_requests(streams: int, rate_rps: float | None) -> int:
    """How many requests of a window count, where nobody asked for a number."""
    if rate_rps is None:
        return max(FEWEST_REQUESTS, REQUESTS_A_STREAM * streams)
    return max(FEWEST_ARRIVALS, math.ceil(SECONDS_OF_ARRIVALS * rate_rps))


def as_load(asked: Asked) -> Asked:
    """The same with what a load needs filled in; what is no load stays as it is. Raises UsageError.

    A load is whatever has several streams, a rate, or a number of requests.
    """
    if asked.concurrency == 1 and asked.rate_rps is None and asked.requests is None:
        return asked
    arrival = asked.arrival if asked.rate_rps is None or asked.arrival != "closed" else "poisson"
    if asked.rate_rps is None and arrival != "closed":
        raise UsageError(f"Requests that arrive {arrival} need a rate: add --rate, in requests a second.")
    if asked.rate_rps is not None and asked.concurrency > 1:
        raise UsageError(
            "A rate and a number of streams exclude each other: requests that are due at a rate do not wait for a "
            "stream. Leave --rate or --concurrency out."
        )
    requests = asked.requests or default_requests(asked.concurrency, asked.rate_rps)
    if requests < asked.concurrency:
        raise UsageError(
            f"{requests} requests do not keep {asked.concurrency} streams busy: set --requests to "
            f"{default_requests(asked.concurrency, None)} or more."
        )
    return structs.replace(asked, arrival=arrival, requests=requests)


def slots_for(asked: tuple[Asked, ...]) -> int:
    """How many requests an engine has to answer at once, where it is we who set it up."""
    return max((OPEN_SLOTS if each.rate_rps is not None else each.concurrency for each in asked), default=1)
