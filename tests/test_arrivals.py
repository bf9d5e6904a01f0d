"""When requests are due, how many, how a stream begins, and when they are too many."""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect
from itertools import islice, pairwise
from typing import Any

import pytest

from bakeoff.errors import UsageError
from bakeoff.workload.arrivals import as_load, default_requests, due_times, lead_in_tokens, slots_for
from bakeoff.workload.asked import Asked
from bakeoff.workload.saturation import MOST_WAITING, next_look, overload

S = 1_000_000_000


# When


def test_constant_arrivals_are_evenly_spaced_from_zero_on() -> None:
    assert list(islice(due_times("constant", 4.0, seed=1), 5)) == [0, S // 4, S // 2, 3 * S // 4, S]


def test_constant_arrivals_do_not_drift() -> None:
    assert next(islice(due_times("constant", 3.0, seed=1), 300_000, None)) == 100_000 * S


def test_poisson_arrivals_are_the_same_for_the_same_seed_only() -> None:
    first, again, other = (list(islice(due_times("poisson", 2.0, seed), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_gaps_of_poisson_arrivals_have_the_exponential_distribution_of_the_rate() -> None:
    due = list(islice(due_times("poisson", 5.0, seed=3), 20_000))
    gaps = [(b - a) / S for a, b in pairwise(due)]
    assert min(gaps) > 0
    assert sum(gaps) / len(gaps) == pytest.approx(1 / 5, rel=0.03)
    for quantile in (0.1, 0.5, 0.9):
        bound = -math.log(1 - quantile) / 5
        assert sum(gap < bound for gap in gaps) / len(gaps) == pytest.approx(quantile, abs=0.01)


# How many, and how streams begin


def test_lead_ins_bring_streams_evenly_spread_to_their_first_full_answer() -> None:
    assert [lead_in_tokens(stream, 4, 64) for stream in range(4)] == [8, 24, 40, 56]
    assert lead_in_tokens(0, 1, 64) == 32
    assert lead_in_tokens(0, 512, 64) == 1


@pytest.mark.parametrize(
    ("streams", "rate", "requests"), [(1, None, 8), (2, None, 8), (16, None, 64), (1, 0.1, 16), (1, 2.0, 60)]
)
def test_a_window_holds_four_requests_a_stream_or_half_a_minute_of_arrivals(
    streams: int, rate: float | None, requests: int
) -> None:
    assert default_requests(streams, rate) == requests


def test_one_request_after_the_other_is_no_load() -> None:
    assert as_load(Asked(prompt="Count.")) == Asked(prompt="Count.")


@pytest.mark.parametrize(
    ("asked", "arrival", "requests"),
    [
        ({"concurrency": 4}, "closed", 16),
        ({"requests": 5}, "closed", 5),
        ({"rate_rps": 2.0}, "poisson", 60),
        ({"rate_rps": 2.0, "arrival": "constant"}, "constant", 60),
    ],
)
def test_a_load_gets_what_it_does_not_say(asked: dict[str, Any], arrival: str, requests: int) -> None:
    load = as_load(Asked(**asked))
    assert (load.arrival, load.requests) == (arrival, requests)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"concurrency": 4, "requests": 3}, "3 requests do not keep 4 streams busy: set --requests to 16 or more"),
        ({"concurrency": 4, "rate_rps": 1.0}, "exclude each other"),
        ({"arrival": "constant", "requests": 4}, "need a rate: add --rate"),
    ],
)
def test_a_load_that_cannot_be_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        as_load(Asked(**asked))


def test_an_engine_is_set_up_for_the_most_streams_that_come_at_once() -> None:
    assert slots_for((Asked(),)) == 1
    assert slots_for((Asked(concurrency=2), Asked(concurrency=8))) == 8
    assert slots_for((Asked(rate_rps=1.0),)) == 4


# Too many


def evenly(count: int, latency_s: float, *, growing_by_s: float = 0.0) -> tuple[list[int], list[int]]:
    """One request a second; each takes longer than the one before by so much."""
    due = [number * S for number in range(count)]
    return due, [at + round((latency_s + number * growing_by_s) * S) for number, at in enumerate(due)]


def seen_at(now_ns: int, due: list[int], ended: list[int]) -> str | None:
    arrived = bisect(due, now_ns)
    return overload(due[:arrived], [end if end <= now_ns else None for end in ended[:arrived]], 0, now_ns)


def test_a_steady_number_of_unanswered_requests_is_no_overload() -> None:
    assert seen_at(99 * S, *evenly(100, latency_s=5.0)) is None


def test_a_number_that_grows_in_every_part_of_the_time_is_one() -> None:
    """Request n is answered at 1.5 n + 1: at t there are about t / 3 unanswered, 3 and 31 around 8 and 91 seconds."""
    words = seen_at(99 * S, *evenly(100, latency_s=1.0, growing_by_s=0.5))
    assert words == "the requests that were due and unanswered grew steadily, from 3 to 31"


def test_growth_is_not_believed_before_twenty_requests_nor_before_six_answers_could_be_given() -> None:
    few = evenly(100, latency_s=1.0, growing_by_s=2.0)
    assert seen_at(18 * S, *few) is None
    slow = evenly(100, latency_s=20.0, growing_by_s=2.0)
    assert seen_at(99 * S, *slow) is None


def test_a_thousand_unanswered_requests_are_an_overload_whatever_they_were_before() -> None:
    due = list(range(MOST_WAITING))
    assert overload(due, [None] * MOST_WAITING, 0, MOST_WAITING) == "1,024 requests were due and unanswered"
    assert overload(due[1:], [None] * (MOST_WAITING - 1), 0, MOST_WAITING) is None


def is_stopped(use: float, servers: int, rng: random.Random) -> bool:
    """Whether a window of 150 Poisson arrivals is, where servers of one second each are in use to that share."""
    free, at_s = [0.0] * servers, 0.0
    due, ended = [], []
    for _ in range(150):
        at_s += rng.expovariate(use * servers)
        begins = max(at_s, heapq.heappop(free))
        heapq.heappush(free, begins + 1)
        due.append(round(at_s * S))
        ended.append(round((begins + 1) * S))
    begin, look = bisect(due, min(ended)), next_look(0)
    while look <= len(due):
        now = due[look - 1]
        if overload(due[:look], [end if end <= now else None for end in ended[:look]], begin, now) is not None:
            return True
        look = next_look(look)
    return False


@pytest.mark.parametrize(("use", "least", "most"), [(0.5, 0, 0), (0.8, 0, 3), (1.5, 36, 40)])
def test_windows_are_stopped_where_servers_cannot_keep_up_and_hardly_ever_else(
    use: float, least: int, most: int
) -> None:
    rng = random.Random(11)
    assert least <= sum(is_stopped(use, servers=4, rng=rng) for _ in range(40)) <= most
