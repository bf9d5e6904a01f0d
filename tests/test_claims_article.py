"""What the two files of claims in the package come to: every verdict, and the numbers that the findings rest on."""

from __future__ import annotations

import math
import re

import pytest

from bakeoff.analysis.claims.claims_file import read_claims
from bakeoff.analysis.claims.verdict import Checked
from bakeoff.analysis.claims.verify import verify

ARTICLE = {
    "impossible": """
        decode_4090_70b_q4 decode_m3_70b_q4 together_m3_70b together_4090_70b together_pcie train_hours
        train_answer train_graded train_wrong_answer train_trap accuracy_7b accuracy_14b vllm_14b vllm_smaller_share
        day_1000_4090_70b
    """,
    "does_not_hold": """
        size_671b_q4 half_byte_671b no_single_machine_671b licence_70b size_7b_f16 size_14b_f16 q8_is_half
        q4km_is_quarter size_14b_q8 size_70b_q4 disk_14b_q4 disk_70b_q4 largest_download kv_7b pool_m3
        fit_4090_14b_q8 fit_4090_70b_any contention_m3_14b_q8 fit_m3_70b_q4 only_option_70b decode_4090_7b_q4
        decode_m3_7b_q4 decode_4090_7b_q8 decode_4090_14b_q4 bottleneck_70b like_power_and_speed
        take_4090_14b take_m3_70b pull_7b_q4 pull_14b_q4 pull_7b_q8 pull_70b_q4 fetched_4090 fetched_m3
        python_versions method_prompt method_prompts method_prompt_text method_models method_engines
        method_recorded method_answers method_accuracy method_address like_api_and_local fetched_f16 vllm_version
        method_reported method_failures
    """,
    "cannot_check": """
        decode_4090_14b_q8 ttft_4090_7b_q4 mlx_gain vllm_modest first_minute power_4090 power_m3
        noise battery_70b q8_like_f16 q4km_good_enough cuda_toolkit method_mean code_average price_4090
        price_system price_mac accuracy_within q4_0_less_precise driver day_1000_m3_70b
    """,
    "holds": """
        long_m3_14b_q8 interactive_4090_14b_q8 take_4090_70b electricity_per_token
        parameters_671b least_671b_q4 sum_671b_q4 size_70b_f16 q4_0_is_like_q4km size_7b_q4 disk_7b_q4
        memory_4090_7b_q4 memory_m3_7b_q4 memory_4090 bandwidth_4090 memory_m3 cores_m3 bandwidth_m3
        bandwidth_m3_30c ratio_bandwidth fit_4090_7b_q4 fit_4090_7b_q8 fit_4090_14b_q4 fit_4090_70b_q4
        fit_m3_7b_q4 fit_m3_7b_q8 fit_m3_14b_q4 fit_m3_14b_q8 decode_m3_7b_q8 decode_m3_14b_q4 decode_m3_14b_q8
        ttft_m3_7b_q4 ttft_tighter ratio_7b_q4 two_to_three_7b_q4 two_to_three_7b_q8 two_to_three_14b_q4
        two_to_three_14b_q8 similar_14b proportional_q8 wins_every interactive_14b_q4 tokens_per_joule_4090
        tokens_per_joule_m3 efficiency_ratio power_fraction train_distance take_4090_7b take_m3_7b take_m3_14b vllm_7b
        mlx_7b method_warm rest_of_system value_24gb api_input api_output api_day api_month break_even_500
        break_even_1000
    """,
}
MACS = {
    "does_not_hold": """
        ram_q8 ram_f16 fit_16gb_q8 fit_32gb_f16
    """,
    "cannot_check": """
        m3_ultra_80c_256 m3_ultra_80c_512 m2_ultra_76c m3_ultra_60c m2_ultra_60c m1_ultra_64c m1_ultra_48c
    """,
    "holds": """
        ram_q4 ram_q5 fit_16gb_q4 fit_16gb_q5 fit_24gb_q8 fit_70b_48gb fit_70b_64gb m5_max_32c m5_max_on_par
        largest_is_tied
    """,
}
"""The ids of each verdict."""
CHECKED = {name: {each.claim.id: each for each in verify(read_claims(name))} for name in ("article", "apple-14b")}


