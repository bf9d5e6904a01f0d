"""How claims are judged: properties that hold for any numbers, and a user's own runs beside a claim of the like."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from fit.published import TARGET
from fit.published import text as published_text
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.analysis.claims.claims_file import parse_claims
from bakeoff.analysis.claims.measured import measured_cells
from bakeoff.analysis.claims.published import rows
from bakeoff.analysis.claims.quantity import parse_quantity
from bakeoff.analysis.claims.subject import placed, work_of
from bakeoff.analysis.claims.verdict import Checked, Evidence, against_interval, judged
from bakeoff.analysis.claims.verify import specifications_of, verify
from bakeoff.hardware.chips import chips
from bakeoff.hardware.dated import old_note
from bakeoff.models.catalogue import find
from bakeoff.planning.placement import bandwidth_limit_tps
from bakeoff.results.records import Gpu, Host, Run
from tests.claim_runs import RTX, runs_of_7b
from tests.hand_made import a_host

HEAD = 'title = "A table"\nsource = "somewhere"\ndate = "2026-01"\n'


def claims(body: str, head: str = "") -> list[Checked]:
    return verify(parse_claims("mine.toml", HEAD + head + body))


def one(metric: str, claimed: str, **keys: Any) -> Checked:
    lines = "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items())
    body = f'[[claims]]\nid = "a"\nstatement = "It is so"\nmetric = "{metric}"\nclaimed = "{claimed}"\n{lines}'
    return claims(body)[0]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


SUBJECT = {"hardware": "rtx-4090", "model": "r1-7b", "quant": "Q4_K_M", "engine": "ollama"}


@given(st.floats(1, 5000))
def test_a_speed_above_the_bandwidth_limit_is_impossible_and_one_below_is_never(rate: float) -> None:
    found = one("decode", f"{rate:.3f} tok/s", **SUBJECT)
    limit = bandwidth_limit_tps(work_of(found.claim), placed(found.claim))
    assert (found.verdict == "impossible") == (round(rate, 3) - 0.0005 > limit)


@given(st.floats(1, 1000), st.floats(1.01, 3), st.floats(1, 1000), st.floats(1, 20))
def test_a_claim_that_shares_a_value_with_the_interval_holds_and_one_far_off_does_not(
    point: float, width: float, low: float, reach: float
) -> None:
    claimed = parse_quantity(f"{low:.4f}-{low * reach:.4f} tok/s")
    verdict, ends = against_interval(claimed, point / width, point, point * width)
    shares = claimed.least <= point * width and point / width <= claimed.most
    assert (verdict == "holds") == shares
    if verdict == "does_not_hold":
        assert set(ends.values()) == {"does_not_hold"}
        assert claimed.most < point / width or claimed.least > point * width


def test_a_claim_just_outside_an_80_percent_interval_is_open_and_twice_as_far_is_not() -> None:
    """The interval is 80 to 125 around 100, a factor of 1.25 either way; refuted is what lies beyond 1.25²."""
    for rate, wanted in ((124, "holds"), (130, None), (155, None), (158, "does_not_hold"), (63, "does_not_hold")):
        assert against_interval(parse_quantity(f"={rate} tok/s"), 80, 100, 125)[0] == wanted


@given(st.lists(st.tuples(
    st.sampled_from(["arithmetic", "measured", "published", "predicted"]),
    st.sampled_from([None, "holds", "does_not_hold", "impossible"])), max_size=6))  # fmt: skip
def test_the_first_source_that_decides_gives_the_verdict_and_impossible_goes_before_all(pairs: list[Any]) -> None:
    evidence = [Evidence(source=source, words="so", verdict=verdict) for source, verdict in pairs]
    claim = one("decode", "90 tok/s", **SUBJECT).claim
    found = judged(claim, evidence, "a run")
    verdicts = [verdict for _, verdict in pairs]
    if "impossible" in verdicts:
        assert found.verdict == "impossible"
    elif not any(verdicts):
        assert (found.verdict, found.needed) == ("cannot_check", "a run")
    else:
        order = ["arithmetic", "measured", "published", "predicted"]
        first = min((each for each in evidence if each.verdict), key=lambda each: order.index(each.source))
        assert found.verdict == first.verdict


@given(st.integers(1, 400), st.integers(1, 40))
def test_a_difference_finer_than_one_answer_is_impossible_and_one_answers_is_not(items: int, samples: int) -> None:
    step = 100 / (items * samples)
    finer = one("accuracy_difference", f"={step / 2:.9f} pp", items=items, samples=samples)
    whole = one("accuracy_difference", f"{step:.9f} pp", items=items, samples=samples)
    assert (finer.verdict, whole.verdict) == ("impossible", "cannot_check")


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0.01, 100))
def test_break_even_comes_out_as_price_over_what_the_api_bills(price: float, calls: float, per_million: float) -> None:
    months = price / (calls * 1000 * per_million / 1e6 * 365.25 / 12)
    where = {"hardware_price": price, "calls_per_day": calls, "tokens_out": 1000, "api_output_price": per_million}
    assert one("break_even", f"{months * 0.99:.9f}-{months * 1.01:.9f} months", where=where).verdict == "holds"
    assert one("break_even", f"{months * 1.2:.9f} months", where=where).verdict == "impossible"


@given(st.floats(1, 100), st.floats(0, 100), st.floats(1, 100), st.floats(0, 100))
def test_a_ratio_of_two_ranges_holds_at_its_middles_and_is_impossible_beyond_its_ends(
    a: float, more_a: float, b: float, more_b: float
) -> None:
    def both(claimed: str) -> Checked:
        body = "".join(
            f'[[claims]]\nid = "{name}"\nstatement = "x"\nmetric = "power"\nhardware = "rtx-4090"\n'
            f'claimed = "{low:.6f}-{low + more:.6f} W"\n'
            for name, low, more in (("a", a, more_a), ("b", b, more_b))
        )
        ratio = f'[[claims]]\nid = "c"\nstatement = "x"\nmetric = "ratio"\nof = ["a", "b"]\nclaimed = "{claimed}"\n'
        return claims(body + ratio)[2]

    middle, most = (a + more_a / 2) / (b + more_b / 2), (a + more_a) / b
    assert both(f"{middle * 0.99:.9f}-{middle * 1.01:.9f} x").verdict == "holds"
    assert both(f"{most * 1.05:.9f} x").verdict == "impossible"


def test_a_model_larger_than_all_the_memory_there_is_cannot_fit() -> None:
    found = one("fits", "yes", hardware="rtx-4090", model="r1-70b", quant="F16")
    assert found.verdict == "impossible"
    assert one("fits", "no", hardware="rtx-4090", model="r1-70b", quant="F16").verdict == "holds"


def test_code_is_read_and_never_run() -> None:
    assert one("code", "parses", code="1 / 0").verdict == "holds"
    assert one("code", "parses", code="if:").verdict == "does_not_hold"
    assert one("code", "parses", code="if:", copy_is_faithful=False).verdict == "cannot_check"
    assert one("code", "parses", code="(" * 3000).verdict == "does_not_hold"


@pytest.mark.parametrize(
    ("ranges", "verdict"),
    [(["3.10+", ">=3.10"], "holds"), (["3.10+", "3.9-3.11"], "does_not_hold"), (["3.12+", "3.9-3.11"], "impossible")],
)
def test_requirements_agree_overlap_or_exclude_each_other(ranges: list[str], verdict: str) -> None:
    assert one("versions", "agree", ranges=ranges).verdict == verdict


@pytest.mark.parametrize(
    ("version", "verdict"), [("0.5.7", "holds"), ("0.6.7", "does_not_hold"), ("0.15.5", "cannot_check")]
)
def test_a_warm_up_without_a_context_loads_the_model_only_where_the_default_is_that_of_the_trials(
    version: str, verdict: str
) -> None:
    head = (
        f'[conditions]\nengine = "ollama"\nengine_version = "{version}"\n[protocol]\nruns = 3\ntrial_context = 2048\n'
    )
    body = '[[claims]]\nid = "a"\nstatement = "x"\nmetric = "method"\nclaimed = "loaded_before_timing"\n'
    assert claims(body, head)[0].verdict == verdict


def test_the_power_of_a_gpu_alone_cannot_be_above_its_limit() -> None:
    assert one("power", "500 W", hardware="rtx-4090", scope="gpu").verdict == "impossible"
    assert one("power", "500 W", hardware="rtx-4090", scope="wall").verdict == "cannot_check"


CLAIM = (
    '[[claims]]\nid = "a"\nstatement = "x"\nmetric = "decode"\n'
    'hardware = "rtx-4090"\nmodel = "r1-7b"\nquant = "Q4_K_M"\nengine = "ollama"\nclaimed = "90-110 tok/s"\n'
)


def _against(runs: list[Run]) -> Checked:
    return verify(parse_claims("mine.toml", HEAD + CLAIM), measured_cells(runs))[0]


def test_a_run_of_the_like_decides_against_what_was_planned() -> None:
    found = _against(runs_of_7b(10.0, RTX))
    measured = [each for each in found.evidence if each.source == "measured"]
    assert [each.verdict for each in measured] == ["holds"]
    assert measured[0].point == pytest.approx(100, rel=0.01)
    assert found.verdict == "holds"
    assert _against(runs_of_7b(7.0, RTX)).verdict == "does_not_hold"


@pytest.mark.parametrize(
    ("host", "changes", "why"),
    [
        (a_host(), {}, "machine"),
        (a_host(gpus=(Gpu(name="NVIDIA GeForce RTX 3090"),)), {}, "machine"),
        (RTX, {"engine": "llamacpp", "name": "DeepSeek-R1-Distill-Qwen-7B"}, "engine"),
        (RTX, {"concurrency": 8}, "load"),
    ],
)
def test_a_run_of_something_else_is_told_and_decides_nothing(host: Host, changes: dict[str, Any], why: str) -> None:
    found = _against(runs_of_7b(10.0, host, **changes))
    measured = [each for each in found.evidence if each.source == "measured"]
    assert [each.verdict for each in measured] == [None]
    assert why in measured[0].words
    assert found.verdict == "does_not_hold"


@pytest.mark.parametrize(
    ("metric", "claimed", "prompt", "decides"),
    [("ttft", "50-80 ms", 45, True), ("ttft", "50-80 ms", 4000, False), ("prefill", "900 tok/s", 4000, False),
     ("decode", "90-110 tok/s", 45, True), ("decode", "90-110 tok/s", 16_000, False)],
)  # fmt: skip
def test_a_run_of_a_prompt_of_another_length_decides_nothing(
    metric: str, claimed: str, prompt: int, decides: bool
) -> None:
    """The run's prompts have 40 tokens."""
    text = CLAIM.replace('"decode"', f'"{metric}"').replace("90-110 tok/s", claimed)
    head = f"[conditions]\nprompt_tokens = {prompt}\nanswer_tokens = 40\ncontext = 32768\n"
    (found,) = verify(parse_claims("mine.toml", HEAD + head + text), measured_cells(runs_of_7b(10.0, RTX)))
    (measured,) = [each for each in found.evidence if each.source == "measured"]
    assert (measured.verdict is not None) == decides
    assert ("unlike: length" in measured.words) != decides


