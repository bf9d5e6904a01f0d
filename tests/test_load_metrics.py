"""The formulas of a window, on timelines made by hand, and what a sweep of them says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from csv import DictReader
from typing import Any

import pytest
from msgspec import structs
from rich.console import Console

from bakeoff.analysis.load import LoadSummary, load_summary
from bakeoff.analysis.summary import CellSummary, Counts
from bakeoff.analysis.sweep import Sweep, sweeps
from bakeoff.measurement import load_metrics
from bakeoff.measurement.load_metrics import CUT, keeps, longest_itl_s, most_at_once, steady, steady_part, tokens_within
from bakeoff.report.load import load_parts
from bakeoff.report.sweeps import loads_csv, sweep_documents
from bakeoff.results.records import EngineTimings, Figure, Slo, Trial, Usage, Window
from tests.hand_made import MS, a_cell, a_trial

S = 1_000_000_000


def a_window(index: int = 0, span_s: float = 10.0, **changes: Any) -> Window:
    facts: dict[str, Any] = {"cell": 0, "purpose": "timed", "started": "now", "span_ns": round(span_s * S)}
    return Window(index=index, **facts | changes)


def sent(
    stream: int | None, due_s: float, at_ms: Sequence[float], *, begun_s: float | None = None, **changes: Any
) -> Trial:
    """A request of a window; each of its chunks came so many ms after it was sent, the last one with its end."""
    begun = due_s if begun_s is None else begun_s
    facts = {
        "window": 0,
        "stream": stream,
        "due_ns": round(due_s * S),
        "begun_ns": round(begun * S),
        "end_ns": round(at_ms[-1] * MS) if at_ms else None,
    }
    return a_trial(at_ms, **facts | changes)


def two_streams() -> list[Trial]:
    """Lead-ins until 1 and 2 s; two counted requests of four tokens each; then one that is cut off at 6 s."""
    whole = [500, 1000, 1500, 2000]
    return [
        sent(0, 0.0, [500, 1000], purpose="warm-up"),
        sent(1, 0.0, [500, 1000, 1500, 2000], purpose="warm-up"),
        sent(0, 1.0, whole),
        sent(1, 2.0, whole),
        sent(0, 3.0, whole),
        sent(1, 4.0, whole),
        sent(0, 5.0, [500, 900], purpose="warm-up", end_ns=None, status="truncated", error=CUT, usage=Usage()),
    ]


# The steady part


def test_it_begins_when_the_last_stream_is_at_its_first_counted_request_and_ends_with_the_last() -> None:
    assert steady_part(a_window(), two_streams()) == (2 * S, 6 * S)


def test_of_a_window_that_was_stopped_it_goes_up_to_the_stop() -> None:
    assert steady_part(a_window(span_s=9.0, stopped="too much"), two_streams()) == (2 * S, 9 * S)


def test_at_a_rate_it_begins_when_the_first_counted_request_was_due() -> None:
    requests = [sent(None, 0.5, [100, 200], purpose="warm-up"), sent(None, 1.5, [100, 200]), sent(None, 1.6, [300])]
    assert steady_part(a_window(), requests) == (round(1.5 * S), round(1.9 * S))


def test_there_is_none_without_a_counted_request_or_where_it_has_no_length() -> None:
    assert steady_part(a_window(), [sent(0, 0.0, [500], purpose="warm-up")]) is None
    assert steady_part(a_window(), [sent(0, 1.0, [], status="failed")]) is None
    assert steady(a_window(), [], None) is None


def test_every_token_that_arrives_in_it_counts_and_no_other() -> None:
    """In (2 s, 6 s]: three of stream 0's first request, its second one, four and four of stream 1, two that are cut."""
    part = steady(a_window(), two_streams(), None)
    assert part is not None
    assert part.span_s == 4.0
    assert part.tokens == (2 + 4) + (4 + 4) + 2


def test_requests_that_end_in_it_count_lead_ins_and_those_cut_off_do_not() -> None:
    part = steady(a_window(), two_streams(), Slo(ttft_s=1.0))
    assert part is not None
    assert (part.ended, part.lost, part.served, part.at_once) == (4, 0, 4, 2)


