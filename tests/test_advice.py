"""Advice: what is taken for which machine and need, in which words, and what each sentence rests on."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.advice import RULES, Advice, Evidence, Load, Site, advise
from bakeoff.analysis.advice.evidence import Difference, Rate, evidence
from bakeoff.analysis.quality_pairs import Verdict
from bakeoff.cli.advise import command
from bakeoff.cli.main import main
from bakeoff.economics.inputs import Input
from bakeoff.economics.ranges import exactly
from bakeoff.hardware.catalogue import find_machine
from bakeoff.planning.choice import Needs
from bakeoff.planning.rows import Asked, plan
from bakeoff.planning.sources import sources_of
from bakeoff.report.advise import paragraph
from bakeoff.results.records import Figure, Model
from tests.hand_made import a_cell, a_host, a_run, a_trial

PAGE = (Path(__file__).parent.parent / "docs" / "advice.md").read_text(encoding="utf-8")
RATE = re.compile(r"\d[\d.]* \([\d.]+–[\d.]+\) tokens/s")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["advise", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def choice(document: dict[str, Any]) -> tuple[str, ...]:
    taken = document["choice"]
    return taken["hardware"], taken["model"], taken["quant"], taken["engine"]


# Golden: rates move with the fit of the planner, so their places are held and not their digits


def test_an_rtx_4090_takes_the_32b(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--on", "rtx-4090")
    text = re.sub(r"a pace of [\d.]+", "a pace of SO MANY", RATE.sub("RATE", found["advice"]))
    assert text == (
        "Take r1-32b at Q4_K_M with Ollama on RTX 4090: the largest that fits with 4,096 tokens of context and keeps "
        "10 tokens/s: RATE predicted. Q4_K_M loses least of what fits and keeps the pace: perplexity +1.2 %, as "
        "published. Ollama calls it deepseek-r1:32b-qwen-distill-q4_K_M; it offers these weights and is the least to "
        "set up. Set num_ctx 4096. It gives up r1-70b, which at Q4_K_M would do RATE, split between GPU and processor. "
        "What would change this: a pace of SO MANY tokens/s being enough (then r1-70b); a need for more than 17,152 "
        "tokens of context; a measurement there, by the script that 'bakeoff setup r1-32b@Q4_K_M --engine ollama' "
        "writes."
    )
    assert found["choice"]["settings"] == {"num_ctx": 4096}
    assert found["api"] is False


def test_an_m3_max_raises_its_limit_for_the_70b_and_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--on", "m3-max-48gb", "--need-tps", "5")
    assert choice(found) == ("Apple M3 Max 40c 48 GB", "r1-70b", "Q4_K_M", "ollama")
    limit = found["choice"]["settings"]["iogpu.wired_limit_mb"]
    assert f"sudo sysctl iogpu.wired_limit_mb={limit}" in found["advice"]
    assert "MLX, if 'bakeoff run mlx:r1-70b@4bit --pull' on it shows it faster" in found["advice"]


def test_an_m3_max_takes_the_32b_where_it_must_be_read_along_with(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--on", "m3-max-48gb", "--need-tps", "9.5")
    assert choice(found) == ("Apple M3 Max 40c 48 GB", "r1-32b", "Q6_K", "llamacpp")
    assert "Ollama does not offer these weights. Set -c 4096." in found["advice"]


def test_a_processor_of_two_cores_takes_the_smallest(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--on", "cpu:ddr4-2666x1", "--need-tps", "5")
    assert choice(found)[1:] == ("r1-1.5b", "Q8_0", "ollama")
    assert "Q8_0 loses nothing that shows by published perplexity; whether it answers otherwise than Q4_K_M, which "
    assert "would do as well, is not measured here" in found["advice"]


def test_where_nothing_keeps_the_pace_it_says_so_and_names_the_fastest(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "r1-32b", "r1-70b", "--on", "cpu:ddr5-5600x2")
    assert found["choice"]["model"] == "r1-32b"
    assert found["choice"]["keeps_pace"] is False
    assert "none of the models keeps 10 tokens/s" in found["advice"]
    assert "for work that can wait" in found["advice"]
    assert "keeps the pace" not in found["advice"]


def test_between_two_machines_the_faster_of_those_that_run_the_largest(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--on", "m3-max-48gb,rtx-4090", "--need-tps", "9.5")
    assert choice(found)[:2] == ("RTX 4090", "r1-32b")
    assert "Apple M3 Max 40c 48 GB would run r1-32b at Q6_K" in found["advice"]
    small = document(capsys, "r1-70b", "--on", "rtx-4090,m3-max-48gb", "--need-tps", "5")
    assert choice(small)[:2] == ("Apple M3 Max 40c 48 GB", "r1-70b")


def test_where_nothing_fits_nothing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "r1-671b", "--on", "rtx-4090")
    assert found["choice"] is None
    assert re.match(
        r"Take none of these on RTX 4090: .* The nearest, r1-671b at Q4_K_M, needs \d+ GB of", found["advice"]
    )
    assert found["sentences"][0]["rules"] == ["nothing_fits"]


def test_many_streams_on_nvidia_take_vllm_in_its_own_format(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "r1-7b", "--on", "rtx-4090", "--concurrency", "16", "--need-context", "2k")
    assert choice(found)[3] == "vllm"
    assert found["choice"]["settings"]["--max-model-len"] == 2048
    assert found["choice"]["settings"]["--max-num-seqs"] == 16
    assert "vllm_for_many" in found["rules"]


def test_the_context_is_called_as_plan_calls_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    needed, called = (document(capsys, "--on", "rtx-4090", name, "64k") for name in ("--need-context", "--context"))
    assert needed == called
    assert needed != document(capsys, "--on", "rtx-4090")


def test_many_streams_on_a_mac_take_llama_cpp_with_a_cache_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "r1-7b", "--on", "m3-max-48gb", "--concurrency", "8", "--need-context", "2k")
    assert choice(found)[3] == "llamacpp"
    assert found["choice"]["settings"] == {"-c": 16_384, "-np": 8}


LOAD = ("--on", "rtx-4090", "--tokens-out", "1000", "--api-output-price", "2.19", "--hardware-price", "3000")


def test_a_low_load_goes_to_the_api_where_privacy_is_no_issue(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, *LOAD, "--calls-per-day", "50", "--life-years", "4")
    assert found["api"] is True
    # 3,000 / (50 × 365.25 / 12 × 1,000 tokens × 2.19 / million) months are 75 years.
    assert (
        "Where privacy is no issue take the API: the hardware would pay for itself only after about 75 years"
        in (found["advice"])
    )
    assert "more calls a day" in found["advice"]


def test_without_a_life_given_hardware_is_taken_to_last_five_years(capsys: pytest.CaptureFixture[str]) -> None:
    """At 600 calls a day 75 months, at 1,000 45."""
    assert document(capsys, *LOAD, "--calls-per-day", "600")["api"] is True
    found = document(capsys, *LOAD, "--calls-per-day", "1000")
    assert found["api"] is False
    assert "pays for itself after about 4 years, if it lasts so long" in found["advice"]


def test_a_load_that_the_machine_cannot_do_goes_to_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, *LOAD, "--calls-per-day", "100000")
    assert found["api"] is True
    assert "cannot do the load" in found["advice"]
    assert "fewer calls a day" in found["advice"]
    assert "more calls a day" not in found["advice"]


def test_an_api_that_costs_nothing_is_not_turned_by_more_calls(capsys: pytest.CaptureFixture[str]) -> None:
    free = ("--on", "rtx-4090", "--tokens-out", "1000", "--api-output-price", "0", "--hardware-price", "3000")
    found = document(capsys, *free, "--calls-per-day", "100")
    assert found["api"] is True
    assert "a dearer API" in found["advice"]
    assert "more calls a day" not in found["advice"]


def test_a_break_even_without_electricity_says_that_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    load = (*LOAD, "--calls-per-day", "1000")
    assert "if it lasts so long (electricity is not in it)" in document(capsys, *load)["advice"]
    without = document(capsys, *LOAD[:-2], "--calls-per-day", "1000")
    assert "electricity" not in without["advice"]


@pytest.mark.parametrize(
    "arguments", [(), ("--concurrency", "16"), ("--need-tps", "60"), (*LOAD[2:], "--calls-per-day", "600")]
)
def test_every_number_of_a_sentence_is_among_its_inputs(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Numbers within names (r1-7b, Q8_0, m3-max-48gb, --max-model-len) and commands are no figures."""
    found = document(capsys, "--on", "rtx-4090,m3-max-48gb", *arguments)
    for sentence in found["sentences"]:
        told = [value for value in sentence["inputs"].values() if isinstance(value, (int, float))]
        for word in re.findall(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w-]|\.\d)", _without_names(sentence["text"])):
            number = float(word.replace(",", ""))
            scaled = [value / scale for value in told for scale in (1, 12, 1e9)]
            assert any(math.isclose(number, value, rel_tol=0.06) for value in scaled), (word, sentence)