@pytest.mark.parametrize("changes", [{"name": "deepseek-r1:14b-qwen-distill-q4_K_M"}, {"quant": "Q8_0"}])
def test_a_run_of_another_model_or_quantization_is_no_evidence_at_all(changes: dict[str, Any]) -> None:
    assert not [each for each in _against(runs_of_7b(10.0, RTX, **changes)).evidence if each.source == "measured"]


def test_the_measurements_in_the_package_are_those_of_the_fit_with_their_sources() -> None:
    assert TARGET.read_text(encoding="utf-8") == published_text()
    known = {chip.name for chip in chips()}
    with TARGET.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows())
    for row in rows():
        assert row.chip in known
        assert row.source
        assert find(row.model).short == row.model


def test_no_published_measurement_passes_the_bandwidth_limit() -> None:
    for row in rows():
        name = f"{row.gpus}x {row.chip}" if row.gpus > 1 else row.chip
        keys = {"hardware": name, "model": row.model, "quant": row.quant, "engine": "llamacpp"}
        found = one("decode", f"={row.decode_tps} tok/s", **keys)
        assert found.verdict != "impossible", row


@pytest.mark.parametrize(
    ("metric", "claimed", "keys", "verdict"),
    [
        ("gpu_memory", "48 GB", {"hardware": "cpu"}, "does_not_hold"),
        ("download_time", "0 s", {"model": "r1-7b", "quant": "Q8_0"}, "impossible"),
        ("weights", "0 GB", {"model": "r1-7b", "quant": "Q8_0"}, "does_not_hold"),
        ("accuracy_difference", ">=1 pp", {"items": 10_000_000, "samples": 10_000_000}, "cannot_check"),
        ("decode", "0 tok/s", {"hardware": "cpu", "model": "r1-671b", "quant": "4bit", "engine": "mlx"},
         "does_not_hold"),
        ("sum", "1 x", {"expression": "1 / (2 - 2)"}, "cannot_check"),
        ("break_even", "1 months", {"where": {"hardware_price": 5, "calls_per_day": 1, "tokens_out": 1,
                                              "api_output_price": 0}}, "impossible"),
        ("command", "works", {"command": "vllm serve x --gpu-memory-utilization NaN --max-model-len 9e9"},
         "cannot_check"),
        ("command", "works", {"command": "ollama run '"}, "cannot_check"),
        ("command", "works", {"command": "vllm serve"}, "cannot_check"),
        ("download_time", ">3 s", {"model": "r1-7b", "quant": "4bit"}, "cannot_check"),
        ("memory_size", "20-30 GB", {"hardware": "rtx-4090"}, "holds"),
        ("memory_size", "<=30 GB", {"hardware": "rtx-4090"}, "holds"),
        ("memory_size", ">=30 GB", {"hardware": "rtx-4090"}, "does_not_hold"),
        ("memory_size", "24 GiB", {"hardware": "rtx-4090"}, "holds"),
        ("gpu_memory", "36 GB", {"hardware": "m3-max-48gb"}, "holds"),
        ("gpu_memory", "<=30 GB", {"hardware": "m3-max-48gb"}, "does_not_hold"),
        ("gpu_memory", "10 GB", {"hardware": "m3-max-48gb"}, "does_not_hold"),
        ("price", "$3,999", {"hardware": "m3-ultra-96gb"}, "cannot_check"),
        ("price", "$3,999/Mtok", {"hardware": "m3-ultra-96gb"}, "cannot_check"),
        ("sum", "1 x", {"expression": "a * a * a * a * a * a * a * a * a * a * a", "where": {"a": 1e30}},
         "cannot_check"),
        ("sum", "1 x", {"expression": "a*a*a*a*a*a*a*a*a*a*a - a*a*a*a*a*a*a*a*a*a*a", "where": {"a": 1e30}},
         "cannot_check"),
        ("recommended", "none", {"hardware": "rtx-4090", "model": "r1-70b"}, "holds"),
        ("recommended", "none", {"hardware": "rtx-4090", "model": "r1-7b"}, "does_not_hold"),
    ],
)  # fmt: skip
def test_odd_but_well_formed_claims_are_judged(metric: str, claimed: str, keys: dict[str, Any], verdict: str) -> None:
    assert one(metric, claimed, **keys).verdict == verdict


