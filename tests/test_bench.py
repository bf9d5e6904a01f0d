"""The benchmarks' own arithmetic: targets that can fail, ratios in pairs, mistakes told from what is right."""

from __future__ import annotations

import asyncio
import random

import pytest
from bench import quiet
from bench.cache import Result as CacheResult
from bench.cache import cache_hits
from bench.naive import Start, chunks_as_tokens, load_in_a_trial, mean_of_rates, repeated_prompt
from bench.quiet import least_disturbed, quiet_text
from bench.smollm2 import total
from bench.startup import Result as StartupResult
from bench.targets import Target, number, report, table
from bench.timing import LADDER_ERROR_MS, Score, sustained
from bench.twin import CLIENT, ENGINE, PREFILL, Pair, ratio
from bench.twin import Result as TwinResult

from bakeoff.errors import BakeoffError
from bakeoff.measurement.metrics import client_decode_parts, output_parts
from bakeoff.results.records import EngineTimings, Timeline, Trial, Usage

MS = 1_000_000


def trial(
    at_ms: tuple[int, ...],
    *,
    tokens: int | None = None,
    prompt: int = 100,
    cached: int = 0,
    prefill_s: float | None = None,
    end_ms: int | None = None,
) -> Trial:
    """A trial whose chunks came at these times; it ended with the last of them unless told."""
    return Trial(
        cell=0,
        index=0,
        purpose="timed",
        status="ok",
        started="2026-01-01T00:00:00+00:00",
        seed=0,
        timeline=Timeline(at_ns=tuple(ms * MS for ms in at_ms), kinds="a" * len(at_ms)),
        end_ns=(at_ms[-1] if end_ms is None else end_ms) * MS,
        usage=Usage(prompt_tokens=prompt, cached_tokens=cached, output_tokens=tokens or len(at_ms)),
        engine=EngineTimings(prefill_tokens=prompt - cached, prefill_s=prefill_s),
    )


@pytest.mark.parametrize(
    ("figure", "at_least", "met"),
    [(1.0, False, True), (1.1, False, False), (1.0, True, True), (0.9, True, False), (None, False, False),
     (None, True, False)],
)  # fmt: skip
def test_a_target_is_met_up_to_its_limit_and_never_without_a_figure(
    figure: float | None, at_least: bool, met: bool
) -> None:
    assert Target("what", "ms", figure, 1.0, at_least=at_least).met is met


def test_the_report_shows_limit_figure_and_verdict_of_each_target() -> None:
    lines = report([Target("error", "ms", 0.0123, 0.03), Target("rate", "tok/s", None, 40_000, at_least=True)])
    _, _, error, rate = lines.splitlines()
    assert error.split() == ["error", "≤", "0.03", "ms", "0.0123", "ms", "✓"]
    assert rate.split() == ["rate", "≥", "40,000", "tok/s", "none", "✗"]


def test_numbers_have_three_digits_and_groups_from_a_thousand_on() -> None:
    assert [number(n) for n in (0.012345, 1.5, 99.4, 100.4, 34_904.2, -250.7)] == [
        "0.0123", "1.5", "99.4", "100", "34,904", "-251",
    ]  # fmt: skip


def test_a_table_keeps_text_left_and_figures_right() -> None:
    assert table([("name", "ms"), ("a", "1,000"), ("longer", "2")]).splitlines() == [
        "name       ms",
        "─────────────",
        "a       1,000",
        "longer      2",
    ]


def test_the_sustained_rate_is_the_highest_below_the_error_limit() -> None:
    def step(tokens_per_s: float, median_ms: float) -> Score:
        return Score(median_ms, 0.0, 0.0, 0.0, tokens_per_s)

    over = LADDER_ERROR_MS * 1.01
    assert sustained([step(10_000, 0.1), step(20_000, 0.5), step(30_000, over)]) == 20_000
    assert sustained([step(10_000, over)]) is None


def test_the_start_is_judged_by_the_ratio_of_the_medians() -> None:
    assert [target.met for target in StartupResult(40.0, 60.0, 20).targets()] == [True]
    assert [target.met for target in StartupResult(40.0, 60.4, 20).targets()] == [False]


def test_a_twin_that_takes_longer_is_slower_by_the_ratio_of_all_its_seconds() -> None:
    found = ratio([Pair(100, real_s=1.0, synthetic_s=1.0), Pair(100, real_s=1.0, synthetic_s=1.5)])
    assert found.point == pytest.approx(200 / 2.5 / (200 / 2.0))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.point < found.high


def test_a_slow_round_slows_both_twins_and_leaves_their_ratio_alone() -> None:
    slowness = [1.0, 1.3, 4.0, 0.9, 1.1]
    found = ratio([Pair(100, real_s=slow, synthetic_s=slow / 0.98) for slow in slowness])
    assert (found.point, found.low, found.high) == pytest.approx((0.98, 0.98, 0.98))