def test_a_request_that_failed_is_counted_as_lost_and_its_tokens_still_arrived() -> None:
    requests = two_streams()
    requests[4] = structs.replace(requests[4], status="truncated", error="the server closed the connection")
    part = steady(a_window(), requests, Slo(ttft_s=1.0))
    assert part is not None
    assert (part.ended, part.lost, part.served, part.tokens) == (3, 1, 3, 16)


@pytest.mark.parametrize(("begin", "end", "tokens"), [(0.0, 9.0, 4), (1.0, 2.0, 2), (1.0, 1.4, 0), (1.5, 2.5, 2)])
def test_a_token_at_the_begin_is_before_it_and_one_at_the_end_is_within(begin: float, end: float, tokens: int) -> None:
    trial = sent(0, 0.5, [500, 1000, 1500, 2000])
    assert tokens_within(trial, round(begin * S), round(end * S)) == tokens


def test_chunks_of_several_tokens_count_by_the_streams_own_count() -> None:
    trial = sent(0, 0.0, [100, 200, 300], counts=(3, 5, 9))
    assert tokens_within(trial, 0, 150 * MS) == 3
    assert tokens_within(trial, 150 * MS, 300 * MS) == 6


def test_without_such_a_count_the_answers_tokens_are_spread_over_its_chunks() -> None:
    trial = sent(0, 0.0, [100, 200, 300], usage=Usage(output_tokens=6))
    assert tokens_within(trial, 150 * MS, 300 * MS) == 4


def test_of_an_answer_that_was_cut_off_a_chunk_is_as_many_tokens_as_elsewhere() -> None:
    requests = [
        structs.replace(each, usage=Usage(output_tokens=2 * len(each.timeline.at_ns)) if each.end_ns else Usage())
        for each in two_streams()
    ]
    part = steady(a_window(), requests, None)
    assert part is not None
    assert part.tokens == 2 * 16


def untold(stream: int, at_ms: list[int]) -> Trial:
    """A request whose engine keeps no account of it."""
    return structs.replace(sent(stream, 0.0, at_ms), engine=EngineTimings())


def test_without_the_engines_account_it_is_at_a_request_from_the_first_chunk_to_the_last() -> None:
    requests = [untold(0, [100, 300]), untold(1, [200, 500]), untold(2, [300, 400])]
    assert most_at_once(requests, 0, S) == 2
    assert most_at_once(requests, 0, 150 * MS) == 1
    assert most_at_once([untold(0, [500, 900]), untold(1, [1000, 1400])], 0, 2 * S) == 1


def test_the_engine_is_at_a_request_from_when_it_began_to_read_the_prompt_where_it_tells() -> None:
    """Two prompts are read side by side while no answer is under way beside another."""
    apart = [sent(0, 0.0, [500, 900]), sent(1, 0.0, [1000, 1400])]
    read = [structs.replace(each, engine=EngineTimings(prefill_s=0.4)) for each in apart]
    assert most_at_once(read, 0, 2 * S) == 2
    queued = [structs.replace(each, engine=EngineTimings(prefill_s=0.1)) for each in apart]
    assert most_at_once(queued, 0, 2 * S) == 1
    absurd = [structs.replace(each, engine=EngineTimings(prefill_s=99.0)) for each in apart]
    assert most_at_once(absurd, 0, 2 * S) == 2


# A request's own


def test_times_run_from_when_a_request_was_due_not_from_when_it_could_be_sent() -> None:
    trial = sent(0, 1.0, [100, 250], begun_s=3.0)
    assert load_metrics.ttft_s(trial) == pytest.approx(2.1)
    assert load_metrics.latency_s(trial) == pytest.approx(2.25)


def test_a_request_that_was_never_sent_has_no_times() -> None:
    trial = sent(0, 1.0, [], begun_ns=None, status="failed")
    assert (load_metrics.ttft_s(trial), load_metrics.latency_s(trial)) == (None, None)