CAPITAL = {"hardware": "rtx-4080", "command": "vllm serve deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"}


def test_that_a_name_exists_does_not_say_that_its_command_works_where_it_does_not_fit() -> None:
    """15.2 GB of weights and what vLLM works with are more than nine tenths of 16 GB."""
    found = one("command", "works", **CAPITAL)
    assert found.verdict == "does_not_hold"
    assert one("command", "works", **CAPITAL | {"hardware": "rtx-4090"}).verdict == "holds"
    pull = {"hardware": "m3-max-48gb", "command": "ollama pull deepseek-r1:70b-llama-distill-q4_K_M"}
    assert one("command", "works", **pull).verdict == "does_not_hold"
    assert one("command", "works", command=CAPITAL["command"]).verdict == "holds"


def test_devices_that_can_read_at_once_have_the_bandwidth_of_all() -> None:
    """Two GPUs of 1,008 GB/s and 41.9 GB a token: 24 tok/s one after the other, 48 where both read half at once."""
    both = {"hardware": "2x rtx-4090", "model": "r1-70b", "quant": "Q4_K_M"}
    assert one("decode", "30 tok/s", **both, engine="vllm").verdict != "impossible"
    assert one("decode", "30 tok/s", **both).verdict != "impossible"
    assert one("decode", "30 tok/s", **both, engine="ollama").verdict == "impossible"
    assert one("decode", "50 tok/s", **both, engine="vllm").verdict == "impossible"


