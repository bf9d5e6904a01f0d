"""The formulas, on trials made by hand whose figures can be worked out on paper."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.measurement import metrics
from bakeoff.measurement.metrics import METRICS, cell_metrics
from bakeoff.results.records import EngineTimings, Figure, Timeline, Trial, Usage
from tests.hand_made import MS, a_trial


def point(name: str, *trials: Trial) -> float | None:
    figure = cell_metrics(trials)[name]
    return None if figure is None else figure.point


def counted(output: int | None, prompt: int | None = 40, cached: int | None = 0) -> Usage:
    return Usage(prompt_tokens=prompt, cached_tokens=cached, output_tokens=output)


# Token counts


def test_tokens_are_counted_by_the_engines_usage_report() -> None:
    trial = a_trial((100, 110), counts=(1, 2), usage=counted(7))
    assert (metrics.output_tokens(trial), metrics.tokens_from(trial)) == (7, "usage")


def test_without_a_usage_report_the_streams_running_count_is_taken() -> None:
    trial = a_trial((100, 110), counts=(2, 4), usage=Usage())
    assert (metrics.output_tokens(trial), metrics.tokens_from(trial)) == (4, "stream")


def test_without_any_report_chunks_are_counted_and_it_is_said() -> None:
    trial = a_trial((100, 110, 120), usage=Usage())
    assert (metrics.output_tokens(trial), metrics.tokens_from(trial)) == (3, "chunks")


def test_an_answer_without_chunks_has_no_tokens() -> None:
    assert metrics.output_tokens(a_trial((), usage=Usage())) is None


# Times


def test_ttft_is_the_time_to_the_first_text_whatever_its_kind() -> None:
    assert metrics.ttft_s(a_trial((250, 260), "ra")) == 0.25
    assert metrics.ttft_s(a_trial((250, 260), "-a")) == 0.25
    assert metrics.ttft_s(a_trial(())) is None


def test_ttfa_is_the_time_to_the_first_answer_after_the_reasoning() -> None:
    assert metrics.ttfa_s(a_trial((100, 200, 300, 400), "rr-a")) == 0.4


def test_ttfa_without_reasoning_is_ttft() -> None:
    assert metrics.ttfa_s(a_trial((100, 200), "aa")) == 0.1


def test_ttfa_after_an_empty_reasoning_waits_for_the_answer() -> None:
    assert metrics.ttfa_s(a_trial((100, 200, 300), "--a")) == 0.3


@pytest.mark.parametrize("kinds", ["rrr", "-rr", "rr-", "---"])
def test_there_is_no_ttfa_where_no_answer_came(kinds: str) -> None:
    assert metrics.ttfa_s(a_trial((100, 200, 300), kinds)) is None


def test_latency_lasts_until_the_last_byte_and_not_the_last_text() -> None:
    assert metrics.latency_s(a_trial((100, 110), end_ns=150 * MS)) == 0.15
    assert metrics.latency_s(a_trial((100, 110), end_ns=None)) is None


def test_tpot_spreads_the_time_over_the_tokens_after_the_first() -> None:
    assert metrics.tpot_s(a_trial((100, 110, 130))) == pytest.approx(0.015)


def test_tpot_leaves_out_all_tokens_of_the_first_chunk_where_the_stream_counts_them() -> None:
    trial = a_trial((100, 140), counts=(4, 8), usage=counted(8))
    assert metrics.tpot_s(trial) == pytest.approx(0.010)


@pytest.mark.parametrize("at_ms", [(), (100,), (100, 100)])
def test_text_that_came_as_one_has_neither_tpot_nor_decode_rate(at_ms: tuple[int, ...]) -> None:
    trial = a_trial(at_ms, usage=counted(8))
    assert metrics.decode_span_s(trial) is None
    assert metrics.tpot_s(trial) is None
    assert metrics.client_decode_parts(trial) is None


def test_one_token_has_no_rate() -> None:
    trial = a_trial((100, 110), usage=counted(1))
    assert metrics.decode_intervals(trial) is None
    assert metrics.tpot_s(trial) is None
    assert metrics.client_decode_parts(trial) is None
    assert metrics.engine_decode_parts(trial) is None


# Rates


def test_the_decode_rate_is_the_intervals_between_tokens_over_their_time() -> None:
    assert point("decode_tps", a_trial((100, 110, 120, 130, 140))) == pytest.approx(4 / 0.040)


def test_a_cells_decode_rate_is_total_tokens_over_total_time_and_not_the_mean_of_rates() -> None:
    fast, slow = a_trial((100, 110, 120)), a_trial((100, 140, 180))
    assert point("decode_tps", fast, slow) == pytest.approx((2 + 2) / (0.020 + 0.080))
    assert pytest.approx(62.5) == (2 / 0.020 + 2 / 0.080) / 2, "the mean of rates, half as much again"


def test_long_answers_count_for_more_than_short_ones() -> None:
    short, long = a_trial((0, 10), usage=counted(2)), a_trial((0, 360), usage=counted(10))
    assert point("decode_tps", short, long) == pytest.approx((1 + 9) / (0.010 + 0.360))


def test_chunks_of_several_tokens_do_not_slow_the_decode_rate() -> None:
    assert point("decode_tps", a_trial((100, 140), counts=(4, 8), usage=counted(8))) == pytest.approx(7 / 0.040)


def test_the_engines_decode_rate_takes_the_same_intervals_over_the_engines_time() -> None:
    trial = a_trial((100, 110, 120, 130, 140), engine=EngineTimings(decode_s=0.050))
    assert point("engine_decode_tps", trial) == pytest.approx(4 / 0.050)
    assert point("decode_tps", trial) == pytest.approx(4 / 0.040)


def test_prefill_is_the_evaluated_tokens_over_the_engines_own_time() -> None:
    trials = [
        a_trial(usage=counted(3, prompt=40, cached=0), engine=EngineTimings(prefill_tokens=40, prefill_s=0.1)),
        a_trial(usage=counted(3, prompt=90, cached=10), engine=EngineTimings(prefill_tokens=80, prefill_s=0.3)),
    ]
    assert point("prefill_tps", *trials) == pytest.approx((40 + 80) / (0.1 + 0.3))
    assert not any(metrics.prefill_is_lower_bound(trial) for trial in trials)


def test_cached_tokens_are_left_out_of_prefill_also_where_only_the_usage_tells_them() -> None:
    trial = a_trial(usage=counted(3, prompt=100, cached=60), engine=EngineTimings(prefill_s=0.1))
    assert metrics.evaluated_prompt_tokens(trial) == 40
    assert point("prefill_tps", trial) == pytest.approx(400)
    assert not metrics.prefill_is_lower_bound(trial)


def test_without_the_engines_time_prefill_is_over_ttft_and_a_lower_bound() -> None:
    trial = a_trial((200, 210), usage=counted(2, prompt=100, cached=60), engine=EngineTimings())
    assert point("prefill_tps", trial) == pytest.approx(40 / 0.2)
    assert metrics.prefill_is_lower_bound(trial)


def test_where_cached_tokens_may_hide_in_the_count_the_engines_time_is_not_trusted() -> None:
    """Ollama's time covers what was evaluated, its count what was cached too: their ratio can be absurd."""
    trial = a_trial((200, 210), usage=counted(2, prompt=400, cached=None), engine=EngineTimings(prefill_s=0.001))
    assert point("prefill_tps", trial) == pytest.approx(400 / 0.2)
    assert metrics.prefill_is_lower_bound(trial)