@pytest.mark.parametrize(("name", "golden"), [("article", ARTICLE), ("apple-14b", MACS)])
def test_every_claim_has_the_verdict_that_it_had_when_each_was_looked_at(name: str, golden: dict[str, str]) -> None:
    wanted = {claim: verdict for verdict, claims in golden.items() for claim in claims.split()}
    assert {claim: each.verdict for claim, each in CHECKED[name].items()} == wanted


def of(claim: str, name: str = "article") -> Checked:
    return CHECKED[name][claim]


def words(claim: str, name: str = "article") -> str:
    return " | ".join(each.words for each in of(claim, name).evidence)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("train_answer", "= 75 km/h, not 72 km/h"),  # 120 / 60 + 180 / 90 = 4 h, 300 km / 4 h
        ("train_hours", "= 4 h, not 5 h"),
        ("train_trap", "= 0 km/h"),  # (60 + 90) / 2 is the right answer
        ("size_70b_q4", "42.5 GB"),  # published file of Llama 3.3 70B: 42,520,395,008 bytes
        ("size_7b_q4", "4.68 GB"),  # published file: 4,683,075,271 bytes
        ("disk_14b_q4", "8.99 GB"),  # published file: 8,988,112,040 bytes
        ("size_671b_q4", "404 GB"),  # Ollama's library: 404 GB
        ("size_7b_f16", "15.2 GB"),  # 7.62 B × 2
        ("q8_is_half", "8.50 / 16.00 bits = 0.531"),  # 32 weights in 34 bytes
        ("kv_7b", "0.117 GB; with 4 slots 0.470 GB"),  # 2 × 28 × 4 × 128 × 2 × 2048 = 117,440,512
        ("pool_m3", "of 48 GB the GPU may use 36.0 by default"),
        ("fit_m3_70b_q4", "41.9 GB, are more than the 38.7 GB it may use"),
        ("fit_m3_70b_q4", "sudo sysctl iogpu.wired_limit_mb"),
        ("fit_4090_14b_q8", "up to 45,824 tokens"),
        ("fit_4090_70b_any", "2.64 bits a weight"),
        ("only_option_70b", "2 × RTX 3090"),
        ("no_single_machine_671b", "405 GB of 412 GB"),
        ("decode_m3_70b_q4", "× 14 tok/s = 587 GB/s, of 410 GB/s that there are: at most 9.77 tok/s"),
        ("decode_m3_70b_q4", "7.65 tok/s with llama.cpp (llama-3-70b Q4_K_M, 2024-05)"),
        ("decode_4090_70b_q4", "24.6 GB at 90 GB/s: 275 ms"),
        ("decode_4090_70b_q4", "8 tok/s would need 228 GB/s of the host"),
        ("decode_4090_70b_q4", "41 of 80 layers that fit on the GPU at most 4.08 tok/s"),
        ("decode_4090_14b_q4", "92.5 tok/s with llama.cpp (r1-14b Q4_K_M"),
        ("together_m3_70b", "14 × 35 = 490 GB/s"),
        ("together_pcie", "3 × 0.6 × 35 = 63 GB/s"),
        ("bottleneck_70b", "GPU memory 17 ms, host memory 270 ms, PCIe 0.0026 ms"),
        ("vllm_14b", "29.5 GB"),
        ("vllm_7b", "17.6 GB; 90 % of the 25.8 GB of the RTX 4090 are 23.2 GB"),
        ("pull_7b_q4", "deepseek-r1:7b-qwen-distill-q4_K_M"),
        ("fetched_4090", "none fetches r1-14b Q8_0, r1-70b Q4_K_M"),
        ("python_versions", "only 3.10 to 3.11 meets both"),
        ("method_prompt", "in 2 of 3 runs"),
        ("method_warm", "from Ollama 0.6.7 on"),
        ("method_models", "the script runs 1"),
        ("method_engines", "no figure of vllm or mlx"),
        ("accuracy_7b", "6 answers a side: accuracies differ in steps of 16.7 points"),
        ("efficiency_ratio", "3.25 (1.91–5.83)"),
        ("tokens_per_joule_4090", "100 / 325 = 0.308 tok/J"),
        ("api_month", "= 32.9 USD/month"),
        ("break_even_500", "90 months"),
        ("break_even_500", "3,000 / (500 × 30.4375 days × 1,000 × 2.19 / 10⁶)"),
        ("break_even_500", "electricity is 2.57 (2.16–3.08) USD/month while it computes, and it takes 97.5 months"),
        ("day_1000_4090_70b", "= 50.5 (34.7–92.6) h"),  # a million tokens at 8 and at 3 tok/s
        ("electricity_per_token", "= 0.169"),  # 325 W / 100 tok/s = 3.25 J; × 10⁶ / 3.6 × 10⁶ J × 0.1872
        ("long_m3_14b_q8", "planned for Ollama: 9.25 tok/s"),
        ("method_reported", "without prompt rate"),
        ("vllm_version", "only 0.6.5 meets both"),
        ("break_even_1000", "45 months"),
        ("first_minute", "624 Mbit/s"),
        ("like_api_and_local", "r1-671b against r1-7b"),
        ("like_power_and_speed", "model (not told against r1-7b)"),
    ],
)
def test_a_finding_is_worked_out_in_numbers(claim: str, said: str) -> None:
    assert said in words(claim)