def _without_names(text: str) -> str:
    names = r"'[^']*'|Apple M\d \w+ \w+ \d+ GB|RTX \d+|\S*[/:@]\S+|after '.*GB"
    return re.sub(names, "", text)


# What was measured here


MAC, NEEDS, ASKED = find_machine("m3-max-48gb"), Needs(), Asked()


def advised(*models: str, found: Evidence, load: Load | None = None) -> Advice:
    sources = [source for model in models for source in sources_of(model, ("Q4_K_M", "Q8_0", "4bit", "8bit"))]
    rows = plan(MAC, sources, ASKED, NEEDS)
    return advise([Site(machine=MAC, sources=sources, rows=rows, found=found)], ASKED, NEEDS, load)


def rate(engine: str, quant: str, tps: float) -> Rate:
    figure = Figure(point=tps, low=tps * 0.98, high=tps * 1.02)
    model = Model(name="DeepSeek-R1-Distill-Qwen-7B", quant=quant)
    return Rate(engine=engine, model=model, decode=figure, run=f"run-{engine}-{tps:g}")


def test_a_measured_rate_goes_before_a_predicted_one() -> None:
    """Measured at 8 tokens/s, Q8_0 is below the floor, whatever was predicted."""
    plain = advised("r1-7b", found=Evidence()).taken
    assert plain is not None
    assert plain.row.quant == "Q8_0"
    slow = advised("r1-7b", found=Evidence(rates=(rate("ollama", "Q8_0", 8.0),)))
    assert slow.taken is not None
    assert slow.taken.row.quant == "Q4_K_M"
    fast = advised("r1-7b", found=Evidence(rates=(rate("ollama", "Q8_0", 50.0),)))
    assert "measured_first" in fast.sentences[0].rules
    assert fast.sentences[0].sources == ("run run-ollama-50",)
    assert "tokens/s measured here" in fast.sentences[0].text
    other = advised("r1-7b", found=Evidence(rates=(rate("llamacpp", "Q8_0", 50.0),))).taken
    assert other is not None
    assert other.engine == "llamacpp", "the engine that was measured"