def test_a_repeated_prompt_has_a_prefill_rate_only_where_the_engine_says_what_it_evaluated() -> None:
    silent = a_trial((20, 30), usage=counted(2, prompt=384, cached=None), engine=EngineTimings(prefill_s=0.015))
    telling = a_trial((20, 30), usage=counted(2, prompt=384, cached=383), engine=EngineTimings(prefill_s=0.015))
    assert cell_metrics([silent, telling], repeated=True)["prefill_tps"] is None
    rate = cell_metrics([telling], repeated=True)["prefill_tps"]
    assert rate is not None
    assert rate.point == pytest.approx(1 / 0.015)


def test_a_prompt_that_came_whole_from_the_cache_has_no_prefill_rate() -> None:
    trial = a_trial(usage=counted(3, prompt=40, cached=40), engine=EngineTimings(prefill_tokens=0, prefill_s=0.0))
    assert point("prefill_tps", trial) is None


def test_a_server_that_counts_no_prompt_tokens_has_no_prefill_rate() -> None:
    assert point("prefill_tps", a_trial(usage=counted(3, prompt=None, cached=None), engine=EngineTimings())) is None


def test_output_rate_is_all_tokens_over_the_whole_latency() -> None:
    trial = a_trial((100, 110, 120), end_ns=150 * MS)
    assert point("output_tps", trial) == pytest.approx(3 / 0.150)


# Between tokens


def gaps(trial: Trial) -> Any:
    """Seconds and tokens of each gap."""
    pairs = metrics.itl_gaps(trial) or []
    return [seconds for seconds, _ in pairs], [tokens for _, tokens in pairs]


def test_itl_is_the_gap_between_chunks_of_one_token_each() -> None:
    trial = a_trial((100, 110, 140))
    assert gaps(trial) == ([pytest.approx(0.010), pytest.approx(0.030)], [1, 1])
    assert point("itl_s", trial) == pytest.approx(0.020)


