"""Two cells set against each other: what is said of them, what is refused, and what a gate in CI makes of it."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from rich.console import Console

from bakeoff.analysis.compare import Compared, Comparison, compare
from bakeoff.analysis.gate import gate
from bakeoff.analysis.likeness import RULES, differences
from bakeoff.analysis.sides import ASKABLE, sides
from bakeoff.cli.main import main
from bakeoff.report.compare import answer, compare_document, names_of, print_compared
from bakeoff.results.records import (
    SCHEMA,
    CellOpened,
    EngineTimings,
    Gpu,
    Reading,
    Run,
    Slo,
    Start,
    Timeline,
    Trial,
    Usage,
    Window,
)
from tests.hand_made import a_cell, a_host, a_run, a_trial

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
TOKENS = 129
Q4 = a_cell(text="llamacpp:r1-7b@q4_K_M", max_tokens=TOKENS)
Q8 = a_cell(text="llamacpp:r1-7b@q8_0", quant="Q8_0", max_tokens=TOKENS)


def trials(tps: float, n: int = 5, *, noise: float = 0.01, seed: int = 0, cell: int = 0, **more: Any) -> list[Trial]:
    """Trials at about this rate, of 129 tokens each, the first after 100 ms."""
    rng = random.Random(seed)
    made = []
    for index in range(n):
        ttft_ms = 100 * rng.lognormvariate(0, noise)
        span_ms = 1000 * (TOKENS - 1) / tps * rng.lognormvariate(0, noise)
        usage = Usage(prompt_tokens=40, cached_tokens=0, output_tokens=TOKENS)
        engine = EngineTimings(prefill_tokens=40, prefill_s=ttft_ms / 1250)
        trial = a_trial((ttft_ms, ttft_ms + span_ms), usage=usage, engine=engine, cell=cell, index=index)
        made.append(structs.replace(trial, **more))
    return made


def run_of(opened: CellOpened, made: Sequence[Trial], name: str = "a", **host: Any) -> Run:
    run = a_run([opened], made)
    started = structs.replace(run.started, id=f"2026-11-24-101502-{name}", host=a_host(**host))
    return structs.replace(run, started=started)


def two(a: Run, b: Run, **how: Any) -> Compared:
    return compare([sides(a), sides(b)], **how)


def said(compared: Compared, metric: str = "decode_tps") -> Comparison:
    return next(each for each in compared.pairs[0].comparisons if each.metric == metric)


def verdicts(a: Run, b: Run) -> dict[str, str]:
    return {each.metric: each.verdict for each in two(a, b).pairs[0].comparisons}


# What is shown


def test_a_faster_cell_is_said_to_be_by_how_much() -> None:
    each = said(two(run_of(Q8, trials(40)), run_of(Q4, trials(96, seed=1), "b")))
    assert each.verdict == "faster"
    assert each.ratio is not None
    assert each.ratio.low is not None
    assert each.ratio.high is not None
    assert each.ratio.low < 2.4 < each.ratio.high
    assert each.words == "faster by 2.38× (2.34–2.42)"


def test_turned_around_it_is_slower_by_as_much() -> None:
    fast, slow = run_of(Q4, trials(96, seed=1)), run_of(Q8, trials(40), "b")
    there, back = said(two(slow, fast)), said(two(fast, slow))
    assert (there.verdict, back.verdict) == ("faster", "slower")
    assert there.words.removeprefix("faster") == back.words.removeprefix("slower")
    assert there.ratio is not None
    assert back.ratio is not None
    assert there.ratio.point == pytest.approx(1 / back.ratio.point)


def test_less_time_is_faster_though_the_ratio_is_below_1() -> None:
    quick = [structs.replace(trial, timeline=halved(trial)) for trial in trials(96)]
    each = said(two(run_of(Q4, trials(96)), run_of(Q4, quick, "b")), "ttft_s")
    assert each.ratio is not None
    assert each.ratio.point == pytest.approx(0.5)
    assert each.verdict == "faster"
    assert each.words.startswith("faster by 2.0")


def halved(trial: Trial) -> Timeline:
    first, last = trial.timeline.at_ns
    return Timeline(at_ns=(first // 2, last - first // 2), kinds="aa")


def test_the_same_twice_is_equivalent_and_noise_leaves_no_difference_seen() -> None:
    quiet = said(two(run_of(Q4, trials(96, 10)), run_of(Q4, trials(96, 10, seed=1), "b"), wanted=["decode_tps"]))
    noisy = said(
        two(
            run_of(Q4, trials(96, 10, noise=0.04)),
            run_of(Q4, trials(96, 10, noise=0.04, seed=3), "b"),
            wanted=["decode_tps"],
        )
    )
    assert (quiet.verdict, quiet.words) == ("equivalent", "equivalent within ±3 %")
    assert noisy.verdict == "no_difference_seen"
    assert noisy.words.startswith("no difference seen (±")


def test_a_smaller_margin_is_harder_to_be_equivalent_within() -> None:
    a, b = run_of(Q4, trials(96, 10)), run_of(Q4, trials(96, 10, seed=2), "b")
    verdicts_by_margin = [said(two(a, b, wanted=["decode_tps"], margin=m)).verdict for m in (0.03, 0.001)]
    assert verdicts_by_margin == ["equivalent", "no_difference_seen"]


@pytest.mark.parametrize("n", [1, 2])
def test_one_trial_each_or_two_that_scatter_are_too_few_to_tell(n: int) -> None:
    compared = two(run_of(Q4, trials(96, n, noise=0.2)), run_of(Q4, trials(90, n, noise=0.2, seed=1), "b"))
    assert said(compared).verdict == "too_few_trials"
    assert said(compared).words == "too few trials to tell"


def test_how_many_trials_would_do_is_said_where_it_can_be() -> None:
    compared = two(run_of(Q4, trials(96, 4, noise=0.1)), run_of(Q4, trials(96, 4, noise=0.1, seed=1), "b"))
    sentence = answer(compared.pairs[0], names_of(compared), compared.margin)
    assert said(compared).trials_wanted is not None
    assert f"About {said(compared).trials_wanted} each would show one of 3 %." in sentence


def test_the_intervals_of_one_comparison_hold_together() -> None:
    """Five figures with an interval: each has 99 %, and is wider than it would be alone."""
    a, b = run_of(Q4, trials(96)), run_of(Q8, trials(90, seed=1), "b")
    all_of_them, alone = two(a, b), two(a, b, wanted=["decode_tps"])
    assert (all_of_them.judged, alone.judged) == (5, 1)
    assert (all_of_them.each_confidence, alone.each_confidence) == pytest.approx((0.99, 0.95))
    wide, narrow = said(all_of_them).ratio, said(alone).ratio
    assert wide is not None
    assert narrow is not None
    assert wide.confidence == pytest.approx(0.99)
    assert (wide.low or 0) < (narrow.low or 0) < (narrow.high or 0) < (wide.high or 0)


def test_of_many_equal_cells_hardly_any_is_said_to_differ() -> None:
    """Eight cells against a reference, all alike: in about one comparison in twenty any is called faster or slower."""
    wrong = 0
    for seed in range(100):
        runs = [run_of(Q4, trials(96, noise=0.03, seed=1000 * seed + i), f"r{i}") for i in range(9)]
        compared = compare([sides(run) for run in runs], wanted=["decode_tps"])
        wrong += any(each.verdict in ("faster", "slower") for pair in compared.pairs for each in pair.comparisons)
    assert wrong <= 10


def test_cells_of_the_same_rounds_are_compared_round_by_round() -> None:
    """Noise that both share in each round cancels out."""
    rng = random.Random(8)
    swings = [rng.lognormvariate(0, 0.2) for _ in range(8)]
    warm, cold = (structs.replace(a_cell(temperature=t, max_tokens=TOKENS), cell=i) for i, t in enumerate((0.0, 0.6)))
    made = [
        trial
        for index, swing in enumerate(swings)
        for cell, tps in ((0, 100.0), (1, 90.0))
        for trial in [structs.replace(trials(tps * swing, 1, noise=0.002, seed=index)[0], cell=cell, index=index)]
    ]
    apart = [structs.replace(trial, cell=0) for trial in made if trial.cell == 1]
    together = said(compare([sides(a_run([warm, cold], made))], wanted=["decode_tps"]))
    unpaired = said(
        two(
            run_of(warm, [trial for trial in made if trial.cell == 0]),
            run_of(structs.replace(cold, cell=0), apart, "b"),
            wanted=["decode_tps"],
        )
    )
    assert (together.in_rounds, unpaired.in_rounds) == (True, False)
    assert together.verdict == "slower"
    assert unpaired.verdict == "too_few_trials"


def test_a_cell_that_was_left_out_of_rounds_is_compared_with_those_of_its_own() -> None:
    """The second cell has a trial in every other round only: its four meet the first one's of the same rounds."""
    first, second = (structs.replace(Q4, cell=i, workload=structs.replace(Q4.workload, temperature=i)) for i in (0, 1))
    made: list[Trial] = []
    for index in range(8):
        made.append(structs.replace(trials(100 + index, 1, noise=0)[0], cell=0, index=index))
        if index % 2:
            made.append(structs.replace(trials(50 + index / 2, 1, noise=0)[0], cell=1, index=index // 2))
    each = said(compare([sides(a_run([first, second], made))], wanted=["decode_tps"]))
    assert each.in_rounds
    assert each.ratio is not None
    assert (each.ratio.point, each.ratio.n) == pytest.approx((0.5, 4))


# What is unlike


UNLIKE: list[tuple[str, CellOpened, set[str]]] = [
    ("prompt", a_cell(max_tokens=TOKENS, prompt="Another …"), {"decode_tps", "ttft_s", "prefill_tps", "output_tps"}),
    ("prompt", a_cell(max_tokens=TOKENS, prompt=None, prompt_tokens=512), {"decode_tps", "ttft_s"}),
    ("answer length", a_cell(max_tokens=512), {"decode_tps", "tpot_s", "output_tps"}),
    ("prompt cache", a_cell(max_tokens=TOKENS, cache="warm"), {"decode_tps", "ttft_s", "prefill_tps"}),
    ("load", a_cell(max_tokens=TOKENS, concurrency=4), {"decode_tps", "ttft_s", "output_tps"}),
]


@pytest.mark.parametrize(("what", "other", "barred"), UNLIKE)
def test_what_was_asked_otherwise_is_not_ranked(what: str, other: CellOpened, barred: set[str]) -> None:
    compared = two(run_of(Q4, trials(96)), run_of(other, trials(40), "b"))
    for metric in barred:
        each = said(compared, metric)
        assert (each.verdict, each.ratio) == ("unlike", None)
        assert what in each.unlike
        assert each.words == f"unlike: {', '.join(each.unlike)}"


def test_the_length_of_the_answer_does_not_bar_what_comes_before_it() -> None:
    found = verdicts(run_of(Q4, trials(96)), run_of(UNLIKE[2][1], trials(96), "b"))
    assert found["decode_tps"] == "unlike"
    assert "unlike" not in (found["ttft_s"], found["prefill_tps"])


def test_answers_that_came_out_shorter_bar_what_depends_on_their_length() -> None:
    short = [structs.replace(trial, usage=structs.replace(trial.usage, output_tokens=65)) for trial in trials(48)]
    found = verdicts(run_of(Q4, trials(96)), run_of(Q4, short, "b"))
    assert found["output_tps"] == "unlike"
    assert found["decode_tps"] != "unlike"


def test_chunks_are_not_set_against_tokens() -> None:
    chunks = [structs.replace(trial, usage=Usage()) for trial in trials(96)]
    found = verdicts(run_of(Q4, trials(96)), run_of(Q4, chunks, "b"))
    assert (found["decode_tps"], found["tpot_s"]) == ("unlike", "unlike")
    assert found["ttft_s"] == "equivalent"


def test_a_lower_bound_of_the_prefill_is_not_set_against_the_engines_own_time() -> None:
    bound = [structs.replace(trial, engine=EngineTimings()) for trial in trials(96)]
    found = verdicts(run_of(Q4, trials(96)), run_of(Q4, bound, "b"))
    assert found["prefill_tps"] == "unlike"
    assert found["decode_tps"] == "equivalent"


def test_memory_of_another_context_is_unlike_and_its_speed_is_not() -> None:
    more = {"memory_peak_bytes": 5_000_000_000}
    found = verdicts(
        run_of(Q4, trials(96, **more)), run_of(a_cell(max_tokens=TOKENS, context=8192), trials(96, **more), "b")
    )
    assert found["peak_memory_bytes.process"] == "unlike"
    assert found["decode_tps"] == "equivalent"


def test_memory_has_a_ratio_and_no_verdict_for_a_peak_has_no_interval() -> None:
    each = said(
        two(
            run_of(Q4, trials(96, memory_peak_bytes=5_000_000_000)),
            run_of(Q8, trials(90, memory_peak_bytes=8_000_000_000), "b"),
        ),
        "peak_memory_bytes.process",
    )
    assert each.verdict == "too_few_trials"
    assert each.words == "1.60×: a peak has no interval"
    assert each.ratio is not None
    assert (each.ratio.point, each.ratio.low) == (1.6, None)


def drawing(watts: float, scope: str) -> dict[str, Any]:
    """Readings of a trial that took so much for a second and a half."""
    readings = [
        Reading(meter="m", scope=scope, quantity="energy_j", value=1.5 * watts, span_s=1.5, method="counter"),  # type: ignore[arg-type]
    ]
    return {"readings": tuple(readings)}


def test_energy_is_compared_within_a_scope_and_said_to_be_less() -> None:
    each = said(
        two(run_of(Q4, trials(96, **drawing(100, "gpu"))), run_of(Q8, trials(96, **drawing(50, "gpu")), "b")),
        "energy_j_per_token.gpu",
    )
    assert each.ratio is not None
    assert each.ratio.point == pytest.approx(0.5)
    assert (each.verdict, each.words) == ("faster", "less by 2.00× (2.00–2.00)")


def test_energies_of_unlike_scopes_are_not_compared() -> None:
    each = said(
        two(run_of(Q4, trials(96, **drawing(100, "gpu"))), run_of(Q8, trials(96, **drawing(50, "wall")), "b")),
        "energy_j_per_token",
    )
    assert (each.verdict, each.unlike) == ("unlike", ("scope",))


# What is only said


SAID: list[tuple[str, CellOpened, dict[str, Any]]] = [
    ("quantization", Q8, {}),
    ("engine", a_cell(max_tokens=TOKENS, engine="ollama"), {}),
    ("engine version", a_cell(max_tokens=TOKENS, engine_version="2.0"), {}),
    ("model", a_cell(max_tokens=TOKENS, quant="Q4_K_M", name="train problem"), {}),
    ("kind of weights", a_cell(max_tokens=TOKENS, quant="Q4_K_M", synthetic=True), {}),
    ("weights", a_cell(max_tokens=TOKENS, quant="Q4_K_M", digest="sha256:b"), {}),
    ("setting threads", a_cell(max_tokens=TOKENS, settings={"threads": 8}), {}),
    ("sampling", a_cell(max_tokens=TOKENS, temperature=0.6), {}),
    ("machine", Q4, {"cpu": "Another CPU"}),
    ("machine", Q4, {"gpus": (Gpu(name="RTX"),)}),
    ("system", Q4, {"os": "macOS 15"}),
    ("power source", Q4, {"power_source": "battery"}),
    ("Bakeoff", Q4, {"bakeoff": "9.9"}),
]


@pytest.mark.parametrize(("what", "other", "host"), SAID)
def test_what_was_measured_may_differ_and_is_said(what: str, other: CellOpened, host: dict[str, Any]) -> None:
    base = structs.replace(Q4, subject=structs.replace(Q4.subject, settings={"threads": 4}))
    model = structs.replace(base.subject.model, digest="sha256:a", name="Hand Made")
    if what == "model":
        model = structs.replace(model, name="Other Made")
    base = structs.replace(base, subject=structs.replace(base.subject, model=model))
    compared = two(run_of(base, trials(96)), run_of(other, trials(40), "b", **host))
    assert what in [difference.what for difference in compared.pairs[0].differences]
    assert said(compared).verdict == "slower"


def test_two_machines_of_one_kind_are_the_same_whatever_their_kernels_keep() -> None:
    a, b = run_of(Q4, trials(96)), run_of(Q4, trials(96), "b", memory_bytes=16_080_000_000)
    assert two(a, b).pairs[0].differences == ()


def test_every_rule_is_seen_to_part_two_cells() -> None:
    """Each rule tells some pair of cells apart: none of them is there for nothing."""
    parted = set()
    plain = run_of(Q4, trials(96))
    others = [run_of(opened, trials(96), "b", **host) for _, opened, host in SAID]
    others += [run_of(opened, trials(96), "b") for _, opened, _ in UNLIKE]
    others.append(run_of(a_cell(max_tokens=TOKENS, context=8192, slo=Slo(ttft_s=1.0)), trials(96), "b"))
    others.append(run_of(Q4, [structs.replace(trial, usage=Usage(), engine=EngineTimings()) for trial in trials(96)]))
    cold, warm = (structs.replace(Q4, start=Start(ready_s=1, page_cache=cache)) for cache in ("cold", "warm"))
    first = [(plain, other) for other in others] + [(run_of(cold, trials(96)), run_of(warm, trials(96), "b"))]
    limits = [a_cell(max_tokens=TOKENS, slo=Slo(ttft_s=s)) for s in (1.0, 2.0)]
    first.append((run_of(limits[0], trials(96)), run_of(limits[1], trials(96), "b")))
    drivers = [run_of(Q4, trials(96), gpus=(Gpu(name="RTX", driver=driver),)) for driver in ("1", "2")]
    first.append((drivers[0], drivers[1]))
    digests = [a_cell(max_tokens=TOKENS, digest=digest) for digest in ("a", "b")]
    first.append((run_of(digests[0], trials(96)), run_of(digests[1], trials(96), "b")))
    names = [a_cell(max_tokens=TOKENS)] * 2
    other_model = structs.replace(names[1].subject.model, name="Other")
    other = structs.replace(names[1], subject=structs.replace(names[1].subject, model=other_model))
    first.append((run_of(names[0], trials(96)), run_of(other, trials(96), "b")))
    ways = [trials(96, **drawing(50, "gpu")) for _ in range(2)]
    first.append((run_of(Q4, powered(ways[0], "counter")), run_of(Q4, powered(ways[1], "samples"), "b")))
    for a, b in first:
        parted |= {difference.what for difference in differences(sides(a)[0], sides(b)[0])}
    assert {rule.what for rule in RULES} <= parted


def powered(made: Sequence[Trial], method: str) -> list[Trial]:
    reading = Reading(meter="m", scope="gpu", quantity="power_w", value=50.0, span_s=1.5, method=method)
    return [structs.replace(trial, readings=(*trial.readings, reading)) for trial in made]


def test_the_page_has_a_row_for_every_rule_with_what_it_bars() -> None:
    page = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    for rule in RULES:
        bars = "all" if rule.bars == ("*",) else ", ".join(f"`{name}`" for name in rule.bars) or "none: it is said"
        assert f"| {rule.what} | {bars} |" in page


def test_a_severe_finding_of_either_is_told_beside_the_figures() -> None:
    slow_load = [structs.replace(t, engine=structs.replace(t.engine, load_s=3.0)) for t in trials(96)]
    compared = two(run_of(Q4, trials(96)), run_of(Q4, slow_load, "b"))
    assert any(caveat.startswith("B: ") and "load" in caveat for caveat in compared.pairs[0].caveats)


def test_trials_that_resemble_the_ones_before_them_are_told_with_what_that_does() -> None:
    slopes = [structs.replace(trials(100 - 2 * i, 1, noise=0.001, seed=i)[0], index=i) for i in range(20)]
    compared = two(run_of(Q4, slopes), run_of(Q4, trials(80, 20), "b"))
    assert any("A: its trials resemble the ones before them" in caveat for caveat in compared.pairs[0].caveats)
    assert not any(caveat.startswith("B: its trials") for caveat in compared.pairs[0].caveats)


# Under load


def loaded(name: str, tokens_each: int, concurrency: int = 2) -> Run:
    """Four windows of two streams with three requests each, one behind the other."""
    opened = a_cell(max_tokens=tokens_each, concurrency=concurrency, requests=6)
    windows, made = [], []
    rng = random.Random(name)
    for window in range(4):
        end = 0
        for stream in range(2):
            at = 0
            for index in range(3):
                span = round(1e9 * rng.lognormvariate(0, 0.01))
                timeline = Timeline(at_ns=(span // 10, span), kinds="aa")
                made.append(
                    a_trial(
                        (1, 2), index=6 * window + 3 * stream + index, window=window, stream=stream, due_ns=at,
                        begun_ns=at, usage=Usage(prompt_tokens=40, cached_tokens=0, output_tokens=tokens_each),
                    )
                )  # fmt: skip
                made[-1] = structs.replace(made[-1], timeline=timeline, end_ns=span)
                at += span
            end = max(end, at)
        windows.append(Window(cell=0, index=window, purpose="timed", started="2026-11-24T10:15:02+00:00", span_ns=end))
    run = run_of(opened, made, name)
    return structs.replace(run, windows=tuple(windows))


def test_cells_under_load_are_compared_by_the_rate_of_all_streams_and_by_quantiles() -> None:
    found = {each.metric: each for each in two(loaded("a", 100), loaded("b", 100)).pairs[0].comparisons}
    assert {"output_tps", "ttft_s.p50", "tpot_s.p50"} <= set(found)
    assert "decode_tps" not in found
    assert found["output_tps"].ratio is not None
    assert found["output_tps"].ratio.n == 4
    assert found["ttft_s.p50"].ratio is not None
    assert found["ttft_s.p50"].ratio.n == 24
    assert found["ttft_s.p50"].verdict in ("equivalent", "no_difference_seen")


def test_more_streams_are_another_question() -> None:
    each = said(two(loaded("a", 100), loaded("b", 100, concurrency=4)), "output_tps")
    assert each.verdict == "unlike"


# Which cells


def many(name: str = "a", subjects: Sequence[str] = ("x", "y"), workloads: Sequence[str] = ("one", "two")) -> Run:
    """Each subject under each workload, at rates of their own."""
    cells: list[CellOpened] = []
    made: list[Trial] = []
    for entrant, subject in enumerate(subjects):
        for place, workload in enumerate(workloads):
            number = len(cells)
            opened = a_cell(text=subject, name=workload, prompt=workload, max_tokens=TOKENS)
            cells.append(structs.replace(opened, cell=number, entrant=entrant, place=place))
            made += trials(100 / (1 + entrant) + place, seed=number, cell=number)
    run = a_run(cells, made)
    return structs.replace(run, started=structs.replace(run.started, id=f"2026-11-24-101502-{name}"))


def named(compared: Compared) -> list[tuple[str, str]]:
    return [(pair.a.name[-3:], pair.b.name[-3:]) for pair in compared.pairs]


def test_the_subjects_of_one_run_are_compared_by_workload_with_the_first() -> None:
    assert named(compare([sides(many())])) == [("a#0", "a#2"), ("a#1", "a#3")]


def test_another_subject_may_be_the_reference() -> None:
    cells = sides(many())
    assert named(compare([cells], reference=cells[2])) == [("a#2", "a#0"), ("a#3", "a#1")]


def test_the_workloads_of_a_single_subject_are_set_against_the_first_and_not_ranked() -> None:
    compared = compare([sides(many(subjects=["x"]))])
    assert named(compared) == [("a#0", "a#1")]
    assert said(compared).verdict == "unlike"


def test_cells_of_two_runs_are_matched_by_what_they_were_asked_and_by_subject() -> None:
    a, b = sides(many("a")), sides(many("b", subjects=["y", "x"], workloads=["two", "one"]))
    assert named(compare([a, b])) == [("a#3", "b#0"), ("a#2", "b#1"), ("a#1", "b#2"), ("a#0", "b#3")]


def test_a_cell_without_a_counterpart_is_named() -> None:
    compared = compare([sides(many("a")), sides(many("b", workloads=["one", "three"]))])
    assert named(compared) == [("a#0", "b#0"), ("a#2", "b#2")] or named(compared) == [("a#0", "b#0"), ("a#0", "b#2")]
    assert [side.name[-3:] for side in compared.unmatched] == ["b#1", "b#3"]


# The command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, run: Run, name: str = "") -> str:
    """The file of a run, beside no other of this machine."""
    path = folder / f"{name or run.started.id}.jsonl"
    records = [run.started, *run.cells, *run.trials, *run.windows]
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return str(path)


def two_files(home: Path, tps: float = 40.0, n: int = 5, noise: float = 0.01) -> list[str]:
    a = run_of(Q4, trials(96, n, noise=noise, memory_peak_bytes=4_700_000_000), "7f3a")
    b = run_of(Q8, trials(tps, n, noise=noise, seed=1, memory_peak_bytes=8_100_000_000), "91bc", cpu="Another CPU")
    return [written(home, a), written(home, b)]


def test_the_screen_answers_first_and_shows_what_it_rests_on(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *two_files(home)]) == 0
    out = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    golden = DATA / "compare.txt"
    assert out == golden.read_text(encoding="utf-8")


def test_the_object_has_the_documented_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *two_files(home), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    document = json.loads(out)
    golden = json.loads((DATA / "compare.json").read_text(encoding="utf-8"))
    assert document.pop("schema") == SCHEMA
    assert rounded(document) == golden
    for pair in document["pairs"]:
        assert {"a", "b", "metric", "ratio", "verdict"} <= set(pair)
        assert pair["ratio"] is None or set(pair["ratio"]) == {"point", "low", "high", "confidence", "n"}


def rounded(value: Any) -> Any:
    """Figures to six digits, which is what two processors agree on."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def test_the_gate_closes_where_the_loss_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *two_files(home), "--fail-if-slower", "5%"]) == 3
    assert "is slower by more than 5 % in tokens/s: slower by 2.4" in capsys.readouterr().out


def test_the_gate_holds_where_it_is_shown_that_there_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *two_files(home, tps=96.0), "--fail-if-slower", "5%", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)["gate"]
    assert (found["holds"], found["slower"], found["open"]) == (True, [], [])
    assert "5 of 5 speeds are shown not to be" in said.err


def test_the_gate_stays_open_where_too_few_trials_leave_it_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = two_files(home, tps=90.0, n=3, noise=0.1)
    assert main(["compare", *files, "--fail-if-slower", "5%", "--metric", "decode_tps"]) == 0
    assert "Too few trials to tell whether" in " ".join(capsys.readouterr().out.split())


def test_a_gate_that_can_judge_nothing_is_a_failure_and_not_a_pass(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *two_files(home, n=1), "--fail-if-slower", "5%"]) == 1
    assert "--fail-if-slower can judge nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("tps", "state"), [(96, "held"), (91, "open"), (60, "slower")])
def test_the_limit_is_a_share_of_the_references_speed(tps: float, state: str) -> None:
    """At 96 tokens a second, 5 % less is 91.2."""
    a, b = run_of(Q4, trials(96, noise=0.01)), run_of(Q4, trials(tps, noise=0.02, seed=1), "b")
    found = gate(two(a, b, wanted=["decode_tps"]), 0.05)
    assert {"held": found.held, "open": len(found.open), "slower": len(found.slower)}[state] == 1


def test_of_a_time_too() -> None:
    late = [structs.replace(t, timeline=Timeline(at_ns=(110_000_000, 1_500_000_000), kinds="aa")) for t in trials(96)]
    compared = two(run_of(Q4, trials(96, noise=0.001)), run_of(Q4, late, "b"), wanted=["ttft_s"])
    assert len(gate(compared, 0.05).slower) == 1
    assert gate(compared, 0.15).held == 1


def test_a_cell_is_named_by_its_number_or_its_workload(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(home, many("a"))
    assert main(["compare", f"{file}#0", f"{file}#2", "--json"]) == 0
    by_number = json.loads(capsys.readouterr().out)
    assert {(pair["a"][-3:], pair["b"][-3:]) for pair in by_number["pairs"]} == {("a#0", "a#2")}
    assert main(["compare", f"{file}#one", f"{file}#3", "--json"]) == 0
    assert {pair["verdict"] for pair in json.loads(capsys.readouterr().out)["pairs"]} == {"unlike"}


def test_the_reference_can_be_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = two_files(home)
    assert main(["compare", a, b, "--reference", b, "--json", "--metric", "decode_tps"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert (pair["a"][-6:], pair["verdict"]) == ("91bc#0", "faster")
    file = written(home, many("c"))
    assert main(["compare", file, "--reference", "y", "--json"]) == 0
    assert {pair["a"][-3:] for pair in json.loads(capsys.readouterr().out)["pairs"]} == {"c#2", "c#3"}


BAD: list[tuple[list[str], str]] = [
    (["A", "A"], "named twice"),
    (["A", "A#0"], "named twice"),
    (["A"], "one cell only"),
    (["A", "nothing"], "No run is named 'nothing'"),
    (["A", "B#7"], "has no cell '7'. It has: 0 llamacpp:r1-7b@q8_0, train problem."),
    (["A", "B", "--reference", "C"], "is none of the runs"),
    (["A", "B", "--metric", "fastness"], "There is no metric 'fastness'"),
    (["A", "B", "--margin", "wide"], "is no share"),
    (["A", "B", "--fail-if-slower", "-5%"], "is no share"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD)
def test_bad_input_gets_a_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    a, b = two_files(home)
    files = [word.replace("A", a, 1) if word[0] == "A" else word.replace("B", b, 1) if word[0] == "B" else word
             for word in arguments]  # fmt: skip
    assert main(["compare", *files]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.out == ""


def test_names_from_files_stay_on_their_line_and_are_never_obeyed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nasty = a_cell(text="x\x1b[31m\nError: no", name="w\x1b]0;t\x07", prompt="p\x1b[2J\n" * 40, engine="e\x1b[1m")
    file = written(home, run_of(nasty, trials(96), "b\x1b[31m"), "nasty")
    other = written(home, run_of(Q4, trials(96)))
    assert main(["compare", other, file, "--fail-if-slower", "5%"]) in (0, 1)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\nError: no" not in said.out


def test_a_run_without_a_figure_is_compared_without_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [a_trial((), status="failed", usage=Usage(), engine=EngineTimings(), end_ns=None, finish=None, error="x")]
    files = [written(home, run_of(Q4, failed)), written(home, run_of(Q8, failed, "b"))]
    assert main(["compare", *files]) == 1
    assert "Nothing that could be compared is known" in capsys.readouterr().out


EXTREMES = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
whole = st.sampled_from(EXTREMES)
seconds = st.sampled_from([0.0, -1.0, 1e-300, 1e300, 5e-324, 0.1])


@st.composite
def hostile_trials(draw: st.DrawFn) -> list[Trial]:
    """Two to four trials whose numbers are at their ends, or ordinary."""
    made = []
    for index in range(draw(st.integers(2, 4))):
        at = sorted(draw(st.lists(st.one_of(whole, st.integers(1, 10**10)), min_size=1, max_size=3)))
        made.append(structs.replace(
            a_trial(
                [1] * len(at), index=draw(st.sampled_from([index, 0, 2**63 - 1])), memory_peak_bytes=draw(whole),
                usage=Usage(prompt_tokens=draw(whole), cached_tokens=draw(whole), output_tokens=draw(whole)),
                engine=EngineTimings(prefill_tokens=draw(whole), prefill_s=draw(seconds), decode_s=draw(seconds)),
                **drawing(draw(seconds), "gpu"),
            ),
            timeline=Timeline(at_ns=tuple(at), kinds="a" * len(at)), end_ns=draw(whole),
        ))  # fmt: skip
    return made


@settings(max_examples=60)
@given(hostile_trials(), hostile_trials())
def test_numbers_at_their_ends_give_a_ratio_or_none_but_never_an_error(a: list[Trial], b: list[Trial]) -> None:
    compared = compare([sides(run_of(Q4, a)), sides(run_of(Q8, b, "b"))], wanted=ASKABLE)
    gate(compared, 0.05)
    out = io.StringIO()
    print_compared(compared, Console(file=out, width=100))
    msgspec.json.encode(compare_document(compared))
    for each in compared.pairs[0].comparisons:
        if each.ratio is not None and each.ratio.low is not None and each.ratio.high is not None:
            assert 0 < each.ratio.low <= each.ratio.point <= each.ratio.high < math.inf