def test_mlx_is_taken_only_where_it_was_measured_faster() -> None:
    ollama, slower, faster = rate("ollama", "Q8_0", 30.0), rate("mlx", "8bit", 30.5), rate("mlx", "8bit", 36.0)
    for rates in ((ollama,), (faster,), (ollama, slower)):
        taken = advised("r1-7b", found=Evidence(rates=rates)).taken
        assert taken is not None
        assert taken.engine == "ollama"
    taken = advised("r1-7b", found=Evidence(rates=(ollama, faster))).taken
    assert taken is not None
    assert (taken.engine, taken.row.quant, taken.engine_rule) == ("mlx", "8bit", "mlx_where_measured")
    assert taken.name == "mlx-community/DeepSeek-R1-Distill-Qwen-7B-8bit"


@pytest.mark.parametrize(("verdict", "quant"), [("equivalent", "Q4_K_M"), ("worse", "Q8_0"),
                                                ("no_difference_seen", "Q8_0")])  # fmt: skip
def test_the_smaller_quantization_only_where_tasks_showed_it_as_good(verdict: Verdict, quant: str) -> None:
    name = "DeepSeek-R1-Distill-Qwen-7B"
    told = Difference(a=Model(name=name, quant="Q8_0"), b=Model(name=name, quant="Q4_K_M"), verdict=verdict, run="q1")
    came = advised("r1-7b", found=Evidence(differences=(told,)))
    assert came.taken is not None
    assert came.taken.row.quant == quant
    assert "q1" in " ".join(came.sentences[1].sources)