def test_itl_shares_a_gap_among_the_tokens_that_the_stream_counts() -> None:
    trial = a_trial((100, 120, 160), counts=(1, 3, 7), usage=counted(7))
    assert gaps(trial) == ([pytest.approx(0.020), pytest.approx(0.040)], [2, 4])
    assert point("itl_s", trial) == pytest.approx(0.060 / 6)


def test_itl_is_not_known_where_chunks_hold_an_unknown_number_of_tokens() -> None:
    trial = a_trial((100, 110, 120), usage=counted(5))
    assert metrics.itl_gaps(trial) is None
    assert point("itl_s", trial) is None
    assert point("tpot_s", trial) == pytest.approx(0.020 / 4), "TPOT stands alone"


def test_itl_is_not_known_where_chunks_were_only_counted() -> None:
    assert point("itl_s", a_trial((100, 110), usage=Usage())) is None


def test_one_chunk_has_no_gap() -> None:
    assert metrics.itl_gaps(a_trial((100,))) is None


def test_chunks_of_one_read_are_coarse() -> None:
    assert metrics.coarse_chunks(a_trial((100, 110, 110, 110, 120, 120))) == 3
    assert metrics.coarse_chunks(a_trial((100, 110))) == 0
    assert metrics.coarse_chunks(a_trial(())) == 0


# Figures


def test_a_figure_carries_its_interval_and_its_number_of_trials() -> None:
    figure = cell_metrics([a_trial((100, 110)), a_trial((200, 210)), a_trial((300, 310))])["ttft_s"]
    assert figure is not None
    assert figure.point == pytest.approx(0.2)
    assert (figure.n, figure.confidence) == (3, 0.95)
    half = 4.302653 * 0.1 / math.sqrt(3)  # t of 2 degrees of freedom, standard deviation 0.1
    assert (figure.low, figure.high) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-6)


def test_load_time_is_the_mean_of_what_the_engine_reports() -> None:
    trials = [a_trial(engine=EngineTimings(load_s=load)) for load in (0.0, 1.5)]
    assert point("load_s", *trials) == 0.75


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("ttft_s", a_trial(())),
        ("ttfa_s", a_trial((100, 110), "rr")),
        ("decode_tps", a_trial((100, 110), usage=counted(1))),
        ("engine_decode_tps", a_trial(engine=EngineTimings())),
        ("prefill_tps", a_trial(usage=counted(3, prompt=None), engine=EngineTimings())),
        ("itl_s", a_trial(usage=counted(9))),
        ("tpot_s", a_trial((100,))),
        ("latency_s", a_trial(end_ns=None)),
        ("load_s", a_trial(engine=EngineTimings())),
        ("output_tps", a_trial(end_ns=None)),
    ],
)
def test_a_figure_that_one_trial_lacks_is_withheld_for_the_whole_cell(name: str, lacking: Trial) -> None:
    complete = a_trial()
    assert point(name, complete, complete) is not None
    assert point(name, complete, lacking, complete) is None


def test_every_metric_is_named_and_unknown_without_trials() -> None:
    assert cell_metrics([]) == dict.fromkeys(METRICS)
    assert set(METRICS) == set(metrics.RATIOS) | set(metrics.MEANS)


def test_the_names_are_the_documented_ones() -> None:
    assert set(METRICS) == {
        "ttft_s", "ttfa_s", "decode_tps", "engine_decode_tps", "prefill_tps", "itl_s", "tpot_s", "latency_s",
        "load_s", "output_tps",
    }  # fmt: skip


numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
times = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def odd_trials(draw: st.DrawFn) -> Trial:
    """A trial of whatever a broken server or a file from elsewhere may hold."""
    length = draw(st.integers(0, 4))
    timeline = Timeline(
        at_ns=tuple(draw(st.integers(-(2**63), 2**63 - 1)) for _ in range(length)),
        kinds="".join(draw(st.sampled_from("ra-")) for _ in range(length)),
        tokens=draw(st.none() | st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * length)),
    )
    usage = Usage(prompt_tokens=draw(numbers), cached_tokens=draw(numbers), output_tokens=draw(numbers))
    engine = EngineTimings(
        prefill_tokens=draw(numbers), prefill_s=draw(times), decode_s=draw(times), load_s=draw(times)
    )
    return Trial(
        cell=0, index=0, purpose="timed", status="ok", started="", seed=0,
        timeline=timeline, usage=usage, engine=engine, end_ns=draw(numbers),
    )  # fmt: skip


@given(st.lists(odd_trials(), max_size=4))
def test_whatever_a_server_claims_a_figure_is_a_finite_number_or_none(trials: list[Trial]) -> None:
    for figure in cell_metrics(trials).values():
        assert figure is None or all(math.isfinite(v) for v in (figure.point, figure.low, figure.high) if v is not None)


def test_a_figure_without_an_interval_says_so() -> None:
    assert cell_metrics([a_trial((100, 110))])["ttft_s"] == Figure(point=0.1, low=None, high=None, n=1)