def test_the_longest_gap_is_shared_out_among_its_tokens() -> None:
    assert longest_itl_s(sent(0, 0.0, [100, 200, 700], counts=(1, 2, 7))) == pytest.approx(0.1)
    assert longest_itl_s(sent(0, 0.0, [100, 200, 700])) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, True),
        ({"ttft_s": 0.6, "tpot_s": 0.3, "itl_s": 0.5, "latency_s": 1.2}, True),
        ({"ttft_s": 0.59}, False),
        ({"tpot_s": 0.29}, False),
        ({"itl_s": 0.49}, False),
        ({"latency_s": 1.19}, False),
    ],
)
def test_a_request_is_served_where_it_keeps_every_limit(limits: dict[str, float], kept: bool) -> None:
    trial = sent(0, 1.0, [100, 200, 700], begun_s=1.5)
    assert keeps(trial, Slo(**limits)) is kept


def test_a_time_that_is_not_known_keeps_no_limit() -> None:
    assert not keeps(sent(0, 0.0, [100, 200], usage=Usage(output_tokens=7)), Slo(itl_s=9.0))


# A cell


def summed_up(requests: list[Trial], **workload: Any) -> LoadSummary:
    return load_summary(a_cell(requests=4, **workload).workload, [a_window()], requests)


def test_rates_are_sums_over_the_windows_with_an_interval_over_them() -> None:
    windows = [a_window(index) for index in range(3)]
    requests = [structs.replace(each, window=index) for index in range(3) for each in two_streams()]
    requests[-1] = structs.replace(requests[-1], timeline=a_trial([]).timeline)
    found = load_summary(a_cell(concurrency=2, requests=4).workload, windows, requests)
    assert [tokens for tokens, _ in found.totals] == [16, 16, 14]
    assert found.output_tps is not None
    assert found.output_tps.point == pytest.approx(46 / 12)
    assert found.output_tps.low is not None
    assert found.output_tps_per_stream is not None
    assert found.output_tps_per_stream.point == pytest.approx(46 / 12 / 2)
    assert found.output_tps_per_stream.low == pytest.approx(found.output_tps.low / 2)
    assert (found.requests, found.span_s, found.windows) == (12, 12.0, 3)


def test_quantiles_are_of_counted_requests_that_went_well() -> None:
    requests = two_streams()
    requests[4] = structs.replace(requests[4], status="failed")
    found = summed_up(requests, concurrency=2)
    assert {name: figure.n for name, figure in found.ttft_s.items()} == {"p50": 3, "p90": 3, "p95": 3, "p99": 3}
    assert found.ttft_s["p50"].point == 0.5
    assert found.tpot_s["p99"].point == pytest.approx(0.5)
    assert found.latency_s["p50"].point == 2.0


def test_the_time_of_a_token_is_weighted_by_tokens_and_left_out_where_chunks_are_not_tokens() -> None:
    slow, fast = sent(0, 0.0, [100, 1100]), sent(0, 2.0, [100, 200], counts=(1, 10))
    assert summed_up([slow, fast]).itl_s["p90"].point == pytest.approx(0.1 / 9)
    assert summed_up([slow, fast]).itl_s["p95"].point == pytest.approx(1.0)
    assert summed_up([slow, sent(0, 2.0, [100, 200], usage=Usage(output_tokens=7))]).itl_s == {}


def test_goodput_is_given_with_limits_and_what_was_due_at_a_rate_only() -> None:
    closed = summed_up(two_streams(), concurrency=2, slo=Slo(ttft_s=0.4))
    assert closed.goodput_rps is not None
    assert (closed.goodput_rps.point, closed.offered_rps) == (0.0, None)
    requests = [structs.replace(each, stream=None) for each in two_streams()]
    opened = summed_up(requests, arrival="poisson", rate_rps=1.0)
    assert (opened.goodput_rps, opened.output_tps_per_stream) == (None, None)
    assert opened.offered_rps is not None
    assert opened.offered_rps.point == pytest.approx(1.0)


# A sweep


def a_load(streams: int, rates: list[float], cell: int, **workload: Any) -> CellSummary:
    """A cell whose windows, of 10 s each, have these total rates."""
    opened = a_cell(cell, concurrency=streams, requests=8, **workload)
    windows = [a_window(index, cell=cell) for index in range(len(rates))]
    found = load_summary(opened.workload, windows, [])
    totals = tuple((rate * 10, 10.0) for rate in rates)
    figure = Figure(point=sum(rates) / len(rates), n=len(rates))
    found = structs.replace(found, totals=totals, output_tps=figure, requests=8 * len(rates))
    counts = Counts(ok=8, failed=0, truncated=0)
    return CellSummary(opened=opened, metrics={}, peak_memory_bytes={}, trials=counts, findings=(), load=found)