def test_a_rate_whose_interval_reaches_below_zero_still_tells_that_a_load_cannot_be_done() -> None:
    """At the most, 120 tokens/s, 20 million tokens a day take 46 hours."""
    wide = structs.replace(rate("ollama", "Q8_0", 50.0), decode=Figure(point=50.0, low=-20.0, high=120.0, n=2))
    given = {"calls_per_day": 20_000.0, "tokens_out": 1000.0, "api_output_price": 2.19, "hardware_price": 3000.0}
    case = {name: Input(value=exactly(value), source="given") for name, value in given.items()}
    came = advised("r1-7b", found=Evidence(rates=(wide,)), load=Load(case=case, currency="USD"))
    assert came.api
    assert any("this machine cannot do the load" in sentence.text for sentence in came.sentences)


def test_evidence_is_of_sound_cells_of_this_machine_alone() -> None:
    trials = [a_trial((100, 110, 120 + 0.1 * i)) for i in range(5)]
    run = a_run([a_cell(name="r1-7b", quant="Q8_0")], trials)
    assert [found.run for found in evidence([run], a_host()).rates] == [run.started.id]
    assert evidence([run], a_host(cpu="Another")).rates == ()
    scripted = structs.replace(run, cells=(a_cell(engine="scripted"),))
    assert evidence([scripted], a_host()).rates == ()


# What each sentence rests on, and the page


@pytest.mark.parametrize("arguments", [(), ("--concurrency", "16"), ("--need-tps", "5"), LOAD[2:]])
def test_every_sentence_has_rules_inputs_and_sources(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    found = document(capsys, "--on", "rtx-4090,m3-max-48gb", *arguments)
    for sentence in found["sentences"]:
        assert sentence["rules"]
        assert set(sentence["rules"]) <= set(RULES)
        assert sentence["inputs"]
        assert sentence["sources"]
    assert found["advice"] == " ".join(sentence["text"] for sentence in found["sentences"])


def test_explained_each_sentence_stands_over_its_rule_its_inputs_and_where_they_are_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["advise", "r1-7b", "--on", "rtx-4090", "--explain"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "rule largest_that_keeps_pace: " + RULES["largest_that_keeps_pace"] in text
    assert "need_tps = 10" in text
    assert "from: docs/prediction.md" in text


def test_the_page_lists_the_rules_in_order_word_for_word() -> None:
    rows = re.findall(r"^\| ([a-z0-9_]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert [row for row in rows if row[0] != "rule"] == list(RULES.items())


def test_the_page_names_only_options_that_there_are() -> None:
    ours = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= ours


def test_names_from_outside_are_plain_on_the_screen() -> None:
    came = advised("r1-7b", found=Evidence())
    odd = structs.replace(came, sentences=(structs.replace(came.sentences[0], text="a\x1b[31mb"),))
    assert "\x1b" not in paragraph(odd)


def test_what_is_old_of_hardware_and_prices_is_said_below_the_paragraph(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.hardware.dated.utc_now", lambda: "2030-01-01T00:00:00+00:00")
    arguments = (
        "r1-7b",
        "--on",
        "rtx-4090",
        "--calls-per-day",
        "9",
        "--tokens-out",
        "9",
        "--api",
        "deepseek:deepseek-chat",
    )
    notes = document(capsys, *arguments)["notes"]
    assert any("specification of RTX 4090" in note for note in notes)
    assert any("price of" in note for note in notes)
    assert main(["advise", *arguments]) == 0
    assert "· Older than 180 days" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--on", "rtx-4091"), "rtx-409"),
        (("r1-8", "--on", "rtx-4090"), "Did you mean"),
        (("--need-context", "many"), "is not a number of tokens"),
        (("--calls-per-day", "-3"), "calls-per-day"),
        (("--on", "rtx-4090", "--calls-per-day", "5", "--api-output-price", "2 EUR", "--tokens-out", "9"), "EUR"),
    ],
)
def test_bad_input_gets_a_sentence(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert main(["advise", *arguments]) != 0
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [("--on", "rtx-4090"), ("--on", "rtx-4090", "--concurrency", "16")])
def test_the_command_that_it_ends_with_is_one_that_works(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    (command,) = re.findall(r"script that 'bakeoff ([^']*)' writes", document(capsys, *arguments)["advice"])
    assert main([*command.split(), *arguments[:2]]) == 0
    assert capsys.readouterr().out.startswith("#!/usr/bin/env bash")