def test_a_model_that_a_cache_may_hold_is_not_bound_by_the_memory_behind_it() -> None:
    small = {"hardware": "cpu:ddr5-5600-dual", "model": "smollm2-135m", "quant": "Q4_K_M", "engine": "llamacpp"}
    found = one("decode", "3000 tok/s", **small)
    assert found.verdict != "impossible"
    assert "cache" in found.evidence[0].words
    assert one("decode", "300 tok/s", **small | {"model": "r1-7b"}).verdict == "impossible"


def test_more_layers_than_there_are_mean_all_of_them() -> None:
    found = one("decode", "100 tok/s", **SUBJECT, gpu_layers=99)
    assert "99" not in " ".join(each.words for each in found.evidence)
    assert found.verdict == one("decode", "100 tok/s", **SUBJECT).verdict


def test_a_first_token_later_than_planned_is_open_at_that_end() -> None:
    keys = SUBJECT | {"hardware": "m3-max-48gb"}
    assert one("ttft", "100-150 ms", **keys).ends == {"low": "holds", "high": "cannot_check"}


def test_what_is_said_to_be_within_a_few_points_is_not_shown_by_six_answers() -> None:
    within = one("accuracy_difference", "<=3 pp", items=2, samples=3)
    assert within.verdict == "cannot_check"
    assert "only where they are equal" in within.evidence[0].words
    assert "up to 39 points" in within.evidence[0].words


@pytest.mark.parametrize(
    ("date", "claimed", "verdict"),
    [("2025-05", "$3,999", "holds"), ("2025-05", "$2,999", "does_not_hold"), ("2026-01", "$2,999", "cannot_check")],
)
def test_a_price_of_the_package_decides_only_within_half_a_year(date: str, claimed: str, verdict: str) -> None:
    body = (
        f'[[claims]]\nid = "a"\nstatement = "x"\nmetric = "price"\nhardware = "m3-ultra-96gb"\nclaimed = "{claimed}"\n'
    )
    (found,) = verify(parse_claims("mine.toml", HEAD.replace("2026-01", date) + body))
    assert found.verdict == verdict
    assert "(2025-03)" in found.evidence[0].words


def test_specifications_that_are_old_are_named_each_once() -> None:
    facts = 'statement = "x"\nmetric = "bandwidth"\nhardware = "rtx-4090"\nclaimed = "1,008 GB/s"\n'
    body = "".join(f'[[claims]]\nid = "{name}"\n{facts}' for name in "ab")
    dated = list(specifications_of(claims(body)))
    assert [each.of for each in dated] == ["RTX 4090"]
    note = old_note(dated, today="2030-01-01")
    assert note is not None
    assert "specification of RTX 4090" in note