def swept(*cells: CellSummary) -> Sweep:
    (sweep,) = sweeps((cell.opened, cell.load) for cell in cells if cell.load is not None)
    return sweep


STEADY = (0.99, 1.0, 1.01)


def around(rate: float) -> list[float]:
    return [rate * share for share in STEADY]


def test_the_knee_is_where_a_doubling_gains_less_than_a_tenth_for_sure() -> None:
    sweep = swept(*(a_load(n, around(r), n) for n, r in [(1, 100), (2, 180), (4, 300), (8, 312)]))
    assert [step.verdict for step in sweep.steps] == ["pays", "pays", "does_not_pay"]
    assert (sweep.knee, sweep.knee_from, sweep.knee_to) == (4, 4, 4)


def test_there_is_none_while_every_doubling_pays() -> None:
    sweep = swept(*(a_load(n, around(r), n) for n, r in [(1, 100), (2, 180), (4, 300)]))
    assert (sweep.knee, sweep.knee_from, sweep.knee_to) == (None, 4, None)


def test_a_gain_whose_interval_holds_a_tenth_is_not_decided_by_its_point() -> None:
    wide = [300 * share for share in (0.8, 1.0, 1.2)]
    sweep = swept(a_load(1, around(100), 1), a_load(2, around(180), 2), a_load(4, wide, 4), a_load(8, around(310), 8))
    assert [step.verdict for step in sweep.steps] == ["pays", "cannot_tell", "cannot_tell"]
    assert (sweep.knee, sweep.knee_from, sweep.knee_to) == (None, 2, None)


def test_one_window_tells_nothing_of_a_knee() -> None:
    sweep = swept(a_load(1, [100], 1), a_load(2, [101], 2))
    assert sweep.steps[0].verdict == "cannot_tell"


def test_a_step_of_several_doublings_is_brought_to_one() -> None:
    sweep = swept(a_load(2, around(100), 1), a_load(16, around(133.1), 2))
    assert sweep.steps[0].gain.point == pytest.approx(1.1)


def test_cells_are_ordered_by_their_load_and_parted_by_what_else_differs() -> None:
    cells = [a_load(4, [300], 0), a_load(1, [100], 1), a_load(1, [90], 2, max_tokens=64), a_load(2, [180], 3)]
    found = sweeps((cell.opened, cell.load) for cell in cells if cell.load is not None)
    assert [[opened.cell for opened in sweep.cells] for sweep in found] == [[1, 3, 0], [2]]


def test_a_sweep_is_a_table_a_chart_and_a_sentence() -> None:
    cells = [a_load(n, around(r), n, slo=Slo(ttft_s=2.0)) for n, r in [(1, 100), (2, 200), (4, 204)]]
    console = Console(width=100, file=io.StringIO(), highlight=False)
    for part in load_parts(cells):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    screen = console.file.getvalue()
    bars = {line.split("│")[0].strip(): line.count("█") for line in screen.splitlines() if "│" in line}
    assert bars == {"1 stream": 13, "2 streams": 27, "4 streams": 28}
    assert "The knee is at 2 streams: twice as many give 2% more (" in screen
    assert "In time: first token within 2.00 s." in screen


def test_a_sweep_is_rows_for_a_chart() -> None:
    cells = [a_load(2, around(180), 0), a_load(1, around(100), 1)]
    rows = list(DictReader(io.StringIO(loads_csv("the-run", cells))))
    assert [(row["run"], row["concurrency"]) for row in rows] == [("the-run", "1"), ("the-run", "2")]
    assert [float(row["output_tps"]) for row in rows] == pytest.approx([100, 180])
    assert {"engine", "output_tps_per_stream", "ttft_p50_s", "ttft_p99_s", "goodput_rps"} <= rows[0].keys()


def test_a_sweep_names_its_cells_by_their_place_in_the_document() -> None:
    cells = [a_load(2, around(180), 7), a_load(1, around(100), 9)]
    (document,) = sweep_documents(cells)
    assert document["cells"] == [1, 0]
    assert document["steps"][0]["verdict"] == "pays"