@pytest.mark.parametrize(
    ("claim", "low", "high"),
    [
        ("decode_m3_70b_q4", "holds", "impossible"),
        ("decode_4090_70b_q4", "holds", "impossible"),
        ("decode_m3_14b_q4", "does_not_hold", "holds"),
        ("decode_4090_14b_q8", "does_not_hold", "cannot_check"),
        ("decode_4090_7b_q4", "does_not_hold", "does_not_hold"),
    ],
)
def test_both_ends_of_a_range_are_judged_apart(claim: str, low: str, high: str) -> None:
    assert of(claim).ends == {"low": low, "high": high}


def test_no_evidence_is_without_words_and_every_open_claim_says_what_is_needed() -> None:
    for each in (each for one in CHECKED.values() for each in one.values()):
        assert all(one.words for one in each.evidence), each.claim.id
        assert bool(each.needed) == (each.verdict == "cannot_check"), each.claim.id
        assert each.evidence or each.claim.metric in ("words", "price"), each.claim.id


def test_impossible_is_said_by_arithmetic_alone() -> None:
    for each in (each for one in CHECKED.values() for each in one.values()):
        said = {one.source for one in each.evidence if one.verdict == "impossible"}
        assert said in (set(), {"arithmetic"}), each.claim.id
        assert bool(said) == (each.verdict == "impossible"), each.claim.id


def test_a_speed_that_no_engine_is_named_for_is_not_refuted_by_a_faster_one() -> None:
    slow = of("m3_ultra_80c_256", "apple-14b")
    assert slow.verdict == "cannot_check"
    assert "a slower one would explain it" in words("m3_ultra_80c_256", "apple-14b")


def test_every_figure_of_the_evidence_is_a_number() -> None:
    figures = [
        figure
        for one in CHECKED.values()
        for each in one.values()
        for evidence in each.evidence
        for figure in (evidence.low, evidence.point, evidence.high)
        if figure is not None
    ]
    assert len(figures) > 200
    assert not any(math.isnan(figure) for figure in figures)


@pytest.mark.parametrize("name", ["article", "apple-14b"])
def test_every_number_of_the_evidence_comes_with_its_formula_and_with_inputs_that_have_a_source(name: str) -> None:
    for each in CHECKED[name].values():
        for evidence in (one for one in each.evidence if re.search(r"\d", one.words)):
            about = f"{each.claim.id}: {evidence.words}"
            assert evidence.formula or evidence.reference, about
            assert evidence.given or evidence.reference, about
            assert all(given.value and given.source for given in evidence.given), about


@pytest.mark.parametrize("claim", ["decode_m3_7b_q4", "decode_4090_70b_q4"])
def test_a_planned_rate_is_the_sum_of_the_seconds_that_are_explained(claim: str) -> None:
    (planned,) = [each for each in of(claim).evidence if each.source == "predicted"]
    steps = [given.value for given in planned.given if given.source.startswith("fitted")]
    seconds = sum(float(value.split()[0]) * (1e-3 if value.split()[1] == "ms" else 1) for value in steps)
    assert 1 / seconds == pytest.approx(planned.point, rel=0.01)
