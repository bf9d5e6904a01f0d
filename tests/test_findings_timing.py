"""Whether the clock, and what physics allows, agree with the figures."""

from __future__ import annotations

from msgspec import structs

from bakeoff.analysis.findings import Check, limit, timing
from bakeoff.results.records import Figure, Prediction
from tests.finding_cases import (
    Case,
    Cases,
    cell,
    every_case,
    found,
    judge,
    lost,
    of_length,
)
from tests.hand_made import MS, a_trial

LIMITED = Prediction(
    device="cpu",
    decode_tps=Figure(point=80.0),
    prefill_tps=Figure(point=400.0),
    plain_decode_tps=80.0,
    plain_prefill_tps=400.0,
    limit_tps=99.0,
    memory_bytes=3 << 30,
)
ON_GPU = structs.replace(LIMITED, device="gpu")

CASES: Cases = {
    timing.disagreement: [
        (cell([of_length(32, 310, 0.33)]), "warning", "6% above the engine's", cell([of_length(32, 310, 0.325)])),
        (cell([of_length(32, 310, 0.29)]), "warning", "6% below the engine's", cell([of_length(32, 310, 0.295)])),
        (cell([of_length(32, 310, 0.62)]), "warning", "100% above", cell([of_length(31, 310, 0.62)])),
    ],
    timing.coarse_timing: [
        (
            cell([a_trial((0, 10, 10, *range(20, 90, 5)))]), "info", "6% of the chunks",
            cell([a_trial((0, 10, 10, *range(20, 105, 5)))]),
        ),
    ],
    timing.clock_step: [
        (
            cell([a_trial(clock="kernel", clock_step_ns=-1_000_001)]), "severe", "moved by 1.00 ms",
            cell([a_trial(clock="kernel", clock_step_ns=1_000_000)]),
        ),
        (
            cell([a_trial(clock="mixed", clock_step_ns=3600 * 10**9)]), "severe", "moved by 60 min",
            cell([a_trial(clock="user", clock_step_ns=3600 * 10**9)]),  # that clock does not follow the system's
        ),
    ],

    timing.impossible_times: [
        (cell([a_trial((100, 90, 120)), a_trial()]), "severe", "1 of 2 trials have times or counts", cell([a_trial()])),
        (cell([a_trial((-5, 10))]), "severe", "1 of 1", cell([a_trial((0, 0, 0), end_ns=0), a_trial((10, 9, 11))])),
        (cell([a_trial((100, 110), end_ns=108 * MS)]), "severe", "1 of 1", cell([a_trial(end_ns=None)])),
        (
            cell([a_trial(counts=(1, 3, 2))]), "severe", "1 of 1",
            cell([a_trial(counts=(0, 2, 2)), a_trial(()), a_trial((9, 8), status="failed")]),
        ),
    ],
    limit.above_limit: [
        (
            cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30), "severe",
            "^100 tokens/s are above the 99.0 at which this machine",
            cell([a_trial((100, 110, 120.3))], predicted=LIMITED, size_bytes=2 << 30),
        ),
        (
            cell([a_trial((0, 10, 19)), a_trial((0, 10, 21))], predicted=LIMITED, size_bytes=2 << 30), "warning",
            "100 tokens/s", cell([a_trial()], size_bytes=2 << 30),
        ),
        (
            cell([a_trial()], predicted=structs.replace(LIMITED, limit_assumed=True), size_bytes=2 << 30), "info",
            "if its memory is as slow as was assumed", cell([lost]),
        ),
        (
            cell([a_trial()], predicted=ON_GPU, size_bytes=300 << 20), "severe", "100 tokens/s",
            cell([a_trial()], predicted=LIMITED, size_bytes=300 << 20),  # a processor's cache may hold it
        ),
        *(
            (cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30), "severe", "100", spared)
            for spared in (
                cell([a_trial()], predicted=LIMITED),
                cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30, cache="warm"),
                cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30, concurrency=2),
                cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30, requests=4),
                cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30, settings={"flags": "--speculative-config x"}),
                cell([lost], predicted=LIMITED, size_bytes=2 << 30),
            )
        ),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_finds_what_it_looks_for_and_nothing_else(check: Check, case: Case) -> None:
    judge(check, case)


def test_a_server_that_we_did_not_start_may_guess_ahead() -> None:
    ours, theirs = (cell([a_trial()], predicted=LIMITED, size_bytes=2 << 30, attached=a) for a in (False, True))
    assert "speculative" not in found(limit.above_limit, ours).advice
    assert "check that the server does not guess ahead" in found(limit.above_limit, theirs).advice


def test_the_side_on_which_clocks_disagree_says_what_to_look_for() -> None:
    above, below = cell([of_length(32, 310, 0.4)]), cell([of_length(32, 310, 0.2)])
    assert "held back" in found(timing.disagreement, above).advice
    assert "What a user sees is our figure" in found(timing.disagreement, below).advice