def test_the_ratio_of_twins_is_covered_by_its_interval_as_often_as_promised() -> None:
    rng = random.Random(1)
    covered = 0
    for _ in range(400):
        pairs = []
        for _ in range(12):
            slow = rng.lognormvariate(0, 0.2)
            pairs.append(Pair(100, slow * rng.gauss(1, 0.03), slow * rng.gauss(1, 0.03) / 0.97))
        found = ratio(pairs)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.97 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_twins_are_judged_by_how_far_apart_they_decode_either_way() -> None:
    def judged(engine: float, client: float) -> list[bool]:
        rounds = {
            ENGINE: [Pair(100, engine, 1.0)] * 5,
            CLIENT: [Pair(100, client, 1.0)] * 5,
            PREFILL: [Pair(100, 2.0, 1.0)] * 5,
        }
        return [target.met for target in TwinResult("", rounds).targets()]

    assert judged(1.049, 0.951) == [True, True]
    assert judged(1.051, 0.949) == [False, False]


def test_a_repeated_prompt_looks_faster_than_it_is() -> None:
    fresh = trial((1000, 1010), prefill_s=0.9)
    hit = trial((20, 30), cached=99, prefill_s=0.01)
    ttft, prefill, ttft_again, prefill_again = repeated_prompt([[fresh, hit, hit]], [fresh, fresh])
    assert (ttft.naive, ttft.true) == pytest.approx((1040 / 3, 1000))
    assert (prefill.naive, prefill.true) == pytest.approx((300 / 0.92, 100 / 0.9))
    assert (ttft_again.naive, ttft_again.ratio) == pytest.approx((20, 0.02))
    assert prefill_again.naive == pytest.approx(100 / 0.01)


def test_chunks_that_hold_several_tokens_make_a_rate_too_low() -> None:
    count, decode = chunks_as_tokens("here", [trial((100, 200, 300), tokens=9)])
    assert (count.naive, count.true) == (3, 9)
    assert (decode.naive, decode.true, decode.ratio) == pytest.approx((10, 40, 0.25))


def test_the_mean_of_rates_differs_from_the_rate_where_times_are_unequal() -> None:
    short, long = trial((1000,), tokens=10), trial((4000,), tokens=100)
    found = mean_of_rates("end to end", output_parts, [short, long])
    assert (found.naive, found.true) == pytest.approx(((10 + 25) / 2, 110 / 5))
    assert mean_of_rates("alike", output_parts, [short, short]).ratio == pytest.approx(1)


def test_a_load_in_the_first_trial_counts_in_its_ttft_and_end_to_end_but_not_in_its_decode() -> None:
    same = trial((100, 200), end_ms=200)
    first, mean, end_to_end, decode = load_in_a_trial([Start(0.5, "warm", [same, same, same])])
    assert (first.naive, first.true) == pytest.approx((600, 100))
    assert (mean.naive, mean.true) == pytest.approx((800 / 3, 100))
    assert (end_to_end.naive, end_to_end.true) == pytest.approx((6 / 1.1, 10))
    assert decode.ratio == pytest.approx(1)


def test_a_rate_of_only_some_of_the_trials_is_refused() -> None:
    one_chunk = trial((100,))
    with pytest.raises(BakeoffError, match="1 of 2 trials have no client_decode_parts"):
        total(client_decode_parts, [trial((100, 200)), one_chunk])


def test_cache_hits_are_read_from_the_findings_of_every_cell() -> None:
    hit = {"code": "cache_hit", "evidence": "3 of 3"}
    document = {"cells": [{"findings": [hit, {"code": "synthetic", "evidence": ""}]}, {"findings": []}]}
    found = cache_hits(document)
    assert (found.cells, found.evidence) == (2, ["3 of 3"])


def test_the_cache_targets_ask_for_a_finding_with_the_cache_on_and_for_none_without() -> None:
    hit, none = (
        cache_hits({"cells": [{"findings": [{"code": "cache_hit", "evidence": "e"}]}]}),
        cache_hits({"cells": [{"findings": []}]}),
    )
    assert [target.met for target in CacheResult("", {}, warm=hit, fair=none).targets()] == [True, True]
    assert [target.met for target in CacheResult("", {}, warm=none, fair=hit).targets()] == [False, False]


def test_what_is_kept_is_chosen_by_what_others_did_and_keeps_its_order() -> None:
    kept = least_disturbed([(0.5, "a"), (0.01, "b"), (0.9, "c"), (0.0, "d")], 3)
    assert (kept.items, kept.others, kept.made) == (["a", "b", "d"], [0.5, 0.01, 0.0], 4)


def test_disturbed_measurements_are_made_again_until_enough_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _kept(monkeypatch, [0.0, 0.8, 0.7, 0.02, 0.0]) == ([0, 3], 4)


def test_patience_with_a_busy_machine_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, made = _kept(monkeypatch, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert (kept, made) == ([6, 7], 2 * quiet.PATIENCE)


def test_the_text_says_how_busy_others_were_and_what_was_done_again() -> None:
    assert quiet_text([0.01, 0.04], 2) == "others used at most 4% of a core"
    assert quiet_text([0.01, 0.04], 5) == "others used at most 4% of a core; 3 of 5 measured again"


def _kept(monkeypatch: pytest.MonkeyPatch, others: list[float]) -> tuple[list[int], int]:
    """What ``quietly`` keeps of two wanted, where others use so many cores during each measurement."""
    shares = iter(others)

    async def calm() -> None:
        return None

    async def measure(attempt: int) -> int:
        return attempt

    monkeypatch.setattr(quiet, "_calm", calm)
    monkeypatch.setattr(quiet, "_others", lambda _: next(shares))
    kept = asyncio.run(quiet.quietly(measure, 2))
    return kept.items, kept.made
